// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// Rows: by a warp where they are short, else by a block; the input is kept in shared memory where it fits.
!x = tensor<?x768xf32, #tfm.dims<m, 768>>
!col = tensor<?x1xf32, #tfm.dims<m, 1>>
!wide = tensor<?x30000xf32, #tfm.dims<m, 30000>>
!w = tensor<768xf32>
module attributes {tfm.symbols = {m = array<i64: 0, 512>, n = array<i64: 0, 512>}} {
  // CHECK: // ---- k0: warp, rows
  // CHECK: buffer0.store([[I:i[0-9]+]], ({{v[0-9]+}} + {{v[0-9]+}}));
  // CHECK: team.sync();
  // CHECK: buffer0.load
  // CHECK: team.template reduce<Sum>
  // CHECK: team.template reduce<Sum>
  // CHECK: sqrtf(
  // CHECK: rows_by_warp<8>(kernel.d0, [&](auto team, index i) { kernel.compute(team, i, shared<float>(0 + warp() * 256)); });
  kernel.func @warp(%x: tensor<?x64xf32, #tfm.dims<m, 64>>, %r: tensor<?x64xf32, #tfm.dims<m, 64>>, %w: tensor<64xf32>) -> tensor<?x64xf32, #tfm.dims<m, 64>> attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.add %x, %r : (tensor<?x64xf32, #tfm.dims<m, 64>>, tensor<?x64xf32, #tfm.dims<m, 64>>) -> tensor<?x64xf32, #tfm.dims<m, 64>>
    %1 = tfm.layer_norm %0 gain(%w) {epsilon = 1.0e-5} : (tensor<?x64xf32, #tfm.dims<m, 64>>, tensor<64xf32>) -> tensor<?x64xf32, #tfm.dims<m, 64>>
    kernel.return %1 : tensor<?x64xf32, #tfm.dims<m, 64>>
  }
  // CHECK: // ---- k1: block, rows
  // CHECK: team.template reduce<Maximum>
  // CHECK: expf(
  // CHECK: team.template reduce<Sum>
  // CHECK: rows_by_block<8>(kernel.d0, shared<float>(0), [&](auto team, index i) { kernel.compute(team, i, shared<float>(32)); });
  kernel.func @block(%x: tensor<?x4096xf32, #tfm.dims<m, 4096>>) -> tensor<?x4096xf32, #tfm.dims<m, 4096>> attributes {anchor = #kernel.anchor<reduction>} {
    %1 = tfm.softmax %x {axis = 1 : i64} : (tensor<?x4096xf32, #tfm.dims<m, 4096>>) -> tensor<?x4096xf32, #tfm.dims<m, 4096>>
    kernel.return %1 : tensor<?x4096xf32, #tfm.dims<m, 4096>>
  }
  // CHECK: // ---- k2: unbuffered, rows
  // CHECK-NOT: buffer0
  // CHECK: = -bit_cast<float>(0x7f800000u);
  // CHECK: team.template reduce<Maximum>
  // CHECK-NOT: buffer0
  // CHECK: rows_by_block<8>(kernel.d0, shared<float>(0), [&](auto team, index i) { kernel.compute(team, i); });
  kernel.func @unbuffered(%x: !wide) -> !col attributes {anchor = #kernel.anchor<reduction>} {
    %1 = tfm.reduce_max %x {axes = array<i64: 1>} : (!wide) -> !col
    kernel.return %1 : !col
  }
  // CHECK: // ---- k3: symbolic, rows
  // CHECK: index d1; // n
  // CHECK: {{i[0-9]+}} < d1
  // CHECK: team.template reduce<Product>
  // CHECK: rows_by_warp<8>
  kernel.func @symbolic(%x: tensor<?x?xf32, #tfm.dims<m, n>>) -> !col attributes {anchor = #kernel.anchor<reduction>} {
    %1 = tfm.reduce_prod %x {axes = array<i64: 1>} : (tensor<?x?xf32, #tfm.dims<m, n>>) -> !col
    kernel.return %1 : !col
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
