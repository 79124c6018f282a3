// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// CHECK: tfm.weight @table
tfm.weight @table : tensor<5x4xf32> = #tfm.blob<"00">

// CHECK-LABEL: func.func @sources
func.func @sources() -> (tensor<5x4xf32>, tensor<2xf32>, tensor<2xi64>, tensor<i64>, tensor<?xi64, #tfm.dims<sequence>>) {
  // CHECK: tfm.get @table : tensor<5x4xf32>
  %0 = tfm.get @table : tensor<5x4xf32>
  // CHECK: tfm.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  %1 = tfm.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: tfm.extent <batch, 2*sequence> : tensor<2xi64>
  %2 = tfm.extent <batch, sequence + sequence> : tensor<2xi64>
  // CHECK: tfm.extent <batch> : tensor<i64>
  %3 = tfm.extent <batch> : tensor<i64>
  // CHECK: tfm.iota <past> step -1 : tensor<?xi64, #tfm.dims<sequence>>
  %4 = tfm.iota <past> step -1 : tensor<?xi64, #tfm.dims<sequence>>
  // CHECK: tfm.require <batch, sequence>, <rows, past + 1>, "one batch"
  tfm.require <batch, sequence>, <rows, past + 1>, "one batch"
  return %0, %1, %2, %3, %4
      : tensor<5x4xf32>, tensor<2xf32>, tensor<2xi64>, tensor<i64>, tensor<?xi64, #tfm.dims<sequence>>
}

// CHECK-LABEL: func.func @movement
func.func @movement(%x: tensor<?x6xf32, #tfm.dims<batch, 6>>, %zero: tensor<f32>) {
  // CHECK: tfm.reshape %{{.*}} : {{.*}} -> tensor<?x2x3xf32, #tfm.dims<batch, 2, 3>>
  %0 = tfm.reshape %x : (tensor<?x6xf32, #tfm.dims<batch, 6>>) -> tensor<?x2x3xf32, #tfm.dims<batch, 2, 3>>
  // CHECK: tfm.transpose %{{.*}} {permutation = array<i64: 2, 0, 1>} : {{.*}} -> tensor<3x?x2xf32, #tfm.dims<3, batch, 2>>
  %1 = tfm.transpose %0 {permutation = array<i64: 2, 0, 1>}
      : (tensor<?x2x3xf32, #tfm.dims<batch, 2, 3>>) -> tensor<3x?x2xf32, #tfm.dims<3, batch, 2>>
  // CHECK: tfm.expand %{{.*}} : {{.*}} -> tensor<5x3x?x2xf32, #tfm.dims<5, 3, batch, 2>>
  %2 = tfm.expand %1 : (tensor<3x?x2xf32, #tfm.dims<3, batch, 2>>) -> tensor<5x3x?x2xf32, #tfm.dims<5, 3, batch, 2>>
  // CHECK: tfm.slice %{{.*}} {starts = #tfm.dims<0, 5>, steps = array<i64: 1, -2>} : {{.*}} -> tensor<?x3xf32, #tfm.dims<batch, 3>>
  %3 = tfm.slice %x {starts = #tfm.dims<0, 5>, steps = array<i64: 1, -2>}
      : (tensor<?x6xf32, #tfm.dims<batch, 6>>) -> tensor<?x3xf32, #tfm.dims<batch, 3>>
  // CHECK: tfm.concat %{{.*}}, %{{.*}} {axis = 1 : i64} : {{.*}} -> tensor<?x9xf32, #tfm.dims<batch, 9>>
  %4 = tfm.concat %x, %3 {axis = 1 : i64}
      : (tensor<?x6xf32, #tfm.dims<batch, 6>>, tensor<?x3xf32, #tfm.dims<batch, 3>>) -> tensor<?x9xf32, #tfm.dims<batch, 9>>
  // CHECK: tfm.pad %{{.*}}, %{{.*}} {high = #tfm.dims<past, 0>, low = #tfm.dims<0, 2>} : {{.*}} -> tensor<?x11xf32, #tfm.dims<batch + past, 11>>
  %5 = tfm.pad %4, %zero {low = #tfm.dims<0, 2>, high = #tfm.dims<past, 0>}
      : (tensor<?x9xf32, #tfm.dims<batch, 9>>, tensor<f32>) -> tensor<?x11xf32, #tfm.dims<batch + past, 11>>
  return
}

// CHECK-LABEL: func.func @indexed
func.func @indexed(%d: tensor<4x5xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>, %t: tensor<6x2xi64>, %v: tensor<6xf32>) {
  // CHECK: tfm.gather %{{.*}} {axis = 1 : i64} : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<4x2x3xf32>
  %0 = tfm.gather %d, %i {axis = 1 : i64} : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<4x2x3xf32>
  // CHECK: tfm.gather_elements %{{.*}} {axis = 0 : i64} : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  %1 = tfm.gather_elements %d, %i {axis = 0 : i64} : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  // CHECK: tfm.gather_nd %{{.*}} : (tensor<4x5xf32>, tensor<6x2xi64>) -> tensor<6xf32>
  %2 = tfm.gather_nd %d, %t : (tensor<4x5xf32>, tensor<6x2xi64>) -> tensor<6xf32>
  // CHECK: tfm.scatter_elements %{{.*}} {accumulate = #tfm.accumulate<add>, axis = 1 : i64}
  %3 = tfm.scatter_elements %d, %i, %u {axis = 1 : i64, accumulate = #tfm.accumulate<add>}
      : (tensor<4x5xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<4x5xf32>
  // CHECK: tfm.scatter_nd %{{.*}} : (tensor<4x5xf32>, tensor<6x2xi64>, tensor<6xf32>) -> tensor<4x5xf32>
  %4 = tfm.scatter_nd %d, %t, %v : (tensor<4x5xf32>, tensor<6x2xi64>, tensor<6xf32>) -> tensor<4x5xf32>
  return
}
