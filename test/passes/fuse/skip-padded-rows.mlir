// Which kernels get the mask of the rows that are read.
// RUN: lathe-opt %s --split-input-file --lathe-form-kernels --lathe-skip-padded-rows | FileCheck %s --enable-var-scope
// RUN: lathe-opt %s --split-input-file --lathe-form-kernels --lathe-skip-padded-rows --lathe-schedule-kernels --lathe-plan-memory > /dev/null

// All that leads to the pooled rows, but the look-up: a bad id is an error in padding as well. An attention has the
// mask already. That masked_row reads every value doesn't matter: a real query sees itself.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!weights = tensor<?x?xf32, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @table : tensor<16x8xf32> = dense<1.0> : tensor<16x8xf32>
  tfm.weight @q : !w = dense<1.0> : !w
  tfm.weight @k : !w = dense<2.0> : !w
  tfm.weight @o : !w = dense<3.0> : !w
  // CHECK-LABEL: kernel.func @embedding_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @linear_x3_0
  // CHECK-SAME: %arg4: tensor<?x?xi64, {{[^>]*>}}> {kernel.rows}) ->
  // CHECK-LABEL: kernel.func @compare_attention_0(%arg0: tensor<?x?xi64, {{[^>]*>}}> {kernel.rows},
  // CHECK-LABEL: kernel.func @linear_add_layer_norm_0
  // CHECK-SAME: tensor<?x?xi64, {{[^>]*>}}> {kernel.rows}) ->
  // CHECK-LABEL: kernel.func @cast_mean_pool_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: func.func @main
  // CHECK: kernel.launch @linear_x3_0({{.*}}, %arg1)
  // CHECK: kernel.launch @linear_add_layer_norm_0({{.*}}, %arg1)
  func.func @main(%ids: !ids, %mask: !ids) -> tensor<?x8xf32, #tfm.dims<b, 8>> {
    %table = tfm.get @table : tensor<16x8xf32>
    %wq = tfm.get @q : !w
    %wk = tfm.get @k : !w
    %wo = tfm.get @o : !w
    %zero = tfm.constant dense<0> : tensor<i64>
    %x = tfm.embedding %ids, %table : (!ids, tensor<16x8xf32>) -> !x
    %q = tfm.linear %x, %wq : (!x, !w) -> !x
    %k = tfm.linear %x, %wk : (!x, !w) -> !x
    %v = tfm.linear %x, %wo : (!x, !w) -> !x
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !keep
    %a = tfm.attention %q, %k, %v padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, masked_row = #tfm.masked_row<mean>} : (!x, !x, !x, !keep) -> !x
    %o = tfm.linear %a, %wo : (!x, !w) -> !x
    %r = tfm.add %o, %x : (!x, !x) -> !x
    %n = tfm.layer_norm %r {epsilon = 1.0e-05 : f64} : (!x) -> !x
    %weights = tfm.cast %mask : (!ids) -> !weights
    %p = tfm.mean_pool %n, %weights {floor = 1.0e-9 : f64} : (!x, !weights) -> tensor<?x8xf32, #tfm.dims<b, 8>>
    return %p : tensor<?x8xf32, #tfm.dims<b, 8>>
  }
}

// -----

// An output of all rows needs all of them, whatever else is pooled.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!weights = tensor<?x?xf32, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : !w = dense<1.0> : !w
  // CHECK-LABEL: kernel.func @linear_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @cast_mean_pool_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: func.func @main
  func.func @main(%x: !x, %mask: !ids) -> (!x, tensor<?x8xf32, #tfm.dims<b, 8>>) {
    %w = tfm.get @w : !w
    %y = tfm.linear %x, %w : (!x, !w) -> !x
    %weights = tfm.cast %mask : (!ids) -> !weights
    %p = tfm.mean_pool %y, %weights {floor = 1.0e-9 : f64} : (!x, !weights) -> tensor<?x8xf32, #tfm.dims<b, 8>>
    return %y, %p : !x, tensor<?x8xf32, #tfm.dims<b, 8>>
  }
}

// -----

// Pooled by one mask, padded by another: the keys and values of rows that aren't pooled are read. What comes behind the
// attention is read where it is pooled only; with a float mask of its own.
!weights = tensor<?x?xf32, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : !w = dense<1.0> : !w
  tfm.weight @v : !w = dense<2.0> : !w
  // CHECK-LABEL: kernel.func @linear_gelu_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @attention_0
  // CHECK-SAME: tensor<?x?xf32, {{[^>]*>}}> {kernel.rows}) ->
  // CHECK-LABEL: kernel.func @linear_0
  // CHECK-SAME: tensor<?x?xf32, {{[^>]*>}}> {kernel.rows}) ->
  // CHECK-LABEL: func.func @main
  func.func @main(%in: !x, %weights: !weights, %keep: !keep) -> tensor<?x8xf32, #tfm.dims<b, 8>> {
    %w = tfm.get @w : !w
    %v = tfm.get @v : !w
    %l = tfm.linear %in, %w : (!x, !w) -> !x
    %x = tfm.gelu %l : (!x) -> !x
    %a = tfm.attention %x, %x, %x padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (!x, !x, !x, !keep) -> !x
    %y = tfm.linear %a, %v : (!x, !w) -> !x
    %p = tfm.mean_pool %y, %weights {floor = 1.0e-9 : f64} : (!x, !weights) -> tensor<?x8xf32, #tfm.dims<b, 8>>
    return %p : tensor<?x8xf32, #tfm.dims<b, 8>>
  }
}

// -----

// A mask that wraps is 0 where the input isn't: the two aren't the same.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!small = tensor<?x?xi32, #tfm.dims<b, s>>
!weights = tensor<?x?xf32, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : !w = dense<1.0> : !w
  // CHECK-LABEL: kernel.func @linear_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @cast_x2_mean_pool_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: func.func @main
  func.func @main(%in: !x, %mask: !ids) -> tensor<?x8xf32, #tfm.dims<b, 8>> {
    %w = tfm.get @w : !w
    %y = tfm.linear %in, %w : (!x, !w) -> !x
    %small = tfm.cast %mask : (!ids) -> !small
    %weights = tfm.cast %small : (!small) -> !weights
    %p = tfm.mean_pool %y, %weights {floor = 1.0e-9 : f64} : (!x, !weights) -> tensor<?x8xf32, #tfm.dims<b, 8>>
    return %p : tensor<?x8xf32, #tfm.dims<b, 8>>
  }
}

// -----

// Off the diagonal a real query may see nothing and be given the mean of all values: keys and values are read whole.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!weights = tensor<?x?xf32, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : !w = dense<1.0> : !w
  // CHECK-LABEL: kernel.func @linear_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @{{.*}}attention_0
  // CHECK-SAME: {kernel.rows}
  func.func @main(%in: !x, %mask: !ids) -> tensor<?x8xf32, #tfm.dims<b, 8>> {
    %w = tfm.get @w : !w
    %zero = tfm.constant dense<0> : tensor<i64>
    %y = tfm.linear %in, %w : (!x, !w) -> !x
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !keep
    %a = tfm.attention %y, %y, %y padding(%keep) {causal, offset = #tfm.dims<-1>, heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, masked_row = #tfm.masked_row<mean>} : (!x, !x, !x, !keep) -> !x
    %weights = tfm.cast %mask : (!ids) -> !weights
    %p = tfm.mean_pool %a, %weights {floor = 1.0e-9 : f64} : (!x, !weights) -> tensor<?x8xf32, #tfm.dims<b, 8>>
    return %p : tensor<?x8xf32, #tfm.dims<b, 8>>
  }
}

// -----

// Who reads the first token alone: first rows, real ones, and all of a sequence that has none. A causal attention's first
// query may see nothing, and read everything then.
!ids = tensor<?x?xi64, #tfm.dims<b, s>>
!keep = tensor<?x?xi1, #tfm.dims<b, s>>
!x = tensor<?x?x8xf32, #tfm.dims<b, s, 8>>
!one = tensor<?x1x8xf32, #tfm.dims<b, 1, 8>>
!w = tensor<8x8xf32>
module attributes {tfm.symbols = {b = array<i64: 1, 8>, s = array<i64: 1, 64>}} {
  tfm.weight @w : !w = dense<1.0> : !w
  // CHECK-LABEL: kernel.func @linear_0
  // CHECK-NOT: kernel.rows
  // CHECK-LABEL: kernel.func @compare_attention_0
  // CHECK-SAME: {kernel.rows}) ->
  // CHECK-LABEL: kernel.func @linear_relu_0
  // CHECK-SAME: tensor<?x?xi1, {{[^>]*>}}> {kernel.rows}) ->
  // CHECK-LABEL: kernel.func @read_rows
  // CHECK: %[[REAL:.*]] = tfm.compare <ne> %arg0
  // CHECK: %[[MOST:.*]] = tfm.reduce_max
  // CHECK: %[[PLACE:.*]] = tfm.iota <0> step 1
  // CHECK: %[[EMPTY:.*]] = tfm.compare <eq> %[[MOST]]
  // CHECK: %[[OR:.*]] = tfm.or %[[REAL]], %[[EMPTY]]
  // CHECK: %[[FIRST:.*]] = tfm.compare <eq> %[[PLACE]]
  // CHECK: tfm.or %[[OR]], %[[FIRST]]
  // CHECK-LABEL: func.func @main
  // CHECK: %[[ROWS:.*]] = kernel.launch @read_rows(%arg1)
  // CHECK: kernel.launch @linear_relu_0({{.*}}, %[[ROWS]])
  func.func @main(%x: !x, %mask: !ids) -> !one {
    %w = tfm.get @w : !w
    %zero = tfm.constant dense<0> : tensor<i64>
    %keep = tfm.compare <ne> %mask, %zero : (!ids, tensor<i64>) -> !keep
    %0 = tfm.linear %x, %w : (!x, !w) -> !x
    %1 = tfm.attention %0, %0, %0 padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64, causal} : (!x, !x, !x, !keep) -> !x
    %r = tfm.linear %1, %w : (!x, !w) -> !x
    %2 = tfm.relu %r : (!x) -> !x
    %q = tfm.slice %2 {starts = #tfm.dims<0, 0, 0>, steps = array<i64: 1, 1, 1>} : (!x) -> !one
    %3 = tfm.attention %q, %2, %2 padding(%keep) {heads = 2 : i64, kv_heads = 2 : i64, scale = 0.5 : f64} : (!one, !x, !x, !keep) -> !one
    return %3 : !one
  }
}
