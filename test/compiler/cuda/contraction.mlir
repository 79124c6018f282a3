// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_90a | FileCheck %s
// RUN: lathe compile %s --compile-from=fuse --compile-to=emit --target=cuda:sm_86 | FileCheck %s --check-prefix=SM86
// Products: where the operands lie, in what precision, several right sides, and epilogues of elements and of whole rows.
!x = tensor<?x64xf32, #tfm.dims<m, 64>>
!y = tensor<?x48xf32, #tfm.dims<m, 48>>
!w = tensor<64x48xf32>
!w8 = tensor<64x48xf32, #tfm.int<bits = 8, block = [64, 1], scale = f32>>
!w4 = tensor<64x48xf32, #tfm.int<bits = 4, block = [32, 1], scale = f16>>
!f8 = tensor<48x64xf32, #tfm.float<type = f8E4M3FN, block = [1, 64], scale = f32>>
!h4 = tensor<64x48xf16, #tfm.int<bits = 4, block = [32, 1], scale = f16, zero_points = true>>
!h = tensor<?x48xf16, #tfm.dims<m, 48>>
module attributes {tfm.symbols = {m = array<i64: 0, 512>, b = array<i64: 1, 8>}} {
  // CHECK: // ---- k0: groups, contraction
  // CHECK: void store0(index batch, index row, index column, float sum0) const {
  // CHECK: void store1(
  // CHECK: struct Kernel_k0_Group0 {
  // CHECK: using Math = F32;
  // CHECK: kAnchors = 1, kMostAnchors = 1, kParts = 1;
  // CHECK: kLhs = Source::Rows, kRhs = Source::Panels;
  // CHECK: struct Kernel_k0_Group1 {
  // CHECK: kernel.a2.address(kernel.rhs_place1(batch, row) + place, elements)
  // CHECK: if (Large<Kernel_k0_Group0>::tiles(group0) + Large<Kernel_k0_Group1>::tiles(group1) >= 80) {
  // CHECK: (void)(Large<Kernel_k0_Group0>::run(group0, tile) || Large<Kernel_k0_Group1>::run(group1, tile));
  // CHECK: (void)(Small<Kernel_k0_Group0>::run(group0, tile) || Small<Kernel_k0_Group1>::run(group1, tile));
  kernel.func @groups(%x: !x, %q: !w {kernel.layout = #kernel.panel<width = 16>}, %k: !w {kernel.layout = #kernel.panel<width = 16>}, %bias: tensor<48xf32>) -> (!y, !y) attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %q bias(%bias) : (!x, !w, tensor<48xf32>) -> !y
    %1 = tfm.linear %x, %k : (!x, !w) -> !y
    %2 = tfm.gelu %1 : (!y) -> !y
    kernel.return %0, %2 : !y, !y
  }
  // CHECK: // ---- k1: pair, contraction
  // CHECK: void store0(index batch, index row, index column, float sum0, float sum1) const {
  // CHECK: kAnchors = 2, kMostAnchors = 2, kParts = 1;
  // CHECK: if constexpr (kAnchor == 0)
  // CHECK-NEXT: return kernel.a1.address
  // CHECK: else
  // CHECK-NEXT: return kernel.a2.address
  // CHECK: kernel.store0(batch, row, column, sums[0], sums[1]);
  kernel.func @pair(%x: !x, %q: !w {kernel.layout = #kernel.panel<width = 16>}, %k: !w {kernel.layout = #kernel.panel<width = 16>}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %q : (!x, !w) -> !y
    %1 = tfm.linear %x, %k : (!x, !w) -> !y
    %2 = tfm.swiglu %0, %1 : (!y, !y) -> !y
    kernel.return %2 : !y
  }
  // CHECK: // ---- k2: columns, contraction
  // CHECK: kLhs = Source::Rows, kRhs = Source::Columns;
  kernel.func @columns(%x: !x, %q: !w) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %x, %q : (!x, !w) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k3: rows, contraction
  // CHECK: kLhs = Source::Rows, kRhs = Source::Rows;
  kernel.func @rows(%x: !x, %q: tensor<48x64xf32>) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %x, %q {transpose_b} : (!x, tensor<48x64xf32>) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k4: computed, contraction
  // CHECK: float lhs(index batch, index row, index k) const {
  // CHECK: maximum({{.*}}, 0.0f)
  // CHECK: kLhs = Source::Computed, kRhs = Source::Computed;
  // CHECK: float lhs(index batch, index row, index k) const
  kernel.func @computed(%x: !x, %q: tensor<64x31xf32>) -> tensor<?x31xf32, #tfm.dims<m, 31>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.relu %x : (!x) -> !x
    %1 = tfm.matmul %0, %q : (!x, tensor<64x31xf32>) -> tensor<?x31xf32, #tfm.dims<m, 31>>
    kernel.return %1 : tensor<?x31xf32, #tfm.dims<m, 31>>
  }
  // CHECK: // ---- k5: tf32, contraction
  // CHECK: using Math = Tf32;
  kernel.func @tf32(%x: !x, %q: !w) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %x, %q {precision = #tfm.precision<tf32>} : (!x, !w) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k6: half, contraction
  // CHECK: using Math = Half<f16>;
  // CHECK: __launch_bounds__(384, 1) k6(
  // CHECK: Hopper<Kernel_k6_Group0>::start();
  // CHECK: set_max_registers<{{[0-9]+}}>(false);
  // CHECK: Hopper<Kernel_k6_Group0>::run<true>(group0, 0, state);
  // CHECK: set_max_registers<{{[0-9]+}}>(true);
  // CHECK: Hopper<Kernel_k6_Group0>::run<false>(group0, 0, state);
  kernel.func @half(%x: tensor<?x64xf16, #tfm.dims<m, 64>>, %q: tensor<64x48xf16>) -> tensor<?x48xf16, #tfm.dims<m, 48>> attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.matmul %x, %q : (tensor<?x64xf16, #tfm.dims<m, 64>>, tensor<64x48xf16>) -> tensor<?x48xf16, #tfm.dims<m, 48>>
    kernel.return %0 : tensor<?x48xf16, #tfm.dims<m, 48>>
  }
  // CHECK: // ---- k7: whole, contraction
  // CHECK: void finish({{.*}}index row, SharedSums sums, Shared<float> buffer0)
  // CHECK: kSkips = false, kWhole = true;
  // CHECK: workspace.store(begin + (batch * rows() + row) * total + offset + column, sums[0]);
  // CHECK: u32 *counter(index rowTile) const
  kernel.func @whole(%x: !x, %q: !w {kernel.layout = #kernel.panel<width = 16>}, %r: !y) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %q : (!x, !w) -> !y
    %1 = tfm.add %0, %r : (!y, !y) -> !y
    %2 = tfm.layer_norm %1 {epsilon = 1.0e-5} : (!y) -> !y
    kernel.return %2 : !y
  }
  // CHECK: // ---- k8: read, contraction
  // CHECK: bool reads(index row) const {
  // CHECK: a2.load(row)
  // CHECK: kSkips = true, kWhole = false;
  kernel.func @read(%x: !x, %q: !w {kernel.layout = #kernel.panel<width = 16>}, %rows: tensor<?xi1, #tfm.dims<m>> {kernel.rows}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %q : (!x, !w) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k9: deep, contraction
  // CHECK: kParts = 8;
  // CHECK: const u32 parts = Share::count(8, tiles, Small<Kernel_k9_Group0>::steps(group0));
  // CHECK: (void)(Small<Kernel_k9_Group0>::run(group0, tile, share));
  kernel.func @deep(%x: tensor<?x1024xf32, #tfm.dims<m, 1024>>, %w: tensor<1024x48xf32>) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x1024xf32, #tfm.dims<m, 1024>>, tensor<1024x48xf32>) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k10: codes, contraction
  // CHECK: using Math = Codes;
  // CHECK: using Activation = Dynamic<8, false>;
  // CHECK: kLhs = Source::Rows, kRhs = Source::Quads;
  // CHECK: auto lhs_run(index batch, index row, index k) const
  // CHECK: float column_scale(u32 anchor, index column) const
  // CHECK-NEXT: kernel.a1.part<float>(3072).load(column)
  // CHECK: i32 code_sum(u32 anchor, index column) const
  // CHECK-NEXT: kernel.a1.part<i32>(3264).load(column)
  // CHECK: __launch_bounds__(384, 1) k10(
  // CHECK: rows.fill(group0);
  // CHECK: Hopper<Coded<Kernel_k10_Group0>>::run<true>(Coded<Kernel_k10_Group0>{group0, rows}, 0, state);
  // CHECK: Hopper<Coded<Kernel_k10_Group0>>::run<false>(Coded<Kernel_k10_Group0>{group0, rows}, 0, state);
  // SM86: using Math = Codes;
  // SM86: __launch_bounds__(256, 1) k10(
  // SM86-NOT: Coded
  kernel.func @codes(%x: !x, %w: !w8 {kernel.layout = #kernel.panel<width = 16, depth = 4>}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic<bits = 8>} : (!x, !w8) -> !y
    kernel.return %0 : !y
  }
  // CHECK: // ---- k11: packed, contraction
  // CHECK: using Math = F32;
  // CHECK: using Activation = Static<4, 1056964608u, 7>;
  // CHECK: kRhs = Source::PackedPanels;
  // CHECK: return PanelCodes<Code::Signed, 4, 64, 48, 32, f16, 1536, 1728>{kernel.a1};
  kernel.func @packed(%x: !x, %w: !w4 {kernel.layout = #kernel.panel<width = 16>}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.static<bits = 4, scale = 0.5 : f32, zero = 7>} : (!x, !w4) -> !y
    kernel.return %0 : !y
  }
  // Codes of small floats are multiplied as they are where a device can; else they are decoded.
  // CHECK: // ---- k12: small, contraction
  // CHECK: using Math = SmallFloats;
  // CHECK: using Activation = DynamicFloat;
  // CHECK: kLhs = Source::Rows, kRhs = Source::PackedPanels;
  // CHECK: return PanelCodes<Code::E4M3, 8, 64, 48, 64, float, 3072, 3264>{kernel.a1};
  // CHECK: float column_scale(u32 anchor, index column) const
  // CHECK-NEXT: .scale(column);
  // SM86: // ---- k12: small, contraction
  // SM86: using Math = F32;
  // SM86: using Activation = DynamicFloat;
  // SM86: kRhs = Source::PackedPanels;
  kernel.func @small(%x: !x, %w: !f8 {kernel.layout = #kernel.panel<width = 16, transposed = true>}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w {activation = #tfm.dynamic_float<type = f8E4M3FN>, transposed} : (!x, !f8) -> !y
    kernel.return %0 : !y
  }
  // Few rows have a way of their own.
  // CHECK: // ---- k13: few, contraction
  // CHECK: auto lhs_vector(index batch, index row, index k) const
  // CHECK: PanelCodes<Code::Unsigned, 4, 64, 48, 32, f16, 1536, 1728>{kernel.a1}
  // CHECK: if (group0.rows() <= 16) {
  // CHECK: for (u32 job = block(); job < u32(tiles) * parts; job += block_count()) {
  // CHECK: Skinny<Kernel_k13_Group0>::run<Skinny<Kernel_k13_Group0>>(group0, tile)
  // CHECK: Hopper<Kernel_k13_Group0>::run<true>(group0, 0, state);
  kernel.func @few(%x: tensor<?x64xf16, #tfm.dims<m, 64>>, %w: !h4 {kernel.layout = #kernel.panel<width = 16>}) -> !h attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (tensor<?x64xf16, #tfm.dims<m, 64>>, !h4) -> !h
    kernel.return %0 : !h
  }
  // Two right sides that are read in different ways are computed one by one.
  // CHECK: // ---- k14: mixed, contraction
  // CHECK: kRhs = Source::Computed;
  // CHECK: return from_float<T>(PanelCodes<Code::Signed, 4, 64, 48, 32, f16, 1536, 1728>{kernel.a1}.element(k, column));
  // CHECK: return kernel.rhs1(batch, k, column);
  kernel.func @mixed(%x: !x, %w: !w4 {kernel.layout = #kernel.panel<width = 16>}, %q: !w {kernel.layout = #kernel.panel<width = 16>}) -> !y attributes {anchor = #kernel.anchor<contraction>} {
    %0 = tfm.linear %x, %w : (!x, !w4) -> !y
    %1 = tfm.linear %x, %q : (!x, !w) -> !y
    %2 = tfm.swiglu %0, %1 : (!y, !y) -> !y
    kernel.return %2 : !y
  }
  kernel.func @copy(%x: tensor<1xf32>) -> tensor<1xf32> attributes {anchor = #kernel.anchor<map>} {
    %0 = tfm.relu %x : (tensor<1xf32>) -> tensor<1xf32>
    kernel.return %0 : tensor<1xf32>
  }
  func.func @main(%x: tensor<1xf32> {tfm.name = "x"}) -> (tensor<1xf32> {tfm.name = "y"}) {
    %0 = kernel.launch @copy(%x) : (tensor<1xf32>) -> tensor<1xf32>
    return %0 : tensor<1xf32>
  }
}
