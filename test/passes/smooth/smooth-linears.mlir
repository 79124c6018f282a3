// Scales by statistics, and where they go.
// REQUIRES: compiler, x86-64-v3
// RUN: rm -rf %t && mkdir %t
// RUN: split-file %s %t
// RUN: %python %S/../../tools/lathe/Inputs/make-arrays.py %t/rows x:f4:2x2=1,-1,-1,1
// RUN: lathe statistics %t/m.mlir --compile-from=simplify --calibration=%t/rows -o %t/m.stats --quiet
// RUN: lathe-opt --lathe-smooth-linears="alpha=0.5 statistics=%t/m.stats" %t/m.mlir | FileCheck %t/m.mlir
// RUN: lathe-opt --lathe-smooth-linears="alpha=0.5 statistics=%t/m.stats targets=^b$" %t/m.mlir | FileCheck %t/m.mlir --check-prefix=PART
// RUN: lathe-opt --lathe-smooth-linears="method=awq alpha=0 statistics=%t/m.stats" %t/m.mlir | FileCheck %t/m.mlir --check-prefix=ONE
// RUN: lathe-opt --lathe-smooth-linears="method=awq alpha=0 bits=3 clip statistics=%t/m.stats targets=^e$" %t/m.mlir | FileCheck %t/m.mlir --check-prefix=CLIP
// RUN: %python %S/../../tools/lathe/Inputs/make-arrays.py %t/tokens x:f4:1x1x2=8,1
// RUN: lathe statistics %t/attention.mlir --compile-from=simplify --calibration=%t/tokens -o %t/attention.stats --quiet
// RUN: lathe-opt --lathe-smooth-linears="alpha=0.5 statistics=%t/attention.stats targets=^o$" %t/attention.mlir | FileCheck %t/attention.mlir

//--- m.mlir
// The norm's results reach 4 and 1, the columns of @a and @b 1 and 4: the scales are 2 and 1/2, and the norm takes them. What
// activations make is multiplied. Through a product they go into the linear before, @d, whose columns had 2 and 1/2 themselves.
// CHECK: refused = "", weight = "a", what = "smoothquant, alpha 0.50, with factors in the norm before"
// CHECK-SAME: refused = "", weight = "b", what = "smoothquant, alpha 0.50, with factors in the norm before"
// CHECK-SAME: refused = "", weight = "d", what = "smoothquant, alpha 0.50, by factors of its input"
// CHECK-SAME: refused = "", weight = "e", what = "smoothquant, alpha 0.50, with factors in the linear before"
// CHECK-DAG: tfm.weight @gain : tensor<2xf32> = dense<[1.500000e+00, 2.000000e+00]>
// CHECK-DAG: tfm.weight @bias : tensor<2xf32> = dense<[5.000000e-01, 0.000000e+00]>
// CHECK-DAG: tfm.weight @a : tensor<2x2xf32> = dense<{{\[\[}}1.000000e+00, 0.000000e+00], [0.000000e+00, 5.000000e-01]]>
// CHECK-DAG: tfm.weight @b : tensor<2x2xf32> = dense<{{\[\[}}2.000000e+00, 0.000000e+00], [0.000000e+00, 2.000000e+00]]>
// CHECK-DAG: tfm.weight @d : tensor<2x2xf32> = dense<{{\[\[}}1.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00]]>
// CHECK-DAG: tfm.weight @d.smooth : tensor<2xf32> = dense<[5.000000e-01, 2.000000e+00]>
// CHECK-DAG: tfm.weight @e : tensor<2x2xf32> = dense<{{\[\[}}2.000000e+00, 2.160000e+00], [0.000000e+00, 8.000000e+00]]>
// CHECK: %[[R:.*]] = tfm.relu
// CHECK: %[[F:.*]] = tfm.get @d.smooth
// CHECK: %[[M:.*]] = tfm.mul %[[R]], %[[F]]
// CHECK: tfm.linear %[[M]],
// Something else reads the norm.
// PART: weight = "b", what = "smoothquant, alpha 0.50, by factors of its input"}]
// PART: tfm.weight @gain : tensor<2xf32> = dense<[3.000000e+00, 1.000000e+00]>
// PART: tfm.weight @b.smooth : tensor<2xf32> = dense<[5.000000e-01, 2.000000e+00]>
// PART: %[[N:.*]] = tfm.layer_norm
// PART: %[[M:.*]] = tfm.mul %[[N]],
// PART: tfm.linear %[[N]],
// PART: tfm.linear %[[M]],
// ONE-COUNT-4: refused = "no scales lessen what rounding loses"
// ONE-NOT: tfm.mul %{{.*}} tensor<2xf32>
// With steps of 1/3, 0.27 is far from a code, and its input matters most; with steps of 0.8/3 it isn't.
// CLIP: weight = "e", what = "awq, alpha 0.00, without scales"
// CLIP: tfm.weight @e : tensor<2x2xf32> = dense<{{\[\[0[.](8|79999)[0-9]*}}, 2.700000e-01], [0.000000e+00, 1.000000e+00]]>
module attributes {tfm.symbols = {batch = array<i64: 1, 64>}} {
  tfm.weight @gain : tensor<2xf32> = dense<[3.0, 1.0]> : tensor<2xf32>
  tfm.weight @bias : tensor<2xf32> = dense<[1.0, 0.0]> : tensor<2xf32>
  tfm.weight @a : tensor<2x2xf32> = dense<[[0.5, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>
  tfm.weight @b : tensor<2x2xf32> = dense<[[1.0, 0.0], [0.0, 4.0]]> : tensor<2x2xf32>
  tfm.weight @d : tensor<2x2xf32> = dense<[[1.0, 0.0], [0.0, 16.0]]> : tensor<2x2xf32>
  tfm.weight @e : tensor<2x2xf32> = dense<[[1.0, 0.27], [0.0, 1.0]]> : tensor<2x2xf32>
  func.func @main(%x: tensor<?x2xf32, #tfm.dims<batch, 2>> {tfm.name = "x"}) -> (tensor<?x2xf32, #tfm.dims<batch, 2>> {tfm.name = "y"}, tensor<?x2xf32, #tfm.dims<batch, 2>> {tfm.name = "z"}) {
    %gain = tfm.get @gain : tensor<2xf32>
    %bias = tfm.get @bias : tensor<2xf32>
    %wa = tfm.get @a : tensor<2x2xf32>
    %wb = tfm.get @b : tensor<2x2xf32>
    %wd = tfm.get @d : tensor<2x2xf32>
    %we = tfm.get @e : tensor<2x2xf32>
    %n = tfm.layer_norm %x gain(%gain) bias(%bias) {epsilon = 0.0} : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %a = tfm.linear %n, %wa {transposed} : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %b = tfm.linear %n, %wb {transposed} : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %r = tfm.relu %b : (tensor<?x2xf32, #tfm.dims<batch, 2>>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %d = tfm.linear %r, %wd {transposed} : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %m = tfm.mul %d, %x : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<?x2xf32, #tfm.dims<batch, 2>>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    %e = tfm.linear %m, %we {transposed} : (tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<2x2xf32>) -> tensor<?x2xf32, #tfm.dims<batch, 2>>
    return %a, %e : tensor<?x2xf32, #tfm.dims<batch, 2>>, tensor<?x2xf32, #tfm.dims<batch, 2>>
  }
}

//--- attention.mlir
// Two heads share one channel of values, 8; the output's columns have 1 and 4, so that the scales would be 2√2 and √2: both get 2.
// CHECK: weight = "o", what = "smoothquant, alpha 0.50, with factors in the linear before"
// CHECK-DAG: tfm.weight @v : tensor<1x2xf32> = dense<{{\[\[}}{{5.0000|4.9999}}{{[0-9]*e-01}}, 0.000000e+00]]>
// CHECK-DAG: tfm.weight @o : tensor<1x2xf32> = dense<{{\[\[}}{{2.000|1.999}}{{[0-9]*e\+00}}, {{8.000|7.999}}{{[0-9]*e\+00}}]]>
module attributes {tfm.symbols = {batch = array<i64: 1, 64>}} {
  tfm.weight @k : tensor<1x2xf32> = dense<[[0.0, 1.0]]> : tensor<1x2xf32>
  tfm.weight @q : tensor<2x2xf32> = dense<[[0.0, 1.0], [0.0, 1.0]]> : tensor<2x2xf32>
  tfm.weight @v : tensor<1x2xf32> = dense<[[1.0, 0.0]]> : tensor<1x2xf32>
  tfm.weight @o : tensor<1x2xf32> = dense<[[1.0, 4.0]]> : tensor<1x2xf32>
  func.func @main(%x: tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>> {tfm.name = "x"}) -> (tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>> {tfm.name = "y"}) {
    %wk = tfm.get @k : tensor<1x2xf32>
    %wq = tfm.get @q : tensor<2x2xf32>
    %wv = tfm.get @v : tensor<1x2xf32>
    %wo = tfm.get @o : tensor<1x2xf32>
    %k = tfm.linear %x, %wk {transposed} : (tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>, tensor<1x2xf32>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
    %q = tfm.linear %x, %wq {transposed} : (tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>, tensor<2x2xf32>) -> tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>
    %v = tfm.linear %x, %wv {transposed} : (tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>, tensor<1x2xf32>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
    %a = tfm.attention %q, %k, %v {heads = 2 : i64, kv_heads = 1 : i64, scale = 1.0} : (tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>, tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>, tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>) -> tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>
    %y = tfm.linear %a, %wo {transposed} : (tensor<?x1x2xf32, #tfm.dims<batch, 1, 2>>, tensor<1x2xf32>) -> tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
    return %y : tensor<?x1x1xf32, #tfm.dims<batch, 1, 1>>
  }
}
