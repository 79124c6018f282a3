// RUN: lathe-opt --lathe-schedule-kernels %s | FileCheck %s
// RUN: lathe-opt --lathe-schedule-kernels=targets=x86-64-v3,cuda:sm_89 %s | FileCheck %s --check-prefix=CUDA
// RUN: lathe-opt --lathe-schedule-kernels=targets=x86-64-v4+vnni,x86-64-v4+vnni+bf16 %s | FileCheck %s --check-prefix=VNNI
module attributes {tfm.symbols = {batch = array<i64: 1, 32>, sequence = array<i64: 1, 512>}} {
  tfm.weight @w : tensor<384x1536xf32> = #tfm.random<1, 0, 1.0 : f64>
  tfm.weight @b : tensor<1536xf32> = #tfm.random<1, 1, 1.0 : f64>
  tfm.weight @p : tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16>> = #tfm.random<1, 2, 1.0 : f64>
  tfm.weight @q : tensor<64x48xf32, #tfm.float<type = f8E4M3FN, block = [64, 1], scale = f32>> = #tfm.random<1, 3, 1.0 : f64>
  tfm.weight @s : tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [12, 1], scale = f16>>> = #tfm.random<1, 5, 1.0 : f64>
  tfm.weight @t : tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [18, 1], scale = f16>>> = #tfm.random<1, 6, 1.0 : f64>
  tfm.weight @i : tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>> = #tfm.random<1, 4, 1.0 : f64>
  tfm.weight @m : tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>> = #tfm.random<1, 7, 1.0 : f64>
  tfm.weight @n : tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.codebook<bits = 4, type = f16>>> = #tfm.random<1, 8, 1.0 : f64>

  // A weight that every launch passes lies in panels; tiles are row blocks by column chunks.
  // CHECK-LABEL: kernel.func @up
  // CHECK-SAME: %arg1: tensor<384x1536xf32> {kernel.layout = #kernel.panel<width = 16>}
  // CHECK-SAME: %arg2: tensor<1536xf32>)
  // CHECK-SAME: target = "x86-64-v3", tiles = <12*floordiv(batch*sequence + 7, 8)>
  // CHECK-SAME: strategy = "contraction"
  // CHECK-SAME: target = "x86-64-v4", tiles = <12*floordiv(batch*sequence + 7, 8)>
  kernel.func @up(%x: tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>, %w: tensor<384x1536xf32>, %b: tensor<1536xf32>)
      -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w bias(%b) : (tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>, tensor<384x1536xf32>, tensor<1536xf32>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
    %1 = tfm.gelu %0 : (tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
    kernel.return %1 : tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
  }

  // Packed codes lie in panels whatever the target, also of weights in 16 bits.
  // CHECK-LABEL: kernel.func @packed
  // CHECK-SAME: #tfm.int<bits = 4, block = [32, 1], scale = f16>> {kernel.layout = #kernel.panel<width = 16>}
  // CUDA-LABEL: kernel.func @packed
  // CUDA-SAME: #tfm.int<bits = 4, block = [32, 1], scale = f16>> {kernel.layout = #kernel.panel<width = 16>}
  kernel.func @packed(%x: tensor<?x64xf16, #tfm.dims<batch, 64>>, %w: tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16>>)
      -> tensor<?x48xf16, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf16, #tfm.dims<batch, 48>>
  }
  // Two of four lie in panels too, unless a block ends among the four.
  // CHECK-LABEL: kernel.func @sparse(
  // CHECK-SAME: block = [12, 1], scale = f16>>> {kernel.layout = #kernel.panel<width = 16>})
  // CUDA-LABEL: kernel.func @sparse(
  // CUDA-SAME: block = [12, 1], scale = f16>>> {kernel.layout = #kernel.panel<width = 16>})
  kernel.func @sparse(%x: tensor<?x64xf16, #tfm.dims<batch, 64>>, %w: tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [12, 1], scale = f16>>>)
      -> tensor<?x48xf16, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [12, 1], scale = f16>>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf16, #tfm.dims<batch, 48>>
  }
  // CHECK-LABEL: kernel.func @uneven(
  // CHECK-SAME: block = [18, 1], scale = f16>>>)
  // CUDA-LABEL: kernel.func @uneven(
  // CUDA-SAME: block = [18, 1], scale = f16>>>)
  kernel.func @uneven(%x: tensor<?x64xf16, #tfm.dims<batch, 64>>, %w: tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [18, 1], scale = f16>>>)
      -> tensor<?x48xf16, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [18, 1], scale = f16>>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf16, #tfm.dims<batch, 48>>
  }
  // What a bitmap keeps lies in panels too, for integers where there are no devices; not what has a table.
  // CHECK-LABEL: kernel.func @bitmap(
  // CHECK-SAME: scale = f16>>> {kernel.layout = #kernel.panel<width = 16, depth = 4>})
  // CHECK-SAME: product = "words"
  // VNNI-LABEL: kernel.func @bitmap(
  // VNNI-SAME: target = "x86-64-v4+vnni", {{.*}} options = {product = "vnni", {{[^}]*}}block_rows = 128 : i64
  // VNNI-SAME: target = "x86-64-v4+vnni+bf16", {{.*}} options = {expand = "vpexpandb", product = "vnni"
  // CUDA-LABEL: kernel.func @bitmap(
  // CUDA-SAME: scale = f16>>> {kernel.layout = #kernel.panel<width = 16>})
  // CUDA-SAME: product = "f32"
  kernel.func @bitmap(%x: tensor<?x64xf32, #tfm.dims<batch, 64>>, %w: tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>>)
      -> tensor<?x48xf32, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf32, #tfm.dims<batch, 48>>
  }
  // CHECK-LABEL: kernel.func @table(
  // CHECK-NOT: kernel.layout
  // CHECK: kernel.return
  kernel.func @table(%x: tensor<?x64xf32, #tfm.dims<batch, 64>>, %w: tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.codebook<bits = 4, type = f16>>>)
      -> tensor<?x48xf32, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.codebook<bits = 4, type = f16>>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf32, #tfm.dims<batch, 48>>
  }
  // Small floats by small floats, where a device multiplies them; not integers.
  // CUDA-LABEL: kernel.func @small
  // CUDA-SAME: {kernel.layout = #kernel.panel<width = 16>}
  // CUDA-SAME: target = "cuda:sm_89"
  // CUDA-SAME: float8 = 1
  kernel.func @small(%x: tensor<?x64xf32, #tfm.dims<batch, 64>>, %w: tensor<64x48xf32, #tfm.float<type = f8E4M3FN, block = [64, 1], scale = f32>>)
      -> tensor<?x48xf32, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.float<type = f8E4M3FN, block = [64, 1], scale = f32>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf32, #tfm.dims<batch, 48>>
  }
  // CUDA-LABEL: kernel.func @grouped
  // CUDA-SAME: float8 = 0
  kernel.func @grouped(%x: tensor<?x64xf32, #tfm.dims<batch, 64>>, %w: tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>)
      -> tensor<?x48xf32, #tfm.dims<batch, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    kernel.return %0 : tensor<?x48xf32, #tfm.dims<batch, 48>>
  }

  // A norm behind the contraction needs whole rows: no column chunks, and room for a block of them.
  // CHECK-LABEL: kernel.func @norm
  // CHECK-NOT: kernel.layout
  // CHECK: tiles = <floordiv(batch + 7, 8)>
  kernel.func @norm(%x: tensor<?x16xf32, #tfm.dims<batch, 16>>, %w: tensor<16x8xf32>)
      -> tensor<?x8xf32, #tfm.dims<batch, 8>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x16xf32, #tfm.dims<batch, 16>>, tensor<16x8xf32>) -> tensor<?x8xf32, #tfm.dims<batch, 8>>
    %1 = tfm.layer_norm %0 {epsilon = 1.0e-5} : (tensor<?x8xf32, #tfm.dims<batch, 8>>) -> tensor<?x8xf32, #tfm.dims<batch, 8>>
    kernel.return %1 : tensor<?x8xf32, #tfm.dims<batch, 8>>
  }

  // CHECK-LABEL: kernel.func @softmax
  // CHECK: tiles = <floordiv(batch + 7, 8)>, scratch = <64*floordiv(sequence + 15, 16)>, options = {product = "f32", strategy = "rows", tile = {{.*}}lanes = 8
  kernel.func @softmax(%x: tensor<?x?xf32, #tfm.dims<batch, sequence>>)
      -> tensor<?x?xf32, #tfm.dims<batch, sequence>> attributes {anchor = #kernel.anchor<reduction>} {
    %0 = tfm.softmax %x {axis = 1} : (tensor<?x?xf32, #tfm.dims<batch, sequence>>) -> tensor<?x?xf32, #tfm.dims<batch, sequence>>
    kernel.return %0 : tensor<?x?xf32, #tfm.dims<batch, sequence>>
  }

  func.func @main(%x: tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>, %h: tensor<?x64xf16, #tfm.dims<batch, 64>>, %s: tensor<?x64xf32, #tfm.dims<batch, 64>>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>> {
    %w = tfm.get @w : tensor<384x1536xf32>
    %b = tfm.get @b : tensor<1536xf32>
    %0 = kernel.launch @up(%x, %w, %b) : (tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>, tensor<384x1536xf32>, tensor<1536xf32>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
    %p = tfm.get @p : tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16>>
    %q = tfm.get @q : tensor<64x48xf32, #tfm.float<type = f8E4M3FN, block = [64, 1], scale = f32>>
    %i = tfm.get @i : tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>
    %two = tfm.get @s : tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [12, 1], scale = f16>>>
    %none = tfm.get @t : tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [18, 1], scale = f16>>>
    %1 = kernel.launch @packed(%h, %p) : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    %2 = kernel.launch @small(%s, %q) : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.float<type = f8E4M3FN, block = [64, 1], scale = f32>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    %3 = kernel.launch @grouped(%s, %i) : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    %4 = kernel.launch @sparse(%h, %two) : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [12, 1], scale = f16>>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    %5 = kernel.launch @uneven(%h, %none) : (tensor<?x64xf16, #tfm.dims<batch, 64>>, tensor<64x48xf16, #tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [18, 1], scale = f16>>>) -> tensor<?x48xf16, #tfm.dims<batch, 48>>
    %map = tfm.get @m : tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>>
    %table = tfm.get @n : tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.codebook<bits = 4, type = f16>>>
    %6 = kernel.launch @bitmap(%s, %map) : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.int<bits = 8, block = [64, 1], scale = f16>>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    %7 = kernel.launch @table(%s, %table) : (tensor<?x64xf32, #tfm.dims<batch, 64>>, tensor<64x48xf32, #tfm.bitmap<kept = 1500, values = #tfm.codebook<bits = 4, type = f16>>>) -> tensor<?x48xf32, #tfm.dims<batch, 48>>
    return %0 : tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
  }
}
