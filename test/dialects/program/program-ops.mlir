// The program dialect's text form reads back what it writes.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
module attributes {tfm.symbols = {batch = array<i64: 1, 8>}} {
  tfm.weight @w : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  kernel.func @linear_0(%x: tensor<?x4xf32, #tfm.dims<batch, 4>>, %w: tensor<4x4xf32> {kernel.layout = #kernel.panel<width = 32>})
      -> tensor<?x4xf32, #tfm.dims<batch, 4>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<4x4xf32>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
    kernel.return %0 : tensor<?x4xf32, #tfm.dims<batch, 4>>
  }
  // CHECK: program.entry @main arena(<64*floordiv(16*batch + 63, 64)>) batch "batch" {
  program.entry @main arena(<64*floordiv(16*batch + 63, 64)>) batch "batch" {
    // CHECK: tfm.require <batch>, <batch>, "equal"
    tfm.require <batch>, <batch>, "equal"
    // CHECK: %[[X:.*]] = program.input "x" : tensor<?x4xf32, #tfm.dims<batch, 4>>
    %x = program.input "x" : tensor<?x4xf32, #tfm.dims<batch, 4>>
    // CHECK: %[[Y:.*]] = program.output "y" : tensor<?x4xf32, #tfm.dims<batch, 4>>
    %y = program.output "y" : tensor<?x4xf32, #tfm.dims<batch, 4>>
    // CHECK: %[[W:.*]] = program.weight @w layout <width = 32>
    %w = program.weight @w layout <width = 32>
    // CHECK: %[[B:.*]] = program.buffer <0> size <16*batch>
    %b = program.buffer <0> size <16*batch>
    // CHECK: program.launch @linear_0(%[[X]], %[[W]]) -> (%[[B]]) flops <32*batch> origins ["a", "b"]
    program.launch @linear_0(%x, %w) -> (%b) flops <32*batch> origins ["a", "b"]
    // CHECK: program.launch @linear_0(%[[B]], %[[W]]) -> (%[[Y]]){{$}}
    program.launch @linear_0(%b, %w) -> (%y)
  }
}
