// RUN: lathe-opt --lathe-fold-constants --split-input-file %s | FileCheck %s

// A chain of small constants is one literal.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT: %[[C:.*]] = tfm.constant dense<[5.000000e+00, 7.000000e+00]>
// CHECK-NEXT: tfm.add %arg0, %[[C]]
// CHECK-NEXT: return
func.func @chain(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = tfm.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %two = tfm.constant dense<2.0> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<f32>
  %b = tfm.mul %a, %two : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %c = tfm.add %b, %one : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %d = tfm.add %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %d : tensor<2xf32>
}

// -----

// Booleans take a byte in the reference and stay what they are as literals.
// CHECK-LABEL: func.func @boolean
// CHECK: tfm.constant dense<[true, false, true]>
func.func @boolean() -> tensor<3xi1> {
  %a = tfm.iota <0> step 1 : tensor<3xi64>
  %one = tfm.constant dense<1> : tensor<i64>
  %b = tfm.compare <ne> %a, %one : (tensor<3xi64>, tensor<i64>) -> tensor<3xi1>
  return %b : tensor<3xi1>
}

// -----

// A large result is a weight, named after the one that it comes from, which goes when nothing else reads it.
// CHECK-NOT: @table :
// CHECK: tfm.weight @table.mul : tensor<40x32xf32> = #tfm.blob<"{{[0-9a-f]+}}"> {origin = "embeddings.table"}
// CHECK-NOT: tfm.weight @table
// CHECK-LABEL: func.func @weight
// CHECK-NEXT: %[[W:.*]] = tfm.get @table.mul
// CHECK-NEXT: return %[[W]]
tfm.weight @table : tensor<40x32xf32> = #tfm.random<1, 2, 0.02 : f32> {origin = "embeddings.table"}
func.func @weight() -> tensor<40x32xf32> {
  %w = tfm.get @table : tensor<40x32xf32>
  %two = tfm.constant dense<2.0> : tensor<f32>
  %a = tfm.mul %w, %two : (tensor<40x32xf32>, tensor<f32>) -> tensor<40x32xf32>
  %b = tfm.mul %a, %two : (tensor<40x32xf32>, tensor<f32>) -> tensor<40x32xf32>
  return %b : tensor<40x32xf32>
}

// -----

// A reshaped weight has the same bytes.
// CHECK: tfm.weight @w.reshape : tensor<32x40xf32> = #tfm.random<1, 2,
// CHECK-LABEL: func.func @reshaped
// CHECK-NEXT: tfm.get @w.reshape
tfm.weight @w : tensor<40x32xf32> = #tfm.random<1, 2, 0.02 : f32>
func.func @reshaped() -> tensor<32x40xf32> {
  %w = tfm.get @w : tensor<40x32xf32>
  %a = tfm.reshape %w : (tensor<40x32xf32>) -> tensor<32x40xf32>
  return %a : tensor<32x40xf32>
}

// -----

// A transpose makes no second copy of a weight that is also used as it is.
// CHECK: tfm.weight @w :
// CHECK-NOT: tfm.weight
// CHECK-LABEL: func.func @tied
// CHECK: tfm.transpose
tfm.weight @w : tensor<40x32xf32> = #tfm.random<1, 2, 0.02 : f32>
func.func @tied(%ids: tensor<3xi64>) -> (tensor<3x32xf32>, tensor<32x40xf32>) {
  %w = tfm.get @w : tensor<40x32xf32>
  %e = tfm.embedding %ids, %w : (tensor<3xi64>, tensor<40x32xf32>) -> tensor<3x32xf32>
  %t = tfm.transpose %w {permutation = array<i64: 1, 0>} : (tensor<40x32xf32>) -> tensor<32x40xf32>
  return %e, %t : tensor<3x32xf32>, tensor<32x40xf32>
}

// -----

// What would grow stays: an expand, and 8-bit weights that are decoded.
// CHECK-LABEL: func.func @grows
// CHECK: tfm.expand
// CHECK: tfm.cast
tfm.weight @w : tensor<40x32xi8> = #tfm.blob<"unread">
func.func @grows() -> (tensor<40x32xf32>, tensor<40x32xf32>) {
  %c = tfm.constant dense<[[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0], [1.0], [2.0], [3.0], [4.0], [5.0],
    [6.0], [7.0], [8.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0], [1.0], [2.0], [3.0], [4.0], [5.0],
    [6.0], [7.0], [8.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]]> : tensor<40x1xf32>
  %e = tfm.expand %c : (tensor<40x1xf32>) -> tensor<40x32xf32>
  %w = tfm.get @w : tensor<40x32xi8>
  %f = tfm.cast %w : (tensor<40x32xi8>) -> tensor<40x32xf32>
  return %e, %f : tensor<40x32xf32>, tensor<40x32xf32>
}

// -----

// What depends on a symbol stays.
// CHECK-LABEL: func.func @symbol
// CHECK: tfm.extent
// CHECK: tfm.iota
func.func @symbol(%x: tensor<?xf32, #tfm.dims<batch>>) -> (tensor<i64>, tensor<4xi64>) {
  %a = tfm.extent <batch> : tensor<i64>
  %b = tfm.iota <batch> step 1 : tensor<4xi64>
  return %a, %b : tensor<i64>, tensor<4xi64>
}
