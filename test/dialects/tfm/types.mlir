// RUN: lathe-opt %s | lathe-opt | FileCheck %s

// Dimensions are brought into canonical form.
// CHECK: tensor<?x?x?x384xf32, #tfm.dims<batch, 2*sequence + 1, min(128, sequence), 384>>
func.func private @canonical(tensor<?x?x?x384xf32, #tfm.dims<batch, 1 + sequence + sequence, min(128, sequence), 384>>)

// CHECK: #tfm.dims<floordiv(height, 8)*floordiv(width, 8), -1*batch + 4>
func.func private @operators(tensor<?x?xf32, #tfm.dims<floordiv(width, 8) * floordiv(height, 8), 4 - batch>>)

// CHECK: tfm.weight @random : tensor<2x3xf32> = #tfm.random<1, 7, 2.000000e-02 : f32>
tfm.weight @random : tensor<2x3xf32> = #tfm.random<1, 7, 0.02 : f32>
// CHECK: tfm.weight @file : tensor<2x3xf32> = #tfm.file<"weights.bin", 4096> {origin = "encoder.0.weight"}
tfm.weight @file : tensor<2x3xf32> = #tfm.file<"weights.bin", 4096> {origin = "encoder.0.weight"}
// CHECK: tfm.weight @blob : tensor<2xf16> = #tfm.blob<"0123">
tfm.weight @blob : tensor<2xf16> = #tfm.blob<"0123">
// CHECK: tfm.weight @literal : tensor<2xf32> = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
tfm.weight @literal : tensor<2xf32> = dense<[1.0, 2.0]> : tensor<2xf32>
