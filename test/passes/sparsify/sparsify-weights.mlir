// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.5" %s | FileCheck %s --check-prefix=RATIO
// RUN: lathe-opt --lathe-sparsify-weights="pattern=1:2" %s | FileCheck %s --check-prefix=PATTERN
// RUN: not lathe-opt --lathe-sparsify-weights="pattern=2:2" %s 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: not lathe-opt --lathe-sparsify-weights="method=wanda" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-sparsify-weights="pattern=1:3" %s 2>&1 | FileCheck %s --check-prefix=DIVIDE

// The least in magnitude go: of the weight, or of every two inputs of an output.
// RATIO: tfm.compression = [{{.*}}what = "4 of 8 stay, magnitude"
// RATIO: dense<{{\[\[}}0.000000e+00, -2.000000e+00], [0.000000e+00, 0.000000e+00], [3.000000e+00, 0.000000e+00], [-1.500000e+00, 4.000000e+00]]>
// PATTERN: what = "1:2 stay, magnitude"
// PATTERN: dense<{{\[\[}}1.000000e+00, -2.000000e+00], [0.000000e+00, 0.000000e+00], [3.000000e+00, 0.000000e+00], [0.000000e+00, 4.000000e+00]]>
// BAD: error: pattern: expected n:m with 1 <= n < m <= 16, got '2:2'
// STATISTICS: error: method 'wanda' needs statistics; hint: give calibration data
// DIVIDE: error: weight 'w' has 4 inputs, which 3 doesn't divide
tfm.weight @w : tensor<4x2xf32> = dense<[[1.0, -2.0], [0.5, 0.25], [3.0, 1.25], [-1.5, 4.0]]> : tensor<4x2xf32>
func.func @main(%x: tensor<5x4xf32>) -> tensor<5x2xf32> {
  %w = tfm.get @w : tensor<4x2xf32>
  %y = tfm.linear %x, %w : (tensor<5x4xf32>, tensor<4x2xf32>) -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}
