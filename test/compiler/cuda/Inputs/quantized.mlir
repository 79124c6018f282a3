// Linears of quantized inputs and of weights in integers, small floats and two of four elements, for nvrtc-gate.py.
module attributes {tfm.symbols = {m = array<i64: 1, 65536>}} {
  kernel.func @w8a8_norm(%x: tensor<?x512xf32, #tfm.dims<m, 512>>, %w: tensor<512x512xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>> {kernel.layout = #kernel.panel<width = 16, depth = 4>}, %g: tensor<512xf32>, %b: tensor<512xf32>) -> tensor<?x512xf32, #tfm.dims<m, 512>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8, symmetric = true>} : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<512x512xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>>) -> tensor<?x512xf32, #tfm.dims<m, 512>>
    %1 = tfm.add %0, %x : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<?x512xf32, #tfm.dims<m, 512>>) -> tensor<?x512xf32, #tfm.dims<m, 512>>
    %2 = tfm.layer_norm %1 gain(%g) bias(%b) {epsilon = 1.0e-12} : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<512xf32>, tensor<512xf32>) -> tensor<?x512xf32, #tfm.dims<m, 512>>
    kernel.return %2 : tensor<?x512xf32, #tfm.dims<m, 512>>
  }
  kernel.func @w8a8_pair(%x: tensor<?x512xf32, #tfm.dims<m, 512>>, %w: tensor<512x768xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>> {kernel.layout = #kernel.panel<width = 16, depth = 4>}, %u: tensor<512x768xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>> {kernel.layout = #kernel.panel<width = 16, depth = 4>}, %rows: tensor<?xi1, #tfm.dims<m>> {kernel.rows}) -> tensor<?x768xf32, #tfm.dims<m, 768>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<512x768xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>>) -> tensor<?x768xf32, #tfm.dims<m, 768>>
    %1 = tfm.linear %x, %u {activation = #tfm.dynamic<bits = 8>} : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<512x768xf32, #tfm.int<bits = 8, block = [512, 1], scale = f32>>) -> tensor<?x768xf32, #tfm.dims<m, 768>>
    %2 = tfm.swiglu %0, %1 : (tensor<?x768xf32, #tfm.dims<m, 768>>, tensor<?x768xf32, #tfm.dims<m, 768>>) -> tensor<?x768xf32, #tfm.dims<m, 768>>
    kernel.return %2 : tensor<?x768xf32, #tfm.dims<m, 768>>
  }
  kernel.func @w4a16(%x: tensor<?x512xf16, #tfm.dims<m, 512>>, %w: tensor<512x768xf16, #tfm.int<bits = 4, block = [64, 1], scale = f16, zero_points = true>> {kernel.layout = #kernel.panel<width = 16>}) -> tensor<?x768xf16, #tfm.dims<m, 768>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x512xf16, #tfm.dims<m, 512>>, tensor<512x768xf16, #tfm.int<bits = 4, block = [64, 1], scale = f16, zero_points = true>>) -> tensor<?x768xf16, #tfm.dims<m, 768>>
    kernel.return %0 : tensor<?x768xf16, #tfm.dims<m, 768>>
  }
  kernel.func @w8a16(%x: tensor<?x512xbf16, #tfm.dims<m, 512>>, %w: tensor<512x768xbf16, #tfm.int<bits = 8, block = [512, 1], scale = f32>> {kernel.layout = #kernel.panel<width = 16>}) -> tensor<?x768xbf16, #tfm.dims<m, 768>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x512xbf16, #tfm.dims<m, 512>>, tensor<512x768xbf16, #tfm.int<bits = 8, block = [512, 1], scale = f32>>) -> tensor<?x768xbf16, #tfm.dims<m, 768>>
    kernel.return %0 : tensor<?x768xbf16, #tfm.dims<m, 768>>
  }
  kernel.func @f8(%x: tensor<?x512xf32, #tfm.dims<m, 512>>, %w: tensor<512x512xf32, #tfm.float<type = f8E4M3FN, block = [512, 1], scale = f32>> {kernel.layout = #kernel.panel<width = 16>}) -> tensor<?x512xf32, #tfm.dims<m, 512>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<?x512xf32, #tfm.dims<m, 512>>, tensor<512x512xf32, #tfm.float<type = f8E4M3FN, block = [512, 1], scale = f32>>) -> tensor<?x512xf32, #tfm.dims<m, 512>>
    kernel.return %0 : tensor<?x512xf32, #tfm.dims<m, 512>>
  }
  kernel.func @sparse(%x: tensor<?x512xf16, #tfm.dims<m, 512>>, %w: tensor<512x768xf16, #tfm.nm<n = 2, m = 4, axis = 0>> {kernel.layout = #kernel.panel<width = 16>}) -> tensor<?x768xf16, #tfm.dims<m, 768>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x512xf16, #tfm.dims<m, 512>>, tensor<512x768xf16, #tfm.nm<n = 2, m = 4, axis = 0>>) -> tensor<?x768xf16, #tfm.dims<m, 768>>
    kernel.return %0 : tensor<?x768xf16, #tfm.dims<m, 768>>
  }
  kernel.func @lookup(%ids: tensor<?xi64, #tfm.dims<m>>, %t: tensor<48x64xf32, #tfm.float<type = f8E5M2, block = [1, 64], scale = f32>>) -> tensor<?x64xf32, #tfm.dims<m, 64>> attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.embedding %ids, %t : (tensor<?xi64, #tfm.dims<m>>, tensor<48x64xf32, #tfm.float<type = f8E5M2, block = [1, 64], scale = f32>>) -> tensor<?x64xf32, #tfm.dims<m, 64>>
    kernel.return %0 : tensor<?x64xf32, #tfm.dims<m, 64>>
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
