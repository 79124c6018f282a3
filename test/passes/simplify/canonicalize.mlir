// RUN: lathe-opt --split-input-file --lathe-canonicalize %s | FileCheck %s --enable-var-scope

// CHECK-LABEL: func.func @neutral
// CHECK-SAME: %[[X:.+]]: tensor<2x3xf32>
// CHECK-NEXT: return %[[X]]
func.func @neutral(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %zero = tfm.constant dense<0.0> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<3xf32>
  %a = tfm.add %zero, %x : (tensor<f32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = tfm.mul %a, %one : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %c = tfm.neg %b : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %d = tfm.neg %c : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %d : tensor<2x3xf32>
}

// -----

// 0 - x and 1 / x are something else.
// CHECK-LABEL: func.func @not_neutral
// CHECK: tfm.sub
// CHECK: tfm.div
func.func @not_neutral(%x: tensor<2xf32>) -> tensor<2xf32> {
  %zero = tfm.constant dense<0.0> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<f32>
  %a = tfm.sub %zero, %x : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %b = tfm.div %one, %a : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}

// -----

// A cast that loses nothing goes; i64 to f32 to i64 does lose.
// CHECK-LABEL: func.func @casts
// CHECK-SAME: %[[B:.+]]: tensor<2xi1>, %[[I:.+]]: tensor<2xi64>
// CHECK: %[[A:.+]] = tfm.cast %[[B]] : (tensor<2xi1>) -> tensor<2xf32>
// CHECK: %[[F:.+]] = tfm.cast %[[I]] : (tensor<2xi64>) -> tensor<2xf32>
// CHECK: %[[G:.+]] = tfm.cast %[[F]] : (tensor<2xf32>) -> tensor<2xi64>
// CHECK: return %[[A]], %[[G]]
func.func @casts(%b: tensor<2xi1>, %i: tensor<2xi64>) -> (tensor<2xf32>, tensor<2xi64>) {
  %0 = tfm.cast %b : (tensor<2xi1>) -> tensor<2xi64>
  %1 = tfm.cast %0 : (tensor<2xi64>) -> tensor<2xf32>
  %2 = tfm.cast %i : (tensor<2xi64>) -> tensor<2xf32>
  %3 = tfm.cast %2 : (tensor<2xf32>) -> tensor<2xi64>
  return %1, %3 : tensor<2xf32>, tensor<2xi64>
}

// -----

// CHECK-LABEL: func.func @bools
// CHECK-SAME: %[[C:.+]]: tensor<2xi1>, %[[X:.+]]: tensor<2xf32>, %[[Y:.+]]: tensor<2xf32>
// CHECK: %[[S:.+]] = tfm.select %[[C]], %[[Y]], %[[X]]
// CHECK: return %[[S]]
func.func @bools(%c: tensor<2xi1>, %x: tensor<2xf32>, %y: tensor<2xf32>) -> tensor<2xf32> {
  %zero = tfm.constant dense<0> : tensor<i64>
  %0 = tfm.cast %c : (tensor<2xi1>) -> tensor<2xi64>
  %1 = tfm.compare <eq> %0, %zero : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
  %2 = tfm.select %1, %x, %y : (tensor<2xi1>, tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}

// -----

// An expand folds into what broadcasts anyway; one that makes the result as large as it is goes behind.
// CHECK-LABEL: func.func @expands
// CHECK-SAME: %[[X:.+]]: tensor<4x3xf32>, %[[Y:.+]]: tensor<1x3xf32>
// CHECK: %[[A:.+]] = tfm.add %[[X]], %[[Y]]
// CHECK: %[[S:.+]] = tfm.exp %[[Y]] : (tensor<1x3xf32>) -> tensor<1x3xf32>
// CHECK: %[[E:.+]] = tfm.expand %[[S]]
// CHECK: return %[[A]], %[[E]]
func.func @expands(%x: tensor<4x3xf32>, %y: tensor<1x3xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %0 = tfm.expand %y : (tensor<1x3xf32>) -> tensor<4x3xf32>
  %1 = tfm.add %x, %0 : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  %2 = tfm.exp %0 : (tensor<4x3xf32>) -> tensor<4x3xf32>
  return %1, %2 : tensor<4x3xf32>, tensor<4x3xf32>
}

// -----

// The three parts of a packed projection: slices reach the source through reshape, transpose and gather.
// CHECK-LABEL: func.func @packed
// CHECK-SAME: %[[X:.+]]: tensor<2x5x24xf32>
// CHECK: %[[S:.+]] = tfm.slice %[[X]] {starts = #tfm.dims<0, 0, 8>, steps = array<i64: 1, 1, 1>} : (tensor<2x5x24xf32>) -> tensor<2x5x8xf32>
// CHECK: %[[R:.+]] = tfm.reshape %[[S]] : (tensor<2x5x8xf32>) -> tensor<2x5x2x4xf32>
// CHECK: %[[T:.+]] = tfm.transpose %[[R]] {permutation = array<i64: 0, 2, 1, 3>}
// CHECK: return %[[T]]
func.func @packed(%x: tensor<2x5x24xf32>) -> tensor<2x2x5x4xf32> {
  %one = tfm.constant dense<1> : tensor<i64>
  %0 = tfm.reshape %x : (tensor<2x5x24xf32>) -> tensor<2x5x3x2x4xf32>
  %1 = tfm.transpose %0 {permutation = array<i64: 2, 0, 3, 1, 4>} : (tensor<2x5x3x2x4xf32>) -> tensor<3x2x2x5x4xf32>
  %2 = tfm.gather %1, %one {axis = 0 : i64} : (tensor<3x2x2x5x4xf32>, tensor<i64>) -> tensor<2x2x5x4xf32>
  return %2 : tensor<2x2x5x4xf32>
}

// -----

// A slice of one input of a concat; one that straddles two stays.
// CHECK-LABEL: func.func @slices
// CHECK-SAME: %[[X:.+]]: tensor<2x3xf32>, %[[Y:.+]]: tensor<2x3xf32>
// CHECK: tfm.concat
// CHECK: %[[S:.+]] = tfm.slice
// CHECK: return %[[Y]], %[[S]]
func.func @slices(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x2xf32>) {
  %0 = tfm.concat %x, %y {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x6xf32>
  %1 = tfm.slice %0 {starts = #tfm.dims<0, 3>, steps = array<i64: 1, 1>} : (tensor<2x6xf32>) -> tensor<2x3xf32>
  %2 = tfm.slice %0 {starts = #tfm.dims<0, 2>, steps = array<i64: 1, 1>} : (tensor<2x6xf32>) -> tensor<2x2xf32>
  return %1, %2 : tensor<2x3xf32>, tensor<2x2xf32>
}

// -----

// CHECK-LABEL: func.func @requires
// CHECK-COUNT-1: tfm.require <a>, <b>
// CHECK-NOT: tfm.require
func.func @requires() {
  tfm.require <a>, <b>, "first"
  tfm.require <b>, <a>, "second"
  tfm.require <a>, <a>, "third"
  return
}
