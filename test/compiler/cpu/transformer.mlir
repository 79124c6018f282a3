// RUN: cpu-kernel-check %s b=1,s=1 b=2,s=7 b=2,s=33 --rtol=2e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
!x = tensor<?x?x36xf32, #tfm.dims<b, s, 36>>
module attributes {tfm.symbols = {b = array<i64: 0, 512>, s = array<i64: 0, 512>}} {
  kernel.func @rotary(%x: !x, %c: tensor<?x?x4xf32, #tfm.dims<b, s, 4>>, %s: tensor<?x?x4xf32, #tfm.dims<b, s, 4>>) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.rotary %x, %c, %s {heads = 3 : i64} : (!x, tensor<?x?x4xf32, #tfm.dims<b, s, 4>>, tensor<?x?x4xf32, #tfm.dims<b, s, 4>>) -> !x
    kernel.return %0 : !x
  }
  kernel.func @interleaved(%x: !x, %c: tensor<1x?x6xf32, #tfm.dims<1, s, 6>>, %s: tensor<1x?x6xf32, #tfm.dims<1, s, 6>>) -> !x attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.rotary %x, %c, %s {heads = 3 : i64, interleaved} : (!x, tensor<1x?x6xf32, #tfm.dims<1, s, 6>>, tensor<1x?x6xf32, #tfm.dims<1, s, 6>>) -> !x
    kernel.return %0 : !x
  }
  kernel.func @linear_rotary(%x: !x, %w: tensor<36x36xf32> {test.panel}, %c: tensor<1x?x6xf32, #tfm.dims<1, s, 6>>, %s: tensor<1x?x6xf32, #tfm.dims<1, s, 6>>) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!x, tensor<36x36xf32>) -> !x
    %1 = tfm.rotary %0, %c, %s {heads = 3 : i64} : (!x, tensor<1x?x6xf32, #tfm.dims<1, s, 6>>, tensor<1x?x6xf32, #tfm.dims<1, s, 6>>) -> !x
    kernel.return %1 : !x
  }
}
