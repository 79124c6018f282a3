// How sums of products are computed on each target, and how the weights lie for all of them.
// RUN: lathe-opt --lathe-schedule-kernels=targets=x86-64-v4+vnni+bf16+amx,x86-64-v4+vnni+bf16,x86-64-v4+vnni,x86-64-v4,x86-64-v3 %s | FileCheck %s
!x = tensor<?x64xf32, #tfm.dims<n, 64>>
!h = tensor<?x64xbf16, #tfm.dims<n, 64>>
!int8 = tensor<64x64xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>
!int7 = tensor<64x64xf32, #tfm.int<bits = 7, block = [64, 1], scale = f32>>
!narrow = tensor<32x64xf32, #tfm.int<bits = 8, block = [32, 1], scale = f32>>
!half = tensor<64x64xf32, #tfm.float<type = f16>>
module attributes {tfm.symbols = {n = array<i64: 1, 64>}} {
  tfm.weight @w.int8 : !int8 = #tfm.random<1, 0, 1.0 : f64>
  tfm.weight @w.int7 : !int7 = #tfm.random<1, 1, 1.0 : f64>
  tfm.weight @w.narrow : !narrow = #tfm.random<1, 4, 1.0 : f64>
  tfm.weight @w.bf16 : tensor<64x64xbf16> = #tfm.random<1, 2, 1.0 : f64>
  tfm.weight @w.half : !half = #tfm.random<1, 3, 1.0 : f64>

  // CHECK-LABEL: kernel.func @int8
  // CHECK-SAME: kernel.layout = #kernel.panel<width = 16, depth = 4>
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16+amx", {{[^{]*}}{product = "amx_int8"
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16", {{[^{]*}}{product = "vnni"
  // CHECK-SAME: target = "x86-64-v4+vnni", {{[^{]*}}{product = "vnni"
  // CHECK-SAME: target = "x86-64-v4", {{[^{]*}}{product = "words"
  // CHECK-SAME: target = "x86-64-v3", {{[^{]*}}{product = "words"
  kernel.func @int8(%x: !x, %w: !int8) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (!x, !int8) -> !x
    kernel.return %0 : !x
  }
  // Rows that don't fill a tile's 64 bytes.
  // CHECK-LABEL: kernel.func @narrow
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16+amx", {{[^{]*}}{product = "vnni"
  kernel.func @narrow(%x: tensor<?x32xf32, #tfm.dims<n, 32>>, %w: !narrow) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (tensor<?x32xf32, #tfm.dims<n, 32>>, !narrow) -> !x
    kernel.return %0 : !x
  }
  // CHECK-LABEL: kernel.func @int7
  // CHECK-SAME: target = "x86-64-v4+vnni", {{[^{]*}}{product = "vnni"
  // CHECK-SAME: target = "x86-64-v4", {{[^{]*}}{product = "bytes"
  kernel.func @int7(%x: !x, %w: !int7) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (!x, !int7) -> !x
    kernel.return %0 : !x
  }
  // CHECK-LABEL: kernel.func @bf16
  // CHECK-SAME: kernel.layout = #kernel.panel<width = 16, depth = 2>
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16+amx", {{[^{]*}}{product = "amx_bf16"
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16", {{[^{]*}}{product = "bf16"
  // CHECK-SAME: target = "x86-64-v4+vnni", {{[^{]*}}{product = "half_weights"
  // CHECK-SAME: target = "x86-64-v3", {{[^{]*}}{product = "half_weights"
  kernel.func @bf16(%x: !h, %w: tensor<64x64xbf16>) -> !h attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!h, tensor<64x64xbf16>) -> !h
    kernel.return %0 : !h
  }
  // An input in f32 is not rounded, so both sides aren't bf16.
  // CHECK-LABEL: kernel.func @half
  // CHECK-SAME: kernel.layout = #kernel.panel<width = 16, depth = 2>
  // CHECK-SAME: target = "x86-64-v4+vnni+bf16", {{[^{]*}}{product = "half_weights"
  kernel.func @half(%x: !x, %w: !half) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!x, !half) -> !x
    kernel.return %0 : !x
  }

  func.func @main(%x: !x, %h: !h, %y: tensor<?x32xf32, #tfm.dims<n, 32>>) -> (!x, !x, !h, !x, !x) {
    %int8 = tfm.get @w.int8 : !int8
    %int7 = tfm.get @w.int7 : !int7
    %bf16 = tfm.get @w.bf16 : tensor<64x64xbf16>
    %narrow = tfm.get @w.narrow : !narrow
    %half = tfm.get @w.half : !half
    %0 = kernel.launch @int8(%x, %int8) : (!x, !int8) -> !x
    %1 = kernel.launch @int7(%x, %int7) : (!x, !int7) -> !x
    %2 = kernel.launch @bf16(%h, %bf16) : (!h, tensor<64x64xbf16>) -> !h
    %3 = kernel.launch @half(%x, %half) : (!x, !half) -> !x
    %4 = kernel.launch @narrow(%y, %narrow) : (tensor<?x32xf32, #tfm.dims<n, 32>>, !narrow) -> !x
    return %0, %1, %2, %3, %4 : !x, !x, !h, !x, !x
  }
}
