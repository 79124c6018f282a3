// RUN: lathe-opt --lathe-convert-precision="precision=fp16 allow-fallback=true" --split-input-file %s | FileCheck %s
// RUN: lathe-opt --lathe-convert-precision=precision=bf16 --split-input-file %s | FileCheck %s --check-prefix=BF16

// A weight beyond the range. With the fallback its reader is f32, and so is its result.
// CHECK-LABEL: func.func @main(
// CHECK: tfm.linear %arg0, %{{.*}} : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
// BF16-LABEL: func.func @main(
// BF16: tfm.linear {{.*}} -> tensor<1x1xbf16>
tfm.weight @big : tensor<2x1xf32> = dense<[[1.0], [7.0e+04]]> : tensor<2x1xf32>
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = tfm.get @big : tensor<2x1xf32>
  %y = tfm.linear %x, %w : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// -----

// A sum that can't be within the range.
// CHECK-LABEL: func.func @main(
// CHECK: tfm.add {{.*}} -> tensor<2xf32>
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = tfm.constant dense<1.0e+06> : tensor<f32>
  %y = tfm.add %x, %c : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// What keeps a divisor from 0 would be 0. With the fallback the sum is f32, and so is what divides by it.
// CHECK-LABEL: func.func @main(
// CHECK: %[[D:.*]] = tfm.add {{.*}} -> tensor<2xf32>
// CHECK: %[[Q:.*]] = tfm.div %{{.*}}, %[[D]] : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
// CHECK: %[[Q16:.*]] = tfm.cast %[[Q]] : (tensor<2xf32>) -> tensor<2xf16>
// CHECK: tfm.neg %[[Q16]]
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = tfm.constant dense<1.0e-12> : tensor<f32>
  %a = tfm.abs %x : (tensor<2xf32>) -> tensor<2xf32>
  %d = tfm.add %a, %c : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %q = tfm.div %x, %d : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %y = tfm.neg %q : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
