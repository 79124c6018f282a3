// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// Attention: what of the mask is there becomes a constant of the skeleton's parameter, and a method where it is computed.
!q = tensor<?x?x32xf32, #tfm.dims<b, s, 32>>
!k = tensor<?x?x32xf32, #tfm.dims<b, s + 3, 32>>
module attributes {tfm.symbols = {b = array<i64: 1, 512>, s = array<i64: 1, 512>}} {
  // CHECK: // ---- k0: plain, attention
  // CHECK: kDepth = 8;
  // CHECK: kWidth = 8;
  // CHECK: kHeads = 4;
  // CHECK: kKvHeads = 2;
  // CHECK: kScale = 0.5f;
  // CHECK: kSoftcap = 0.0f;
  // CHECK: kPadding = false;
  // CHECK: kCausal = false;
  // CHECK: kWindow = false;
  // CHECK: kBias = false;
  // CHECK: kMaskedRow = MaskedRow::Nan;
  // CHECK: kQuery = Source::Rows;
  // CHECK-NOT: padding(
  // CHECK-NOT: bias(
  // CHECK: Attention<Kernel_k0_Op>::run({kernel});
  kernel.func @plain(%q: !q, %k: tensor<?x?x16xf32, #tfm.dims<b, s, 16>>, %v: tensor<?x?x16xf32, #tfm.dims<b, s, 16>>) -> !q attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 4, kv_heads = 2, scale = 0.5} : (!q, tensor<?x?x16xf32, #tfm.dims<b, s, 16>>, tensor<?x?x16xf32, #tfm.dims<b, s, 16>>) -> !q
    kernel.return %0 : !q
  }
  // CHECK: // ---- k1: all, attention
  // CHECK: kSoftcap = 2.0f;
  // CHECK: kPadding = true;
  // CHECK: kCausal = true;
  // CHECK: kWindow = true;
  // CHECK: kBias = true;
  // CHECK: kSkips = false;
  // CHECK: kMaskedRow = MaskedRow::Unmasked;
  // CHECK: window()
  // CHECK: bool padding(
  // CHECK: float bias(
  kernel.func @all(%q: !q, %k: !k, %v: !k, %p: tensor<?x?xi1, #tfm.dims<b, s + 3>>, %bias: tensor<2x1x?xf32, #tfm.dims<2, 1, s + 3>>) -> !q attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v bias(%bias) padding(%p) {heads = 2, kv_heads = 2, scale = 0.5, causal, window = 5, softcap = 2.0, masked_row = #tfm.masked_row<unmasked>} : (!q, !k, !k, tensor<2x1x?xf32, #tfm.dims<2, 1, s + 3>>, tensor<?x?xi1, #tfm.dims<b, s + 3>>) -> !q
    kernel.return %0 : !q
  }
  // CHECK: // ---- k2: odd, attention
  // CHECK: kDepth = 13;
  // CHECK: kWidth = 17;
  // CHECK: kQuery = Source::Computed;
  // CHECK: kKey = Source::Computed;
  // CHECK: kValue = Source::Computed;
  kernel.func @odd(%q: tensor<?x?x26xf32, #tfm.dims<b, s, 26>>, %k: tensor<?x?x13xf32, #tfm.dims<b, s, 13>>, %v: tensor<?x?x17xf32, #tfm.dims<b, s, 17>>) -> tensor<?x?x34xf32, #tfm.dims<b, s, 34>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 2, kv_heads = 1, scale = 0.25, causal} : (tensor<?x?x26xf32, #tfm.dims<b, s, 26>>, tensor<?x?x13xf32, #tfm.dims<b, s, 13>>, tensor<?x?x17xf32, #tfm.dims<b, s, 17>>) -> tensor<?x?x34xf32, #tfm.dims<b, s, 34>>
    kernel.return %0 : tensor<?x?x34xf32, #tfm.dims<b, s, 34>>
  }
  kernel.func @copy(%x: tensor<1xf32>) -> tensor<1xf32> attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.relu %x : (tensor<1xf32>) -> tensor<1xf32>
    kernel.return %0 : tensor<1xf32>
  }
  func.func @main(%x: tensor<1xf32> {tfm.name = "x"}) -> (tensor<1xf32> {tfm.name = "y"}) {
    %0 = kernel.launch @copy(%x) : (tensor<1xf32>) -> tensor<1xf32>
    return %0 : tensor<1xf32>
  }
}
