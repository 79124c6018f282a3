// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @contractions
func.func @contractions(%x: tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, %w: tensor<8x6xf32>, %t: tensor<6x8xf32>,
                        %b: tensor<6xf32>, %image: tensor<?x3x16x16xf32, #tfm.dims<batch, 3, 16, 16>>,
                        %filter: tensor<4x3x5x5xf32>, %i: tensor<2x3xui8>, %j: tensor<3x4xi8>) {
  // CHECK: tfm.linear %arg0, %arg1 : {{.*}} -> tensor<?x?x6xf32, #tfm.dims<batch, sequence, 6>>
  %0 = tfm.linear %x, %w : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<8x6xf32>)
      -> tensor<?x?x6xf32, #tfm.dims<batch, sequence, 6>>
  // CHECK: tfm.linear %arg0, %arg1 {activation = #tfm.dynamic_float<type = f8E4M3FN>} :
  %small = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<8x6xf32>)
    -> tensor<?x?x6xf32, #tfm.dims<batch, sequence, 6>>
  // CHECK: tfm.linear %arg0, %arg2 bias(%arg3) {transposed} :
  %1 = tfm.linear %x, %t bias(%b) {transposed}
      : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<6x8xf32>, tensor<6xf32>)
      -> tensor<?x?x6xf32, #tfm.dims<batch, sequence, 6>>
  // CHECK: tfm.matmul %{{.*}}, %{{.*}} {transpose_b} : {{.*}} -> tensor<?x?x?xf32, #tfm.dims<batch, sequence, sequence>>
  %2 = tfm.matmul %x, %x {transpose_b}
      : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>)
      -> tensor<?x?x?xf32, #tfm.dims<batch, sequence, sequence>>
  // CHECK: tfm.matmul %{{.*}}, %{{.*}} : (tensor<2x3xui8>, tensor<3x4xi8>) -> tensor<2x4xi32>
  %3 = tfm.matmul %i, %j : (tensor<2x3xui8>, tensor<3x4xi8>) -> tensor<2x4xi32>
  // CHECK: tfm.conv %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, pads = array<i64: 2, 2, 2, 2>, strides = array<i64: 4, 4>}
  %4 = tfm.conv %image, %filter {strides = array<i64: 4, 4>, pads = array<i64: 2, 2, 2, 2>, dilations = array<i64: 1, 1>}
      : (tensor<?x3x16x16xf32, #tfm.dims<batch, 3, 16, 16>>, tensor<4x3x5x5xf32>)
      -> tensor<?x4x4x4xf32, #tfm.dims<batch, 4, 4, 4>>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>,
                     %kv: tensor<?x?x4xf32, #tfm.dims<batch, past + sequence, 4>>,
                     %bias: tensor<?x1x1x?xf32, #tfm.dims<batch, 1, 1, past + sequence>>,
                     %padding: tensor<?x?xi1, #tfm.dims<batch, past + sequence>>) {
  // CHECK: tfm.attention %arg0, %arg1, %arg1 bias(%arg2) padding(%arg3) {causal, heads = 4 : i64, kv_heads = 2 : i64, masked_row = #tfm.masked_row<zero>, offset = #tfm.dims<past>, scale = 5.000000e-01 : f64, softcap = 3.000000e+01 : f64, window = 16 : i64}
  %0 = tfm.attention %q, %kv, %kv bias(%bias) padding(%padding)
      {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, causal, offset = #tfm.dims<past>, window = 16 : i64,
       softcap = 30.0 : f64, masked_row = #tfm.masked_row<zero>}
      : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<?x?x4xf32, #tfm.dims<batch, past + sequence, 4>>,
         tensor<?x?x4xf32, #tfm.dims<batch, past + sequence, 4>>,
         tensor<?x1x1x?xf32, #tfm.dims<batch, 1, 1, past + sequence>>,
         tensor<?x?xi1, #tfm.dims<batch, past + sequence>>) -> tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>
  // CHECK: tfm.attention %arg0, %arg1, %arg1 {heads
  %1 = tfm.attention %q, %kv, %kv {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>, tensor<?x?x4xf32, #tfm.dims<batch, past + sequence, 4>>,
         tensor<?x?x4xf32, #tfm.dims<batch, past + sequence, 4>>) -> tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>
  return
}

// CHECK-LABEL: func.func @others
func.func @others(%x: tensor<2x3x8xf32>, %g: tensor<8xf32>, %angles: tensor<1x3x2xf32>, %ids: tensor<2x3xi64>,
                  %table: tensor<5x8xf32>, %mask: tensor<2x3xf32>) {
  // CHECK: tfm.layer_norm %arg0 gain(%arg1) bias(%arg1) {epsilon = 9.9999999999999998E-13 : f64}
  %0 = tfm.layer_norm %x gain(%g) bias(%g) {epsilon = 1.0e-12 : f64} : (tensor<2x3x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  // CHECK: tfm.layer_norm %arg0 {epsilon = 1.000000e-05 : f64} : (tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %1 = tfm.layer_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  // CHECK: tfm.rms_norm %arg0 gain(%arg1) {epsilon = 1.000000e-05 : f64}
  %2 = tfm.rms_norm %x gain(%g) {epsilon = 1.0e-5 : f64} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  // CHECK: tfm.rotary %arg0, %arg2, %arg2 {heads = 2 : i64, interleaved}
  %3 = tfm.rotary %x, %angles, %angles {heads = 2 : i64, interleaved}
      : (tensor<2x3x8xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<2x3x8xf32>
  // CHECK: tfm.embedding %arg3, %arg4 : (tensor<2x3xi64>, tensor<5x8xf32>) -> tensor<2x3x8xf32>
  %4 = tfm.embedding %ids, %table : (tensor<2x3xi64>, tensor<5x8xf32>) -> tensor<2x3x8xf32>
  // CHECK: tfm.mean_pool %arg0, %arg5 {floor = 1.000000e-09 : f64} : (tensor<2x3x8xf32>, tensor<2x3xf32>) -> tensor<2x8xf32>
  %5 = tfm.mean_pool %x, %mask {floor = 1.0e-9 : f64} : (tensor<2x3x8xf32>, tensor<2x3xf32>) -> tensor<2x8xf32>
  // CHECK: tfm.l2_normalize %{{.*}} {floor = 9.9999999999999998E-13 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  %6 = tfm.l2_normalize %5 {floor = 1.0e-12 : f64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return
}
