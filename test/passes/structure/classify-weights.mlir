// RUN: lathe-opt --lathe-classify-weights --split-input-file %s | FileCheck %s --enable-var-scope
// Names say nothing here: weights are numbered.

// A post-norm encoder's layer, and a classifier on the first token: a dense layer is no ffn, for it joins no residual.
module {
  // CHECK-LABEL: tfm.weight @w0
  // CHECK-SAME: tfm.kinds = ["embedding"]
  // CHECK-NOT: tfm.layer
  // CHECK: @w1 {{.*}}kinds = ["attention.q"], tfm.layer = 0
  // CHECK: @w2 {{.*}}kinds = ["attention.k"], tfm.layer = 0
  // CHECK: @w3 {{.*}}kinds = ["attention.v"], tfm.layer = 0
  // CHECK: @w4 {{.*}}kinds = ["attention.output"], tfm.layer = 0
  // CHECK: @w5 {{.*}}kinds = ["ffn.up"], tfm.layer = 0
  // CHECK: @w6 {{.*}}kinds = ["ffn.down"], tfm.layer = 0
  // CHECK: @w7 {{.*}}kinds = ["linear"]}
  // CHECK: @w8 {{.*}}kinds = ["head"]}
  // CHECK: @b : tensor<4xf32>
  // CHECK-NOT: kinds
  tfm.weight @w0 : tensor<9x4xf32> = dense<1.0> : tensor<9x4xf32>
  tfm.weight @w1 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w2 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w3 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w4 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w5 : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  tfm.weight @w6 : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
  tfm.weight @w7 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w8 : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  tfm.weight @b : tensor<4xf32> = dense<1.0> : tensor<4xf32>
  func.func @main(%ids: tensor<1x3xi64>) -> tensor<1x2xf32> {
    %w0 = tfm.get @w0 : tensor<9x4xf32>
    %w1 = tfm.get @w1 : tensor<4x4xf32>
    %w2 = tfm.get @w2 : tensor<4x4xf32>
    %w3 = tfm.get @w3 : tensor<4x4xf32>
    %w4 = tfm.get @w4 : tensor<4x4xf32>
    %w5 = tfm.get @w5 : tensor<4x8xf32>
    %w6 = tfm.get @w6 : tensor<8x4xf32>
    %w7 = tfm.get @w7 : tensor<4x4xf32>
    %w8 = tfm.get @w8 : tensor<4x2xf32>
    %b = tfm.get @b : tensor<4xf32>
    %e = tfm.embedding %ids, %w0 : (tensor<1x3xi64>, tensor<9x4xf32>) -> tensor<1x3x4xf32>
    %x = tfm.layer_norm %e {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %q = tfm.linear %x, %w1 bias(%b) : (tensor<1x3x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<1x3x4xf32>
    %k = tfm.linear %x, %w2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %v = tfm.linear %x, %w3 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %a = tfm.attention %q, %k, %v {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %o = tfm.linear %a, %w4 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %r = tfm.add %o, %x : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %n = tfm.layer_norm %r {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %u = tfm.linear %n, %w5 : (tensor<1x3x4xf32>, tensor<4x8xf32>) -> tensor<1x3x8xf32>
    %g = tfm.gelu %u : (tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
    %d = tfm.linear %g, %w6 : (tensor<1x3x8xf32>, tensor<8x4xf32>) -> tensor<1x3x4xf32>
    %s = tfm.add %d, %n : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %m = tfm.layer_norm %s {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %f = tfm.slice %m {starts = #tfm.dims<0, 0, 0>, steps = array<i64: 1, 1, 1>} : (tensor<1x3x4xf32>) -> tensor<1x1x4xf32>
    %c = tfm.reshape %f : (tensor<1x1x4xf32>) -> tensor<1x4xf32>
    %p = tfm.linear %c, %w7 : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
    %t = tfm.tanh %p : (tensor<1x4xf32>) -> tensor<1x4xf32>
    %l = tfm.linear %t, %w8 : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
    return %l : tensor<1x2xf32>
  }
}

// -----

// A pre-norm decoder whose attention was not recovered, with a cache, rotary, a gate, and its table for a head. The key,
// which is also an output, is no head.
module {
  // CHECK-LABEL: tfm.weight @w0
  // CHECK-SAME: tfm.kinds = ["head", "embedding"]
  // CHECK: @w1 {{.*}}kinds = ["attention.q"], tfm.layer = 0
  // CHECK: @w2 {{.*}}kinds = ["attention.k"], tfm.layer = 0
  // CHECK: @w3 {{.*}}kinds = ["attention.v"], tfm.layer = 0
  // CHECK: @w4 {{.*}}kinds = ["attention.output"], tfm.layer = 0
  // CHECK: @w5 {{.*}}kinds = ["ffn.gate"], tfm.layer = 0
  // CHECK: @w6 {{.*}}kinds = ["ffn.up"], tfm.layer = 0
  // CHECK: @w7 {{.*}}kinds = ["ffn.down"], tfm.layer = 0
  tfm.weight @w0 : tensor<9x4xf32> = dense<1.0> : tensor<9x4xf32>
  tfm.weight @w1 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w2 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w3 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w4 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @w5 : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  tfm.weight @w6 : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  tfm.weight @w7 : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
  func.func @main(%ids: tensor<1x3xi64>, %past: tensor<1x2x4xf32>, %cos: tensor<1x3x2xf32>, %sin: tensor<1x3x2xf32>)
      -> (tensor<1x3x9xf32>, tensor<1x5x4xf32>) {
    %w0 = tfm.get @w0 : tensor<9x4xf32>
    %w1 = tfm.get @w1 : tensor<4x4xf32>
    %w2 = tfm.get @w2 : tensor<4x4xf32>
    %w3 = tfm.get @w3 : tensor<4x4xf32>
    %w4 = tfm.get @w4 : tensor<4x4xf32>
    %w5 = tfm.get @w5 : tensor<4x8xf32>
    %w6 = tfm.get @w6 : tensor<4x8xf32>
    %w7 = tfm.get @w7 : tensor<8x4xf32>
    %x = tfm.embedding %ids, %w0 : (tensor<1x3xi64>, tensor<9x4xf32>) -> tensor<1x3x4xf32>
    %h = tfm.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %q = tfm.linear %h, %w1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %k = tfm.linear %h, %w2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %v = tfm.linear %h, %w3 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %qr = tfm.rotary %q, %cos, %sin {heads = 1 : i64} : (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
    %kr = tfm.rotary %k, %cos, %sin {heads = 1 : i64} : (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
    %kc = tfm.concat %past, %kr {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x3x4xf32>) -> tensor<1x5x4xf32>
    %vc = tfm.concat %past, %v {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x3x4xf32>) -> tensor<1x5x4xf32>
    %s = tfm.matmul %qr, %kc {transpose_b} : (tensor<1x3x4xf32>, tensor<1x5x4xf32>) -> tensor<1x3x5xf32>
    %p = tfm.softmax %s {axis = 2 : i64} : (tensor<1x3x5xf32>) -> tensor<1x3x5xf32>
    %a = tfm.matmul %p, %vc : (tensor<1x3x5xf32>, tensor<1x5x4xf32>) -> tensor<1x3x4xf32>
    %o = tfm.linear %a, %w4 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %r = tfm.add %x, %o : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %n = tfm.rms_norm %r {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %g = tfm.linear %n, %w5 : (tensor<1x3x4xf32>, tensor<4x8xf32>) -> tensor<1x3x8xf32>
    %u = tfm.linear %n, %w6 : (tensor<1x3x4xf32>, tensor<4x8xf32>) -> tensor<1x3x8xf32>
    %m = tfm.swiglu %g, %u : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
    %d = tfm.linear %m, %w7 : (tensor<1x3x8xf32>, tensor<8x4xf32>) -> tensor<1x3x4xf32>
    %y = tfm.add %r, %d : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %z = tfm.rms_norm %y {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %l = tfm.linear %z, %w0 {transposed} : (tensor<1x3x4xf32>, tensor<9x4xf32>) -> tensor<1x3x9xf32>
    return %l, %kc : tensor<1x3x9xf32>, tensor<1x5x4xf32>
  }
}

// -----

// Attention over itself, over another sequence, then an ffn with its gate as a plain product: one layer. The next
// attention begins the second, whose query is in two factors. What reaches an output through tanh is a hidden state.
module {
  // CHECK-LABEL: tfm.weight @x1
  // CHECK-SAME: tfm.kinds = ["attention.q"], tfm.layer = 0
  // CHECK: @x2 {{.*}}kinds = ["attention.k"], tfm.layer = 0
  // CHECK: @x3 {{.*}}kinds = ["attention.q"], tfm.layer = 0
  // CHECK: @x4 {{.*}}kinds = ["attention.k"], tfm.layer = 0
  // CHECK: @x5 {{.*}}kinds = ["ffn.gate"], tfm.layer = 0
  // CHECK: @x6 {{.*}}kinds = ["ffn.up"], tfm.layer = 0
  // CHECK: @x7 {{.*}}kinds = ["ffn.down"], tfm.layer = 0
  // CHECK: @x8 {{.*}}kinds = ["attention.q"], tfm.layer = 1
  // CHECK: @x9 {{.*}}kinds = ["attention.q"], tfm.layer = 1
  // CHECK: @x10 {{.*}}kinds = ["linear"]}
  tfm.weight @x1 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @x2 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @x3 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @x4 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  tfm.weight @x5 : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  tfm.weight @x6 : tensor<4x8xf32> = dense<1.0> : tensor<4x8xf32>
  tfm.weight @x7 : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
  tfm.weight @x8 : tensor<4x1xf32> = dense<1.0> : tensor<4x1xf32>
  tfm.weight @x9 : tensor<1x4xf32> = dense<1.0> : tensor<1x4xf32>
  tfm.weight @x10 : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
  func.func @main(%x: tensor<1x3x4xf32>, %other: tensor<1x5x4xf32>) -> tensor<1x3x4xf32> {
    %x1 = tfm.get @x1 : tensor<4x4xf32>
    %x2 = tfm.get @x2 : tensor<4x4xf32>
    %x3 = tfm.get @x3 : tensor<4x4xf32>
    %x4 = tfm.get @x4 : tensor<4x4xf32>
    %x5 = tfm.get @x5 : tensor<4x8xf32>
    %x6 = tfm.get @x6 : tensor<4x8xf32>
    %x7 = tfm.get @x7 : tensor<8x4xf32>
    %x8 = tfm.get @x8 : tensor<4x1xf32>
    %x9 = tfm.get @x9 : tensor<1x4xf32>
    %x10 = tfm.get @x10 : tensor<4x4xf32>
    %q = tfm.linear %x, %x1 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %k = tfm.linear %x, %x2 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %a = tfm.attention %q, %k, %k {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %r = tfm.add %x, %a : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %cq = tfm.linear %r, %x3 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %ck = tfm.linear %other, %x4 : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
    %c = tfm.attention %cq, %ck, %other {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x3x4xf32>, tensor<1x5x4xf32>, tensor<1x5x4xf32>) -> tensor<1x3x4xf32>
    %s = tfm.add %r, %c : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %n = tfm.rms_norm %s {epsilon = 1.0e-5 : f64} : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %g = tfm.linear %n, %x5 : (tensor<1x3x4xf32>, tensor<4x8xf32>) -> tensor<1x3x8xf32>
    %u = tfm.linear %n, %x6 : (tensor<1x3x4xf32>, tensor<4x8xf32>) -> tensor<1x3x8xf32>
    %ga = tfm.gelu %g : (tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
    %m = tfm.mul %u, %ga : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
    %d = tfm.linear %m, %x7 : (tensor<1x3x8xf32>, tensor<8x4xf32>) -> tensor<1x3x4xf32>
    %y = tfm.add %d, %s : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %f = tfm.linear %y, %x8 : (tensor<1x3x4xf32>, tensor<4x1xf32>) -> tensor<1x3x1xf32>
    %q1 = tfm.linear %f, %x9 : (tensor<1x3x1xf32>, tensor<1x4xf32>) -> tensor<1x3x4xf32>
    %a1 = tfm.attention %q1, %y, %y {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %y1 = tfm.add %y, %a1 : (tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    %p = tfm.linear %y1, %x10 : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
    %t = tfm.tanh %p : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
    return %t : tensor<1x3x4xf32>
  }
}
