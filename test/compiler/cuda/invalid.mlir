// What can't be a CUDA kernel is told, and a schedule that was written by hand is checked.
// RUN: split-file %s %t
// RUN: not lathe compile %t/head.mlir --compile-from=fuse --compile-to=emit --target=cuda:sm_80 2>&1 | FileCheck %s --check-prefix=HEAD
// RUN: not lathe compile %t/missing.mlir --compile-from=schedule --compile-to=emit --target=cuda:sm_80 2>&1 | FileCheck %s --check-prefix=MISSING
// HEAD: error: {{.*}}head.mlir:4:10: 'tfm.attention' op expected heads of at most 256 elements for cuda:sm_80
// MISSING: error: {{.*}}missing.mlir:2:3: 'kernel.func' op has a schedule for cuda:sm_80 whose tile needs a 'threads' in [32, 1024]; hint: run --lathe-schedule-kernels
//--- head.mlir
!x = tensor<1x?x300xf32, #tfm.dims<1, s, 300>>
module attributes {tfm.symbols = {s = array<i64: 1, 64>}} {
  kernel.func @wide(%x: !x) -> !x attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %x, %x, %x {heads = 1, kv_heads = 1, scale = 0.5} : (!x, !x, !x) -> !x
    kernel.return %0 : !x
  }
  func.func @main(%x: !x {tfm.name = "x"}) -> (!x {tfm.name = "y"}) {
    %0 = kernel.launch @wide(%x) : (!x) -> !x
    return %0 : !x
  }
}
//--- missing.mlir
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  kernel.func @relu(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>,
      schedules = [#kernel.schedule<target = "cuda:sm_80", tiles = <1>, scratch = <0>, options = {strategy = "map"}>]} {
    %0 = tfm.relu %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
  }
  func.func @main(%x: tensor<?xf32, #tfm.dims<n>> {tfm.name = "x"}) -> (tensor<?xf32, #tfm.dims<n>> {tfm.name = "y"}) {
    %0 = kernel.launch @relu(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    return %0 : tensor<?xf32, #tfm.dims<n>>
  }
}
