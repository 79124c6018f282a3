// RUN: cpu-kernel-check %s m=1,n=3 m=3,n=17 m=5,n=8 --rtol=0
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only
// REQUIRES: x86-64-v3
// Ops that move elements, as kernels of their own and composed; results are exact.
!x = tensor<?x?x24xf32, #tfm.dims<m, n, 24>>
!flat = tensor<?xf32, #tfm.dims<24*m*n>>
!heads = tensor<?x?x3x8xf32, #tfm.dims<m, n, 3, 8>>
!byhead = tensor<?x3x?x8xf32, #tfm.dims<m, 3, n, 8>>
!ids = tensor<?x?xi64, #tfm.dims<m, n>>
module attributes {tfm.symbols = {m = array<i64: 0, 512>, n = array<i64: 0, 512>}} {
  kernel.func @reshape(%x: !x) -> (!flat, !heads, tensor<?x24x?xf32, #tfm.dims<m, 24, n>>) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.reshape %x : (!x) -> !flat
    %1 = tfm.reshape %x : (!x) -> !heads
    %2 = tfm.reshape %0 : (!flat) -> tensor<?x24x?xf32, #tfm.dims<m, 24, n>>
    kernel.return %0, %1, %2 : !flat, !heads, tensor<?x24x?xf32, #tfm.dims<m, 24, n>>
  }
  kernel.func @transpose(%x: !x) -> (!byhead, tensor<24x?x?xf32, #tfm.dims<24, n, m>>) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.reshape %x : (!x) -> !heads
    %1 = tfm.transpose %0 {permutation = array<i64: 0, 2, 1, 3>} : (!heads) -> !byhead
    %2 = tfm.transpose %x {permutation = array<i64: 2, 1, 0>} : (!x) -> tensor<24x?x?xf32, #tfm.dims<24, n, m>>
    kernel.return %1, %2 : !byhead, tensor<24x?x?xf32, #tfm.dims<24, n, m>>
  }
  kernel.func @slice(%x: !x) -> (tensor<?x?x7xf32, #tfm.dims<m, n, 7>>, tensor<?x1x24xf32, #tfm.dims<m, 1, 24>>) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.slice %x {starts = #tfm.dims<0, 0, 20>, steps = array<i64: 1, 1, -3>} : (!x) -> tensor<?x?x7xf32, #tfm.dims<m, n, 7>>
    %1 = tfm.slice %x {starts = #tfm.dims<0, n - 1, 0>, steps = array<i64: 1, 1, 1>} : (!x) -> tensor<?x1x24xf32, #tfm.dims<m, 1, 24>>
    kernel.return %0, %1 : tensor<?x?x7xf32, #tfm.dims<m, n, 7>>, tensor<?x1x24xf32, #tfm.dims<m, 1, 24>>
  }
  kernel.func @concat(%x: !x, %y: tensor<?x?x5xf32, #tfm.dims<m, n, 5>>) -> (tensor<?x?x34xf32, #tfm.dims<m, n, 34>>, tensor<?x?x24xf32, #tfm.dims<m, 2*n, 24>>) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.concat %y, %x, %y {axis = 2 : i64} : (tensor<?x?x5xf32, #tfm.dims<m, n, 5>>, !x, tensor<?x?x5xf32, #tfm.dims<m, n, 5>>) -> tensor<?x?x34xf32, #tfm.dims<m, n, 34>>
    %1 = tfm.concat %x, %x {axis = 1 : i64} : (!x, !x) -> tensor<?x?x24xf32, #tfm.dims<m, 2*n, 24>>
    kernel.return %0, %1 : tensor<?x?x34xf32, #tfm.dims<m, n, 34>>, tensor<?x?x24xf32, #tfm.dims<m, 2*n, 24>>
  }
  kernel.func @pad(%x: !x) -> tensor<?x?x29xf32, #tfm.dims<m, n + 2, 29>> attributes {anchor = #kernel.anchor<map>} {
    %v = tfm.constant dense<7.0> : tensor<f32>
    %0 = tfm.pad %x, %v {low = #tfm.dims<0, 1, 3>, high = #tfm.dims<0, 1, 2>} : (!x, tensor<f32>) -> tensor<?x?x29xf32, #tfm.dims<m, n + 2, 29>>
    kernel.return %0 : tensor<?x?x29xf32, #tfm.dims<m, n + 2, 29>>
  }
  kernel.func @gather(%x: !x, %i: tensor<?xi64, #tfm.dims<m>> {test.limit = 24 : i64}, %table: tensor<10x24xf32>, %ids: !ids) -> (tensor<?x?x?xf32, #tfm.dims<m, n, m>>, !x) attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.gather %x, %i {axis = 2 : i64} : (!x, tensor<?xi64, #tfm.dims<m>>) -> tensor<?x?x?xf32, #tfm.dims<m, n, m>>
    %1 = tfm.embedding %ids, %table : (!ids, tensor<10x24xf32>) -> !x
    %2 = tfm.add %1, %x : (!x, !x) -> !x
    kernel.return %0, %2 : tensor<?x?x?xf32, #tfm.dims<m, n, m>>, !x
  }
  kernel.func @gather_elements(%x: !x, %i: !x, %j: tensor<?x?x4xi64, #tfm.dims<m, n, 4>> {test.limit = 24 : i64}) -> tensor<?x?x4xf32, #tfm.dims<m, n, 4>> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.gather_elements %x, %j {axis = 2 : i64} : (!x, tensor<?x?x4xi64, #tfm.dims<m, n, 4>>) -> tensor<?x?x4xf32, #tfm.dims<m, n, 4>>
    kernel.return %0 : tensor<?x?x4xf32, #tfm.dims<m, n, 4>>
  }
  kernel.func @gather_nd(%x: tensor<10x10x9xf32>, %i: tensor<?x2xi64, #tfm.dims<m, 2>>) -> tensor<?x9xf32, #tfm.dims<m, 9>> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.gather_nd %x, %i : (tensor<10x10x9xf32>, tensor<?x2xi64, #tfm.dims<m, 2>>) -> tensor<?x9xf32, #tfm.dims<m, 9>>
    kernel.return %0 : tensor<?x9xf32, #tfm.dims<m, 9>>
  }
  kernel.func @scatter_elements(%x: tensor<10x9xf32>, %i: tensor<?x9xi64, #tfm.dims<m, 9>>, %u: tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<10x9xf32> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.scatter_elements %x, %i, %u {axis = 0 : i64, accumulate = #tfm.accumulate<max>} : (tensor<10x9xf32>, tensor<?x9xi64, #tfm.dims<m, 9>>, tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<10x9xf32>
    kernel.return %0 : tensor<10x9xf32>
  }
  kernel.func @scatter_nd(%x: tensor<10x9xf32>, %i: tensor<?x1xi64, #tfm.dims<m, 1>>, %u: tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<10x9xf32> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.scatter_nd %x, %i, %u : (tensor<10x9xf32>, tensor<?x1xi64, #tfm.dims<m, 1>>, tensor<?x9xf32, #tfm.dims<m, 9>>) -> tensor<10x9xf32>
    kernel.return %0 : tensor<10x9xf32>
  }
  kernel.func @sources(%x: !x) -> (tensor<?xi64, #tfm.dims<n>>, tensor<3xi64>, tensor<i64>, tensor<5xf32>, tensor<3xi1>) attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.iota <m> step 2 : tensor<?xi64, #tfm.dims<n>>
    %1 = tfm.extent <m, 4, n> : tensor<3xi64>
    %2 = tfm.extent <n> : tensor<i64>
    %3 = tfm.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
    %4 = tfm.constant dense<[true, false, true]> : tensor<3xi1>
    kernel.return %0, %1, %2, %3, %4 : tensor<?xi64, #tfm.dims<n>>, tensor<3xi64>, tensor<i64>, tensor<5xf32>, tensor<3xi1>
  }
}
