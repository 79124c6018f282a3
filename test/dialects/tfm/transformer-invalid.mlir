// RUN: lathe-opt %s --split-input-file --verify-diagnostics

func.func @linear_c1(%x: tensor<2x8xf32>, %w: tensor<6x8xf32>) -> tensor<2x6xf32> {
  // expected-error@+1 {{C1: can't multiply 'tensor<2x8xf32>' by 'tensor<6x8xf32>'}}
  %0 = tfm.linear %x, %w : (tensor<2x8xf32>, tensor<6x8xf32>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}

// -----

func.func @linear_c1_transposed(%x: tensor<2x8xf32>, %w: tensor<8x6xf32>) -> tensor<2x6xf32> {
  // expected-error@+1 {{C1: can't multiply 'tensor<2x8xf32>' by 'tensor<8x6xf32>' transposed}}
  %0 = tfm.linear %x, %w {transposed} : (tensor<2x8xf32>, tensor<8x6xf32>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}

// -----

func.func @linear_c2(%x: tensor<2x8xf32>, %w: tensor<8x6xf32>, %b: tensor<8xf32>) -> tensor<2x6xf32> {
  // expected-error@+1 {{C2: expected bias of shape [6], got 'tensor<8xf32>'}}
  %0 = tfm.linear %x, %w bias(%b) : (tensor<2x8xf32>, tensor<8x6xf32>, tensor<8xf32>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}

// -----

func.func @linear_c3(%x: tensor<2x8xf32>, %w: tensor<8x6xf16>) -> tensor<2x6xf32> {
  // expected-error@+1 {{C3: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.linear %x, %w : (tensor<2x8xf32>, tensor<8x6xf16>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}

// -----

func.func @matmul_c1(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) -> tensor<2x5xf32> {
  // expected-error@+1 {{C1: expected one K, got 3 and 4}}
  %0 = tfm.matmul %x, %y : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// -----

func.func @matmul_c1_rank(%x: tensor<3xf32>, %y: tensor<3x5xf32>) -> tensor<5xf32> {
  // expected-error@+1 {{C1: expected operands of rank 2 or more}}
  %0 = tfm.matmul %x, %y : (tensor<3xf32>, tensor<3x5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// -----

func.func @matmul_c2(%x: tensor<2x2x3xf32>, %y: tensor<5x3x4xf32>) -> tensor<2x2x4xf32> {
  // expected-error@+1 {{C2: batch dimensions of 'tensor<2x2x3xf32>' and 'tensor<5x3x4xf32>' don't broadcast}}
  %0 = tfm.matmul %x, %y : (tensor<2x2x3xf32>, tensor<5x3x4xf32>) -> tensor<2x2x4xf32>
  return %0 : tensor<2x2x4xf32>
}

// -----

func.func @matmul_c3(%x: tensor<2x3xf32>, %y: tensor<3x4xf16>) -> tensor<2x4xf32> {
  // expected-error@+1 {{C3: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.matmul %x, %y : (tensor<2x3xf32>, tensor<3x4xf16>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @matmul_c3_integer(%x: tensor<2x3xi8>, %y: tensor<3x4xi8>) -> tensor<2x4xf32> {
  // expected-error@+1 {{C3: expected an integer result for integer operands}}
  %0 = tfm.matmul %x, %y : (tensor<2x3xi8>, tensor<3x4xi8>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @conv_c1(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x2x2xf32>) -> tensor<1x4x7x7xf32> {
  // expected-error@+1 {{C1: expected strides, pads and dilations for 'tensor<1x3x8x8xf32>'}}
  %0 = tfm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : (tensor<1x3x8x8xf32>, tensor<4x3x2x2xf32>) -> tensor<1x4x7x7xf32>
  return %0 : tensor<1x4x7x7xf32>
}

// -----

func.func @conv_c2(%x: tensor<1x3x8xf32>, %w: tensor<4x3x2xf32>) -> tensor<1x4x7xf32> {
  // expected-error@+1 {{C2: expected groups that divide the channels}}
  %0 = tfm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, groups = 2 : i64}
      : (tensor<1x3x8xf32>, tensor<4x3x2xf32>) -> tensor<1x4x7xf32>
  return %0 : tensor<1x4x7xf32>
}

// -----

func.func @conv_c3(%x: tensor<1x3x8xf32>, %w: tensor<4x3x2xf32>) -> tensor<1x4x8xf32> {
  // expected-error@+1 {{C3: expected result dimensions [1, 4, 7], got [1, 4, 8]}}
  %0 = tfm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>}
      : (tensor<1x3x8xf32>, tensor<4x3x2xf32>) -> tensor<1x4x8xf32>
  return %0 : tensor<1x4x8xf32>
}

// -----

func.func @attention_c1(%q: tensor<2x3x8xf32>, %k: tensor<1x5x8xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: expected query [B, Sq, heads*D], key [B, Sk, kv_heads*D], value [B, Sk, kv_heads*Dv]}}
  %0 = tfm.attention %q, %k, %k {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<2x3x8xf32>, tensor<1x5x8xf32>, tensor<1x5x8xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @attention_c1_bias(%q: tensor<2x3x8xf32>, %bias: tensor<3x4xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: bias 'tensor<3x4xf32>' doesn't broadcast to [2, 2, 3, 3]}}
  %0 = tfm.attention %q, %q, %q bias(%bias) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<3x4xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @attention_c1_padding(%q: tensor<2x3x8xf32>, %padding: tensor<1x3xi1>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: expected padding of shape [2, 3], got 'tensor<1x3xi1>'}}
  %0 = tfm.attention %q, %q, %q padding(%padding) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<1x3xi1>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @attention_c1_offset(%q: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: expected one dimension as offset}}
  %0 = tfm.attention %q, %q, %q {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, offset = #tfm.dims<1, 2>}
      : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @attention_c2(%q: tensor<2x3x12xf32>, %k: tensor<2x3x8xf32>) -> tensor<2x3x12xf32> {
  // expected-error@+1 {{C2: expected kv_heads that divide heads, got 2 and 3}}
  %0 = tfm.attention %q, %k, %k {heads = 3 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<2x3x12xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x12xf32>
  return %0 : tensor<2x3x12xf32>
}

// -----

func.func @attention_c2_width(%q: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C2: expected heads of one width, got 'tensor<2x3x8xf32>' in 3}}
  %0 = tfm.attention %q, %q, %q {heads = 3 : i64, kv_heads = 3 : i64, scale = 0.5 : f64}
      : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @attention_c3(%q: tensor<2x3x8xf32>, %v: tensor<2x3x8xf16>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C3: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.attention %q, %q, %v {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
      : (tensor<2x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf16>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @layer_norm_c1(%x: tensor<2x8xf32>, %g: tensor<2xf32>) -> tensor<2x8xf32> {
  // expected-error@+1 {{C1: expected gain of shape [8], got 'tensor<2xf32>'}}
  %0 = tfm.layer_norm %x gain(%g) {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>, tensor<2xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// -----

func.func @layer_norm_c2(%x: tensor<2x8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{C2: expected result dimensions [2, 8], got [8]}}
  %0 = tfm.layer_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @rms_norm_c1(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{C1: expected an input of rank 1 or more}}
  %0 = tfm.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}

// -----

func.func @rms_norm_c2(%x: tensor<2x8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{C2: expected result dimensions [2, 8], got [8]}}
  %0 = tfm.rms_norm %x {epsilon = 1.0e-5 : f64} : (tensor<2x8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @rotary_c1(%x: tensor<2x3x8xf32>, %c: tensor<1x4x2xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: expected x [B, S, heads*D] and cos, sin [B or 1, S, R/2]}}
  %0 = tfm.rotary %x, %c, %c {heads = 2 : i64} : (tensor<2x3x8xf32>, tensor<1x4x2xf32>, tensor<1x4x2xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @rotary_c1_width(%x: tensor<2x3x8xf32>, %c: tensor<1x3x3xf32>) -> tensor<2x3x8xf32> {
  // expected-error@+1 {{C1: expected heads at least twice as wide as cos}}
  %0 = tfm.rotary %x, %c, %c {heads = 2 : i64} : (tensor<2x3x8xf32>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) -> tensor<2x3x8xf32>
  return %0 : tensor<2x3x8xf32>
}

// -----

func.func @rotary_c2(%x: tensor<2x3x8xf16>, %c: tensor<1x3x2xf32>) -> tensor<2x3x8xf16> {
  // expected-error@+1 {{C2: expected one element type, got 'f16' and 'f32'}}
  %0 = tfm.rotary %x, %c, %c {heads = 2 : i64} : (tensor<2x3x8xf16>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<2x3x8xf16>
  return %0 : tensor<2x3x8xf16>
}

// -----

func.func @embedding_c1(%ids: tensor<3xi64>, %table: tensor<5xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{C1: expected a table of rank 2, got 'tensor<5xf32>'}}
  %0 = tfm.embedding %ids, %table : (tensor<3xi64>, tensor<5xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @embedding_c2(%ids: tensor<3xi64>, %table: tensor<5x8xf32>) -> tensor<3x5xf32> {
  // expected-error@+1 {{C2: expected result dimensions [3, 8], got [3, 5]}}
  %0 = tfm.embedding %ids, %table : (tensor<3xi64>, tensor<5x8xf32>) -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// -----

func.func @embedding_c3(%ids: tensor<3xi64>, %table: tensor<5x8xf32>) -> tensor<3x8xf16> {
  // expected-error@+1 {{C3: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.embedding %ids, %table : (tensor<3xi64>, tensor<5x8xf32>) -> tensor<3x8xf16>
  return %0 : tensor<3x8xf16>
}

// -----

func.func @mean_pool_c1(%x: tensor<2x3x8xf32>, %m: tensor<3xf32>) -> tensor<2x8xf32> {
  // expected-error@+1 {{C1: expected input [B, S, H] and mask [B, S], got 'tensor<2x3x8xf32>' and 'tensor<3xf32>'}}
  %0 = tfm.mean_pool %x, %m {floor = 1.0e-9 : f64} : (tensor<2x3x8xf32>, tensor<3xf32>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// -----

func.func @mean_pool_c2(%x: tensor<2x3x8xf32>, %m: tensor<2x3xf16>) -> tensor<2x8xf32> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.mean_pool %x, %m {floor = 1.0e-9 : f64} : (tensor<2x3x8xf32>, tensor<2x3xf16>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// -----

func.func @l2_normalize(%x: tensor<2x8xf32>) -> tensor<8x2xf32> {
  // expected-error@+1 {{all of {input, result} have same type}}
  %0 = tfm.l2_normalize %x {floor = 1.0e-12 : f64} : (tensor<2x8xf32>) -> tensor<8x2xf32>
  return %0 : tensor<8x2xf32>
}

// -----

func.func @linear_c4(%x: tensor<2x8xf16>, %w: tensor<8x6xf16>) -> tensor<2x6xf16> {
  // expected-error@+1 {{C4: expected f32 operands with a precision, got 'f16'}}
  %0 = tfm.linear %x, %w {precision = #tfm.precision<tf32>} : (tensor<2x8xf16>, tensor<8x6xf16>) -> tensor<2x6xf16>
  return %0 : tensor<2x6xf16>
}

// -----

func.func @linear_c5_type(%x: tensor<2x8xf32>, %w: tensor<8x6xf32>) -> tensor<2x6xf32> {
  // expected-error@+1 {{C5: expected 2 to 8 bits or f8E4M3FN, a positive f32 scale and a code as zero point, got #tfm.dynamic_float<type = f8E5M2>}}
  %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E5M2>} : (tensor<2x8xf32>, tensor<8x6xf32>) -> tensor<2x6xf32>
  return %0 : tensor<2x6xf32>
}

// -----

func.func @linear_c5_input(%x: tensor<2x8xf16>, %w: tensor<8x6xf16>) -> tensor<2x6xf16> {
  // expected-error@+1 {{C5: expected #tfm.dynamic, #tfm.dynamic_float or #tfm.static as the activation of an input of f32}}
  %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<2x8xf16>, tensor<8x6xf16>) -> tensor<2x6xf16>
  return %0 : tensor<2x6xf16>
}

// -----

func.func @matmul_c4(%x: tensor<2x8xi8>, %w: tensor<8x6xi8>) -> tensor<2x6xi32> {
  // expected-error@+1 {{C4: expected f32 operands with a precision, got 'i8'}}
  %0 = tfm.matmul %x, %w {precision = #tfm.precision<tf32>} : (tensor<2x8xi8>, tensor<8x6xi8>) -> tensor<2x6xi32>
  return %0 : tensor<2x6xi32>
}

// -----

func.func @conv_c4(%x: tensor<1x3x8xbf16>, %w: tensor<4x3x3xbf16>) -> tensor<1x4x6xbf16> {
  // expected-error@+1 {{C4: expected f32 operands with a precision, got 'bf16'}}
  %0 = tfm.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, precision = #tfm.precision<tf32>} : (tensor<1x3x8xbf16>, tensor<4x3x3xbf16>) -> tensor<1x4x6xbf16>
  return %0 : tensor<1x4x6xbf16>
}

// -----

func.func @attention_c4(%x: tensor<1x4x8xf64>) -> tensor<1x4x8xf64> {
  // expected-error@+1 {{C4: expected f32 operands with a precision, got 'f64'}}
  %0 = tfm.attention %x, %x, %x {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0 : f64, precision = #tfm.precision<tf32>} : (tensor<1x4x8xf64>, tensor<1x4x8xf64>, tensor<1x4x8xf64>) -> tensor<1x4x8xf64>
  return %0 : tensor<1x4x8xf64>
}
