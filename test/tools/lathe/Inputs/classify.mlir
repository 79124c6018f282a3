// Logits that are the input's, twice.
module attributes {tfm.symbols = {batch = array<i64: 1, 3>}} {
  func.func @main(%x: tensor<?x2xf32, #tfm.dims<batch, 2>> {tfm.name = "x"})
      -> (tensor<?x2xf32, #tfm.dims<batch, 2>> {tfm.name = "logits"}) {
    %0 = tfm.add %x, %x : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<?x2xf32, #tfm.dims<batch, 2>>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    return %0 : tensor<?x2xf32, #tfm.dims<batch, 2>>
  }
}
