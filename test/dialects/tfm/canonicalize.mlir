// RUN: lathe-opt --canonicalize %s | FileCheck %s

// Two reshapes are one; back to the first type, none.
// CHECK-LABEL: func.func @reshapes
// CHECK-NEXT: %[[R:.*]] = tfm.reshape %arg0 : (tensor<2x3xf32>) -> tensor<6xf32>
// CHECK-NEXT: return %[[R]], %arg0
func.func @reshapes(%x: tensor<2x3xf32>) -> (tensor<6xf32>, tensor<2x3xf32>) {
  %0 = tfm.reshape %x : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = tfm.reshape %0 : (tensor<3x2xf32>) -> tensor<6xf32>
  %2 = tfm.reshape %0 : (tensor<3x2xf32>) -> tensor<2x3xf32>
  return %1, %2 : tensor<6xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: func.func @literal
// CHECK-NEXT: tfm.constant dense<{{\[\[}}1, 2], [3, 4]]> : tensor<2x2xi64>
func.func @literal() -> tensor<2x2xi64> {
  %0 = tfm.constant dense<[1, 2, 3, 4]> : tensor<4xi64>
  %1 = tfm.reshape %0 : (tensor<4xi64>) -> tensor<2x2xi64>
  return %1 : tensor<2x2xi64>
}

// CHECK-LABEL: func.func @transposes
// CHECK-NEXT: tfm.transpose %arg0 {permutation = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
// CHECK-NEXT: return %{{.*}}, %arg0
func.func @transposes(%x: tensor<2x3x4xf32>) -> (tensor<4x2x3xf32>, tensor<2x3x4xf32>) {
  %0 = tfm.transpose %x {permutation = array<i64: 0, 2, 1>} : (tensor<2x3x4xf32>) -> tensor<2x4x3xf32>
  %1 = tfm.transpose %0 {permutation = array<i64: 1, 0, 2>} : (tensor<2x4x3xf32>) -> tensor<4x2x3xf32>
  %2 = tfm.transpose %0 {permutation = array<i64: 0, 2, 1>} : (tensor<2x4x3xf32>) -> tensor<2x3x4xf32>
  return %1, %2 : tensor<4x2x3xf32>, tensor<2x3x4xf32>
}

// Moving a dimension of 1 moves no element.
// CHECK-LABEL: func.func @unit
// CHECK-NEXT: tfm.reshape %arg0 : (tensor<?x1x4xf32, #tfm.dims<batch, 1, 4>>) -> tensor<1x?x4xf32, #tfm.dims<1, batch, 4>>
func.func @unit(%x: tensor<?x1x4xf32, #tfm.dims<batch, 1, 4>>) -> tensor<1x?x4xf32, #tfm.dims<1, batch, 4>> {
  %0 = tfm.transpose %x {permutation = array<i64: 1, 0, 2>}
      : (tensor<?x1x4xf32, #tfm.dims<batch, 1, 4>>) -> tensor<1x?x4xf32, #tfm.dims<1, batch, 4>>
  return %0 : tensor<1x?x4xf32, #tfm.dims<1, batch, 4>>
}

// A square transpose keeps its type and moves elements.
// CHECK-LABEL: func.func @square
// CHECK-NEXT: tfm.transpose
func.func @square(%x: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %0 = tfm.transpose %x {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  return %0 : tensor<3x3xf32>
}

// CHECK-LABEL: func.func @nothing
// CHECK-NEXT: return %arg0, %arg0, %arg0
func.func @nothing(%x: tensor<?x4xf32, #tfm.dims<batch, 4>>)
    -> (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) {
  %0 = tfm.expand %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %1 = tfm.slice %x {starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>}
      : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %2 = tfm.concat %x {axis = 0 : i64} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  return %0, %1, %2
      : tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>
}

// A slice backwards over all elements is not nothing.
// CHECK-LABEL: func.func @reversed
// CHECK-NEXT: tfm.slice
func.func @reversed(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = tfm.slice %x {starts = #tfm.dims<3>, steps = array<i64: -1>} : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// What nothing reads goes; a requirement stays.
// CHECK-LABEL: func.func @dead
// CHECK-NEXT: tfm.require
// CHECK-NEXT: return
func.func @dead(%x: tensor<4xf32>) {
  tfm.require <a>, <b>, "equal"
  %0 = tfm.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return
}
