// RUN: cpu-kernel-check %s --target=x86-64-v4+vnni+bf16+amx b=1,s=1 b=1,s=13 b=1,s=16 b=1,s=31 b=2,s=16 b=1,s=33 b=3,s=21 b=1,s=600 --rtol=1e-2
// REQUIRES: x86-64-v4+amx
// Tiles of AMX: rows around their 16 and 32, beyond which nothing may be read; columns that they don't divide; keys around them and
// around the block that scores are computed for.
!x = tensor<?x?x64xbf16, #tfm.dims<b, s, 64>>
!y = tensor<?x?x72xbf16, #tfm.dims<b, s, 72>>
module attributes {tfm.symbols = {b = array<i64: 1, 512>, s = array<i64: 1, 1024>}} {
  kernel.func @linear(%x: !x, %w: tensor<64x72xbf16> {test.panel}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!x, tensor<64x72xbf16>) -> !y
    kernel.return %0 : !y
  }
  kernel.func @attention(%q: !x, %k: !x, %v: !x, %p: tensor<?x?xi1, #tfm.dims<b, s>> {test.true = 70, test.prefix}) -> !x attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v padding(%p) {heads = 2, kv_heads = 2, scale = 0.5, masked_row = #tfm.masked_row<zero>} : (!x, !x, !x, tensor<?x?xi1, #tfm.dims<b, s>>) -> !x
    kernel.return %0 : !x
  }
  kernel.func @causal(%q: !x, %k: !x, %v: !x) -> !x attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 1, kv_heads = 1, scale = 0.25, causal} : (!x, !x, !x) -> !x
    kernel.return %0 : !x
  }
}
