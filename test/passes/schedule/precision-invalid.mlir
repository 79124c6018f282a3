// CPUs have no tf32.
// RUN: lathe-opt --lathe-schedule-kernels=targets=x86-64-v3 --verify-diagnostics %s
// RUN: lathe-opt --lathe-schedule-kernels=targets=cuda:sm_80 %s
module attributes {tfm.precision = [{node = "/up", precision = "tf32", type = "MatMul", why = ""}]} {
  kernel.func @linear(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> attributes {anchor = #kernel.anchor<contraction>} {
    // expected-error@+1 {{expected fp32, fp16 or bf16 on x86-64-v3, got tf32; hint: --precision=fp32, or --allow-fallback}}
    %0 = tfm.linear %x, %w {precision = #tfm.precision<tf32>} : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    kernel.return %0 : tensor<3x5xf32>
  }
  func.func @main(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> {
    %0 = kernel.launch @linear(%x, %w) : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32>
    return %0 : tensor<3x5xf32>
  }
}
