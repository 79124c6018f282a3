// RUN: cpu-kernel-check %s m=1,n=1 m=3,n=7 m=30,n=41 m=2,n=128 --rtol=2e-6
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
!x = tensor<?x?xf32, #tfm.dims<m, n>>
!col = tensor<?x1xf32, #tfm.dims<m, 1>>
!row = tensor<1x?xf32, #tfm.dims<1, n>>
!w = tensor<?xf32, #tfm.dims<n>>
!i = tensor<?x?xi64, #tfm.dims<m, n>>
!icol = tensor<?x1xi64, #tfm.dims<m, 1>>
!irow = tensor<1x?xi64, #tfm.dims<1, n>>
module attributes {tfm.symbols = {m = array<i64: 0, 512>, n = array<i64: 0, 512>}} {
  kernel.func @rows(%x: !x) -> (!col, !col, !col, !col, !col) attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.reduce_sum %x {axes = array<i64: 1>} : (!x) -> !col
    %1 = tfm.reduce_mean %x {axes = array<i64: 1>} : (!x) -> !col
    %2 = tfm.reduce_max %x {axes = array<i64: 1>} : (!x) -> !col
    %3 = tfm.reduce_min %x {axes = array<i64: 1>} : (!x) -> !col
    %4 = tfm.reduce_prod %x {axes = array<i64: 1>} : (!x) -> !col
    kernel.return %0, %1, %2, %3, %4 : !col, !col, !col, !col, !col
  }
  kernel.func @columns(%x: !x) -> (!row, !row, tensor<1x1xf32>) attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.reduce_mean %x {axes = array<i64: 0>} : (!x) -> !row
    %1 = tfm.reduce_max %x {axes = array<i64: 0>} : (!x) -> !row
    %2 = tfm.reduce_sum %x {axes = array<i64: 0, 1>} : (!x) -> tensor<1x1xf32>
    kernel.return %0, %1, %2 : !row, !row, tensor<1x1xf32>
  }
  kernel.func @integers(%x: !i) -> (!icol, !irow, !icol, !irow, !i, !i) attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.reduce_sum %x {axes = array<i64: 1>} : (!i) -> !icol
    %1 = tfm.reduce_min %x {axes = array<i64: 0>} : (!i) -> !irow
    %2 = tfm.arg_max %x {axis = 1 : i64} : (!i) -> !icol
    %3 = tfm.arg_min %x {axis = 0 : i64, last = true} : (!i) -> !irow
    %4 = tfm.cumsum %x {axis = 1 : i64} : (!i) -> !i
    %5 = tfm.cumsum %x {axis = 0 : i64, exclusive = true, reverse = true} : (!i) -> !i
    kernel.return %0, %1, %2, %3, %4, %5 : !icol, !irow, !icol, !irow, !i, !i
  }
  kernel.func @softmax(%x: !x) -> (!x, !x) attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.exp %x : (!x) -> !x
    %1 = tfm.softmax %0 {axis = 1 : i64} : (!x) -> !x
    %2 = tfm.mul %1, %0 : (!x, !x) -> !x
    kernel.return %1, %2 : !x, !x
  }
  kernel.func @softmax_outer(%x: !x) -> !x attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.softmax %x {axis = 0 : i64} : (!x) -> !x
    kernel.return %0 : !x
  }
  // A norm of a norm, a residual, a scale by a statistic of the row.
  kernel.func @norms(%x: !x, %y: !x, %g: !w) -> (!x, !x, !x) attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.add %x, %y : (!x, !x) -> !x
    %1 = tfm.layer_norm %0 gain(%g) {epsilon = 1.0e-2} : (!x, !w) -> !x
    %2 = tfm.add %1, %0 : (!x, !x) -> !x
    %3 = tfm.rms_norm %2 gain(%g) {epsilon = 1.0e-5} : (!x, !w) -> !x
    %4 = tfm.l2_normalize %3 {floor = 1.0e-12} : (!x) -> !x
    %5 = tfm.reduce_max %3 {axes = array<i64: 1>} : (!x) -> !col
    %6 = tfm.mul %y, %5 : (!x, !col) -> !x
    kernel.return %3, %4, %6 : !x, !x, !x
  }
  kernel.func @embed(%ids: tensor<?xi64, #tfm.dims<m>>, %table: tensor<10x24xf32>, %g: tensor<24xf32>) -> tensor<?x24xf32, #tfm.dims<m, 24>> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.embedding %ids, %table : (tensor<?xi64, #tfm.dims<m>>, tensor<10x24xf32>) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    %1 = tfm.add %0, %g : (tensor<?x24xf32, #tfm.dims<m, 24>>, tensor<24xf32>) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    %2 = tfm.layer_norm %1 gain(%g) bias(%g) {epsilon = 1.0e-5} : (tensor<?x24xf32, #tfm.dims<m, 24>>, tensor<24xf32>, tensor<24xf32>) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    kernel.return %2 : tensor<?x24xf32, #tfm.dims<m, 24>>
  }
  kernel.func @pool(%x: tensor<?x?x24xf32, #tfm.dims<m, n, 24>>, %mask: !x) -> tensor<?x24xf32, #tfm.dims<m, 24>> attributes {anchor = #kernel.anchor<reduction>} {
    %a = tfm.abs %mask : (!x) -> !x
    %0 = tfm.mean_pool %x, %a {floor = 1.0e-9} : (tensor<?x?x24xf32, #tfm.dims<m, n, 24>>, !x) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    %1 = tfm.l2_normalize %0 {floor = 1.0e-12} : (tensor<?x24xf32, #tfm.dims<m, 24>>) -> tensor<?x24xf32, #tfm.dims<m, 24>>
    kernel.return %1 : tensor<?x24xf32, #tfm.dims<m, 24>>
  }
}
