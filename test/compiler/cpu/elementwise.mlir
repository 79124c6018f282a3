// RUN: cpu-kernel-check %s m=1 m=3 m=130 --rtol=3e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
// Each elementwise op against the reference; 13 columns: one vector and a part of one, on either target.
!f = tensor<?x13xf32, #tfm.dims<m, 13>>
!row = tensor<13xf32>
!one = tensor<?x1xf32, #tfm.dims<m, 1>>
!i = tensor<?x13xi64, #tfm.dims<m, 13>>
!i32 = tensor<?x13xi32, #tfm.dims<m, 13>>
!u = tensor<?x13xui8, #tfm.dims<m, 13>>
!b = tensor<?x13xi1, #tfm.dims<m, 13>>
!h = tensor<?x13xf16, #tfm.dims<m, 13>>
!bf = tensor<?x13xbf16, #tfm.dims<m, 13>>
!d = tensor<?x13xf64, #tfm.dims<m, 13>>
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  kernel.func @unary(%x: !f) -> (!f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.abs %x : (!f) -> !f
    %1 = tfm.neg %x : (!f) -> !f
    %2 = tfm.exp %x : (!f) -> !f
    %3 = tfm.log %0 : (!f) -> !f
    %4 = tfm.sqrt %0 : (!f) -> !f
    %5 = tfm.reciprocal %2 : (!f) -> !f
    %6 = tfm.sin %x : (!f) -> !f
    %7 = tfm.cos %x : (!f) -> !f
    %8 = tfm.erf %x : (!f) -> !f
    %9 = tfm.tanh %x : (!f) -> !f
    %10 = tfm.sigmoid %x : (!f) -> !f
    %11 = tfm.silu %x : (!f) -> !f
    %12 = tfm.relu %x : (!f) -> !f
    %13 = tfm.sign %x : (!f) -> !f
    %14 = tfm.rsqrt %2 : (!f) -> !f
    kernel.return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14 : !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f
  }
  // Larger arguments: reduction of exp, sin and cos, and where erf and tanh are flat.
  kernel.func @large(%x: !f) -> (!f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f) attributes {anchor = #kernel.anchor<map>} {
    %s = tfm.constant dense<80.0> : tensor<f32>
    %t = tfm.constant dense<5.0> : tensor<f32>
    %y = tfm.mul %x, %s : (!f, tensor<f32>) -> !f
    %z = tfm.mul %x, %t : (!f, tensor<f32>) -> !f
    %n = tfm.neg %y : (!f) -> !f
    %a = tfm.abs %n : (!f) -> !f
    %m = tfm.neg %a : (!f) -> !f
    %2 = tfm.exp %m : (!f) -> !f
    %3 = tfm.log %a : (!f) -> !f
    %6 = tfm.sin %y : (!f) -> !f
    %7 = tfm.cos %y : (!f) -> !f
    %8 = tfm.erf %z : (!f) -> !f
    %9 = tfm.tanh %z : (!f) -> !f
    %10 = tfm.gelu %z {kind = #tfm.gelu_kind<tanh>} : (!f) -> !f
    %11 = tfm.gelu %z {kind = #tfm.gelu_kind<quick>} : (!f) -> !f
    %12 = tfm.floor %y : (!f) -> !f
    %13 = tfm.ceil %y : (!f) -> !f
    %14 = tfm.round %y : (!f) -> !f
    kernel.return %2, %3, %6, %7, %8, %9, %10, %11, %12, %13, %14 : !f, !f, !f, !f, !f, !f, !f, !f, !f, !f, !f
  }
  kernel.func @binary(%x: !f, %r: !row, %c: !one) -> (!f, !f, !f, !f, !f, !f, !f, !f, !f) attributes {anchor = #kernel.anchor<map>} {
    %a = tfm.abs %x : (!f) -> !f
    %0 = tfm.add %x, %r : (!f, !row) -> !f
    %1 = tfm.sub %c, %x : (!one, !f) -> !f
    %2 = tfm.mul %0, %1 : (!f, !f) -> !f
    %3 = tfm.div %r, %x : (!row, !f) -> !f
    %4 = tfm.mod %c, %x : (!one, !f) -> !f
    %5 = tfm.pow %a, %r : (!f, !row) -> !f
    %6 = tfm.minimum %x, %r : (!f, !row) -> !f
    %7 = tfm.maximum %x, %r : (!f, !row) -> !f
    %8 = tfm.swiglu %x, %r : (!f, !row) -> !f
    kernel.return %0, %1, %2, %3, %4, %5, %6, %7, %8 : !f, !f, !f, !f, !f, !f, !f, !f, !f
  }
  kernel.func @integers(%x: !i, %y: !i, %u: !u) -> (!i, !i, !i, !i, !i, !i, !b, !i, !u, !b) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.sub %x, %y : (!i, !i) -> !i
    %1 = tfm.div %0, %y : (!i, !i) -> !i
    %2 = tfm.mod %0, %y : (!i, !i) -> !i
    %3 = tfm.pow %0, %y : (!i, !i) -> !i
    %4 = tfm.maximum %0, %y : (!i, !i) -> !i
    %5 = tfm.xor %0, %y : (!i, !i) -> !i
    %6 = tfm.compare #tfm.predicate<lt> %x, %y : (!i, !i) -> !b
    %7 = tfm.select %6, %x, %0 : (!b, !i, !i) -> !i
    %8 = tfm.div %u, %u : (!u, !u) -> !u
    %9 = tfm.not %6 : (!b) -> !b
    kernel.return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 : !i, !i, !i, !i, !i, !i, !b, !i, !u, !b
  }
  kernel.func @casts(%x: !f, %i: !i, %h: !h, %bf: !bf, %b: !b, %d: !d) -> (!h, !bf, !d, !i, !i32, !f, !f, !f, !f, !bf, !f, !h, !b) attributes {anchor = #kernel.anchor<map>} {
    %s = tfm.constant dense<100.0> : tensor<f32>
    %y = tfm.mul %x, %s : (!f, tensor<f32>) -> !f
    %0 = tfm.cast %y : (!f) -> !h
    %1 = tfm.cast %y : (!f) -> !bf
    %2 = tfm.cast %y : (!f) -> !d
    %3 = tfm.cast %y : (!f) -> !i
    %4 = tfm.cast %y : (!f) -> !i32
    %5 = tfm.cast %i : (!i) -> !f
    %6 = tfm.cast %h : (!h) -> !f
    %7 = tfm.cast %bf : (!bf) -> !f
    %8 = tfm.cast %d : (!d) -> !f
    %9 = tfm.add %bf, %1 : (!bf, !bf) -> !bf
    %10 = tfm.cast %b : (!b) -> !f
    %11 = tfm.mul %h, %h : (!h, !h) -> !h
    %12 = tfm.cast %i : (!i) -> !b
    kernel.return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12 : !h, !bf, !d, !i, !i32, !f, !f, !f, !f, !bf, !f, !h, !b
  }
  kernel.func @doubles(%d: !d) -> (!d, !d, !d, !d, !d, !d) attributes {anchor = #kernel.anchor<map>} {
    %a = tfm.abs %d : (!d) -> !d
    %0 = tfm.exp %d : (!d) -> !d
    %1 = tfm.log %a : (!d) -> !d
    %2 = tfm.tanh %d : (!d) -> !d
    %3 = tfm.sin %d : (!d) -> !d
    %4 = tfm.pow %a, %d : (!d, !d) -> !d
    %5 = tfm.sqrt %a : (!d) -> !d
    kernel.return %0, %1, %2, %3, %4, %5 : !d, !d, !d, !d, !d, !d
  }
}
