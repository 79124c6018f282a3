// RUN: lathe-opt --lathe-quantize-weights="targets=^(w|table)$ format=int8 activation=dynamic" %s | FileCheck %s --check-prefixes=INT8,BOTH --enable-var-scope
// RUN: lathe-opt --lathe-quantize-weights="targets=^w$ format=int4 group=2 scale=f16 zero-points" %s | FileCheck %s --check-prefixes=INT4,BOTH --enable-var-scope
// RUN: lathe-opt --lathe-quantize-weights="format=fp8e4m3 group=-1 activation=dynamic-fp8e4m3" %s | FileCheck %s --check-prefixes=FLOAT,BOTH --enable-var-scope

// Blocks lie along K: a linear's input, a table's row. What another op reads too stays, and is reported. Others' weights stay.
// INT8: tfm.compression = [
// INT8-SAME: after = {{[0-9]+}} : i64, before = 32 : i64, error = {{[0-9.E-]+}} : f64, {{.*}}refused = "", weight = "w", what = "int8, activations dynamic"
// INT8-SAME: refused = "", weight = "table", what = "int8"
// INT4: what = "int4, groups of 2"
// FLOAT: refused = "another op than linears and embeddings reads it", weight = "both"

// INT8: tfm.weight @w : tensor<4x2xf32, #tfm.int<bits = 8, block = [4, 1], scale = f32>> = #tfm.blob<
// INT4: tfm.weight @w : tensor<4x2xf32, #tfm.int<bits = 4, block = [2, 1], scale = f16, zero_points = true>> = #tfm.blob<
// FLOAT: tfm.weight @w : tensor<4x2xf32, #tfm.float<type = f8E4M3FN, block = [4, 2], scale = f32>> = #tfm.blob<
tfm.weight @w : tensor<4x2xf32> = dense<[[1.0, -2.0], [0.5, 0.25], [3.0, 1.0], [-1.0, 4.0]]> : tensor<4x2xf32>
// INT8: tfm.weight @table : tensor<3x4xf32, #tfm.int<bits = 8, block = [1, 4], scale = f32>>
// INT4: tfm.weight @table : tensor<3x4xf32> = dense
tfm.weight @table : tensor<3x4xf32> = dense<1.0> : tensor<3x4xf32>
// BOTH: tfm.weight @both : tensor<2x2xf32> = dense
tfm.weight @both : tensor<2x2xf32> = dense<1.0> : tensor<2x2xf32>
tfm.weight @bias : tensor<2xf32> = dense<1.0> : tensor<2xf32>

func.func @main(%ids: tensor<5xi64>) -> (tensor<5x2xf32>, tensor<2x2xf32>) {
  %t = tfm.get @table : tensor<3x4xf32>
  %w = tfm.get @w : tensor<4x2xf32>
  %b = tfm.get @bias : tensor<2xf32>
  %both = tfm.get @both : tensor<2x2xf32>
  %x = tfm.embedding %ids, %t : (tensor<5xi64>, tensor<3x4xf32>) -> tensor<5x4xf32>
  // INT8: tfm.linear {{.*}} {activation = #tfm.dynamic<bits = 8>} : (tensor<5x4xf32>, tensor<4x2xf32, #tfm.int<
  // INT4-NOT: activation
  // FLOAT: tfm.linear {{.*}} {activation = #tfm.dynamic_float<type = f8E4M3FN>} : (tensor<5x4xf32>, tensor<4x2xf32, #tfm.float<
  %y = tfm.linear %x, %w bias(%b) : (tensor<5x4xf32>, tensor<4x2xf32>, tensor<2xf32>) -> tensor<5x2xf32>
  %z = tfm.linear %y, %both : (tensor<5x2xf32>, tensor<2x2xf32>) -> tensor<5x2xf32>
  %s = tfm.add %both, %both : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  return %z, %s : tensor<5x2xf32>, tensor<2x2xf32>
}
