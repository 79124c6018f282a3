// RUN: lathe-opt --lathe-convert-precision=precision=fp16 --split-input-file %s | FileCheck %s
// RUN: lathe-opt --lathe-convert-precision=precision=bf16 --split-input-file %s | FileCheck %s --check-prefix=BF16
// RUN: lathe-opt --lathe-convert-precision=precision=tf32 --split-input-file %s | FileCheck %s --check-prefix=TF32
// RUN: lathe-opt --lathe-convert-precision=precision=fp32 --split-input-file %s | FileCheck %s --check-prefix=FP32

// Weights and what ops pass on are 16 bits wide, inputs and outputs keep their types. The report names the ONNX nodes.
// CHECK: tfm.precision = [{node = "/up", precision = "f16", type = "MatMul", why = ""}]
// CHECK: tfm.weight @w.f16 : tensor<2x2xf16> = dense<{{\[\[}}1.000000e+00, -2.000000e+00], [9.997550e-02, 5.960460e-08]]>
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<3x2xf32>) -> tensor<3x2xf32>
// CHECK: %[[X16:.*]] = tfm.cast %[[X]] : (tensor<3x2xf32>) -> tensor<3x2xf16>
// CHECK: %[[W:.*]] = tfm.get @w.f16
// CHECK: %[[Y:.*]] = tfm.linear %[[X16]], %[[W]] : (tensor<3x2xf16>, tensor<2x2xf16>) -> tensor<3x2xf16>
// CHECK: %[[Z:.*]] = tfm.gelu %[[Y]] : (tensor<3x2xf16>) -> tensor<3x2xf16>
// CHECK: %[[OUT:.*]] = tfm.cast %[[Z]] : (tensor<3x2xf16>) -> tensor<3x2xf32>
// CHECK: return %[[OUT]]
// BF16: precision = "bf16"
// BF16: tfm.weight @w.bf16 : tensor<2x2xbf16> = dense<{{\[\[}}1.000000e+00, -2.000000e+00], [1.000980e-01, 5.960460e-08]]>
// BF16: tfm.linear {{.*}} -> tensor<3x2xbf16>
// TF32: tfm.precision = [{node = "/up", precision = "tf32", type = "MatMul", why = ""}]
// TF32: tfm.linear {{.*}} {precision = #tfm.precision<tf32>} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
// TF32-NEXT: tfm.gelu %{{.*}} : (tensor<3x2xf32>)
// FP32-NOT: tfm.precision
// FP32: tfm.linear %{{.*}}, %{{.*}} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
tfm.weight @w : tensor<2x2xf32> = dense<[[1.0, -2.0], [0.1, 5.9604645e-8]]> : tensor<2x2xf32>
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %w = tfm.get @w : tensor<2x2xf32>
  %y = tfm.linear %x, %w : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32> loc("/up"("MatMul"))
  %z = tfm.gelu %y : (tensor<3x2xf32>) -> tensor<3x2xf32>
  return %z : tensor<3x2xf32>
}

// -----

// Angles of positions stay f32: 16 bits have no 4097. They are rounded where a rotary embedding reads them.
// CHECK-LABEL: func.func @main(
// CHECK: %[[P:.*]] = tfm.cast %{{.*}} : (tensor<1x4x1xi64>) -> tensor<1x4x1xf32>
// CHECK: %[[A:.*]] = tfm.mul %[[P]], %{{.*}} : (tensor<1x4x1xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
// CHECK: %[[C:.*]] = tfm.cos %[[A]] : (tensor<1x4x2xf32>)
// CHECK: %[[C16:.*]] = tfm.cast %[[C]] : (tensor<1x4x2xf32>) -> tensor<1x4x2xf16>
// CHECK: tfm.rotary %{{.*}}, %[[C16]], %{{.*}} -> tensor<1x4x4xf16>
tfm.weight @frequencies : tensor<1x1x2xf32> = dense<[[[1.0, 0.01]]]> : tensor<1x1x2xf32>
func.func @main(%x: tensor<1x4x4xf32>, %p: tensor<1x4x1xi64>) -> tensor<1x4x4xf32> {
  %f = tfm.get @frequencies : tensor<1x1x2xf32>
  %position = tfm.cast %p : (tensor<1x4x1xi64>) -> tensor<1x4x1xf32>
  %a = tfm.mul %position, %f : (tensor<1x4x1xf32>, tensor<1x1x2xf32>) -> tensor<1x4x2xf32>
  %c = tfm.cos %a : (tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  %s = tfm.sin %a : (tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  %y = tfm.rotary %x, %c, %s {heads = 1 : i64} : (tensor<1x4x4xf32>, tensor<1x4x2xf32>, tensor<1x4x2xf32>) -> tensor<1x4x4xf32>
  return %y : tensor<1x4x4xf32>
}

// -----

// A mask that pooling multiplies by is cast from integers at once, so that what isn't 0 is seen not to become 0.
// CHECK-LABEL: func.func @main(
// CHECK: %[[M:.*]] = tfm.cast %arg1 : (tensor<1x4xi64>) -> tensor<1x4xf16>
// CHECK: tfm.mean_pool %{{.*}}, %[[M]]
func.func @main(%x: tensor<1x4x8xf32>, %m: tensor<1x4xi64>) -> tensor<1x8xf32> {
  %mask = tfm.cast %m : (tensor<1x4xi64>) -> tensor<1x4xf32>
  %y = tfm.mean_pool %x, %mask {floor = 1.0e-9 : f64} : (tensor<1x4x8xf32>, tensor<1x4xf32>) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}

// -----

// What a mask chooses saturates; a scale that 16 bits can't hold is multiplied by in f32, and the product rounded.
// CHECK-LABEL: func.func @main(
// CHECK: %[[S:.*]] = tfm.select %{{.*}}, %{{.*}}, %{{.*}} : (tensor<1x4xi1>, tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
// CHECK: %[[LOW:.*]] = tfm.constant dense<-6.550400e+04> : tensor<f32>
// CHECK: %[[L:.*]] = tfm.maximum %[[S]], %[[LOW]]
// CHECK: %[[HIGH:.*]] = tfm.constant dense<6.550400e+04> : tensor<f32>
// CHECK: %[[H:.*]] = tfm.minimum %[[L]], %[[HIGH]]
// CHECK: %[[S16:.*]] = tfm.cast %[[H]] : (tensor<1x4xf32>) -> tensor<1x4xf16>
// CHECK: %[[P:.*]] = tfm.softmax %[[S16]]
// CHECK: tfm.mul %{{.*}}, %{{.*}} : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
func.func @main(%x: tensor<1x4xf32>, %m: tensor<1x4xi1>) -> tensor<1x4xf32> {
  %fill = tfm.constant dense<-3.40282347e+38> : tensor<f32>
  %scale = tfm.constant dense<1.0e+06> : tensor<f32>
  %s = tfm.select %m, %x, %fill : (tensor<1x4xi1>, tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %p = tfm.softmax %s {axis = 1 : i64} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %y = tfm.mul %p, %scale : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %z = tfm.neg %y : (tensor<1x4xf32>) -> tensor<1x4xf32>
  return %z : tensor<1x4xf32>
}

// -----

// An attention's bias may stay f32.
// CHECK-LABEL: func.func @main(
// CHECK: %[[B:.*]] = tfm.mul %{{.*}}, %{{.*}} : (tensor<1x1x1x2xf32>, tensor<f32>) -> tensor<1x1x1x2xf32>
// CHECK: tfm.attention %[[Q:.*]], %[[Q]], %[[Q]] bias(%[[B]]) {{.*}} : (tensor<1x2x4xf16>, tensor<1x2x4xf16>, tensor<1x2x4xf16>, tensor<1x1x1x2xf32>) -> tensor<1x2x4xf16>
func.func @main(%x: tensor<1x2x4xf32>, %m: tensor<1x1x1x2xi64>) -> tensor<1x2x4xf32> {
  %fill = tfm.constant dense<-3.40282347e+38> : tensor<f32>
  %mask = tfm.cast %m : (tensor<1x1x1x2xi64>) -> tensor<1x1x1x2xf32>
  %bias = tfm.mul %mask, %fill : (tensor<1x1x1x2xf32>, tensor<f32>) -> tensor<1x1x1x2xf32>
  %y = tfm.attention %x, %x, %x bias(%bias) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x1x1x2xf32>) -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}

// -----

// Random weights stay random; integers and what isn't f32 in the model stay as they are.
// CHECK: tfm.weight @r.f16 : tensor<4x4xf16> = #tfm.random<7, 1, 5.000000e-01 : f32>
// CHECK-LABEL: func.func @main(
// CHECK: tfm.mul %arg1, %arg1 : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
// CHECK: tfm.exp %arg2 : (tensor<4xf64>) -> tensor<4xf64>
// CHECK: tfm.cast %{{.*}} : (tensor<4xf64>) -> tensor<4xf16>
tfm.weight @r : tensor<4x4xf32> = #tfm.random<7, 1, 0.5 : f32>
func.func @main(%x: tensor<1x4xf32>, %i: tensor<4xi64>, %d: tensor<4xf64>) -> (tensor<1x4xf32>, tensor<4xi64>) {
  %r = tfm.get @r : tensor<4x4xf32>
  %j = tfm.mul %i, %i : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  %e = tfm.exp %d : (tensor<4xf64>) -> tensor<4xf64>
  %f = tfm.cast %e : (tensor<4xf64>) -> tensor<4xf32>
  %y = tfm.linear %x, %r bias(%f) : (tensor<1x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  return %y, %j : tensor<1x4xf32>, tensor<4xi64>
}
