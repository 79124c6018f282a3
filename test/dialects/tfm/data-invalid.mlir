// RUN: lathe-opt %s --split-input-file --verify-diagnostics

func.func @constant_c1() -> tensor<3xf32> {
  // expected-error@+1 {{all of {value, result} have same type}}
  %0 = "tfm.constant"() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @extent_c1_count() -> tensor<3xi64> {
  // expected-error@+1 {{C1: expected i64 of shape [2], got 'tensor<3xi64>'}}
  %0 = tfm.extent <batch, sequence> : tensor<3xi64>
  return %0 : tensor<3xi64>
}

// -----

func.func @extent_c1_type() -> tensor<1xi32> {
  // expected-error@+1 {{C1: expected i64 of shape [1], got 'tensor<1xi32>'}}
  %0 = tfm.extent <batch> : tensor<1xi32>
  return %0 : tensor<1xi32>
}

// -----

func.func @iota_c1() -> tensor<3xi64> {
  // expected-error@+1 {{C1: expected one dimension as start, got #tfm.dims<0, 1>}}
  %0 = tfm.iota <0, 1> step 1 : tensor<3xi64>
  return %0 : tensor<3xi64>
}

// -----

func.func @iota_c2() -> tensor<3x1xi64> {
  // expected-error@+1 {{C2: expected a result of rank 1, got 'tensor<3x1xi64>'}}
  %0 = tfm.iota <0> step 1 : tensor<3x1xi64>
  return %0 : tensor<3x1xi64>
}

// -----

func.func @require_c1() {
  // expected-error@+1 {{C1: expected lists of one length}}
  tfm.require <batch>, <rows, 1>, "one batch"
  return
}

// -----

func.func @reshape_c1(%x: tensor<6xf32>) -> tensor<2x3xi32> {
  // expected-error@+1 {{C1: expected one element type, got 'f32' and 'i32'}}
  %0 = tfm.reshape %x : (tensor<6xf32>) -> tensor<2x3xi32>
  return %0 : tensor<2x3xi32>
}

// -----

func.func @reshape_c2(%x: tensor<6xf32>) -> tensor<2x4xf32> {
  // expected-error@+1 {{C2: expected as many elements as in 'tensor<6xf32>', got 'tensor<2x4xf32>'}}
  %0 = tfm.reshape %x : (tensor<6xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @transpose_c1_twice(%x: tensor<2x3xf32>) -> tensor<2x2xf32> {
  // expected-error@+1 {{C1: expected a permutation of 2 axes}}
  %0 = tfm.transpose %x {permutation = array<i64: 0, 0>} : (tensor<2x3xf32>) -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// -----

func.func @transpose_c1_rank(%x: tensor<2x3xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected a permutation of 2 axes}}
  %0 = tfm.transpose %x {permutation = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @transpose_c2(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error@+1 {{C2: expected result dimensions [3, 2], got [2, 3]}}
  %0 = tfm.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @expand_c1(%x: tensor<2x3xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{C1: 'tensor<2x3xf32>' doesn't broadcast to 'tensor<4x3xf32>'}}
  %0 = tfm.expand %x : (tensor<2x3xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// -----

func.func @slice_c1_rank(%x: tensor<6xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected 1 starts, non-zero steps and result dimensions}}
  %0 = tfm.slice %x {starts = #tfm.dims<0, 0>, steps = array<i64: 1>} : (tensor<6xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @slice_c1_step(%x: tensor<6xf32>) -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected 1 starts, non-zero steps and result dimensions}}
  %0 = tfm.slice %x {starts = #tfm.dims<0>, steps = array<i64: 0>} : (tensor<6xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @slice_c2(%x: tensor<6xf32>) -> tensor<2xf16> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.slice %x {starts = #tfm.dims<0>, steps = array<i64: 1>} : (tensor<6xf32>) -> tensor<2xf16>
  return %0 : tensor<2xf16>
}

// -----

func.func @concat_c1_none() -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected an input}}
  %0 = "tfm.concat"() {axis = 0 : i64} : () -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @concat_c1_axis(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // expected-error@+1 {{C1: expected an axis below the rank 2, got 2}}
  %0 = tfm.concat %x {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// -----

func.func @concat_c1_other(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{C1: expected dimension 1 to be 3, got 4}}
  %0 = tfm.concat %x, %y {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// -----

func.func @concat_c1_sum(%x: tensor<2x3xf32>) -> tensor<5x3xf32> {
  // expected-error@+1 {{C1: expected result dimensions [4, 3], got [5, 3]}}
  %0 = tfm.concat %x, %x {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<5x3xf32>
  return %0 : tensor<5x3xf32>
}

// -----

func.func @concat_c2(%x: tensor<2xf32>, %y: tensor<2xf16>) -> tensor<4xf32> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.concat %x, %y {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf16>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @pad_c1_length(%x: tensor<2xf32>, %v: tensor<f32>) -> tensor<3xf32> {
  // expected-error@+1 {{C1: expected 1 low and high pads}}
  %0 = tfm.pad %x, %v {low = #tfm.dims<1, 0>, high = #tfm.dims<0>} : (tensor<2xf32>, tensor<f32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @pad_c1_result(%x: tensor<2xf32>, %v: tensor<f32>) -> tensor<3xf32> {
  // expected-error@+1 {{C1: expected result dimensions [4], got [3]}}
  %0 = tfm.pad %x, %v {low = #tfm.dims<1>, high = #tfm.dims<1>} : (tensor<2xf32>, tensor<f32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @pad_c2_rank(%x: tensor<2xf32>, %v: tensor<1xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{C2: expected a scalar value, got 'tensor<1xf32>'}}
  %0 = tfm.pad %x, %v {low = #tfm.dims<1>, high = #tfm.dims<0>} : (tensor<2xf32>, tensor<1xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @pad_c2_type(%x: tensor<2xf32>, %v: tensor<f16>) -> tensor<3xf32> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.pad %x, %v {low = #tfm.dims<1>, high = #tfm.dims<0>} : (tensor<2xf32>, tensor<f16>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @gather_c1(%d: tensor<4x5xf32>, %i: tensor<2xi64>) -> tensor<4x2xf32> {
  // expected-error@+1 {{C1: expected an axis below the rank 2, got 2}}
  %0 = tfm.gather %d, %i {axis = 2 : i64} : (tensor<4x5xf32>, tensor<2xi64>) -> tensor<4x2xf32>
  return %0 : tensor<4x2xf32>
}

// -----

func.func @gather_c2(%d: tensor<4x5xf32>, %i: tensor<2xi64>) -> tensor<2x4xf32> {
  // expected-error@+1 {{C2: expected result dimensions [2, 5], got [2, 4]}}
  %0 = tfm.gather %d, %i {axis = 0 : i64} : (tensor<4x5xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @gather_elements_c1(%d: tensor<4x5xf32>, %i: tensor<2xi64>) -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected operands of one rank and an axis below it, got 0}}
  %0 = tfm.gather_elements %d, %i {axis = 0 : i64} : (tensor<4x5xf32>, tensor<2xi64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @gather_elements_c2(%d: tensor<4x5xf32>, %i: tensor<2x3xi64>) -> tensor<2x5xf32> {
  // expected-error@+1 {{C2: expected result dimensions [2, 3], got [2, 5]}}
  %0 = tfm.gather_elements %d, %i {axis = 0 : i64} : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}

// -----

func.func @gather_nd_c1(%d: tensor<4x5xf32>, %i: tensor<2x3xi64>) -> tensor<2xf32> {
  // expected-error@+1 {{C1: expected index tuples of static length that address 'tensor<4x5xf32>'}}
  %0 = tfm.gather_nd %d, %i : (tensor<4x5xf32>, tensor<2x3xi64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @gather_nd_c2(%d: tensor<4x5xf32>, %i: tensor<2x1xi64>) -> tensor<2xf32> {
  // expected-error@+1 {{C2: expected result dimensions [2, 5], got [2]}}
  %0 = tfm.gather_nd %d, %i : (tensor<4x5xf32>, tensor<2x1xi64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @scatter_elements(%d: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf32>) -> tensor<5xf32> {
  // expected-error@+1 {{all of {data, result} have same type}}
  %0 = tfm.scatter_elements %d, %i, %u {axis = 0 : i64} : (tensor<4xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// -----

func.func @scatter_nd(%d: tensor<4xf32>, %i: tensor<2x1xi64>, %u: tensor<2xf32>) -> tensor<4xf64> {
  // expected-error@+1 {{all of {data, result} have same type}}
  %0 = tfm.scatter_nd %d, %i, %u : (tensor<4xf32>, tensor<2x1xi64>, tensor<2xf32>) -> tensor<4xf64>
  return %0 : tensor<4xf64>
}
