// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-form-kernels

// expected-error @below {{expected func.func @main of one block}}
module {
}
// -----
func.func private @other(tensor<4xf32>) -> tensor<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected an op of the tfm dialect in @main, got 'func.call'}}
  %0 = func.call @other(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
