// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{C1: expected the arena to be one expression that grows with its symbols}}
program.entry @main arena(<64 - n>) {
}
// -----
program.entry @main arena(<0>) {
  // expected-error @below {{C2: expected an op of the program dialect or tfm.require}}
  %0 = tfm.constant dense<0.0> : tensor<f32>
}
// -----
program.entry @main arena(<0>) {
  %0 = program.input "x" : tensor<f32>
  // expected-error @below {{C3: another input has the name 'x'}}
  %1 = program.input "x" : tensor<f32>
}
// -----
program.entry @main arena(<0>) {
  %0 = program.output "y" : tensor<f32>
  // expected-error @below {{C3: another output has the name 'y'}}
  %1 = program.output "y" : tensor<f32>
}
// -----
module attributes {tfm.symbols = {n = array<i64: 1, 8>}} {
  program.entry @main arena(<64*n>) {
    // expected-error @below {{C4: expected it to end within the arena of 64*n bytes, got 16*n + 64}}
    %0 = program.buffer <64> size <16*n>
  }
}
// -----
module attributes {tfm.symbols = {n = array<i64: 1, 8>}} {
  program.entry @main arena(<1024>) {
    // expected-error @below {{C1: expected the size to be one expression that grows}}
    %0 = program.buffer <0> size <8 - n>
  }
}
// -----
program.entry @main arena(<1024>) {
  // expected-error @below {{C2: expected an offset that is a multiple of 64, got 32}}
  %0 = program.buffer <32> size <4>
}
// -----
program.entry @main arena(<0>) {
  // expected-error @below {{C1: expected a tfm.weight, got @w}}
  %0 = program.weight @w
}
// -----
tfm.weight @w : tensor<4xf32> = dense<1.0> : tensor<4xf32>
program.entry @main arena(<0>) {
  // expected-error @below {{C2: expected a matrix to lay out}}
  %0 = program.weight @w layout <width = 32>
}
// -----
program.entry @main arena(<0>) {
  // expected-error @below {{C1: expected a kernel.func, got @k}}
  program.launch @k() -> ()
}
// -----
kernel.func @k(%x: tensor<f32>) -> tensor<f32> attributes {anchor = #kernel.anchor<map>} {
  kernel.return %x : tensor<f32>
}
program.entry @main arena(<0>) {
  // expected-error @below {{C2: expected 1 inputs and 1 outputs, got 0 and 0}}
  program.launch @k() -> ()
}
// -----
kernel.func @k(%x: tensor<f32>) -> tensor<f32> attributes {anchor = #kernel.anchor<map>} {
  kernel.return %x : tensor<f32>
}
program.entry @main arena(<0>) {
  %0 = program.input "x" : tensor<f32>
  %1 = program.input "z" : tensor<f32>
  // expected-error @below {{C3: expected output 0 to be a buffer or an output of the entry}}
  program.launch @k(%0) -> (%1)
}
// -----
kernel.func @k(%x: tensor<f32>) -> tensor<f32> attributes {anchor = #kernel.anchor<map>} {
  kernel.return %x : tensor<f32>
}
program.entry @main arena(<64>) {
  %0 = program.buffer <0> size <4>
  // expected-error @below {{C3: output 0 is also an input}}
  program.launch @k(%0) -> (%0)
}
