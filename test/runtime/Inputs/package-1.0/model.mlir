// What model.lathe was compiled from: a small encoder, with stored and with random weights.
!ids = tensor<?x?xi64, #tfm.dims<batch, sequence>>
!mask = tensor<?x?xi1, #tfm.dims<batch, sequence>>
!x = tensor<?x?x8xf32, #tfm.dims<batch, sequence, 8>>
!wide = tensor<?x?x12xf32, #tfm.dims<batch, sequence, 12>>
module attributes {tfm.symbols = {batch = array<i64: 1, 4>, sequence = array<i64: 1, 16>}} {
  tfm.weight @embedding : tensor<5x8xf32> = dense<[
    [0.5, -1.0, 0.25, 2.0, -0.75, 1.5, -0.125, 0.0], [1.0, 0.5, -2.0, 0.125, 0.75, -0.5, 1.25, -1.5],
    [-0.25, 1.75, 0.5, -1.0, 2.0, 0.0, -0.5, 1.0], [0.0, -0.5, 1.5, 0.25, -1.25, 1.0, 0.75, -2.0],
    [1.5, 0.75, -0.25, -1.75, 0.5, -1.0, 0.0, 0.125]]> : tensor<5x8xf32>
  tfm.weight @gain : tensor<8xf32> = dense<[1.0, 0.5, 1.5, 0.75, 1.25, -1.0, 2.0, 0.25]> : tensor<8xf32>
  tfm.weight @shift : tensor<8xf32> = dense<[0.0, 0.25, -0.5, 0.125, 0.75, -0.25, 0.5, 1.0]> : tensor<8xf32>
  tfm.weight @q : tensor<8x8xf32> = #tfm.random<10, 0, 0.5 : f32>
  tfm.weight @k : tensor<8x8xf32> = #tfm.random<10, 1, 0.5 : f32>
  tfm.weight @v : tensor<8x8xf32> = #tfm.random<10, 2, 0.5 : f32>
  tfm.weight @up : tensor<8x12xf32> = #tfm.random<10, 3, 0.5 : f32>
  tfm.weight @down : tensor<12x8xf32> = #tfm.random<10, 4, 0.5 : f32>
  tfm.weight @head : tensor<8x3xf32> = dense<[[1.0, -0.5, 0.25], [0.5, 2.0, -1.0], [-0.25, 0.0, 1.5],
    [0.75, 1.0, -0.5], [-1.5, 0.25, 0.5], [0.125, -1.0, 1.0], [2.0, 0.5, -0.75], [-1.0, 1.25, 0.0]]> : tensor<8x3xf32>
  func.func @main(%ids: !ids {tfm.name = "ids"}, %mask: !ids {tfm.name = "mask"})
      -> (!x {tfm.name = "states"}, tensor<?x3xf32, #tfm.dims<batch, 3>> {tfm.name = "scores"}) {
    %zero = tfm.constant dense<0> : tensor<i64>
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !mask
    %table = tfm.get @embedding : tensor<5x8xf32>
    %gain = tfm.get @gain : tensor<8xf32>
    %shift = tfm.get @shift : tensor<8xf32>
    %embedded = tfm.embedding %ids, %table : (!ids, tensor<5x8xf32>) -> !x
    %x = tfm.layer_norm %embedded gain(%gain) bias(%shift) {epsilon = 1.0e-5 : f64} : (!x, tensor<8xf32>, tensor<8xf32>) -> !x
    %wq = tfm.get @q : tensor<8x8xf32>
    %wk = tfm.get @k : tensor<8x8xf32>
    %wv = tfm.get @v : tensor<8x8xf32>
    %q = tfm.linear %x, %wq bias(%shift) : (!x, tensor<8x8xf32>, tensor<8xf32>) -> !x
    %k = tfm.linear %x, %wk : (!x, tensor<8x8xf32>) -> !x
    %v = tfm.linear %x, %wv : (!x, tensor<8x8xf32>) -> !x
    %a = tfm.attention %q, %k, %v padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (!x, !x, !x, !mask) -> !x
    %s = tfm.add %a, %x : (!x, !x) -> !x
    %n = tfm.layer_norm %s gain(%gain) {epsilon = 1.0e-5 : f64} : (!x, tensor<8xf32>) -> !x
    %wu = tfm.get @up : tensor<8x12xf32>
    %wd = tfm.get @down : tensor<12x8xf32>
    %u = tfm.linear %n, %wu : (!x, tensor<8x12xf32>) -> !wide
    %g = tfm.gelu %u : (!wide) -> !wide
    %d = tfm.linear %g, %wd : (!wide, tensor<12x8xf32>) -> !x
    %t = tfm.add %d, %n : (!x, !x) -> !x
    %weight = tfm.cast %keep : (!mask) -> tensor<?x?xf32, #tfm.dims<batch, sequence>>
    %pooled = tfm.mean_pool %t, %weight {floor = 1.0e-9 : f64} : (!x, tensor<?x?xf32, #tfm.dims<batch, sequence>>) -> tensor<?x8xf32, #tfm.dims<batch, 8>>
    %wh = tfm.get @head : tensor<8x3xf32>
    %scores = tfm.linear %pooled, %wh : (tensor<?x8xf32, #tfm.dims<batch, 8>>, tensor<8x3xf32>) -> tensor<?x3xf32, #tfm.dims<batch, 3>>
    return %t, %scores : !x, tensor<?x3xf32, #tfm.dims<batch, 3>>
  }
}
