// Logits of the next token by the last one: all alike behind token 0; three times as much for token 1 behind token 1.
module attributes {tfm.symbols = {batch = array<i64: 1, 64>, past = array<i64: 0, 64>, sequence = array<i64: 1, 64>}} {
  tfm.weight @table : tensor<2x4xf32> = dense<[[0.0, 0.0, 0.0, 0.0], [0.0, 1.0986123, 0.0, 0.0]]> : tensor<2x4xf32>
  func.func @main(%ids: tensor<?x?xi64, #tfm.dims<batch, sequence>> {tfm.name = "input_ids"},
                  %mask: tensor<?x?xi64, #tfm.dims<batch, sequence>> {tfm.name = "attention_mask"},
                  %cache: tensor<?x?xf32, #tfm.dims<batch, past>> {tfm.name = "cache"})
      -> (tensor<?x?x4xf32, #tfm.dims<batch, sequence, 4>> {tfm.name = "logits"},
          tensor<?x?xf32, #tfm.dims<batch, past>> {tfm.name = "present"}) {
    %table = tfm.get @table : tensor<2x4xf32>
    %0 = tfm.embedding %ids, %table : (tensor<?x?xi64, #tfm.dims<batch, sequence>>, tensor<2x4xf32>) -> tensor<?x?x4xf32, #tfm.dims<batch, sequence, 4>>
    %1 = tfm.add %cache, %cache : (tensor<?x?xf32, #tfm.dims<batch, past>>, tensor<?x?xf32, #tfm.dims<batch, past>>) -> tensor<?x?xf32, #tfm.dims<batch, past>>
    return %0, %1 : tensor<?x?x4xf32, #tfm.dims<batch, sequence, 4>>, tensor<?x?xf32, #tfm.dims<batch, past>>
  }
}
