// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// Elements on their own: a function for each result, numbers of the model's types, faults, tables of constants.
!x = tensor<?x5xf32, #tfm.dims<n, 5>>
module attributes {tfm.symbols = {n = array<i64: 0, 64>}} {
  // CHECK: // ---- k0: chain, map
  // CHECK-NEXT: //   /a/Mul
  // CHECK-NEXT: //   /a/Relu
  // CHECK: Global<const f16> a1; // tensor<5xf16>
  // CHECK: index d0; // n
  // CHECK: void element0(index i) const {
  // CHECK: r0.store(i, maximum(({{.*}} * to_float({{.*}})), 0.0f));
  // CHECK: void element1(index i) const {
  // CHECK: >= 9.22337203E+18f) ? 9223372036854775807ll
  // CHECK: extern "C" __global__ void __launch_bounds__(256, 1) k0(const float *a0, const f16 *a1, float *r0, i64 *r1, const index *params, Fault *fault, void *workspace)
  // CHECK: kernel.a1 = global(a1, 5);
  // CHECK: kernel.r1 = global(r1, kernel.d0 * 5);
  // CHECK: map(kernel.d0 * 5, 256, [&](index i) { kernel.element1(i); });
  // CHECK: LATHE_SIM_KERNEL(k0)
  kernel.func @chain(%x: !x, %y: tensor<5xf16>) -> (!x, tensor<?x5xi64, #tfm.dims<n, 5>>) attributes {anchor = #kernel.anchor<map>, origins = ["/a/Mul", "/a/Relu"]} {
    %0 = tfm.cast %y : (tensor<5xf16>) -> tensor<5xf32>
    %1 = tfm.mul %x, %0 : (!x, tensor<5xf32>) -> !x
    %2 = tfm.relu %1 : (!x) -> !x
    %3 = tfm.cast %2 : (!x) -> tensor<?x5xi64, #tfm.dims<n, 5>>
    kernel.return %2, %3 : !x, tensor<?x5xi64, #tfm.dims<n, 5>>
  }
  // CHECK: // ---- k1: gather, map
  // CHECK: [[AT:v[0-9]+]] = divide(i, 5);
  // CHECK: [[ID:v[0-9]+]] = a1.load([[AT]]);
  // CHECK: [[WRAPPED:v[0-9]+]] = (([[ID]] < 0) ? ([[ID]] + d0) : [[ID]]);
  // CHECK: [[OUT:v[0-9]+]] = (u64([[WRAPPED]]) >= u64(d0));
  // CHECK: if ([[OUT]])
  // CHECK-NEXT: report_index(1, [[AT]], [[ID]], d0);
  // CHECK: a0.load(((([[OUT]] ? 0 : [[WRAPPED]]) * 5) + remainder(i, 5)))
  kernel.func @gather(%x: !x, %ids: tensor<?xi64, #tfm.dims<n>>) -> !x attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.gather %x, %ids {axis = 0 : i64} : (!x, tensor<?xi64, #tfm.dims<n>>) -> !x
    kernel.return %0 : !x
  }
  // CHECK: __device__ const float Kernel_k2_constant_0[] = {1.0f, -2.5f, bit_cast<float>(0x7f800000u), bit_cast<float>(0x7fc00000u), -0.0f};
  // CHECK: table(Kernel_k2_constant_0).load(remainder(i, 5))
  kernel.func @table(%x: !x) -> !x attributes {anchor = #kernel.anchor<map>} {
    %c = tfm.constant dense<[1.0, -2.5, 0x7F800000, 0x7FC00000, -0.0]> : tensor<5xf32>
    %0 = tfm.add %x, %c : (!x, tensor<5xf32>) -> !x
    kernel.return %0 : !x
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
