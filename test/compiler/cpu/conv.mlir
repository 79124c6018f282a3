// RUN: cpu-kernel-check %s m=1 m=2 m=17 --rtol=2e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  // Patches of an image: kernel and stride are equal.
  kernel.func @patches(%x: tensor<?x3x24x16xf32, #tfm.dims<m, 3, 24, 16>>, %w: tensor<20x3x8x8xf32>, %b: tensor<20xf32>) -> tensor<?x20x3x2xf32, #tfm.dims<m, 20, 3, 2>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.conv %x, %w bias(%b) {strides = array<i64: 8, 8>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<?x3x24x16xf32, #tfm.dims<m, 3, 24, 16>>, tensor<20x3x8x8xf32>, tensor<20xf32>) -> tensor<?x20x3x2xf32, #tfm.dims<m, 20, 3, 2>>
    kernel.return %0 : tensor<?x20x3x2xf32, #tfm.dims<m, 20, 3, 2>>
  }
  // Along a sequence, with padding, and an activation.
  kernel.func @sequence(%x: tensor<2x10x?xf32, #tfm.dims<2, 10, m>>, %w: tensor<13x10x3xf32>, %b: tensor<13xf32>) -> tensor<2x13x?xf32, #tfm.dims<2, 13, m>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.conv %x, %w bias(%b) {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>} : (tensor<2x10x?xf32, #tfm.dims<2, 10, m>>, tensor<13x10x3xf32>, tensor<13xf32>) -> tensor<2x13x?xf32, #tfm.dims<2, 13, m>>
    %1 = tfm.gelu %0 : (tensor<2x13x?xf32, #tfm.dims<2, 13, m>>) -> tensor<2x13x?xf32, #tfm.dims<2, 13, m>>
    kernel.return %1 : tensor<2x13x?xf32, #tfm.dims<2, 13, m>>
  }
  kernel.func @groups(%x: tensor<?x6x9x7xf32, #tfm.dims<m, 6, 9, 7>>, %w: tensor<4x3x3x2xf32>) -> tensor<?x4x4x7xf32, #tfm.dims<m, 4, 4, 7>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.conv %x, %w {strides = array<i64: 2, 1>, pads = array<i64: 0, 1, 2, 1>, dilations = array<i64: 2, 2>, groups = 2 : i64} : (tensor<?x6x9x7xf32, #tfm.dims<m, 6, 9, 7>>, tensor<4x3x3x2xf32>) -> tensor<?x4x4x7xf32, #tfm.dims<m, 4, 4, 7>>
    kernel.return %0 : tensor<?x4x4x7xf32, #tfm.dims<m, 4, 4, 7>>
  }
}
