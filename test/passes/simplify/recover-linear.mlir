// RUN: lathe-opt --split-input-file --lathe-recover-linear %s | FileCheck %s --enable-var-scope

module {
  tfm.weight @w : tensor<4x6xf32> = dense<1.0> : tensor<4x6xf32>
  tfm.weight @v : tensor<6x4xf32> = dense<1.0> : tensor<6x4xf32>
  tfm.weight @b : tensor<6xf32> = dense<2.0> : tensor<6xf32>
  // The bias on the left; a weight that is read transposed.
  // CHECK-LABEL: func.func @bias
  // CHECK-SAME: %[[X:.+]]: tensor<2x3x4xf32>
  // CHECK-DAG: %[[W:.+]] = tfm.get @w
  // CHECK-DAG: %[[B:.+]] = tfm.get @b
  // CHECK: %[[L:.+]] = tfm.linear %[[X]], %[[W]] bias(%[[B]]) :
  // CHECK: %[[V:.+]] = tfm.get @v
  // CHECK: %[[M:.+]] = tfm.linear %[[X]], %[[V]] {transposed} :
  // CHECK: return %[[L]], %[[M]]
  func.func @bias(%x: tensor<2x3x4xf32>) -> (tensor<2x3x6xf32>, tensor<2x3x6xf32>) {
    %w = tfm.get @w : tensor<4x6xf32>
    %b = tfm.get @b : tensor<6xf32>
    %0 = tfm.matmul %x, %w : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
    %1 = tfm.add %b, %0 : (tensor<6xf32>, tensor<2x3x6xf32>) -> tensor<2x3x6xf32>
    %v = tfm.get @v : tensor<6x4xf32>
    %t = tfm.transpose %v {permutation = array<i64: 1, 0>} : (tensor<6x4xf32>) -> tensor<4x6xf32>
    %2 = tfm.matmul %x, %t : (tensor<2x3x4xf32>, tensor<4x6xf32>) -> tensor<2x3x6xf32>
    return %1, %2 : tensor<2x3x6xf32>, tensor<2x3x6xf32>
  }
}

// -----

module {
  tfm.weight @w : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  // A product that is also read bare keeps the addition apart, and so does a bias along rows.
  // CHECK-LABEL: func.func @no_bias
  // CHECK: tfm.linear
  // CHECK-NOT: bias
  // CHECK: tfm.add
  // CHECK: tfm.add
  func.func @no_bias(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
    %w = tfm.get @w : tensor<4x4xf32>
    %c = tfm.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
    %r = tfm.constant dense<[[1.0], [2.0], [3.0], [4.0]]> : tensor<4x1xf32>
    %0 = tfm.matmul %x, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
    %1 = tfm.add %0, %c : (tensor<4x4xf32>, tensor<4xf32>) -> tensor<4x4xf32>
    %2 = tfm.add %1, %r : (tensor<4x4xf32>, tensor<4x1xf32>) -> tensor<4x4xf32>
    return %0, %1, %2 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
  }
}

// -----

module {
  tfm.weight @w : tensor<2x6xf32> = dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]]> : tensor<2x6xf32>
  tfm.weight @b : tensor<6xf32> = #tfm.file<"weights.bin", 64>
  // A packed projection: columns of the weight are copied, those of the bias are a piece of the file.
  // CHECK-NOT: tfm.weight @w :
  // CHECK-DAG: tfm.weight @w.2_4 : tensor<2x2xf32> = dense<{{\[\[}}3.000000e+00, 4.000000e+00], [9.000000e+00, 1.000000e+01]]> : tensor<2x2xf32>
  // CHECK-DAG: tfm.weight @b.2_4 : tensor<2xf32> = #tfm.file<"weights.bin", 72>
  // CHECK-LABEL: func.func @packed
  // CHECK-SAME: %[[X:.+]]: tensor<3x2xf32>
  // CHECK-COUNT-3: tfm.linear %[[X]], %{{.+}} bias(%{{.+}}) : (tensor<3x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
  // CHECK-NOT: tfm.slice
  func.func @packed(%x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>) {
    %w = tfm.get @w : tensor<2x6xf32>
    %b = tfm.get @b : tensor<6xf32>
    %0 = tfm.matmul %x, %w : (tensor<3x2xf32>, tensor<2x6xf32>) -> tensor<3x6xf32>
    %1 = tfm.add %0, %b : (tensor<3x6xf32>, tensor<6xf32>) -> tensor<3x6xf32>
    %q = tfm.slice %1 {starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>} : (tensor<3x6xf32>) -> tensor<3x2xf32>
    %k = tfm.slice %1 {starts = #tfm.dims<0, 2>, steps = array<i64: 1, 1>} : (tensor<3x6xf32>) -> tensor<3x2xf32>
    %v = tfm.slice %1 {starts = #tfm.dims<0, 4>, steps = array<i64: 1, 1>} : (tensor<3x6xf32>) -> tensor<3x2xf32>
    return %q, %k, %v : tensor<3x2xf32>, tensor<3x2xf32>, tensor<3x2xf32>
  }
}

// -----

module {
  tfm.weight @w : tensor<5x4x1xf32> = #tfm.file<"weights.bin", 0>
  tfm.weight @k : tensor<5x4x3xf32> = #tfm.file<"weights.bin", 80>
  // A kernel of one element is a linear over the channels; one of three isn't.
  // CHECK-LABEL: func.func @conv
  // CHECK: tfm.linear %{{.+}}, %{{.+}} {transposed} : (tensor<2x7x4xf32>, tensor<5x4xf32>) -> tensor<2x7x5xf32>
  // CHECK: tfm.conv
  func.func @conv(%x: tensor<2x4x7xf32>) -> (tensor<2x5x7xf32>, tensor<2x5x5xf32>) {
    %w = tfm.get @w : tensor<5x4x1xf32>
    %k = tfm.get @k : tensor<5x4x3xf32>
    %0 = tfm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<2x4x7xf32>, tensor<5x4x1xf32>) -> tensor<2x5x7xf32>
    %1 = tfm.conv %x, %k {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<2x4x7xf32>, tensor<5x4x3xf32>) -> tensor<2x5x5xf32>
    return %0, %1 : tensor<2x5x7xf32>, tensor<2x5x5xf32>
  }
}
