// A schedule that was written by hand is checked.
// RUN: split-file %s %t
// RUN: not lathe compile %t/missing.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not lathe compile %t/uneven.mlir --compile-from=schedule --target=cpu:x86-64-v3 -o %t/m.lathe 2>&1 | FileCheck %s --check-prefix=UNEVEN
// MISSING: has a schedule for x86-64-v3 whose tile needs a 'lanes' in [8, 16]; hint: run --lathe-schedule-kernels
// UNEVEN: has a schedule for x86-64-v3 whose tile doesn't divide panels of 32
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
