// RUN: lathe-opt %s --split-input-file --verify-diagnostics

func.func @c1_range(%x: tensor<3x4xf32>) -> tensor<3x1xf32> {
  // expected-error@+1 {{C1: expected ascending axes below the rank 2, got 2}}
  %0 = tfm.reduce_sum %x {axes = array<i64: 2>} : (tensor<3x4xf32>) -> tensor<3x1xf32>
  return %0 : tensor<3x1xf32>
}

// -----

func.func @c1_order(%x: tensor<3x4xf32>) -> tensor<1x1xf32> {
  // expected-error@+1 {{C1: expected ascending axes below the rank 2, got 0}}
  %0 = tfm.reduce_max %x {axes = array<i64: 1, 0>} : (tensor<3x4xf32>) -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}

// -----

func.func @c2(%x: tensor<3x4xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{C2: expected result dimensions [3, 1], got [3]}}
  %0 = tfm.reduce_mean %x {axes = array<i64: 1>} : (tensor<3x4xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @c3(%x: tensor<3x4xf32>) -> tensor<3x1xf64> {
  // expected-error@+1 {{C3: expected one element type, got 'f32' and 'f64'}}
  %0 = tfm.reduce_prod %x {axes = array<i64: 1>} : (tensor<3x4xf32>) -> tensor<3x1xf64>
  return %0 : tensor<3x1xf64>
}

// -----

func.func @arg_c1(%x: tensor<3x4xf32>) -> tensor<3x1xi64> {
  // expected-error@+1 {{C1: expected ascending axes below the rank 2, got -1}}
  %0 = tfm.arg_max %x {axis = -1 : i64} : (tensor<3x4xf32>) -> tensor<3x1xi64>
  return %0 : tensor<3x1xi64>
}

// -----

func.func @arg_c2(%x: tensor<3x4xf32>) -> tensor<3x4xi64> {
  // expected-error@+1 {{C2: expected result dimensions [3, 1], got [3, 4]}}
  %0 = tfm.arg_min %x {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x4xi64>
  return %0 : tensor<3x4xi64>
}

// -----

func.func @arg_c3(%x: tensor<3x4xf32>) -> tensor<3x1xf32> {
  // expected-error@+1 {{result #0 must be ranked tensor of 32-bit signless integer or 64-bit signless integer}}
  %0 = tfm.arg_min %x {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<3x1xf32>
  return %0 : tensor<3x1xf32>
}

// -----

func.func @softmax_c1(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  // expected-error@+1 {{C1: expected an axis below the rank 2, got 2}}
  %0 = tfm.softmax %x {axis = 2 : i64} : (tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// -----

func.func @softmax_c2(%x: tensor<3x4xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{all of {input, result} have same type}}
  %0 = tfm.softmax %x {axis = 1 : i64} : (tensor<3x4xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// -----

func.func @cumsum_c1(%x: tensor<i64>) -> tensor<i64> {
  // expected-error@+1 {{C1: expected an axis below the rank 0, got 0}}
  %0 = tfm.cumsum %x {axis = 0 : i64} : (tensor<i64>) -> tensor<i64>
  return %0 : tensor<i64>
}

// -----

func.func @cumsum_c2(%x: tensor<3xi64>) -> tensor<3xi32> {
  // expected-error@+1 {{all of {input, result} have same type}}
  %0 = tfm.cumsum %x {axis = 0 : i64} : (tensor<3xi64>) -> tensor<3xi32>
  return %0 : tensor<3xi32>
}
