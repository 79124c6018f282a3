// RUN: lathe-opt --lathe-convert-precision=precision=fp16 --split-input-file --verify-diagnostics %s
// RUN: not lathe-opt --lathe-convert-precision=precision=fp8 --split-input-file %s 2>&1 | FileCheck %s --check-prefix=KIND
// KIND: expected the precision to be fp32, tf32, fp16, bf16 or mixed, got 'fp8'

// A weight beyond the range.
tfm.weight @big : tensor<2x1xf32> = dense<[[1.0], [7.0e+04]]> : tensor<2x1xf32>
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = tfm.get @big : tensor<2x1xf32>
  // expected-error@+1 {{expected a weight within f16's range, got 70000 in 'big'; hint: --precision=mixed or bf16, or --allow-fallback to compute this node in f32}}
  %y = tfm.linear %x, %w : (tensor<1x2xf32>, tensor<2x1xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// -----

// A sum that can't be within the range.
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = tfm.constant dense<1.0e+06> : tensor<f32>
  // expected-error@+1 {{expected a constant within f16's range, got 1e+06; hint: --precision=mixed or bf16}}
  %y = tfm.add %x, %c : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// What keeps a divisor from 0 would be 0.
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = tfm.constant dense<1.0e-12> : tensor<f32>
  %a = tfm.abs %x : (tensor<2xf32>) -> tensor<2xf32>
  // expected-error@+1 {{the constant 1e-12 is 0 in f16; hint}}
  %d = tfm.add %a, %c : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %q = tfm.div %x, %d : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %y = tfm.neg %q : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
