// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>> {
  // CHECK: tfm.abs %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %0 = tfm.abs %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.neg %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %1 = tfm.neg %0 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.exp %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %2 = tfm.exp %1 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.log %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %3 = tfm.log %2 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.sqrt %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %4 = tfm.sqrt %3 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.rsqrt %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %5 = tfm.rsqrt %4 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.reciprocal %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %6 = tfm.reciprocal %5 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.sin %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %7 = tfm.sin %6 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.cos %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %8 = tfm.cos %7 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.erf %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %9 = tfm.erf %8 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.tanh %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %10 = tfm.tanh %9 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.sigmoid %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %11 = tfm.sigmoid %10 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.silu %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %12 = tfm.silu %11 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.relu %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %13 = tfm.relu %12 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.floor %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %14 = tfm.floor %13 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.ceil %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %15 = tfm.ceil %14 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.round %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %16 = tfm.round %15 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.sign %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %17 = tfm.sign %16 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.gelu %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %18 = tfm.gelu %17 : (tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  return %18 : tensor<?x4xf32, #tfm.dims<batch, 4>>
}

// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>> {
  // CHECK: tfm.add %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %0 = tfm.add %x, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.sub %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %1 = tfm.sub %0, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.mul %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %2 = tfm.mul %1, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.div %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %3 = tfm.div %2, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.mod %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %4 = tfm.mod %3, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.pow %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %5 = tfm.pow %4, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.minimum %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %6 = tfm.minimum %5, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.maximum %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %7 = tfm.maximum %6, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  // CHECK: tfm.swiglu %{{.*}} : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  %8 = tfm.swiglu %7, %x : (tensor<?x4xf32, #tfm.dims<batch, 4>>, tensor<?x4xf32, #tfm.dims<batch, 4>>) -> tensor<?x4xf32, #tfm.dims<batch, 4>>
  return %8 : tensor<?x4xf32, #tfm.dims<batch, 4>>
}

// CHECK-LABEL: func.func @bits
func.func @bits(%x: tensor<3xi1>) -> tensor<3xi1> {
  // CHECK: tfm.and %{{.*}} : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %0 = tfm.and %x, %x : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  // CHECK: tfm.or %{{.*}} : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %1 = tfm.or %0, %x : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  // CHECK: tfm.xor %{{.*}} : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  %2 = tfm.xor %1, %x : (tensor<3xi1>, tensor<3xi1>) -> tensor<3xi1>
  return %2 : tensor<3xi1>
}

// CHECK-LABEL: func.func @kinds
func.func @kinds(%x: tensor<3xf32>, %m: tensor<3xui8>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xui8>) {
  // CHECK: tfm.gelu %{{.*}} {kind = #tfm.gelu_kind<tanh>} : (tensor<3xf32>) -> tensor<3xf32>
  %0 = tfm.gelu %x {kind = #tfm.gelu_kind<tanh>} : (tensor<3xf32>) -> tensor<3xf32>
  // CHECK: tfm.gelu %{{.*}} {kind = #tfm.gelu_kind<quick>} : (tensor<3xf32>) -> tensor<3xf32>
  %1 = tfm.gelu %x {kind = #tfm.gelu_kind<quick>} : (tensor<3xf32>) -> tensor<3xf32>
  // CHECK: tfm.not %{{.*}} : (tensor<3xui8>) -> tensor<3xui8>
  %2 = tfm.not %m : (tensor<3xui8>) -> tensor<3xui8>
  return %0, %1, %2 : tensor<3xf32>, tensor<3xf32>, tensor<3xui8>
}

// Aligned at the last dimension; 1 broadcasts, and so does a missing dimension.
// CHECK-LABEL: func.func @broadcast
func.func @broadcast(%x: tensor<?x1x4xf32, #tfm.dims<batch, 1, 4>>, %y: tensor<?x1xf32, #tfm.dims<2*sequence, 1>>,
                     %s: tensor<f32>) -> tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>> {
  // CHECK: tfm.add {{.*}} -> tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>
  %0 = tfm.add %x, %y : (tensor<?x1x4xf32, #tfm.dims<batch, 1, 4>>, tensor<?x1xf32, #tfm.dims<2*sequence, 1>>)
      -> tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>
  // CHECK: tfm.mul {{.*}}, tensor<f32>) -> tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>
  %1 = tfm.mul %0, %s : (tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>, tensor<f32>)
      -> tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>
  return %1 : tensor<?x?x4xf32, #tfm.dims<batch, 2*sequence, 4>>
}

// CHECK-LABEL: func.func @mixed
func.func @mixed(%x: tensor<3xf32>, %i: tensor<3xi64>) -> (tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xf16>) {
  // CHECK: %[[C:.*]] = tfm.compare <le> %arg1, %arg1 : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi1>
  %c = tfm.compare <le> %i, %i : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi1>
  // CHECK: tfm.is_nan %arg0 : (tensor<3xf32>) -> tensor<3xi1>
  %n = tfm.is_nan %x : (tensor<3xf32>) -> tensor<3xi1>
  // CHECK: tfm.is_inf %arg0 {negative = false} : (tensor<3xf32>) -> tensor<3xi1>
  %f = tfm.is_inf %x {negative = false} : (tensor<3xf32>) -> tensor<3xi1>
  // CHECK: %[[S:.*]] = tfm.select %[[C]], %arg0, %arg0 : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  %s = tfm.select %c, %x, %x : (tensor<3xi1>, tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  // CHECK: tfm.cast %[[S]] : (tensor<3xf32>) -> tensor<3xf16>
  %h = tfm.cast %s : (tensor<3xf32>) -> tensor<3xf16>
  return %c, %n, %f, %h : tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xf16>
}
