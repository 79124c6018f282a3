// RUN: cpu-kernel-check %s m=1 m=2 m=5 m=6 m=7 m=13 m=31 m=127 --rtol=5e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
// Products: rows around the register tile's, columns around the panel's, epilogues and prologues; the same bits however
// the tiles are split.
!k = tensor<?x37xf32, #tfm.dims<m, 37>>
!n = tensor<?x50xf32, #tfm.dims<m, 50>>
!w = tensor<37x50xf32>
!bias = tensor<50xf32>
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  kernel.func @plain(%x: !k, %w: !w {test.panel}) -> !n attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!k, !w) -> !n
    kernel.return %0 : !n
  }
  kernel.func @transposed(%x: !k, %w: tensor<50x37xf32> {test.panel_transposed}, %b: !bias) -> !n attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w bias(%b) {transposed} : (!k, tensor<50x37xf32>, !bias) -> !n
    kernel.return %0 : !n
  }
  // No layout: the kernel packs it.
  kernel.func @packs(%x: !k, %w: !w, %v: tensor<50x37xf32>) -> (!n, !n) attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!k, !w) -> !n
    %1 = tfm.linear %x, %v {transposed} : (!k, tensor<50x37xf32>) -> !n
    kernel.return %0, %1 : !n, !n
  }
  // One input, three products of different widths.
  kernel.func @qkv(%x: !k, %q: !w {test.panel}, %k: !w {test.panel}, %v: tensor<37x130xf32> {test.panel}, %b: !bias) -> (!n, !n, tensor<?x130xf32, #tfm.dims<m, 130>>) attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %q bias(%b) : (!k, !w, !bias) -> !n
    %1 = tfm.linear %x, %k : (!k, !w) -> !n
    %2 = tfm.linear %x, %v : (!k, tensor<37x130xf32>) -> tensor<?x130xf32, #tfm.dims<m, 130>>
    kernel.return %0, %1, %2 : !n, !n, tensor<?x130xf32, #tfm.dims<m, 130>>
  }
  // Two products that meet in one result.
  kernel.func @swiglu(%x: !k, %g: !w {test.panel}, %u: !w {test.panel}) -> !n attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %g : (!k, !w) -> !n
    %1 = tfm.linear %x, %u : (!k, !w) -> !n
    %2 = tfm.swiglu %0, %1 : (!n, !n) -> !n
    kernel.return %2 : !n
  }
  kernel.func @epilogue(%x: !k, %w: !w {test.panel}, %b: !bias, %r: !n, %c: tensor<?x1xf32, #tfm.dims<m, 1>>) -> (!n, !n) attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w bias(%b) : (!k, !w, !bias) -> !n
    %1 = tfm.gelu %0 : (!n) -> !n
    %2 = tfm.add %1, %r : (!n, !n) -> !n
    %3 = tfm.mul %2, %c : (!n, tensor<?x1xf32, #tfm.dims<m, 1>>) -> !n
    kernel.return %3, %0 : !n, !n
  }
  kernel.func @prologue(%x: !k, %y: !k, %w: !w {test.panel}) -> !n attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.mul %x, %y : (!k, !k) -> !k
    %1 = tfm.linear %0, %w : (!k, !w) -> !n
    kernel.return %1 : !n
  }
  kernel.func @norm(%x: !k, %w: !w {test.panel}, %b: !bias, %r: !n) -> (!n, !n) attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w bias(%b) : (!k, !w, !bias) -> !n
    %1 = tfm.add %0, %r : (!n, !n) -> !n
    %2 = tfm.layer_norm %1 gain(%b) bias(%b) {epsilon = 1.0e-2} : (!n, !bias, !bias) -> !n
    kernel.return %1, %2 : !n, !n
  }
  kernel.func @norm_packs(%x: !k, %w: !w, %b: !bias) -> !n attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!k, !w) -> !n
    %1 = tfm.softmax %0 {axis = 1 : i64} : (!n) -> !n
    kernel.return %1 : !n
  }
  // Heads of a row: a reshape within rows, and a norm of a part of a row.
  kernel.func @heads(%x: !k, %w: tensor<37x24xf32> {test.panel}, %g: tensor<8xf32>) -> tensor<?x3x8xf32, #tfm.dims<m, 3, 8>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!k, tensor<37x24xf32>) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    %1 = tfm.reshape %0 : (tensor<?x24xf32, #tfm.dims<m, 24>>) -> tensor<?x3x8xf32, #tfm.dims<m, 3, 8>>
    %2 = tfm.rms_norm %1 gain(%g) {epsilon = 1.0e-5} : (tensor<?x3x8xf32, #tfm.dims<m, 3, 8>>, tensor<8xf32>) -> tensor<?x3x8xf32, #tfm.dims<m, 3, 8>>
    kernel.return %2 : tensor<?x3x8xf32, #tfm.dims<m, 3, 8>>
  }
  kernel.func @scores(%a: tensor<2x3x?x20xf32, #tfm.dims<2, 3, m, 20>>, %b: tensor<3x?x20xf32, #tfm.dims<3, m, 20>>) -> tensor<2x3x?x?xf32, #tfm.dims<2, 3, m, m>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %a, %b {transpose_b} : (tensor<2x3x?x20xf32, #tfm.dims<2, 3, m, 20>>, tensor<3x?x20xf32, #tfm.dims<3, m, 20>>) -> tensor<2x3x?x?xf32, #tfm.dims<2, 3, m, m>>
    kernel.return %0 : tensor<2x3x?x?xf32, #tfm.dims<2, 3, m, m>>
  }
  kernel.func @matmul(%a: tensor<3x20x?xf32, #tfm.dims<3, 20, m>>, %b: tensor<2x1x20x35xf32>) -> tensor<2x3x?x35xf32, #tfm.dims<2, 3, m, 35>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %a, %b {transpose_a} : (tensor<3x20x?xf32, #tfm.dims<3, 20, m>>, tensor<2x1x20x35xf32>) -> tensor<2x3x?x35xf32, #tfm.dims<2, 3, m, 35>>
    kernel.return %0 : tensor<2x3x?x35xf32, #tfm.dims<2, 3, m, 35>>
  }
  kernel.func @inner(%a: tensor<4x?xf32, #tfm.dims<4, m>>, %b: tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<4x9xf32> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %a, %b : (tensor<4x?xf32, #tfm.dims<4, m>>, tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<4x9xf32>
    kernel.return %0 : tensor<4x9xf32>
  }
  kernel.func @integers(%a: tensor<?x9xi8, #tfm.dims<m, 9>>, %b: tensor<9x11xui8>) -> tensor<?x11xi32, #tfm.dims<m, 11>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %a, %b : (tensor<?x9xi8, #tfm.dims<m, 9>>, tensor<9x11xui8>) -> tensor<?x11xi32, #tfm.dims<m, 11>>
    kernel.return %0 : tensor<?x11xi32, #tfm.dims<m, 11>>
  }
}
