// A program may run in pieces along a symbol that leads all inputs and outputs and along which samples are independent.
// RUN: lathe-opt %s --split-input-file --lathe-plan-memory | FileCheck %s

// Merged with the rows, moved and split off again: still a sample's own.
// CHECK-LABEL: arena(<{{.*}}>) batch "b" {
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!rows = tensor<?x8xf32, #tfm.dims<b*s, 8>>
!heads = tensor<?x?x2x4xf32, #tfm.dims<b, s, 2, 4>>
!moved = tensor<2x?x?x4xf32, #tfm.dims<2, b, s, 4>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 8>}} {
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  kernel.func @k(%x: !x, %w: tensor<8x8xf32>) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %rows = tfm.reshape %x : (!x) -> !rows
    %0 = tfm.linear %rows, %w : (!rows, tensor<8x8xf32>) -> !rows
    %1 = tfm.reshape %0 : (!rows) -> !heads
    %2 = tfm.transpose %1 {permutation = array<i64: 2, 0, 1, 3>} : (!heads) -> !moved
    %3 = tfm.softmax %2 {axis = 2 : i64} : (!moved) -> !moved
    %4 = tfm.transpose %3 {permutation = array<i64: 1, 2, 0, 3>} : (!moved) -> !heads
    %5 = tfm.reshape %4 : (!heads) -> !x
    kernel.return %5 : !x
  }
  func.func @main(%x: !x) -> !x {
    %w = tfm.get @w : tensor<8x8xf32>
    %0 = kernel.launch @k(%x, %w) : (!x, tensor<8x8xf32>) -> !x
    return %0 : !x
  }
}

// -----
// A sum over samples.
// CHECK-LABEL: arena(<{{.*}}>) {
!x = tensor<?x8xf32, #tfm.dims<b, 8>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>}} {
  kernel.func @k(%x: !x) -> !x attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.reduce_sum %x {axes = array<i64: 0>} : (!x) -> tensor<1x8xf32>
    %1 = tfm.sub %x, %0 : (!x, tensor<1x8xf32>) -> !x
    kernel.return %1 : !x
  }
  func.func @main(%x: !x) -> !x {
    %0 = kernel.launch @k(%x) : (!x) -> !x
    return %0 : !x
  }
}

// -----
// A sample's place in the batch.
// CHECK-LABEL: arena(<{{.*}}>) {
!x = tensor<?xi64, #tfm.dims<b>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>}} {
  kernel.func @k(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.iota <0> step 1 : !x
    %1 = tfm.add %x, %0 : (!x, !x) -> !x
    kernel.return %1 : !x
  }
  func.func @main(%x: !x) -> !x {
    %0 = kernel.launch @k(%x) : (!x) -> !x
    return %0 : !x
  }
}

// -----
// The size of the batch as a value.
// CHECK-LABEL: arena(<{{.*}}>) {
!x = tensor<?xi64, #tfm.dims<b>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>}} {
  kernel.func @k(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.extent <b> : tensor<i64>
    %1 = tfm.add %x, %0 : (!x, tensor<i64>) -> !x
    kernel.return %1 : !x
  }
  func.func @main(%x: !x) -> !x {
    %0 = kernel.launch @k(%x) : (!x) -> !x
    return %0 : !x
  }
}

// -----
// Samples that a reshape interleaves: rows of [s, b] are not a sample's.
// CHECK-LABEL: arena(<{{.*}}>) {
!x = tensor<?x?xf32, #tfm.dims<b, s>>
!t = tensor<?x?xf32, #tfm.dims<s, b>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 8>}} {
  kernel.func @k(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.transpose %x {permutation = array<i64: 1, 0>} : (!x) -> !t
    %1 = tfm.reshape %0 : (!t) -> !x
    kernel.return %1 : !x
  }
  func.func @main(%x: !x) -> !x {
    %0 = kernel.launch @k(%x) : (!x) -> !x
    return %0 : !x
  }
}

// -----
// An input that has no batch.
// CHECK-LABEL: arena(<{{.*}}>) {
!x = tensor<?xf32, #tfm.dims<b>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>}} {
  kernel.func @k(%x: !x, %y: tensor<1xf32>) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.add %x, %y : (!x, tensor<1xf32>) -> !x
    kernel.return %0 : !x
  }
  func.func @main(%x: !x, %y: tensor<1xf32>) -> !x {
    %0 = kernel.launch @k(%x, %y) : (!x, tensor<1xf32>) -> !x
    return %0 : !x
  }
}
