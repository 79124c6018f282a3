// A schedule that was written by hand is checked.
// RUN: split-file %s %t
// RUN: not lathe compile %t/missing.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not lathe compile %t/uneven.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=UNEVEN
// RUN: not lathe compile %t/panel.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=PANEL
// RUN: not lathe compile %t/product.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=PRODUCT
// PRODUCT: has a schedule for x86-64-v3 whose product is 'vnni', expected 'f32'; hint: run --lathe-schedule-kernels
// PANEL: argument 1 is in panels of 32 columns, expected 16
// MISSING: has a schedule for x86-64-v3 whose tile needs a 'lanes' in [8, 16]; hint: run --lathe-schedule-kernels
// UNEVEN: has a schedule for x86-64-v3 whose tile isn't made of panels of 16 columns
//--- missing.mlir
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  kernel.func @relu(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>,
      schedules = [#kernel.schedule<target = "x86-64-v3", tiles = <1>, scratch = <0>, options = {strategy = "map"}>]} {
    %0 = tfm.relu %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
  }
  func.func @main(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> {
    %0 = kernel.launch @relu(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    return %0 : tensor<?xf32, #tfm.dims<n>>
  }
}
//--- uneven.mlir
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  kernel.func @relu(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>,
      schedules = [#kernel.schedule<target = "x86-64-v3", tiles = <1>, scratch = <0>, options = {strategy = "map", tile = {
        lanes = 8, rows = 6, columns = 24, unroll = 8, block_rows = 48, tile_rows = 8, tile_columns = 128, query_rows = 24, key_block = 128}}>]} {
    %0 = tfm.relu %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
  }
  func.func @main(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> {
    %0 = kernel.launch @relu(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    return %0 : tensor<?xf32, #tfm.dims<n>>
  }
}
//--- panel.mlir
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  kernel.func @linear(%x: tensor<?x8xf32, #tfm.dims<n, 8>>, %w: tensor<8x8xf32> {kernel.layout = #kernel.panel<width = 32>}) -> tensor<?x8xf32, #tfm.dims<n, 8>> attributes {anchor = #kernel.anchor<contraction>,
      schedules = [#kernel.schedule<target = "x86-64-v3", tiles = <1>, scratch = <0>, options = {strategy = "contraction"}>]} {
    %0 = tfm.linear %x, %w : (tensor<?x8xf32, #tfm.dims<n, 8>>, tensor<8x8xf32>) -> tensor<?x8xf32, #tfm.dims<n, 8>>
    kernel.return %0 : tensor<?x8xf32, #tfm.dims<n, 8>>
  }
  func.func @main(%x: tensor<?x8xf32, #tfm.dims<n, 8>>) -> tensor<?x8xf32, #tfm.dims<n, 8>> {
    %w = tfm.get @w : tensor<8x8xf32>
    %0 = kernel.launch @linear(%x, %w) : (tensor<?x8xf32, #tfm.dims<n, 8>>, tensor<8x8xf32>) -> tensor<?x8xf32, #tfm.dims<n, 8>>
    return %0 : tensor<?x8xf32, #tfm.dims<n, 8>>
  }
}
//--- product.mlir
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  kernel.func @relu(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>,
      schedules = [#kernel.schedule<target = "x86-64-v3", tiles = <1>, scratch = <0>, options = {product = "vnni", strategy = "map", tile = {
        lanes = 8, rows = 6, columns = 16, unroll = 8, block_rows = 48, tile_rows = 8, tile_columns = 128, query_rows = 24, key_block = 128}}>]} {
    %0 = tfm.relu %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
  }
  func.func @main(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> {
    %0 = kernel.launch @relu(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    return %0 : tensor<?xf32, #tfm.dims<n>>
  }
}
