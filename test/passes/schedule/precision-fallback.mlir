// With the fallback CPUs compute in f32 what asks for tf32, and the report says so.
// RUN: lathe-opt --lathe-schedule-kernels="allow-fallback=true targets=x86-64-v4,x86-64-v3,cuda:sm_80" %s | FileCheck %s
// CHECK: tfm.precision = [{node = "/norm", precision = "f32", type = "LayerNormalization", why = ""}, {node = "/up", precision = "tf32", type = "MatMul", why = "f32 on x86-64-v4, x86-64-v3"}]
module attributes {tfm.precision = [{node = "/norm", precision = "f32", type = "LayerNormalization", why = ""}, {node = "/up", precision = "tf32", type = "MatMul", why = ""}]} {
  kernel.func @linear(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {precision = #tfm.precision<tf32>} : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    kernel.return %0 : tensor<3x5xf32>
  }
  func.func @main(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> {
    %0 = kernel.launch @linear(%x, %w) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    return %0 : tensor<3x5xf32>
  }
}
