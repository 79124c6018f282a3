module {
  tfm.weight @w : tensor<2048x2048xf32> = #tfm.random<1, 0, 0.02 : f32>
  func.func @main(%x: tensor<1x2048xf32> {tfm.name = "x"}) -> (tensor<1x2048xf32> {tfm.name = "y"}) {
    %w = tfm.get @w : tensor<2048x2048xf32>
    %0 = tfm.linear %x, %w : (tensor<1x2048xf32>, tensor<2048x2048xf32>) -> tensor<1x2048xf32>
    return %0 : tensor<1x2048xf32>
  }
}
