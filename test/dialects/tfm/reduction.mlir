// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @reduce
func.func @reduce(%x: tensor<?x3x4xf32, #tfm.dims<batch, 3, 4>>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>> {
  // CHECK: tfm.reduce_sum %{{.*}} {axes = array<i64: 2>} : {{.*}} -> tensor<?x3x1xf32, #tfm.dims<batch, 3, 1>>
  %0 = tfm.reduce_sum %x {axes = array<i64: 2>}
      : (tensor<?x3x4xf32, #tfm.dims<batch, 3, 4>>) -> tensor<?x3x1xf32, #tfm.dims<batch, 3, 1>>
  // CHECK: tfm.reduce_mean %{{.*}} {axes = array<i64: 0, 1>} : {{.*}} -> tensor<1x1x4xf32>
  %1 = tfm.reduce_mean %x {axes = array<i64: 0, 1>} : (tensor<?x3x4xf32, #tfm.dims<batch, 3, 4>>) -> tensor<1x1x4xf32>
  // CHECK: tfm.reduce_max %{{.*}} {axes = array<i64: 1>}
  %2 = tfm.reduce_max %0 {axes = array<i64: 1>}
      : (tensor<?x3x1xf32, #tfm.dims<batch, 3, 1>>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
  // CHECK: tfm.reduce_min %{{.*}} {axes = array<i64>}
  %3 = tfm.reduce_min %2 {axes = array<i64>}
      : (tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
  // CHECK: tfm.reduce_prod %{{.*}} {axes = array<i64: 1>}
  %4 = tfm.reduce_prod %3 {axes = array<i64: 1>}
      : (tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
  return %4 : tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
}

// CHECK-LABEL: func.func @along
func.func @along(%x: tensor<3x4xf32>) -> (tensor<1x4xi64>, tensor<3x1xi64>, tensor<3x4xf32>, tensor<3x4xf32>) {
  // CHECK: tfm.arg_max %{{.*}} {axis = 0 : i64, last = true} : (tensor<3x4xf32>) -> tensor<1x4xi64>
  %0 = tfm.arg_max %x {axis = 0 : i64, last = true} : (tensor<3x4xf32>) -> tensor<1x4xi64>
  // CHECK: tfm.arg_min %{{.*}} {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x1xi64>
  %1 = tfm.arg_min %x {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x1xi64>
  // CHECK: tfm.softmax %{{.*}} {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %2 = tfm.softmax %x {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  // CHECK: tfm.cumsum %{{.*}} {axis = 0 : i64, exclusive = true, reverse = true} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = tfm.cumsum %x {axis = 0 : i64, exclusive = true, reverse = true} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0, %1, %2, %3 : tensor<1x4xi64>, tensor<3x1xi64>, tensor<3x4xf32>, tensor<3x4xf32>
}
