// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.5" --lathe-quantize-weights="format=int8 scale=f16" %s | FileCheck %s --check-prefix=BITMAP
// RUN: lathe-opt --lathe-sparsify-weights="pattern=2:4" --lathe-quantize-weights="format=int4 group=32" %s | FileCheck %s --check-prefix=NM
// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.5" --lathe-quantize-weights="format=int2 zero-points" %s | FileCheck %s --check-prefix=SMALL
// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.5 format=dense" --lathe-quantize-weights="format=int8" %s | FileCheck %s --check-prefix=DENSE
// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.2 format=auto" %s | FileCheck %s --check-prefix=AUTO
// RUN: lathe-opt --lathe-sparsify-weights="ratio=0.01 format=auto" %s | FileCheck %s --check-prefix=FEW
// RUN: not lathe-opt --lathe-sparsify-weights="format=nm" %s 2>&1 | FileCheck %s --check-prefix=PATTERN
// RUN: not lathe-opt --lathe-sparsify-weights="format=csr" %s 2>&1 | FileCheck %s --check-prefix=FORMAT

// The integers of what is kept lie inside of the format that leaves zeros out; scales are those of the whole weight. All of its
// readers see the same, transposed or not. 4096 elements: 2048 codes and a byte, 512 of bits and 256 of counts behind the scales.
// BITMAP: what = "2048 of 4096 stay, magnitude, kept as bitmap"
// BITMAP-SAME: after = 3008 : i64, {{.*}}what = "int8, bitmap"
// BITMAP: tfm.weight @w : tensor<64x64xf32, #tfm.bitmap<kept = 20{{[0-9][0-9]}}, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>> = #tfm.blob<
// BITMAP: tfm.linear {{.*}}(tensor<5x64xf32>, tensor<64x64xf32, #tfm.bitmap<
// BITMAP: tfm.linear {{.*}}(tensor<5x64xf32>, tensor<64x64xf32, #tfm.bitmap<
// NM: what = "2:4 stay, magnitude, kept as 2:4"
// NM-SAME: what = "int4, groups of 32, 2:4"
// NM: tfm.weight @w : tensor<64x64xf32, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 4, block = [32, 1], scale = f32>>> = #tfm.blob<
// Two bits for each element are less than a bit and a half, and two for each that is kept.
// SMALL: what = "int2 (zeros have codes: smaller than a bitmap)"
// SMALL: tfm.weight @w : tensor<64x64xf32, #tfm.int<bits = 2, block = [64, 1], scale = f32, zero_points = true>> = #tfm.blob<
// DENSE: what = "2048 of 4096 stay, magnitude"
// DENSE: tfm.weight @w : tensor<64x64xf32, #tfm.int<bits = 8,
// AUTO: tfm.weight @w : tensor<64x64xf32, #tfm.bitmap<kept = 3277>> = #tfm.blob<
// FEW: tfm.weight @w : tensor<64x64xf32> = #tfm.blob<
// PATTERN: error: format nm needs an n:m pattern
// FORMAT: error: format: expected auto, dense, nm or bitmap, got 'csr'
tfm.weight @w : tensor<64x64xf32> = #tfm.random<1, 2, 1.0 : f32>
func.func @main(%x: tensor<5x64xf32>) -> (tensor<5x64xf32>, tensor<5x64xf32>) {
  %w = tfm.get @w : tensor<64x64xf32>
  %y = tfm.linear %x, %w : (tensor<5x64xf32>, tensor<64x64xf32>) -> tensor<5x64xf32>
  %again = tfm.get @w : tensor<64x64xf32>
  %z = tfm.linear %x, %again : (tensor<5x64xf32>, tensor<64x64xf32>) -> tensor<5x64xf32>
  return %y, %z : tensor<5x64xf32>, tensor<5x64xf32>
}
