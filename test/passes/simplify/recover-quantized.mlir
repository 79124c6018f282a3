// RUN: lathe-opt %s --lathe-recover-quantized --split-input-file | FileCheck %s --enable-var-scope

// A dequantized matrix is a weight in a format with the same values: scales by column, an odd matrix of whole blocks; codes
// that fit 7 bits have 7. Quantized rows before it are the linear's activation.
// CHECK: tfm.weight @w.recovered : tensor<4x2xf32, #tfm.int<bits = 7, block = [4, 1], scale = f32>> = #tfm.blob
// CHECK-LABEL: @static
// CHECK-SAME: (%[[X:.*]]: tensor<3x4xf32>)
// CHECK: %[[W:.*]] = tfm.get @w.recovered
// CHECK: tfm.linear %[[X]], %[[W]] {activation = #tfm.static<bits = 8, scale = 5.000000e-01 : f32, zero = 7>}
// CHECK-NOT: tfm.round
tfm.weight @w : tensor<4x2xi8> = dense<[[1, -2], [3, 4], [-5, 6], [63, -64]]> : tensor<4x2xi8>
func.func @static(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %s = tfm.constant dense<0.5> : tensor<f32>
  %z = tfm.constant dense<7.0> : tensor<f32>
  %zi = tfm.constant dense<7> : tensor<i32>
  %lo = tfm.constant dense<0.0> : tensor<f32>
  %hi = tfm.constant dense<255.0> : tensor<f32>
  %0 = tfm.div %x, %s : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %1 = tfm.round %0 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %2 = tfm.add %1, %z : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %3 = tfm.maximum %2, %lo : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %4 = tfm.minimum %3, %hi : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %q = tfm.cast %4 : (tensor<3x4xf32>) -> tensor<3x4xui8>
  %5 = tfm.cast %q : (tensor<3x4xui8>) -> tensor<3x4xi32>
  %6 = tfm.sub %5, %zi : (tensor<3x4xi32>, tensor<i32>) -> tensor<3x4xi32>
  %7 = tfm.cast %6 : (tensor<3x4xi32>) -> tensor<3x4xf32>
  %d = tfm.mul %7, %s : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %w = tfm.get @w : tensor<4x2xi8>
  %ws = tfm.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %8 = tfm.cast %w : (tensor<4x2xi8>) -> tensor<4x2xf32>
  %9 = tfm.mul %8, %ws : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %y = tfm.matmul %d, %9 : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----
// Signed rows without a zero point have the middle of the codes as theirs. Another scale than the one that they were
// quantized by is no quantization of the input.
// CHECK-LABEL: @signed
// CHECK-SAME: (%[[X:.*]]: tensor<3x4xf32>)
// CHECK: tfm.linear %[[X]], %{{.*}} {activation = #tfm.static<bits = 8, scale = 5.000000e-01 : f32, zero = 128>}
// CHECK: tfm.matmul
tfm.weight @w : tensor<4x2xi8> = dense<[[1, -2], [3, 4], [-5, 6], [63, -128]]> : tensor<4x2xi8>
func.func @signed(%x: tensor<3x4xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %s = tfm.constant dense<0.5> : tensor<f32>
  %other = tfm.constant dense<0.25> : tensor<f32>
  %lo = tfm.constant dense<-128.0> : tensor<f32>
  %hi = tfm.constant dense<127.0> : tensor<f32>
  %0 = tfm.div %x, %s : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %1 = tfm.round %0 : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = tfm.maximum %1, %lo : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %4 = tfm.minimum %3, %hi : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %q = tfm.cast %4 : (tensor<3x4xf32>) -> tensor<3x4xi8>
  %7 = tfm.cast %q : (tensor<3x4xi8>) -> tensor<3x4xf32>
  %d = tfm.mul %7, %s : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %e = tfm.mul %7, %other : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x4xf32>
  %w = tfm.get @w : tensor<4x2xi8>
  %8 = tfm.cast %w : (tensor<4x2xi8>) -> tensor<4x2xf32>
  %9 = tfm.mul %8, %s : (tensor<4x2xf32>, tensor<f32>) -> tensor<4x2xf32>
  %y = tfm.matmul %d, %9 : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  %u = tfm.matmul %e, %9 : (tensor<3x4xf32>, tensor<4x2xf32>) -> tensor<3x2xf32>
  return %y, %u : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----
// Zero points stay where the codes without them need more bits; what reads the table as it is keeps it as it is.
// CHECK-DAG: tfm.weight @table.recovered : tensor<2x2xf32, #tfm.int<bits = 8, block = [2, 2], scale = f32, zero_points = true>> = #tfm.blob
// CHECK-DAG: tfm.weight @half.recovered : tensor<2x4xf32, #tfm.int<bits = 4, block = [1, 2], scale = f32, zero_points = true>> = #tfm.blob
// CHECK-LABEL: @zero_points
// CHECK: tfm.gather %{{.*}}, %{{.*}} {axis = 0
// CHECK: tfm.mul
tfm.weight @table : tensor<2x2xui8> = dense<[[0, 255], [3, 4]]> : tensor<2x2xui8>
tfm.weight @half : tensor<2x4xui8> = dense<[[0, 15, 3, 4], [1, 2, 3, 14]]> : tensor<2x4xui8>
tfm.weight @kept : tensor<2x2xui8> = dense<[[0, 255], [3, 4]]> : tensor<2x2xui8>
func.func @zero_points(%ids: tensor<3xi64>, %x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x4xf32>, tensor<2x2xf32>) {
  %s = tfm.constant dense<0.5> : tensor<f32>
  %z = tfm.constant dense<131> : tensor<i32>
  %t = tfm.get @table : tensor<2x2xui8>
  %0 = tfm.cast %t : (tensor<2x2xui8>) -> tensor<2x2xi32>
  %1 = tfm.sub %0, %z : (tensor<2x2xi32>, tensor<i32>) -> tensor<2x2xi32>
  %2 = tfm.cast %1 : (tensor<2x2xi32>) -> tensor<2x2xf32>
  %3 = tfm.mul %2, %s : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %rows = tfm.gather %3, %ids {axis = 0 : i64} : (tensor<2x2xf32>, tensor<3xi64>) -> tensor<3x2xf32>
  %h = tfm.get @half : tensor<2x4xui8>
  %hz = tfm.constant dense<[[0, 0, 15, 15], [1, 1, 2, 2]]> : tensor<2x4xi32>
  %hs = tfm.constant dense<[[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]> : tensor<2x4xf32>
  %4 = tfm.cast %h : (tensor<2x4xui8>) -> tensor<2x4xi32>
  %5 = tfm.sub %4, %hz : (tensor<2x4xi32>, tensor<2x4xi32>) -> tensor<2x4xi32>
  %6 = tfm.cast %5 : (tensor<2x4xi32>) -> tensor<2x4xf32>
  %7 = tfm.mul %6, %hs : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %y = tfm.matmul %x, %7 : (tensor<3x2xf32>, tensor<2x4xf32>) -> tensor<3x4xf32>
  %k = tfm.get @kept : tensor<2x2xui8>
  %8 = tfm.cast %k : (tensor<2x2xui8>) -> tensor<2x2xf32>
  %9 = tfm.mul %8, %s : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  return %rows, %y, %9 : tensor<3x2xf32>, tensor<3x4xf32>, tensor<2x2xf32>
}

// -----
// A product of codes (MatMulInteger): the input's codes are their own quantization; its zero point, known only when the
// model runs, counts each column's sum.
// CHECK: tfm.weight @w.recovered : tensor<3x2xf32, #tfm.int<bits = 7, block = [3, 2], scale = f32>> = #tfm.blob
// CHECK-LABEL: @integers
// CHECK-SAME: (%[[Q:.*]]: tensor<3x3xui8>, %[[Z:.*]]: tensor<ui8>)
// CHECK-DAG: %[[SUMS:.*]] = tfm.constant dense<[-1.000000e+00, 8.000000e+00]>
// CHECK-DAG: %[[X:.*]] = tfm.cast %[[Q]] : (tensor<3x3xui8>) -> tensor<3x3xf32>
// CHECK-DAG: %[[L:.*]] = tfm.linear %[[X]], %{{.*}} {activation = #tfm.static<bits = 8, scale = 1.000000e+00 : f32, zero = 0>}
// CHECK-DAG: %[[ZERO:.*]] = tfm.cast %[[Z]] : (tensor<ui8>) -> tensor<f32>
// CHECK-DAG: %[[SHIFT:.*]] = tfm.mul %[[ZERO]], %[[SUMS]]
// CHECK: tfm.sub %[[L]], %[[SHIFT]]
tfm.weight @w : tensor<3x2xi8> = dense<[[1, -2], [3, 4], [-5, 6]]> : tensor<3x2xi8>
func.func @integers(%q: tensor<3x3xui8>, %zero: tensor<ui8>) -> tensor<3x2xf32> {
  %0 = tfm.cast %q : (tensor<3x3xui8>) -> tensor<3x3xi32>
  %1 = tfm.cast %zero : (tensor<ui8>) -> tensor<i32>
  %2 = tfm.sub %0, %1 : (tensor<3x3xi32>, tensor<i32>) -> tensor<3x3xi32>
  %w = tfm.get @w : tensor<3x2xi8>
  %3 = tfm.cast %w : (tensor<3x2xi8>) -> tensor<3x2xi32>
  %4 = tfm.matmul %2, %3 : (tensor<3x3xi32>, tensor<3x2xi32>) -> tensor<3x2xi32>
  %y = tfm.cast %4 : (tensor<3x2xi32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
