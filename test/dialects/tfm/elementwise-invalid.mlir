// RUN: lathe-opt %s --split-input-file --verify-diagnostics

func.func @c1_operands(%x: tensor<3xf32>, %y: tensor<4xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{C1: operands don't broadcast: [3] and [4]}}
  %0 = tfm.add %x, %y : (tensor<3xf32>, tensor<4xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// Two symbols are different dimensions, even if their values are equal at run time.
func.func @c1_symbols(%x: tensor<?xf32, #tfm.dims<a>>, %y: tensor<?xf32, #tfm.dims<b>>) -> tensor<?xf32, #tfm.dims<a>> {
  // expected-error@+1 {{C1: operands don't broadcast: [a] and [b]}}
  %0 = tfm.mul %x, %y : (tensor<?xf32, #tfm.dims<a>>, tensor<?xf32, #tfm.dims<b>>) -> tensor<?xf32, #tfm.dims<a>>
  return %0 : tensor<?xf32, #tfm.dims<a>>
}

// -----

func.func @c1_result(%x: tensor<3xf32>) -> tensor<1x3xf32> {
  // expected-error@+1 {{C1: expected result dimensions [3], got [1, 3]}}
  %0 = tfm.exp %x : (tensor<3xf32>) -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}

// -----

// A dimension without an expression equals none.
func.func @c1_unnamed(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error@+1 {{C1: operands don't broadcast: [invalid]}}
  %0 = tfm.neg %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

func.func @c2_unary(%x: tensor<3xf32>) -> tensor<3xf16> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.tanh %x : (tensor<3xf32>) -> tensor<3xf16>
  return %0 : tensor<3xf16>
}

// -----

func.func @c2_binary(%x: tensor<3xf32>, %y: tensor<3xi32>) -> tensor<3xf32> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'i32'}}
  %0 = tfm.sub %x, %y : (tensor<3xf32>, tensor<3xi32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @compare_c2(%x: tensor<3xf32>, %y: tensor<3xi32>) -> tensor<3xi1> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'i32'}}
  %0 = tfm.compare <eq> %x, %y : (tensor<3xf32>, tensor<3xi32>) -> tensor<3xi1>
  return %0 : tensor<3xi1>
}

// -----

func.func @compare_c3(%x: tensor<3xf32>) -> tensor<3xf32> {
  // expected-error@+1 {{result #0 must be ranked tensor of 1-bit signless integer values}}
  %0 = tfm.compare <eq> %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @is_nan_c1(%x: tensor<3xf32>) -> tensor<4xi1> {
  // expected-error@+1 {{C1: expected result dimensions [3], got [4]}}
  %0 = tfm.is_nan %x : (tensor<3xf32>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}

// -----

func.func @select_c2(%c: tensor<3xi1>, %x: tensor<3xf32>, %y: tensor<3xf16>) -> tensor<3xf32> {
  // expected-error@+1 {{C2: expected one element type, got 'f32' and 'f16'}}
  %0 = tfm.select %c, %x, %y : (tensor<3xi1>, tensor<3xf32>, tensor<3xf16>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

func.func @cast_c1(%x: tensor<3xf32>) -> tensor<2xf16> {
  // expected-error@+1 {{C1: expected result dimensions [3], got [2]}}
  %0 = tfm.cast %x : (tensor<3xf32>) -> tensor<2xf16>
  return %0 : tensor<2xf16>
}
