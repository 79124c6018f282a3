// RUN: not lathe-opt --lathe-quantize-weights="format=int9" %s 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not lathe-opt --lathe-quantize-weights="targets=(" %s 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not lathe-opt --lathe-quantize-weights="method=gptq" %s 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not lathe-opt --lathe-quantize-weights="format=int4 group=3" %s 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not lathe-opt --lathe-quantize-weights="format=int4" --lathe-quantize-weights="format=int8" %s 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not lathe-opt --lathe-quantize-weights="statistics=%t.none" %s 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: sed s/0.25/0x7F800000/ %s | not lathe-opt --lathe-quantize-weights 2>&1 | FileCheck %s --check-prefix=FINITE

// FORMAT: error: format: expected one of int8, int7, {{.*}}, got 'int9'
// REGEX: error: targets: '(' is no regular expression
// STATISTICS: need statistics; hint: give calibration data
// GROUP: 'tfm.weight' op has 4 inputs, which groups of 3 don't divide; hint:
// TWICE: 'tfm.weight' op is compressed already, as #tfm.int<bits = 4, {{.*}}; hint: one stage for each weight
// FILE: none
// FINITE: 'tfm.weight' op has an element that is not finite
tfm.weight @w : tensor<4x2xf32> = dense<[[1.0, -2.0], [0.5, 0.25], [3.0, 1.0], [-1.0, 4.0]]> : tensor<4x2xf32>
func.func @main(%x: tensor<5x4xf32>) -> tensor<5x2xf32> {
  %w = tfm.get @w : tensor<4x2xf32>
  %y = tfm.linear %x, %w : (tensor<5x4xf32>, tensor<4x2xf32>) -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}
