// RUN: lathe-opt --lathe-prune-channels="importance=l2 ratio=0.5" --split-input-file %s | FileCheck %s --enable-var-scope
// RUN: lathe-opt --lathe-prune-channels="importance=ln norm=2 ratio=0.5" --split-input-file %s | FileCheck %s --enable-var-scope
// RUN: lathe-opt --lathe-prune-channels="importance=l1 ratio=0.5 align=4" --split-input-file %s | FileCheck %s --check-prefix=ALIGN
// RUN: lathe-opt --lathe-prune-channels="importance=l2 ratio=0.5 targets=nothing" --split-input-file %s | FileCheck %s --check-prefix=NONE

// The channels of the least norm go, 0 and 3: columns of @up (which is KxN) and its bias, rows of @down; what lies between
// shrinks along. A scalar is the same for all channels.
// CHECK: tfm.compression = [{after = 32 : i64, before = 64 : i64, error = {{[0-9.e-]+}} : f64, node = "/down", pass = "lathe-prune-channels", refused = "", weight = "down", what = "channels 4 to 2"}]
// CHECK: tfm.weight @up : tensor<2x2xf32> = dense<{{\[\[}}2.000000e+00, 3.000000e+00], [6.000000e+00, 7.000000e+00]]>
// CHECK: tfm.weight @up.bias : tensor<2xf32> = dense<[2.000000e-01, 3.000000e-01]>
// CHECK: tfm.weight @down : tensor<2x2xf32> = dense<{{\[\[}}3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00]]>
// CHECK: tfm.linear %{{.*}}, %{{.*}} bias(%{{.*}}) : (tensor<3x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<3x2xf32>
// CHECK: tfm.mul %{{.*}} (tensor<3x2xf32>, tensor<f32>) -> tensor<3x2xf32>
// CHECK: tfm.linear %{{.*}}, %{{.*}} : (tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<3x2xf32>
// ALIGN: refused = "no channel is to go", weight = "down", what = ""
// ALIGN: tfm.linear %{{.*}} -> tensor<3x4xf32>
// NONE-NOT: tfm.compression
tfm.weight @up : tensor<2x4xf32> = dense<[[1.0, 2.0, 3.0, 0.0], [0.0, 6.0, 7.0, 0.5]]> : tensor<2x4xf32>
tfm.weight @up.bias : tensor<4xf32> = dense<[0.1, 0.2, 0.3, 0.4]> : tensor<4xf32>
tfm.weight @down : tensor<4x2xf32> = dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [0.0, 1.0]]> : tensor<4x2xf32>
func.func @main(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %up = tfm.get @up : tensor<2x4xf32>
  %bias = tfm.get @up.bias : tensor<4xf32>
  %down = tfm.get @down : tensor<4x2xf32>
  %half = tfm.constant dense<0.5> : tensor<f32>
  %h = tfm.linear %x, %up bias(%bias) : (tensor<3x2xf32>, tensor<2x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  %s = tfm.mul %h, %half : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %g = tfm.gelu %s : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %y = tfm.linear %g, %down : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32> loc("/down"("MatMul"))
  return %y : tensor<3x2xf32>
}

// -----

// Gate and up lose the same channels, in rows here. @up is read elsewhere, too: what is pruned is a copy.
// CHECK: tfm.weight @gate : tensor<1x2xf32> = dense<{{\[\[}}5.000000e+00, 6.000000e+00]]>
// CHECK: tfm.weight @up : tensor<2x2xf32>
// CHECK: tfm.weight @up.compressed : tensor<1x2xf32> = dense<{{\[\[}}7.000000e+00, 8.000000e+00]]>
// CHECK: tfm.weight @down : tensor<2x1xf32>
// CHECK: tfm.swiglu %{{.*}} (tensor<?x1xf32, #tfm.dims<b, 1>>, tensor<?x1xf32, #tfm.dims<b, 1>>) -> tensor<?x1xf32, #tfm.dims<b, 1>>
module attributes {tfm.symbols = {b = array<i64: 1, 8>}} {
  tfm.weight @gate : tensor<2x2xf32> = dense<[[0.1, 0.2], [5.0, 6.0]]> : tensor<2x2xf32>
  tfm.weight @up : tensor<2x2xf32> = dense<[[0.3, 0.4], [7.0, 8.0]]> : tensor<2x2xf32>
  tfm.weight @down : tensor<2x2xf32> = dense<[[0.5, 9.0], [0.6, 1.0]]> : tensor<2x2xf32>
  func.func @main(%x: tensor<?x2xf32, #tfm.dims<b, 2>>) -> (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<?x2xf32, #tfm.dims<b, 2>>) {
    %gate = tfm.get @gate : tensor<2x2xf32>
    %up = tfm.get @up : tensor<2x2xf32>
    %down = tfm.get @down : tensor<2x2xf32>
    %g = tfm.linear %x, %gate {transposed} : (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<b, 2>>
    %u = tfm.linear %x, %up {transposed} : (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<b, 2>>
    %h = tfm.swiglu %g, %u : (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<?x2xf32, #tfm.dims<b, 2>>) -> tensor<?x2xf32, #tfm.dims<b, 2>>
    %y = tfm.linear %h, %down {transposed} : (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<b, 2>>
    %z = tfm.linear %x, %up {transposed} : (tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<b, 2>>
    return %y, %z : tensor<?x2xf32, #tfm.dims<b, 2>>, tensor<?x2xf32, #tfm.dims<b, 2>>
  }
}

// -----

// Channels that are also a result, that a norm mixes, or that get something of their own stay.
// CHECK-LABEL: func.func @others(
// CHECK-COUNT-3: -> tensor<1x2xf32>
// CHECK: return
tfm.weight @a : tensor<2x2xf32> = dense<1.0> : tensor<2x2xf32>
tfm.weight @b : tensor<2x2xf32> = dense<2.0> : tensor<2x2xf32>
tfm.weight @v : tensor<2xf32> = dense<2.0> : tensor<2xf32>
func.func @others(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %a = tfm.get @a : tensor<2x2xf32>
  %b = tfm.get @b : tensor<2x2xf32>
  %v = tfm.get @v : tensor<2xf32>
  %h = tfm.linear %x, %a : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %m = tfm.mul %h, %v : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %y = tfm.linear %m, %b : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  return %y, %m : tensor<1x2xf32>, tensor<1x2xf32>
}
