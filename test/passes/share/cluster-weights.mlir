// RUN: lathe-opt --lathe-cluster-weights="targets=^(w|table)$ bits=1" %s | FileCheck %s --check-prefixes=ONE,BOTH
// RUN: lathe-opt --lathe-cluster-weights="targets=^(w|both)$ bits=3" %s | FileCheck %s --check-prefixes=EIGHT,BOTH
// RUN: lathe-opt --lathe-sparsify-weights="targets=large format=bitmap" --lathe-cluster-weights="targets=large bits=4" %s | FileCheck %s --check-prefix=SPARSE
// RUN: lathe-opt --lathe-sparsify-weights="targets=large pattern=1:2" --lathe-cluster-weights="targets=large bits=1" %s | FileCheck %s --check-prefix=LARGER
// RUN: not lathe-opt --lathe-cluster-weights="bits=9" %s 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not lathe-opt --lathe-cluster-weights="importance=activation" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-cluster-weights="importance=size" %s 2>&1 | FileCheck %s --check-prefix=IMPORTANCE
// RUN: not lathe-opt --lathe-cluster-weights="targets=[" %s 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not lathe-opt --lathe-cluster-weights="targets=^w$" --lathe-cluster-weights="targets=^w$" %s 2>&1 | FileCheck %s --check-prefix=TWICE

// A weight with as many values as the table loses nothing. Two values of five lose something. What another op reads stays.
// ONE: tfm.compression = [{{.*}}error = 0.33333333333333331 : f64, {{.*}}weight = "w", what = "2 values"
// ONE-SAME: error = 0.000000e+00 : f64, {{.*}}weight = "table", what = "2 values"
// EIGHT: error = 0.000000e+00 : f64, {{.*}}weight = "w", what = "5 values"
// EIGHT-SAME: refused = "another op than linears and embeddings reads it", weight = "both"
// ONE: tfm.weight @w : tensor<4x2xf32, #tfm.codebook<bits = 1, type = f32>> = #tfm.blob<
// EIGHT: tfm.weight @w : tensor<4x2xf32, #tfm.codebook<bits = 3, type = f32>> = #tfm.blob<
// ONE: tfm.weight @table : tensor<3x4xf32, #tfm.codebook<bits = 1, type = f32>>
// BOTH: tfm.weight @both : tensor<2x2xf32> = dense
// Zeros stay left out, if that is smaller than an index for each element.
// SPARSE: weight = "large", what = "16 values, bitmap"
// SPARSE: tfm.weight @large : tensor<64x64xf32, #tfm.bitmap<kept = 2048, values = #tfm.codebook<bits = 4, type = f32>>>
// LARGER: weight = "large", what = "2 values (zeros have indices: smaller than a 1:2)"
// LARGER: tfm.weight @large : tensor<64x64xf32, #tfm.codebook<bits = 1, type = f32>>
// BITS: error: bits: expected 1 to 8, got 9
// STATISTICS: error: importance 'activation' needs statistics; hint: give calibration data
// IMPORTANCE: error: importance: expected none or activation, got 'size'
// REGEX: error: targets: '[' is no regular expression
// TWICE: 'tfm.weight' op is compressed already, as #tfm.codebook<bits = 4, type = f32>; hint: one stage for each weight
tfm.weight @w : tensor<4x2xf32> = dense<[[1.0, -2.0], [0.5, 0.5], [3.0, 1.0], [-1.0, 3.0]]> : tensor<4x2xf32>
tfm.weight @table : tensor<3x4xf32> = dense<[[1.0, 2.0, 1.0, 2.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 1.0, 1.0]]> : tensor<3x4xf32>
tfm.weight @both : tensor<2x2xf32> = dense<1.0> : tensor<2x2xf32>
tfm.weight @large : tensor<64x64xf32> = #tfm.random<1, 2, 1.0 : f32>
func.func @main(%ids: tensor<5xi64>, %more: tensor<5x64xf32>) -> (tensor<5x2xf32>, tensor<2x2xf32>, tensor<5x64xf32>) {
  %t = tfm.get @table : tensor<3x4xf32>
  %w = tfm.get @w : tensor<4x2xf32>
  %both = tfm.get @both : tensor<2x2xf32>
  %large = tfm.get @large : tensor<64x64xf32>
  %x = tfm.embedding %ids, %t : (tensor<5xi64>, tensor<3x4xf32>) -> tensor<5x4xf32>
  %y = tfm.linear %x, %w : (tensor<5x4xf32>, tensor<4x2xf32>) -> tensor<5x2xf32>
  %z = tfm.linear %y, %both : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %s = tfm.add %both, %both : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %l = tfm.linear %more, %large : (tensor<5x64xf32>, tensor<64x64xf32>) -> tensor<5x64xf32>
  return %z, %s, %l : tensor<5x2xf32>, tensor<2x2xf32>, tensor<5x64xf32>
}
