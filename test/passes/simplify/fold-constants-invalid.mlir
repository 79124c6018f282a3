// RUN: lathe-opt --lathe-fold-constants --split-input-file --verify-diagnostics %s

func.func @index() -> tensor<1xf32> {
  %data = tfm.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %index = tfm.constant dense<2> : tensor<1xi64>
  // expected-error@+1 {{expected indices in [-2, 2), got 2 at element 0}}
  %a = tfm.gather %data, %index {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %a : tensor<1xf32>
}

// -----

tfm.weight @w : tensor<2xf32> = #tfm.file<"no-such-file", 0> {origin = "bias"}
func.func @missing() -> tensor<2xf32> {
  // expected-error@+1 {{weight 'bias': can't open}}
  %w = tfm.get @w : tensor<2xf32>
  %a = tfm.neg %w : (tensor<2xf32>) -> tensor<2xf32>
  return %a : tensor<2xf32>
}
