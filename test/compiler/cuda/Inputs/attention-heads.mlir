// Attention of 16 bits by width of heads and what there is of masks, for nvrtc-gate.py: the most registers.
module attributes {tfm.symbols = {b = array<i64: 1, 512>, s = array<i64: 1, 512>}} {
  kernel.func @plain64(%q: tensor<?x?x256xf16, #tfm.dims<b, s, 256>>, %k: tensor<?x?x256xf16, #tfm.dims<b, s, 256>>, %v: tensor<?x?x256xf16, #tfm.dims<b, s, 256>>) -> tensor<?x?x256xf16, #tfm.dims<b, s, 256>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 4, kv_heads = 4, scale = 0.125} : (tensor<?x?x256xf16, #tfm.dims<b, s, 256>>, tensor<?x?x256xf16, #tfm.dims<b, s, 256>>, tensor<?x?x256xf16, #tfm.dims<b, s, 256>>) -> tensor<?x?x256xf16, #tfm.dims<b, s, 256>>
    kernel.return %0 : tensor<?x?x256xf16, #tfm.dims<b, s, 256>>
  }
  kernel.func @pad32(%q: tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, %k: tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, %v: tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, %p: tensor<?x?xi1, #tfm.dims<b, s>>) -> tensor<?x?x128xf16, #tfm.dims<b, s, 128>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v padding(%p) {heads = 4, kv_heads = 4, scale = 0.125, masked_row = #tfm.masked_row<mean>} : (tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, tensor<?x?x128xf16, #tfm.dims<b, s, 128>>, tensor<?x?xi1, #tfm.dims<b, s>>) -> tensor<?x?x128xf16, #tfm.dims<b, s, 128>>
    kernel.return %0 : tensor<?x?x128xf16, #tfm.dims<b, s, 128>>
  }
  kernel.func @causal128(%q: tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>, %k: tensor<?x?x256xbf16, #tfm.dims<b, s, 256>>, %v: tensor<?x?x256xbf16, #tfm.dims<b, s, 256>>) -> tensor<?x?x512xbf16, #tfm.dims<b, s, 512>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 4, kv_heads = 2, scale = 0.125, causal, window = 5} : (tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>, tensor<?x?x256xbf16, #tfm.dims<b, s, 256>>, tensor<?x?x256xbf16, #tfm.dims<b, s, 256>>) -> tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>
    kernel.return %0 : tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>
  }
  kernel.func @plain192(%q: tensor<?x?x768xf16, #tfm.dims<b, s, 768>>, %k: tensor<?x?x768xf16, #tfm.dims<b, s, 768>>, %v: tensor<?x?x768xf16, #tfm.dims<b, s, 768>>) -> tensor<?x?x768xf16, #tfm.dims<b, s, 768>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 4, kv_heads = 4, scale = 0.125} : (tensor<?x?x768xf16, #tfm.dims<b, s, 768>>, tensor<?x?x768xf16, #tfm.dims<b, s, 768>>, tensor<?x?x768xf16, #tfm.dims<b, s, 768>>) -> tensor<?x?x768xf16, #tfm.dims<b, s, 768>>
    kernel.return %0 : tensor<?x?x768xf16, #tfm.dims<b, s, 768>>
  }
  kernel.func @causal256(%q: tensor<?x?x1024xbf16, #tfm.dims<b, s, 1024>>, %k: tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>, %v: tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>) -> tensor<?x?x1024xbf16, #tfm.dims<b, s, 1024>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v {heads = 4, kv_heads = 2, scale = 0.125, causal, window = 5} : (tensor<?x?x1024xbf16, #tfm.dims<b, s, 1024>>, tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>, tensor<?x?x512xbf16, #tfm.dims<b, s, 512>>) -> tensor<?x?x1024xbf16, #tfm.dims<b, s, 1024>>
    kernel.return %0 : tensor<?x?x1024xbf16, #tfm.dims<b, s, 1024>>
  }
  kernel.func @all128(%q: tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, %k: tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, %v: tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, %bias: tensor<?x4x?x?xf16, #tfm.dims<b, 4, s, s>>, %p: tensor<?x?xi1, #tfm.dims<b, s>>) -> tensor<?x?x512xf16, #tfm.dims<b, s, 512>> attributes {anchor = #kernel.anchor<attention>} {
    %0 = tfm.attention %q, %k, %v bias(%bias) padding(%p) {heads = 4, kv_heads = 4, scale = 0.125, causal, window = 5, softcap = 2.0, masked_row = #tfm.masked_row<unmasked>} : (tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, tensor<?x?x512xf16, #tfm.dims<b, s, 512>>, tensor<?x4x?x?xf16, #tfm.dims<b, 4, s, s>>, tensor<?x?xi1, #tfm.dims<b, s>>) -> tensor<?x?x512xf16, #tfm.dims<b, s, 512>>
    kernel.return %0 : tensor<?x?x512xf16, #tfm.dims<b, s, 512>>
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
