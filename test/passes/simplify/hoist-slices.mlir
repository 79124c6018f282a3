// A slice of rows moves up, so that only those rows are computed.
// RUN: lathe-opt %s --split-input-file --lathe-hoist-slices --cse | FileCheck %s
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!one = tensor<?x1x8xf32, #tfm.dims<b, 1, 8>>
!v = tensor<8xf32>

// The first token of a layer's second half: one slice, for the residual too.
// CHECK-LABEL: @first
// CHECK-SAME: (%[[X:.*]]: tensor<?x?x8xf32, {{.*}}>, %[[W:.*]]: tensor<8x8xf32>
// CHECK: %[[S:.*]] = tfm.slice %[[X]]
// CHECK: tfm.linear %[[S]], %[[W]] {{.*}} -> tensor<?x1x8xf32
// CHECK: tfm.gelu
// CHECK: tfm.add %{{.*}}, %[[S]]
// CHECK: tfm.layer_norm {{.*}} -> tensor<?x1x8xf32
// CHECK-NOT: tfm.slice
func.func @first(%x: !x, %w: tensor<8x8xf32>, %g: !v) -> !one {
  %0 = tfm.linear %x, %w : (!x, tensor<8x8xf32>) -> !x
  %1 = tfm.gelu %0 : (!x) -> !x
  %2 = tfm.add %1, %x : (!x, !x) -> !x
  %3 = tfm.layer_norm %2 gain(%g) {epsilon = 1.0e-5 : f64} : (!x, !v) -> !x
  %4 = tfm.slice %3 {starts = #tfm.dims<0, 0, 0>, steps = array<i64: 1, 1, 1>} : (!x) -> !one
  return %4 : !one
}

// -----
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!one = tensor<?x1x8xf32, #tfm.dims<b, 1, 8>>
!m = tensor<?x?xi1, #tfm.dims<b, s>>
!bias = tensor<1x2x?x?xf32, #tfm.dims<1, 2, s, s>>
// The last query of a causal attention keeps its diagonal; keys stay, the bias follows the queries.
// CHECK-LABEL: @last
// CHECK-DAG: %[[Q:.*]] = tfm.slice %arg0 {starts = #tfm.dims<0, s - 1, 0>
// CHECK-DAG: %[[B:.*]] = tfm.slice %arg3 {starts = #tfm.dims<0, 0, s - 1, 0>
// CHECK: tfm.attention %[[Q]], %arg1, %arg2 bias(%[[B]]) padding(%arg4) {causal, {{.*}}offset = #tfm.dims<s - 1>
func.func @last(%q: !x, %k: !x, %v: !x, %bias: !bias, %m: !m) -> !one {
  %0 = tfm.attention %q, %k, %v bias(%bias) padding(%m) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, causal} : (!x, !x, !x, !bias, !m) -> !x
  %1 = tfm.slice %0 {starts = #tfm.dims<0, s - 1, 0>, steps = array<i64: 1, 1, 1>} : (!x) -> !one
  return %1 : !one
}

// -----
!x = tensor<?x8xf32, #tfm.dims<s, 8>>
!half = tensor<?x4xf32, #tfm.dims<s, 4>>
!row = tensor<1x8xf32>
// What is read elsewhere too stays whole, and so does what a linear sums over. A broadcast operand isn't cut.
// CHECK-LABEL: @stay
// CHECK: %[[A:.*]] = tfm.relu %arg0
// CHECK: tfm.slice %[[A]]
// CHECK: %[[L:.*]] = tfm.linear
// CHECK: tfm.slice %[[L]]
// CHECK: %[[S:.*]] = tfm.slice %arg0
// CHECK: tfm.add %[[S]], %arg2
func.func @stay(%x: !x, %w: tensor<8x8xf32>, %r: !row) -> (!x, !row, !half, !row) {
  %0 = tfm.relu %x : (!x) -> !x
  %1 = tfm.slice %0 {starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>} : (!x) -> !row
  %2 = tfm.linear %x, %w : (!x, tensor<8x8xf32>) -> !x
  %3 = tfm.slice %2 {starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>} : (!x) -> !half
  %4 = tfm.add %x, %r : (!x, !row) -> !x
  %5 = tfm.slice %4 {starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>} : (!x) -> !row
  return %0, %1, %3, %5 : !x, !row, !half, !row
}
