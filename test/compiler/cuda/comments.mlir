// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// A model's names may hold anything: they stay in their comments.
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  // CHECK: // ---- k0: relu?#error ? */ x??, map, 256 threads, 0 bytes of shared memory{{$}}
  // CHECK-NEXT: //   a?#error b?{{$}}
  // CHECK-NEXT: //   c*/ ?{{$}}
  // CHECK-NEXT: //   ????{{$}}
  // CHECK-NEXT: {{^}}struct Kernel_k0 {
  kernel.func @"relu\0A#error \\ */ x\0D\\"(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>, origins = ["a\0A#error b\\", "c*/ \\", "\F0\9F\98\80"]} {
    %0 = tfm.relu %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
  }
  func.func @main(%x: tensor<?xf32, #tfm.dims<n>> {tfm.name = "x"}) -> (tensor<?xf32, #tfm.dims<n>> {tfm.name = "y"}) {
    %0 = kernel.launch @"relu\0A#error \\ */ x\0D\\"(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
    return %0 : tensor<?xf32, #tfm.dims<n>>
  }
}
