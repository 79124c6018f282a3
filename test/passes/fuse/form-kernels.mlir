// What becomes one launch.
// RUN: lathe-opt %s --split-input-file --lathe-form-kernels | FileCheck %s
// RUN: lathe-opt %s --split-input-file --lathe-form-kernels --lathe-schedule-kernels --lathe-plan-memory > /dev/null
// RUN: lathe-opt %s --split-input-file --lathe-form-kernels=fuse=false --lathe-schedule-kernels --lathe-plan-memory > /dev/null

// One encoder layer is five launches; two layers share their kernels; the mask is compared inside.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!h = tensor<?x?x32xf32, #tfm.dims<b, s, 32>>
!w = tensor<8x8xf32>
!v = tensor<8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @q : !w = dense<1.0> : !w
  tfm.weight @k : !w = dense<2.0> : !w
  tfm.weight @o : !w = dense<3.0> : !w
  tfm.weight @g : !v = dense<3.0> : !v
  tfm.weight @up : tensor<8x32xf32> = dense<1.0> : tensor<8x32xf32>
  tfm.weight @down : tensor<32x8xf32> = dense<1.0> : tensor<32x8xf32>
  // CHECK: kernel.func @linear_x3_0(%[[X:.*]]: tensor<?x?x8xf32, {{.*}}>, %[[WQ:.*]]: tensor<8x8xf32>, %[[WK:.*]]: tensor<8x8xf32>) ->
  // CHECK-SAME: anchor = #kernel.anchor<contraction>, origins = ["k", "q", "q2", "v"]
  // CHECK: kernel.func @compare_attention_0
  // CHECK: %[[ZERO:.*]] = tfm.constant dense<0> : tensor<i64>
  // CHECK: %[[KEEP:.*]] = tfm.compare <ne> %{{.*}}, %[[ZERO]]
  // CHECK: tfm.attention {{.*}} padding(%[[KEEP]])
  // CHECK: kernel.func @linear_add_layer_norm_0
  // CHECK: kernel.func @linear_gelu_0
  // CHECK: kernel.func @linear_add_layer_norm_1
  // CHECK-NOT: kernel.func
  // CHECK-LABEL: func.func @main
  // CHECK-SAME: %[[IN:arg0]]: {{.*}}, %[[MASK:arg1]]:
  // CHECK: %[[QKV:.*]]:3 = kernel.launch @linear_x3_0(%[[IN]], {{.*}}) {origins = ["k", "q", "v"]}
  // CHECK: %[[A:.*]] = kernel.launch @compare_attention_0(%[[MASK]], %[[QKV]]#0, %[[QKV]]#1, %[[QKV]]#2) {origins = ["keep", "softmax"]}
  // CHECK: %[[N:.*]] = kernel.launch @linear_add_layer_norm_0(%[[A]], {{.*}}, %[[IN]], {{.*}}) {origins = ["norm", "o", "residual"]}
  // CHECK: %[[U:.*]] = kernel.launch @linear_gelu_0(%[[N]], {{.*}}) {origins = ["gelu", "up"]}
  // CHECK: %[[OUT:.*]] = kernel.launch @linear_add_layer_norm_1(%[[U]],
  // CHECK: kernel.launch @linear_x3_0(%[[OUT]], {{.*}}) {origins = ["q2"]}
  // CHECK: kernel.launch @compare_attention_0
  // CHECK: kernel.launch @linear_add_layer_norm_0
  // CHECK: kernel.launch @linear_gelu_0
  // CHECK: %[[LAST:.*]] = kernel.launch @linear_add_layer_norm_1
  // CHECK-NEXT: return %[[LAST]]
  func.func @main(%x: !x, %mask: !ids) -> !x {
    %q = tfm.get @q : !w
    %k = tfm.get @k : !w
    %o = tfm.get @o : !w
    %g = tfm.get @g : !v
    %up = tfm.get @up : tensor<8x32xf32>
    %down = tfm.get @down : tensor<32x8xf32>
    %zero = tfm.constant dense<0> : tensor<i64>
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !keep loc("keep")
    %q0 = tfm.linear %x, %q : (!x, !w) -> !x loc("q")
    %k0 = tfm.linear %x, %k : (!x, !w) -> !x loc("k")
    %v0 = tfm.linear %x, %k : (!x, !w) -> !x loc("v")
    %a0 = tfm.attention %q0, %k0, %v0 padding(%keep) {heads = 2, kv_heads = 2, scale = 0.5} : (!x, !x, !x, !keep) -> !x loc("softmax")
    %o0 = tfm.linear %a0, %o : (!x, !w) -> !x loc("o")
    %r0 = tfm.add %o0, %x : (!x, !x) -> !x loc("residual")
    %n0 = tfm.layer_norm %r0 gain(%g) {epsilon = 1.0e-12} : (!x, !v) -> !x loc("norm")
    %u0 = tfm.linear %n0, %up : (!x, tensor<8x32xf32>) -> !h loc("up")
    %e0 = tfm.gelu %u0 : (!h) -> !h loc("gelu")
    %d0 = tfm.linear %e0, %down : (!h, tensor<32x8xf32>) -> !x
    %s0 = tfm.add %d0, %n0 : (!x, !x) -> !x
    %m0 = tfm.layer_norm %s0 gain(%g) {epsilon = 1.0e-12} : (!x, !v) -> !x
    %q1 = tfm.linear %m0, %q : (!x, !w) -> !x loc("q2")
    %k1 = tfm.linear %m0, %k : (!x, !w) -> !x
    %v1 = tfm.linear %m0, %k : (!x, !w) -> !x
    %a1 = tfm.attention %q1, %k1, %v1 padding(%keep) {heads = 2, kv_heads = 2, scale = 0.5} : (!x, !x, !x, !keep) -> !x
    %o1 = tfm.linear %a1, %o : (!x, !w) -> !x
    %r1 = tfm.add %o1, %m0 : (!x, !x) -> !x
    %n1 = tfm.layer_norm %r1 gain(%g) {epsilon = 1.0e-12} : (!x, !v) -> !x
    %u1 = tfm.linear %n1, %up : (!x, tensor<8x32xf32>) -> !h
    %e1 = tfm.gelu %u1 : (!h) -> !h
    %d1 = tfm.linear %e1, %down : (!h, tensor<32x8xf32>) -> !x
    %s1 = tfm.add %d1, %n1 : (!x, !x) -> !x
    %m1 = tfm.layer_norm %s1 gain(%g) {epsilon = 1.0e-12} : (!x, !v) -> !x
    return %m1 : !x
  }
}

// -----
// Look-ups and sums go before a norm; of a pre-norm model, the sum is one more result.
!ids = tensor<?xi64, #tfm.dims<s>>
!x = tensor<?x8xf32, #tfm.dims<s, 8>>
// CHECK-LABEL: module
module attributes {tfm.symbols = {s = array<i64: 1, 64>}} {
  tfm.weight @table : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  // CHECK: kernel.func @embedding_add_rms_norm_0
  // CHECK: %[[SUM:.*]] = tfm.add
  // CHECK: %[[NORM:.*]] = tfm.rms_norm %[[SUM]]
  // CHECK: kernel.return %[[SUM]], %[[NORM]]
  // CHECK: kernel.func @linear_x2_swiglu_0
  // CHECK: kernel.func @linear_add_rms_norm_0
  // CHECK: %[[SUM:.*]] = tfm.add
  // CHECK: %[[NORM:.*]] = tfm.rms_norm %[[SUM]]
  // CHECK: kernel.return %[[SUM]], %[[NORM]]
  // CHECK-LABEL: func.func @main
  // CHECK-COUNT-3: kernel.launch
  // CHECK-NOT: kernel.launch
  func.func @main(%ids: !ids, %extra: !x) -> (!x, !x) {
    %table = tfm.get @table : tensor<16x8xf32>
    %w = tfm.get @w : tensor<8x8xf32>
    %e = tfm.embedding %ids, %table : (!ids, tensor<16x8xf32>) -> !x
    %x = tfm.add %e, %extra : (!x, !x) -> !x
    %n = tfm.rms_norm %x {epsilon = 1.0e-6} : (!x) -> !x
    %gate = tfm.linear %n, %w : (!x, tensor<8x8xf32>) -> !x
    %up = tfm.linear %n, %w {transposed} : (!x, tensor<8x8xf32>) -> !x
    %h = tfm.swiglu %gate, %up : (!x, !x) -> !x
    %d = tfm.linear %h, %w : (!x, tensor<8x8xf32>) -> !x
    %y = tfm.add %d, %x : (!x, !x) -> !x
    %z = tfm.rms_norm %y {epsilon = 1.0e-6} : (!x) -> !x
    return %y, %z : !x, !x
  }
}

// -----
// A merge that would make two launches wait for each other is not made: %c needs %a's kernel and the other linear.
!x = tensor<4x8xf32>
// CHECK-LABEL: module
module {
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  // CHECK-LABEL: func.func @main
  // CHECK: %[[A:.*]] = kernel.launch @linear_0(%arg0
  // CHECK: kernel.launch @linear_add_0(%[[A]], %{{[^,]*}}) :
  func.func @main(%x: !x) -> !x {
    %w = tfm.get @w : tensor<8x8xf32>
    %a = tfm.linear %x, %w : (!x, tensor<8x8xf32>) -> !x
    %b = tfm.linear %a, %w : (!x, tensor<8x8xf32>) -> !x
    %c = tfm.add %b, %a : (!x, !x) -> !x
    return %c : !x
  }
}

// -----
// Reshapes are no launches; a map takes movement along; constants that are no splat become weights.
!x = tensor<?x6xf32, #tfm.dims<s, 6>>
!t = tensor<6x?xf32, #tfm.dims<6, s>>
!r = tensor<2x3x?xf32, #tfm.dims<2, 3, s>>
// CHECK-LABEL: module
module attributes {tfm.symbols = {s = array<i64: 1, 64>}} {
  // CHECK: tfm.weight @constant : tensor<3x1xf32> = dense<{{.*}}>
  // CHECK: kernel.func @relu_transpose_reshape_add_0
  // CHECK-LABEL: func.func @main
  // CHECK: %[[C:.*]] = tfm.get @constant
  // CHECK-NEXT: %[[Y:.*]] = kernel.launch @relu_transpose_reshape_add_0(%{{.*}}, %[[C]])
  // CHECK-NEXT: %[[Z:.*]] = tfm.reshape %[[Y]]
  // CHECK-NEXT: return %[[Z]]
  func.func @main(%x: !x) -> tensor<?xf32, #tfm.dims<6*s>> {
    %c = tfm.constant dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>
    %a = tfm.relu %x : (!x) -> !x
    %t = tfm.transpose %a {permutation = array<i64: 1, 0>} : (!x) -> !t
    %r = tfm.reshape %t : (!t) -> !r
    %y = tfm.add %r, %c : (!r, tensor<3x1xf32>) -> !r
    %z = tfm.reshape %y : (!r) -> tensor<?xf32, #tfm.dims<6*s>>
    return %z : tensor<?xf32, #tfm.dims<6*s>>
  }
}

// -----
// Every output is written by a launch of its own: inputs, weights and what another output is too are copied.
!x = tensor<4xf32>
// CHECK-LABEL: module
module {
  tfm.weight @w : !x = dense<1.0> : !x
  // CHECK: kernel.func @relu_0
  // CHECK: kernel.func @copy_0(%[[X:.*]]: tensor<4xf32>)
  // CHECK-NEXT: kernel.return %[[X]]
  // CHECK: kernel.func @copy_1(%{{.*}}: tensor<2x2xf32>)
  // CHECK-LABEL: func.func @main
  // CHECK-DAG: %[[W:.*]] = tfm.get @w
  // CHECK: %[[Y:.*]] = kernel.launch @relu_0
  // CHECK: %[[R:.*]] = tfm.reshape %[[Y]]
  // CHECK: %[[A:.*]] = kernel.launch @copy_0(%arg0)
  // CHECK: %[[B:.*]] = kernel.launch @copy_0(%[[W]])
  // CHECK: %[[C:.*]] = kernel.launch @copy_1(%[[R]])
  // CHECK: return %[[Y]], %[[A]], %[[B]], %[[C]]
  func.func @main(%x: !x) -> (!x, !x, !x, tensor<2x2xf32>) {
    %w = tfm.get @w : !x
    %y = tfm.relu %x : (!x) -> !x
    %r = tfm.reshape %y : (!x) -> tensor<2x2xf32>
    return %y, %x, %w, %r : !x, !x, !x, tensor<2x2xf32>
  }
}

// -----
// What is computed from small inputs alone is computed again where it is read, unless it must be in memory.
!m = tensor<?xi64, #tfm.dims<s>>
!f = tensor<?xf32, #tfm.dims<s>>
!x = tensor<?x8xf32, #tfm.dims<s, 8>>
// CHECK-LABEL: module
module attributes {tfm.symbols = {s = array<i64: 1, 64>}} {
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  // CHECK-LABEL: func.func @main
  // CHECK: %[[COLUMN:.*]] = tfm.reshape %arg0
  // CHECK: %[[E:.*]] = kernel.launch @cast_0(%[[COLUMN]])
  // CHECK: kernel.launch @linear_0(%[[E]]
  func.func @main(%m: !m) -> !x {
    %w = tfm.get @w : tensor<8x8xf32>
    %f = tfm.cast %m : (!m) -> !f
    %c = tfm.reshape %f : (!f) -> tensor<?x1xf32, #tfm.dims<s, 1>>
    %e = tfm.expand %c : (tensor<?x1xf32, #tfm.dims<s, 1>>) -> !x
    %y = tfm.linear %e, %w : (!x, tensor<8x8xf32>) -> !x
    return %y : !x
  }
}

// -----
// Reshapes between a linear and what follows it go up to memory: flattened rows cost nothing and part nothing.
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!rows = tensor<?x8xf32, #tfm.dims<b*s, 8>>
// CHECK-LABEL: module
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : tensor<8x8xf32> = dense<1.0> : tensor<8x8xf32>
  // CHECK-LABEL: func.func @main
  // CHECK-NOT: tfm.reshape
  // CHECK: kernel.launch @relu_0
  // CHECK-NEXT: kernel.launch @linear_add_0
  // CHECK-NEXT: return
  func.func @main(%x: !x) -> !x {
    %w = tfm.get @w : tensor<8x8xf32>
    %a = tfm.relu %x : (!x) -> !x
    %flat = tfm.reshape %a : (!x) -> !rows
    %y = tfm.linear %flat, %w : (!rows, tensor<8x8xf32>) -> !rows
    %back = tfm.reshape %y : (!rows) -> !x
    %sum = tfm.add %back, %x : (!x, !x) -> !x
    return %sum : !x
  }
}
