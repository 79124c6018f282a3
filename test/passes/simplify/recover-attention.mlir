// RUN: lathe-opt --split-input-file --lathe-recover-attention %s | FileCheck %s --enable-var-scope

// Heads in four dimensions, the scale after the product, a mask that is added as given.
// CHECK-LABEL: func.func @bias
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<2x8x64xf32>, %[[K:[a-z0-9]+]]: tensor<2x8x64xf32>, %[[V:[a-z0-9]+]]: tensor<2x8x64xf32>, %[[M:[a-z0-9]+]]:
// CHECK: %[[A:.+]] = tfm.attention %[[Q]], %[[K]], %[[V]] bias(%[[M]]) {heads = 4 : i64, kv_heads = 4 : i64, scale = 2.500000e-01 : f64}
// CHECK-NEXT: return %[[A]]
func.func @bias(%q: tensor<2x8x64xf32>, %k: tensor<2x8x64xf32>, %v: tensor<2x8x64xf32>, %mask: tensor<2x1x1x8xf32>) -> tensor<2x8x64xf32> {
  %c = tfm.constant dense<4.0> : tensor<f32>
  %q4 = tfm.reshape %q : (tensor<2x8x64xf32>) -> tensor<2x8x4x16xf32>
  %qt = tfm.transpose %q4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x4x16xf32>) -> tensor<2x4x8x16xf32>
  %k4 = tfm.reshape %k : (tensor<2x8x64xf32>) -> tensor<2x8x4x16xf32>
  %kt = tfm.transpose %k4 {permutation = array<i64: 0, 2, 3, 1>} : (tensor<2x8x4x16xf32>) -> tensor<2x4x16x8xf32>
  %v4 = tfm.reshape %v : (tensor<2x8x64xf32>) -> tensor<2x8x4x16xf32>
  %vt = tfm.transpose %v4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x4x16xf32>) -> tensor<2x4x8x16xf32>
  %s = tfm.matmul %qt, %kt : (tensor<2x4x8x16xf32>, tensor<2x4x16x8xf32>) -> tensor<2x4x8x8xf32>
  %d = tfm.div %s, %c : (tensor<2x4x8x8xf32>, tensor<f32>) -> tensor<2x4x8x8xf32>
  %m = tfm.add %d, %mask : (tensor<2x4x8x8xf32>, tensor<2x1x1x8xf32>) -> tensor<2x4x8x8xf32>
  %p = tfm.softmax %m {axis = 3 : i64} : (tensor<2x4x8x8xf32>) -> tensor<2x4x8x8xf32>
  %o = tfm.matmul %p, %vt : (tensor<2x4x8x8xf32>, tensor<2x4x8x16xf32>) -> tensor<2x4x8x16xf32>
  %ot = tfm.transpose %o {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x4x8x16xf32>) -> tensor<2x8x4x16xf32>
  %r = tfm.reshape %ot : (tensor<2x8x4x16xf32>) -> tensor<2x8x64xf32>
  return %r : tensor<2x8x64xf32>
}

// -----

// Heads folded into the batch, half of the scale on either side, padding of -inf with a guard: rows masked whole give 0.
module attributes {tfm.symbols = {b = array<i64: 1, 32>, s = array<i64: 1, 512>}} {
// CHECK-LABEL: func.func @folded
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %[[K:[a-z0-9]+]]: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %[[V:[a-z0-9]+]]: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %[[MASK:[a-z0-9]+]]:
// CHECK: %[[PADDING:.+]] = tfm.compare <ne> %[[MASK]], %
// CHECK: %[[A:.+]] = tfm.attention %[[Q]], %[[K]], %[[V]] padding(%[[PADDING]])
// CHECK-SAME: heads = 4
// CHECK-SAME: masked_row = #tfm.masked_row<zero>, scale = 2.500000e-01
// CHECK-NOT: softmax
// CHECK: return %[[A]]
func.func @folded(%q: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %k: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>,
                  %v: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %mask: tensor<?x?xi64, #tfm.dims<b, s>>)
    -> tensor<?x?x64xf32, #tfm.dims<b, s, 64>> {
  %half = tfm.constant dense<0.5> : tensor<f32>
  %zero = tfm.constant dense<0.0> : tensor<f32>
  %inf = tfm.constant dense<0xFF800000> : tensor<f32>
  %q4 = tfm.reshape %q : (tensor<?x?x64xf32, #tfm.dims<b, s, 64>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %qt = tfm.transpose %q4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %qs = tfm.mul %qt, %half : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>, tensor<f32>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %q3 = tfm.reshape %qs : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>) -> tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>
  %k4 = tfm.reshape %k : (tensor<?x?x64xf32, #tfm.dims<b, s, 64>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %kt = tfm.transpose %k4 {permutation = array<i64: 0, 2, 3, 1>} : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x4x16x?xf32, #tfm.dims<b, 4, 16, s>>
  %ks = tfm.mul %kt, %half : (tensor<?x4x16x?xf32, #tfm.dims<b, 4, 16, s>>, tensor<f32>) -> tensor<?x4x16x?xf32, #tfm.dims<b, 4, 16, s>>
  %k3 = tfm.reshape %ks : (tensor<?x4x16x?xf32, #tfm.dims<b, 4, 16, s>>) -> tensor<?x16x?xf32, #tfm.dims<4*b, 16, s>>
  %v4 = tfm.reshape %v : (tensor<?x?x64xf32, #tfm.dims<b, s, 64>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %vt = tfm.transpose %v4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %v3 = tfm.reshape %vt : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>) -> tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>
  %s3 = tfm.matmul %q3, %k3 : (tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>, tensor<?x16x?xf32, #tfm.dims<4*b, 16, s>>) -> tensor<?x?x?xf32, #tfm.dims<4*b, s, s>>
  %s4 = tfm.reshape %s3 : (tensor<?x?x?xf32, #tfm.dims<4*b, s, s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>
  %m4 = tfm.reshape %mask : (tensor<?x?xi64, #tfm.dims<b, s>>) -> tensor<?x1x1x?xi64, #tfm.dims<b, 1, 1, s>>
  %real = tfm.cast %m4 : (tensor<?x1x1x?xi64, #tfm.dims<b, 1, 1, s>>) -> tensor<?x1x1x?xi1, #tfm.dims<b, 1, 1, s>>
  %w = tfm.select %real, %zero, %inf : (tensor<?x1x1x?xi1, #tfm.dims<b, 1, 1, s>>, tensor<f32>, tensor<f32>) -> tensor<?x1x1x?xf32, #tfm.dims<b, 1, 1, s>>
  %ms = tfm.add %s4, %w : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>, tensor<?x1x1x?xf32, #tfm.dims<b, 1, 1, s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>
  %p = tfm.softmax %ms {axis = 3 : i64} : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>
  %nan = tfm.is_nan %p : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>) -> tensor<?x4x?x?xi1, #tfm.dims<b, 4, s, s>>
  %g = tfm.select %nan, %zero, %p : (tensor<?x4x?x?xi1, #tfm.dims<b, 4, s, s>>, tensor<f32>, tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>
  %g3 = tfm.reshape %g : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, s>>) -> tensor<?x?x?xf32, #tfm.dims<4*b, s, s>>
  %o3 = tfm.matmul %g3, %v3 : (tensor<?x?x?xf32, #tfm.dims<4*b, s, s>>, tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>) -> tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>
  %o4 = tfm.reshape %o3 : (tensor<?x?x16xf32, #tfm.dims<4*b, s, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %ot = tfm.transpose %o4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %r = tfm.reshape %ot : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x?x64xf32, #tfm.dims<b, s, 64>>
  return %r : tensor<?x?x64xf32, #tfm.dims<b, s, 64>>
}
}

// -----

// Grouped heads, a causal mask of indices in -3.4e38, keys longer than queries by the past: rows masked whole would be
// the mean of the values.
module attributes {tfm.symbols = {b = array<i64: 1, 32>, p = array<i64: 0, 512>, s = array<i64: 1, 512>}} {
// CHECK-LABEL: func.func @grouped
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %[[K:[a-z0-9]+]]:
// CHECK-NOT: tfm.expand
// CHECK: tfm.attention %[[Q]], %{{.+}}, %{{.+}} {causal, heads = 4 : i64, kv_heads = 2 : i64, masked_row = #tfm.masked_row<mean>, scale = 1.000000e+00 : f64}
// CHECK-NOT: tfm.softmax
func.func @grouped(%q: tensor<?x?x64xf32, #tfm.dims<b, s, 64>>, %k: tensor<?x2x?x16xf32, #tfm.dims<b, 2, p + s, 16>>)
    -> tensor<?x?x64xf32, #tfm.dims<b, s, 64>> {
  %zero = tfm.constant dense<0.0> : tensor<f32>
  %min = tfm.constant dense<-3.40282347E+38> : tensor<f32>
  %q4 = tfm.reshape %q : (tensor<?x?x64xf32, #tfm.dims<b, s, 64>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %qt = tfm.transpose %q4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %k5 = tfm.reshape %k : (tensor<?x2x?x16xf32, #tfm.dims<b, 2, p + s, 16>>) -> tensor<?x2x1x?x16xf32, #tfm.dims<b, 2, 1, p + s, 16>>
  %ke = tfm.expand %k5 : (tensor<?x2x1x?x16xf32, #tfm.dims<b, 2, 1, p + s, 16>>) -> tensor<?x2x2x?x16xf32, #tfm.dims<b, 2, 2, p + s, 16>>
  %kr = tfm.reshape %ke : (tensor<?x2x2x?x16xf32, #tfm.dims<b, 2, 2, p + s, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, p + s, 16>>
  %rows = tfm.iota <p> step 1 : tensor<?xi64, #tfm.dims<s>>
  %columns = tfm.iota <0> step 1 : tensor<?xi64, #tfm.dims<p + s>>
  %rows2 = tfm.reshape %rows : (tensor<?xi64, #tfm.dims<s>>) -> tensor<?x1xi64, #tfm.dims<s, 1>>
  %seen = tfm.compare <le> %columns, %rows2 : (tensor<?xi64, #tfm.dims<p + s>>, tensor<?x1xi64, #tfm.dims<s, 1>>) -> tensor<?x?xi1, #tfm.dims<s, p + s>>
  %w = tfm.select %seen, %zero, %min : (tensor<?x?xi1, #tfm.dims<s, p + s>>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32, #tfm.dims<s, p + s>>
  %s4 = tfm.matmul %qt, %kr {transpose_b} : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>, tensor<?x4x?x16xf32, #tfm.dims<b, 4, p + s, 16>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>
  %m = tfm.add %s4, %w : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>, tensor<?x?xf32, #tfm.dims<s, p + s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>
  %p = tfm.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>) -> tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>
  %o = tfm.matmul %p, %kr : (tensor<?x4x?x?xf32, #tfm.dims<b, 4, s, p + s>>, tensor<?x4x?x16xf32, #tfm.dims<b, 4, p + s, 16>>) -> tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>
  %ot = tfm.transpose %o {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x4x?x16xf32, #tfm.dims<b, 4, s, 16>>) -> tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>
  %r = tfm.reshape %ot : (tensor<?x?x4x16xf32, #tfm.dims<b, s, 4, 16>>) -> tensor<?x?x64xf32, #tfm.dims<b, s, 64>>
  return %r : tensor<?x?x64xf32, #tfm.dims<b, s, 64>>
}
}

// -----

// Softmax over the queries is no attention.
// CHECK-LABEL: func.func @wrong_axis
// CHECK-NOT: tfm.attention
// CHECK: tfm.softmax
func.func @wrong_axis(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x4x3xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %s = tfm.matmul %q, %k : (tensor<1x2x3x4xf32>, tensor<1x2x4x3xf32>) -> tensor<1x2x3x3xf32>
  %p = tfm.softmax %s {axis = 2 : i64} : (tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %o = tfm.matmul %p, %v : (tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32>
  return %o : tensor<1x2x3x4xf32>
}
