// RUN: cpu-kernel-check %s b=1,s=1 b=2,s=7 b=2,s=33 b=1,s=130 b=1,s=300 --rtol=1e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
// Attention by its mask: trailing padding, none, causal with grouped heads of odd sizes, and all at once, where some queries
// see nothing. Keys around the panel, the block and its multiples.
module attributes {tfm.symbols = {b = array<i64: 1, 512>, s = array<i64: 1, 512>}} {
  kernel.func @mini(%q: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, %k: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, %v: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, %p: tensor<?x?xi1, #tfm.dims<b, s>> {test.true = 70, test.prefix}) -> tensor<?x?x384xf32, #tfm.dims<b, s, 384>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v padding(%p) {heads = 12, kv_heads = 12, scale = 0.5, masked_row = #tfm.masked_row<mean>} : (tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, tensor<?x?xi1, #tfm.dims<b, s>>) -> tensor<?x?x384xf32, #tfm.dims<b, s, 384>>
    kernel.return %0 : tensor<?x?x384xf32, #tfm.dims<b, s, 384>>
  }
  kernel.func @plain(%q: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, %k: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, %v: tensor<?x?x384xf32, #tfm.dims<b, s, 384>>) -> tensor<?x?x384xf32, #tfm.dims<b, s, 384>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 12, kv_heads = 12, scale = 0.5} : (tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, tensor<?x?x384xf32, #tfm.dims<b, s, 384>>, tensor<?x?x384xf32, #tfm.dims<b, s, 384>>) -> tensor<?x?x384xf32, #tfm.dims<b, s, 384>>
    kernel.return %0 : tensor<?x?x384xf32, #tfm.dims<b, s, 384>>
  }
  kernel.func @causal(%q: tensor<?x?x26xf32, #tfm.dims<b, s, 26>>, %k: tensor<?x?x13xf32, #tfm.dims<b, s, 13>>, %v: tensor<?x?x17xf32, #tfm.dims<b, s, 17>>) -> tensor<?x?x34xf32, #tfm.dims<b, s, 34>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 2, kv_heads = 1, scale = 0.25, causal} : (tensor<?x?x26xf32, #tfm.dims<b, s, 26>>, tensor<?x?x13xf32, #tfm.dims<b, s, 13>>, tensor<?x?x17xf32, #tfm.dims<b, s, 17>>) -> tensor<?x?x34xf32, #tfm.dims<b, s, 34>>
    kernel.return %0 : tensor<?x?x34xf32, #tfm.dims<b, s, 34>>
  }
  kernel.func @window(%q: tensor<?x?x32xf32, #tfm.dims<b, s, 32>>, %k: tensor<?x?x32xf32, #tfm.dims<b, s + 3, 32>>, %v: tensor<?x?x32xf32, #tfm.dims<b, s + 3, 32>>, %p: tensor<?x?xi1, #tfm.dims<b, s + 3>> {test.true = 20}, %bias: tensor<2x1x?xf32, #tfm.dims<2, 1, s + 3>>) -> tensor<?x?x32xf32, #tfm.dims<b, s, 32>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v bias(%bias) padding(%p) {heads = 2, kv_heads = 2, scale = 0.5, causal, window = 5, softcap = 2.0, masked_row = #tfm.masked_row<unmasked>} : (tensor<?x?x32xf32, #tfm.dims<b, s, 32>>, tensor<?x?x32xf32, #tfm.dims<b, s + 3, 32>>, tensor<?x?x32xf32, #tfm.dims<b, s + 3, 32>>, tensor<2x1x?xf32, #tfm.dims<2, 1, s + 3>>, tensor<?x?xi1, #tfm.dims<b, s + 3>>) -> tensor<?x?x32xf32, #tfm.dims<b, s, 32>>
    kernel.return %0 : tensor<?x?x32xf32, #tfm.dims<b, s, 32>>
  }
}
