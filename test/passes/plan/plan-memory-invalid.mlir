// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-plan-memory

// expected-error @below {{expected func.func @main of one block}}
module {
}
// -----
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expected kernel.launch, tfm.get, tfm.reshape or tfm.require in @main, got 'tfm.relu'; hint: run --lathe-form-kernels first}}
  %0 = tfm.relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
// -----
// expected-error @below {{expected output 'y' to be written by a launch of its own}}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32> {tfm.name = "y"}) {
  return %x : tensor<4xf32>
}
// -----
kernel.func @k(%x: tensor<4x4xf32>, %w: tensor<4x4xf32> {kernel.layout = #kernel.panel<width = 32>}) -> tensor<4x4xf32>
    attributes {anchor = #kernel.anchor<contraction>} {
  %0 = tfm.linear %x, %w : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  kernel.return %0 : tensor<4x4xf32>
}
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expected operand 1 to be a weight, which can be stored in panels}}
  %0 = kernel.launch @k(%x, %x) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}
// -----
!x = tensor<?x?xf32, #tfm.dims<a*a*a, a>>
module attributes {tfm.symbols = {a = array<i64: 1, 1000000>}} {
  kernel.func @k(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    kernel.return %x : !x
  }
  // expected-error @below {{the memory needed at the largest shapes overflows; hint: bound the symbols by --dim}}
  func.func @main(%x: !x) -> !x {
    %0 = kernel.launch @k(%x) : (!x) -> !x
    %1 = kernel.launch @k(%0) : (!x) -> !x
    return %1 : !x
  }
}
