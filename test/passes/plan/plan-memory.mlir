// Buffers take over dead ones' places; outputs are written in place; reshapes share memory.
// RUN: lathe-opt %s --split-input-file --lathe-plan-memory | FileCheck %s
!x = tensor<?x384xf32, #tfm.dims<n, 384>>
!wide = tensor<?x1536xf32, #tfm.dims<n, 1536>>
!flat = tensor<?xf32, #tfm.dims<384*n>>

// CHECK-LABEL: module
module attributes {tfm.symbols = {n = array<i64: 1, 512>}} {
  tfm.weight @up : tensor<384x1536xf32> = dense<1.0> : tensor<384x1536xf32>
  kernel.func @linear(%x: !x, %w: tensor<384x1536xf32> {kernel.layout = #kernel.panel<width = 32>}) -> !wide attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!x, tensor<384x1536xf32>) -> !wide
    kernel.return %0 : !wide
  }
  kernel.func @down(%x: !wide, %w: tensor<384x1536xf32>) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {transposed} : (!wide, tensor<384x1536xf32>) -> !x
    kernel.return %0 : !x
  }
  kernel.func @relu(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.relu %x : (!x) -> !x
    kernel.return %0 : !x
  }
  kernel.func @flat(%x: !flat) -> !flat attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.neg %x : (!flat) -> !flat
    kernel.return %0 : !flat
  }
  // 1536 bytes a row of 384, 6144 of 1536. %a is dead when %d is written; %d goes on as %f.
  // CHECK-LABEL: program.entry @main arena(<7680*n>) batch "n" {
  // CHECK-DAG: %[[X:.*]] = program.input "x"
  // CHECK-DAG: %[[Y:.*]] = program.output "y"
  // CHECK-DAG: %[[PANELS:.*]] = program.weight @up layout <width = 32>
  // CHECK-DAG: %[[ROWS:.*]] = program.weight @up{{$}}
  // CHECK-DAG: %[[A:.*]] = program.buffer <6144*n> size <1536*n>
  // CHECK-DAG: %[[B:.*]] = program.buffer <0> size <6144*n>
  // CHECK-DAG: %[[D:.*]] = program.buffer <6144*n> size <1536*n>
  // CHECK: program.launch @relu(%[[X]]) -> (%[[A]]) origins ["/relu"]
  // CHECK: program.launch @linear(%[[A]], %[[PANELS]]) -> (%[[B]]) flops <1179648*n>
  // CHECK: program.launch @down(%[[B]], %[[ROWS]]) -> (%[[D2:.*]]) flops
  // CHECK: program.launch @flat(%[[D2]]) -> (%[[Y]])
  // CHECK-NOT: func.func
  func.func @main(%x: !x {tfm.name = "x"}) -> (!x {tfm.name = "y"}) {
    %w = tfm.get @up : tensor<384x1536xf32>
    %a = kernel.launch @relu(%x) {origins = ["/relu"]} : (!x) -> !x
    %b = kernel.launch @linear(%a, %w) : (!x, tensor<384x1536xf32>) -> !wide
    %d = kernel.launch @down(%b, %w) : (!wide, tensor<384x1536xf32>) -> !x
    %f = tfm.reshape %d : (!x) -> !flat
    %g = kernel.launch @flat(%f) : (!flat) -> !flat
    %y = tfm.reshape %g : (!flat) -> !x
    return %y : !x
  }
}

// -----
// Sizes that can't be compared are placed one after the other, never on top of each other.
!a = tensor<?xf32, #tfm.dims<16*n>>
!b = tensor<?xf32, #tfm.dims<16*m>>
module attributes {tfm.symbols = {n = array<i64: 1, 512>, m = array<i64: 1, 256>}} {
  kernel.func @two(%a: !a, %b: !b) -> (!a, !b) attributes {anchor = #kernel.anchor<map>} {
    kernel.return %a, %b : !a, !b
  }
  // CHECK-LABEL: program.entry @main arena(<64*m + 64*n>) {
  // CHECK-DAG: program.buffer <0> size <64*n>
  // CHECK-DAG: program.buffer <64*n> size <64*m>
  func.func @main(%a: !a, %b: !b) -> (!a, !b) {
    %0:2 = kernel.launch @two(%a, %b) : (!a, !b) -> (!a, !b)
    %1:2 = kernel.launch @two(%0#0, %0#1) : (!a, !b) -> (!a, !b)
    return %1#0, %1#1 : !a, !b
  }
}
