// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// Scatters: a block copies, and computes the updates that may meet in their order; faults name operand and place.
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  // CHECK: // ---- k0: elements, scatter
  // CHECK: void copy(index i) const {
  // CHECK: void update(index i) const {
  // CHECK: for (index [[I:i[0-9]+]] = 0; [[I]] < d0; [[I]] += 1) {
  // CHECK: [[OUT:v[0-9]+]] = (u64({{v[0-9]+}}) >= u64(4));
  // CHECK: if ([[OUT]])
  // CHECK-NEXT: report_index(1, {{v[0-9]+}}, {{v[0-9]+}}, 4);
  // CHECK: r0.store({{.*}}, ({{v[0-9]+}} + {{v[0-9]+}}));
  // CHECK: kernel.copy(i);
  // CHECK-NEXT: sync_block();
  // CHECK: for (index i = thread(); i < 1 * 7; i += 256)
  // CHECK-NEXT: kernel.update(i);
  kernel.func @elements(%x: tensor<4x7xf32>, %i: tensor<?x7xi64, #tfm.dims<m, 7>>, %u: tensor<?x7xf32, #tfm.dims<m, 7>>) -> tensor<4x7xf32> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.scatter_elements %x, %i, %u {axis = 0 : i64, accumulate = #tfm.accumulate<add>} : (tensor<4x7xf32>, tensor<?x7xi64, #tfm.dims<m, 7>>, tensor<?x7xf32, #tfm.dims<m, 7>>) -> tensor<4x7xf32>
    kernel.return %0 : tensor<4x7xf32>
  }
  // CHECK: // ---- k1: embedding, map
  // CHECK: report_index(0, {{v[0-9]+}}, {{v[0-9]+}}, 50);
  kernel.func @embedding(%ids: tensor<?x2xi64, #tfm.dims<m, 2>>, %table: tensor<50x24xf32>) -> tensor<?x2x24xf32, #tfm.dims<m, 2, 24>> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.embedding %ids, %table : (tensor<?x2xi64, #tfm.dims<m, 2>>, tensor<50x24xf32>) -> tensor<?x2x24xf32, #tfm.dims<m, 2, 24>>
    kernel.return %0 : tensor<?x2x24xf32, #tfm.dims<m, 2, 24>>
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
