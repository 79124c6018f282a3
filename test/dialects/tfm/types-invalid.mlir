// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{expected 1 dimensions in the encoding, got 2}}
func.func private @rank(tensor<?xf32, #tfm.dims<a, b>>)

// -----

// expected-error@+1 {{dimension 1 is 4 in the encoding, which the shape contradicts}}
func.func private @static(tensor<?x3xf32, #tfm.dims<a, 4>>)

// -----

// expected-error@+1 {{dimension 0 is 4 in the encoding, which the shape contradicts}}
func.func private @dynamic(tensor<?xf32, #tfm.dims<4>>)

// -----

// expected-error@+1 {{dimension overflows 64 bits}}
func.func private @overflow(tensor<?xf32, #tfm.dims<9223372036854775807*2>>)

// -----

// expected-error@+1 {{C1: expected a literal of type 'tensor<3xf32>', got 'tensor<2xf32>'}}
tfm.weight @weight_c1 : tensor<3xf32> = dense<[1.0, 2.0]> : tensor<2xf32>

// -----

// expected-error@+1 {{C2: expected a static tensor type, got 'tensor<?xf32>'}}
tfm.weight @weight_c2 : tensor<?xf32> = #tfm.blob<"00">

// -----

// expected-error@+1 {{C3: expected #tfm.file, #tfm.blob, #tfm.random or a literal as the source, got "bytes"}}
tfm.weight @weight_c3 : tensor<3xf32> = "bytes"

// -----

func.func @get_c1() -> tensor<3xf32> {
  // expected-error@+1 {{C1: expected a tfm.weight, got @missing}}
  %0 = tfm.get @missing : tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

tfm.weight @w : tensor<3xf32> = #tfm.blob<"00">
func.func @get_c2() -> tensor<4xf32> {
  // expected-error@+1 {{C2: expected the weight's type 'tensor<3xf32>', got 'tensor<4xf32>'}}
  %0 = tfm.get @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}
