// RUN: lathe-opt --lathe-schedule-kernels %s | FileCheck %s
module attributes {tfm.symbols = {batch = array<i64: 1, 32>, sequence = array<i64: 1, 512>}} {
  tfm.weight @w : tensor<384x1536xf32> = #tfm.random<1, 0, 1.0 : f64>
  tfm.weight @b : tensor<1536xf32> = #tfm.random<1, 1, 1.0 : f64>

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

  func.func @main(%x: tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>> {
    %w = tfm.get @w : tensor<384x1536xf32>
    %b = tfm.get @b : tensor<1536xf32>
    %0 = kernel.launch @up(%x, %w, %b) : (tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>, tensor<384x1536xf32>, tensor<1536xf32>) -> tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
    return %0 : tensor<?x?x1536xf32, #tfm.dims<batch, sequence, 1536>>
  }
}
