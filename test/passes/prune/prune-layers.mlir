// RUN: split-file %s %t
// RUN: lathe-opt --lathe-prune-layers="layers=1" %t/post.mlir | FileCheck %s --check-prefixes=POST,MIDDLE --enable-var-scope
// RUN: lathe-opt --lathe-prune-layers="layers=2,0 errors=0.25,0.125" %t/post.mlir | FileCheck %s --check-prefixes=POST,ENDS --enable-var-scope
// RUN: lathe-opt --lathe-prune-layers="layers=1" %t/pre.mlir | FileCheck %s --check-prefix=PRE --enable-var-scope
// RUN: lathe-opt --lathe-prune-layers="layers=0" %t/cache.mlir | FileCheck %s --check-prefix=CACHE
// RUN: lathe-opt --lathe-prune-layers="layers=0" %t/odd.mlir | FileCheck %s --check-prefix=ODD
// RUN: not lathe-opt --lathe-prune-layers="layers=0,1,2" %t/post.mlir 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: not lathe-opt --lathe-prune-layers="layers=3" %t/post.mlir 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not lathe-opt --lathe-prune-layers="layers=0,1 errors=0.5" %t/post.mlir 2>&1 | FileCheck %s --check-prefix=ERRORS

// What read the layer's last norm reads its input; its weights go, six of 64 bytes and a norm's of 16.
// POST: tfm.compression = [
// MIDDLE-SAME: after = 0 : i64, before = 400 : i64, error = 0x7FF8000000000000 : f64, {{.*}}weight = "o1", what = "layer 1 left out"
// ENDS-SAME: error = 2.500000e-01 : f64, {{.*}}what = "layer 2 left out"
// ENDS-SAME: error = 1.250000e-01 : f64, {{.*}}what = "layer 0 left out"
// MIDDLE: tfm.weight @q0
// ENDS-NOT: tfm.weight @{{[a-z]}}{{[02]}}
// MIDDLE-NOT: tfm.weight @{{[a-z]}}1
// MIDDLE: tfm.weight @q2
// MIDDLE: %[[SUM:.*]] = tfm.add %{{.*}}, %[[NORM:.*]] :
// MIDDLE: %[[SUM2:.*]] = tfm.add
// MIDDLE: %[[OUT:.*]] = tfm.rms_norm %[[SUM2]]
// MIDDLE: %[[Q:.*]] = tfm.get @q2
// MIDDLE: tfm.linear %[[OUT]], %[[Q]]
// ENDS: func.func @main(%[[X:.*]]: 
// ENDS: %[[Q:.*]] = tfm.get @q1
// ENDS: tfm.linear %[[X]], %[[Q]]
// ENDS: tfm.add
// ENDS: %[[LAST:.*]] = tfm.add
// ENDS: %[[OUT:.*]] = tfm.rms_norm %[[LAST]]
// ENDS: return %[[OUT]]

// Where norms come first the sum is the result; the norm behind the last layer stays.
// PRE-NOT: tfm.weight @q1
// PRE: tfm.add
// PRE: %[[SUM:.*]] = tfm.add
// PRE: %[[OUT:.*]] = tfm.rms_norm %[[SUM]]
// PRE: return %[[OUT]]

// CACHE: refused = "something outside of it reads what it computes inside, such as keys and values of a cache", weight = "o0"
// CACHE: tfm.get @q0
// ODD: refused = "its branches aren't added one after another to what it reads"
// ALL: error: layers: expected to leave a layer, got all 3
// NUMBER: error: layers: expected a layer of the model, which has 3, counted from 0, got 3
// ERRORS: error: errors: expected one for each of 2 layers, got 1
//--- post.mlir
tfm.weight @q0 : tensor<4x4xf32> = dense<1.1> : tensor<4x4xf32>
tfm.weight @k0 : tensor<4x4xf32> = dense<1.2> : tensor<4x4xf32>
tfm.weight @v0 : tensor<4x4xf32> = dense<1.3> : tensor<4x4xf32>
tfm.weight @o0 : tensor<4x4xf32> = dense<1.4> : tensor<4x4xf32>
tfm.weight @u0 : tensor<4x4xf32> = dense<1.5> : tensor<4x4xf32>
tfm.weight @d0 : tensor<4x4xf32> = dense<1.6> : tensor<4x4xf32>
tfm.weight @g0 : tensor<4xf32> = dense<1.0> : tensor<4xf32>
tfm.weight @q1 : tensor<4x4xf32> = dense<2.1> : tensor<4x4xf32>
tfm.weight @k1 : tensor<4x4xf32> = dense<2.2> : tensor<4x4xf32>
tfm.weight @v1 : tensor<4x4xf32> = dense<2.3> : tensor<4x4xf32>
tfm.weight @o1 : tensor<4x4xf32> = dense<2.4> : tensor<4x4xf32>
tfm.weight @u1 : tensor<4x4xf32> = dense<2.5> : tensor<4x4xf32>
tfm.weight @d1 : tensor<4x4xf32> = dense<2.6> : tensor<4x4xf32>
tfm.weight @g1 : tensor<4xf32> = dense<2.0> : tensor<4xf32>
tfm.weight @q2 : tensor<4x4xf32> = dense<3.1> : tensor<4x4xf32>
tfm.weight @k2 : tensor<4x4xf32> = dense<3.2> : tensor<4x4xf32>
tfm.weight @v2 : tensor<4x4xf32> = dense<3.3> : tensor<4x4xf32>
tfm.weight @o2 : tensor<4x4xf32> = dense<3.4> : tensor<4x4xf32>
tfm.weight @u2 : tensor<4x4xf32> = dense<3.5> : tensor<4x4xf32>
tfm.weight @d2 : tensor<4x4xf32> = dense<3.6> : tensor<4x4xf32>
tfm.weight @g2 : tensor<4xf32> = dense<3.0> : tensor<4xf32>
func.func @main(%x: tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>) {
  %qw0 = tfm.get @q0 : tensor<4x4xf32>
  %kw0 = tfm.get @k0 : tensor<4x4xf32>
  %vw0 = tfm.get @v0 : tensor<4x4xf32>
  %ow0 = tfm.get @o0 : tensor<4x4xf32>
  %uw0 = tfm.get @u0 : tensor<4x4xf32>
  %dw0 = tfm.get @d0 : tensor<4x4xf32>
  %g0 = tfm.get @g0 : tensor<4xf32>
  %q0 = tfm.linear %x, %qw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %x, %kw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v0 = tfm.linear %x, %vw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a0 = tfm.attention %q0, %k0, %v0 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o0 = tfm.linear %a0, %ow0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r0 = tfm.add %o0, %x : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n0 = tfm.rms_norm %r0 gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u0 = tfm.linear %n0, %uw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h0 = tfm.gelu %u0 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d0 = tfm.linear %h0, %dw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %s0 = tfm.add %d0, %n0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.rms_norm %s0 gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %qw1 = tfm.get @q1 : tensor<4x4xf32>
  %kw1 = tfm.get @k1 : tensor<4x4xf32>
  %vw1 = tfm.get @v1 : tensor<4x4xf32>
  %ow1 = tfm.get @o1 : tensor<4x4xf32>
  %uw1 = tfm.get @u1 : tensor<4x4xf32>
  %dw1 = tfm.get @d1 : tensor<4x4xf32>
  %g1 = tfm.get @g1 : tensor<4xf32>
  %q1 = tfm.linear %y0, %qw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.linear %y0, %kw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v1 = tfm.linear %y0, %vw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a1 = tfm.attention %q1, %k1, %v1 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o1 = tfm.linear %a1, %ow1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r1 = tfm.add %o1, %y0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n1 = tfm.rms_norm %r1 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u1 = tfm.linear %n1, %uw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h1 = tfm.gelu %u1 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d1 = tfm.linear %h1, %dw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %s1 = tfm.add %d1, %n1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.rms_norm %s1 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %qw2 = tfm.get @q2 : tensor<4x4xf32>
  %kw2 = tfm.get @k2 : tensor<4x4xf32>
  %vw2 = tfm.get @v2 : tensor<4x4xf32>
  %ow2 = tfm.get @o2 : tensor<4x4xf32>
  %uw2 = tfm.get @u2 : tensor<4x4xf32>
  %dw2 = tfm.get @d2 : tensor<4x4xf32>
  %g2 = tfm.get @g2 : tensor<4xf32>
  %q2 = tfm.linear %y1, %qw2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k2 = tfm.linear %y1, %kw2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v2 = tfm.linear %y1, %vw2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a2 = tfm.attention %q2, %k2, %v2 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o2 = tfm.linear %a2, %ow2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r2 = tfm.add %o2, %y1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n2 = tfm.rms_norm %r2 gain(%g2) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u2 = tfm.linear %n2, %uw2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h2 = tfm.gelu %u2 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d2 = tfm.linear %h2, %dw2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %s2 = tfm.add %d2, %n2 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %y2 = tfm.rms_norm %s2 gain(%g2) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  return %y2 : tensor<1x3x4xf32>
}
//--- pre.mlir
tfm.weight @q0 : tensor<4x4xf32> = dense<1.1> : tensor<4x4xf32>
tfm.weight @k0 : tensor<4x4xf32> = dense<1.2> : tensor<4x4xf32>
tfm.weight @v0 : tensor<4x4xf32> = dense<1.3> : tensor<4x4xf32>
tfm.weight @o0 : tensor<4x4xf32> = dense<1.4> : tensor<4x4xf32>
tfm.weight @u0 : tensor<4x4xf32> = dense<1.5> : tensor<4x4xf32>
tfm.weight @d0 : tensor<4x4xf32> = dense<1.6> : tensor<4x4xf32>
tfm.weight @g0 : tensor<4xf32> = dense<1.0> : tensor<4xf32>
tfm.weight @q1 : tensor<4x4xf32> = dense<2.1> : tensor<4x4xf32>
tfm.weight @k1 : tensor<4x4xf32> = dense<2.2> : tensor<4x4xf32>
tfm.weight @v1 : tensor<4x4xf32> = dense<2.3> : tensor<4x4xf32>
tfm.weight @o1 : tensor<4x4xf32> = dense<2.4> : tensor<4x4xf32>
tfm.weight @u1 : tensor<4x4xf32> = dense<2.5> : tensor<4x4xf32>
tfm.weight @d1 : tensor<4x4xf32> = dense<2.6> : tensor<4x4xf32>
tfm.weight @g1 : tensor<4xf32> = dense<2.0> : tensor<4xf32>
tfm.weight @gf : tensor<4xf32> = dense<3.0> : tensor<4xf32>
func.func @main(%x: tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>) {
  %qw0 = tfm.get @q0 : tensor<4x4xf32>
  %kw0 = tfm.get @k0 : tensor<4x4xf32>
  %vw0 = tfm.get @v0 : tensor<4x4xf32>
  %ow0 = tfm.get @o0 : tensor<4x4xf32>
  %uw0 = tfm.get @u0 : tensor<4x4xf32>
  %dw0 = tfm.get @d0 : tensor<4x4xf32>
  %g0 = tfm.get @g0 : tensor<4xf32>
  %m0 = tfm.rms_norm %x gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q0 = tfm.linear %m0, %qw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %m0, %kw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v0 = tfm.linear %m0, %vw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a0 = tfm.attention %q0, %k0, %v0 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o0 = tfm.linear %a0, %ow0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r0 = tfm.add %x, %o0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n0 = tfm.rms_norm %r0 gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u0 = tfm.linear %n0, %uw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h0 = tfm.gelu %u0 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d0 = tfm.linear %h0, %dw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.add %r0, %d0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %qw1 = tfm.get @q1 : tensor<4x4xf32>
  %kw1 = tfm.get @k1 : tensor<4x4xf32>
  %vw1 = tfm.get @v1 : tensor<4x4xf32>
  %ow1 = tfm.get @o1 : tensor<4x4xf32>
  %uw1 = tfm.get @u1 : tensor<4x4xf32>
  %dw1 = tfm.get @d1 : tensor<4x4xf32>
  %g1 = tfm.get @g1 : tensor<4xf32>
  %m1 = tfm.rms_norm %y0 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q1 = tfm.linear %m1, %qw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.linear %m1, %kw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v1 = tfm.linear %m1, %vw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a1 = tfm.attention %q1, %k1, %v1 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o1 = tfm.linear %a1, %ow1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r1 = tfm.add %y0, %o1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n1 = tfm.rms_norm %r1 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u1 = tfm.linear %n1, %uw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h1 = tfm.gelu %u1 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d1 = tfm.linear %h1, %dw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.add %r1, %d1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %gf = tfm.get @gf : tensor<4xf32>
  %z = tfm.rms_norm %y1 gain(%gf) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  return %z : tensor<1x3x4xf32>
}
//--- cache.mlir
tfm.weight @q0 : tensor<4x4xf32> = dense<1.1> : tensor<4x4xf32>
tfm.weight @k0 : tensor<4x4xf32> = dense<1.2> : tensor<4x4xf32>
tfm.weight @v0 : tensor<4x4xf32> = dense<1.3> : tensor<4x4xf32>
tfm.weight @o0 : tensor<4x4xf32> = dense<1.4> : tensor<4x4xf32>
tfm.weight @u0 : tensor<4x4xf32> = dense<1.5> : tensor<4x4xf32>
tfm.weight @d0 : tensor<4x4xf32> = dense<1.6> : tensor<4x4xf32>
tfm.weight @g0 : tensor<4xf32> = dense<1.0> : tensor<4xf32>
tfm.weight @q1 : tensor<4x4xf32> = dense<2.1> : tensor<4x4xf32>
tfm.weight @k1 : tensor<4x4xf32> = dense<2.2> : tensor<4x4xf32>
tfm.weight @v1 : tensor<4x4xf32> = dense<2.3> : tensor<4x4xf32>
tfm.weight @o1 : tensor<4x4xf32> = dense<2.4> : tensor<4x4xf32>
tfm.weight @u1 : tensor<4x4xf32> = dense<2.5> : tensor<4x4xf32>
tfm.weight @d1 : tensor<4x4xf32> = dense<2.6> : tensor<4x4xf32>
tfm.weight @g1 : tensor<4xf32> = dense<2.0> : tensor<4xf32>
func.func @main(%x: tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x4xf32>) {
  %qw0 = tfm.get @q0 : tensor<4x4xf32>
  %kw0 = tfm.get @k0 : tensor<4x4xf32>
  %vw0 = tfm.get @v0 : tensor<4x4xf32>
  %ow0 = tfm.get @o0 : tensor<4x4xf32>
  %uw0 = tfm.get @u0 : tensor<4x4xf32>
  %dw0 = tfm.get @d0 : tensor<4x4xf32>
  %g0 = tfm.get @g0 : tensor<4xf32>
  %m0 = tfm.rms_norm %x gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q0 = tfm.linear %m0, %qw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %m0, %kw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v0 = tfm.linear %m0, %vw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a0 = tfm.attention %q0, %k0, %v0 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o0 = tfm.linear %a0, %ow0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r0 = tfm.add %x, %o0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n0 = tfm.rms_norm %r0 gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u0 = tfm.linear %n0, %uw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h0 = tfm.gelu %u0 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d0 = tfm.linear %h0, %dw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.add %r0, %d0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %qw1 = tfm.get @q1 : tensor<4x4xf32>
  %kw1 = tfm.get @k1 : tensor<4x4xf32>
  %vw1 = tfm.get @v1 : tensor<4x4xf32>
  %ow1 = tfm.get @o1 : tensor<4x4xf32>
  %uw1 = tfm.get @u1 : tensor<4x4xf32>
  %dw1 = tfm.get @d1 : tensor<4x4xf32>
  %g1 = tfm.get @g1 : tensor<4xf32>
  %m1 = tfm.rms_norm %y0 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q1 = tfm.linear %m1, %qw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.linear %m1, %kw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v1 = tfm.linear %m1, %vw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a1 = tfm.attention %q1, %k1, %v1 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o1 = tfm.linear %a1, %ow1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r1 = tfm.add %y0, %o1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n1 = tfm.rms_norm %r1 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u1 = tfm.linear %n1, %uw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h1 = tfm.gelu %u1 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d1 = tfm.linear %h1, %dw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.add %r1, %d1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  return %y1, %k0 : tensor<1x3x4xf32>, tensor<1x3x4xf32>
}
//--- odd.mlir
tfm.weight @q0 : tensor<4x4xf32> = dense<1.1> : tensor<4x4xf32>
tfm.weight @k0 : tensor<4x4xf32> = dense<1.2> : tensor<4x4xf32>
tfm.weight @v0 : tensor<4x4xf32> = dense<1.3> : tensor<4x4xf32>
tfm.weight @o0 : tensor<4x4xf32> = dense<1.4> : tensor<4x4xf32>
tfm.weight @u0 : tensor<4x4xf32> = dense<1.5> : tensor<4x4xf32>
tfm.weight @d0 : tensor<4x4xf32> = dense<1.6> : tensor<4x4xf32>
tfm.weight @g0 : tensor<4xf32> = dense<1.0> : tensor<4xf32>
tfm.weight @q1 : tensor<4x4xf32> = dense<2.1> : tensor<4x4xf32>
tfm.weight @k1 : tensor<4x4xf32> = dense<2.2> : tensor<4x4xf32>
tfm.weight @v1 : tensor<4x4xf32> = dense<2.3> : tensor<4x4xf32>
tfm.weight @o1 : tensor<4x4xf32> = dense<2.4> : tensor<4x4xf32>
tfm.weight @u1 : tensor<4x4xf32> = dense<2.5> : tensor<4x4xf32>
tfm.weight @d1 : tensor<4x4xf32> = dense<2.6> : tensor<4x4xf32>
tfm.weight @g1 : tensor<4xf32> = dense<2.0> : tensor<4xf32>
func.func @main(%x: tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>) {
  %qw0 = tfm.get @q0 : tensor<4x4xf32>
  %kw0 = tfm.get @k0 : tensor<4x4xf32>
  %vw0 = tfm.get @v0 : tensor<4x4xf32>
  %ow0 = tfm.get @o0 : tensor<4x4xf32>
  %uw0 = tfm.get @u0 : tensor<4x4xf32>
  %dw0 = tfm.get @d0 : tensor<4x4xf32>
  %g0 = tfm.get @g0 : tensor<4xf32>
  %m0 = tfm.rms_norm %x gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q0 = tfm.linear %m0, %qw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %m0, %kw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v0 = tfm.linear %m0, %vw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a0 = tfm.attention %q0, %k0, %v0 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o0 = tfm.linear %a0, %ow0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r0 = tfm.mul %x, %o0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n0 = tfm.rms_norm %r0 gain(%g0) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u0 = tfm.linear %n0, %uw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h0 = tfm.gelu %u0 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d0 = tfm.linear %h0, %dw0 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.add %r0, %d0 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %qw1 = tfm.get @q1 : tensor<4x4xf32>
  %kw1 = tfm.get @k1 : tensor<4x4xf32>
  %vw1 = tfm.get @v1 : tensor<4x4xf32>
  %ow1 = tfm.get @o1 : tensor<4x4xf32>
  %uw1 = tfm.get @u1 : tensor<4x4xf32>
  %dw1 = tfm.get @d1 : tensor<4x4xf32>
  %g1 = tfm.get @g1 : tensor<4xf32>
  %m1 = tfm.rms_norm %y0 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %q1 = tfm.linear %m1, %qw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.linear %m1, %kw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v1 = tfm.linear %m1, %vw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a1 = tfm.attention %q1, %k1, %v1 {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %o1 = tfm.linear %a1, %ow1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %r1 = tfm.add %y0, %o1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %n1 = tfm.rms_norm %r1 gain(%g1) {epsilon = 1.0e-6 : f64} : (tensor<1x3x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
  %u1 = tfm.linear %n1, %uw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %h1 = tfm.gelu %u1 : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %d1 = tfm.linear %h1, %dw1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.add %r1, %d1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  return %y1 : tensor<1x3x4xf32>
}
