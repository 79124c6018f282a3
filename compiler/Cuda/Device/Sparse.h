// Products of 16 bits by weights of which two of each four elements along K are kept (#tfm.nm<n = 2, m = 4>), by sparse
// mma. That takes its sparse side on the left, so what is computed is the transpose: a weight's columns are rows of
// fragments, the rows of the left side their columns.
//
// The kept values, half as many rows as K has, lie in panels of 16 columns, as they are or as packed codes (Panels.h).
// Behind them is the metadata: for each panel and each 32 elements of K 16 words, as lanes of mma take them, 2g + t of
// the columns g and g + 8; there are two such blocks for each 64 elements of K that begin.
namespace device {

/// Kept values as they are: a matrix of kDepth x kColumns (with the padding).
template <class T, u32 kDepth, u32 kColumns> struct PlainPanels {
  static constexpr bool kPlain = true;
  Global<const u8> memory;
  LATHE_DEVICE const T *address(index panel, index k, u32 column, u32 elements) const {
    LATHE_EXPECT(panel * 16 < kColumns && k < kDepth);
    return memory.part<T>(0).address((panel * kDepth + k) * 16 + column, elements);
  }
  LATHE_DEVICE float element(index k, index column) const {
    return to_float(memory.part<T>(0).load((column / 16 * kDepth + k) * 16 + column % 16));
  }
};

template <class Values, u32 kBlocks, index kMetadata> struct SparsePanels {
  Values values;
  LATHE_DEVICE const u32 *metadata(index panel, index block, u32 word) const {
    return values.memory.template part<u32>(kMetadata).address((panel * kBlocks + block) * 16 + word, 4);
  }
  /// An element, for what is computed one by one.
  LATHE_DEVICE float element(index k, index column) const {
    float result = 0;
    for (u32 i = 0; i < 2; ++i) {
      u32 kept = u32(k) / 4 * 2 + i, c = u32(column) % 16;
      index word = (column / 16 * kBlocks + kept / 16) * 16 + c % 8 * 2 + kept / 8 % 2;
      u32 place = values.memory.template part<u32>(kMetadata).load(word) >> (c / 8 * 16 + kept % 8 * 2) & 3;
      if (place == u32(k) % 4)
        result = values.element(kept, column);
    }
    return result;
  }
};

template <class Base> struct Sparse : Base {
  using Group = typename Base::OfGroup;
  using T = typename Base::T;
  static_assert(sizeof(T) == 2, "steps are of 64 elements of K");
  static constexpr u32 kStages = Base::kOfStages;
  static constexpr u32 kKept = Base::kDepth / 2;             // rows of kept values of a step
  static constexpr u32 kN = Base::kN / 2, kM = Base::kM * 2; // fragments of a warp: 16 columns, 8 rows
  static constexpr u32 kMetadata = Base::kTileB / 2;         // behind a stage's kept values
  using Sums = float[Group::kAnchors][kN][kM][4];

  template <u32 kAnchor> LATHE_DEVICE void load_weight(u32 tile, index k) const {
    auto weight = this->group.template sparse<kAnchor>();
    using Values = decltype(weight.values);
    index kept = k / 2, depth = this->depth / 2;
    if constexpr (Values::kPlain) {
      for (u32 i = thread(); i < kKept * Base::kColumns / 8; i += Base::kThreads) {
        u32 c = i % 2 * 8, d = i / 2 % kKept, panel = i / 2 / kKept;
        index p = this->column / 16 + panel;
        bool inside = kept + d < depth && p * 16 < this->columns;
        const T *from = weight.values.address(inside ? p : 0, inside ? kept + d : 0, c, inside ? 8 : 0);
        cp_async_16(shared<T>(tile + across<kKept>(d, (panel * 16 + c) * 2)).address(0), from, inside ? 16 : 0);
      }
    } else {
      for (u32 i = thread(); i < kKept * Base::kColumns / 16; i += Base::kThreads) {
        u32 d = i % kKept, panel = i / kKept;
        index p = this->column / 16 + panel;
        typename Values::Row row{};
        typename Values::Factors factors{};
        if (kept + d < depth && p * 16 < this->columns) {
          row = weight.values.row(p, kept + d);
          factors = weight.values.factors(p, kept + d);
        }
        Values::template unpack<T>(row, factors, [&](u32 byte) { return tile + across<kKept>(d, panel * 32 + byte); });
      }
    }
    for (u32 i = thread(); i < Base::kColumns / 16 * 8; i += Base::kThreads) {
      index p = this->column / 16 + i / 8; // past the last panel any metadata will do
      cp_async_16(shared<u32>(tile + kMetadata).address(i * 4),
                  weight.metadata(p * 16 < this->columns ? p : 0, k / 32 + i / 4 % 2, i % 4 * 4), 16);
    }
  }

  LATHE_DEVICE void load(index step) const {
    u32 stage = u32(step) % kStages * Base::kStage;
    if (step < this->end) {
      this->load_lhs(stage, step * Base::kDepth);
      load_weight<0>(stage + Base::kTileA, step * Base::kDepth);
      if constexpr (Group::kAnchors > 1)
        load_weight<1>(stage + Base::kTileA + Base::kTileB, step * Base::kDepth);
    }
    cp_async_commit();
  }

  static LATHE_DEVICE u32 first_row() { return warp() / Base::kWarpColumns * kM * 8; }
  static LATHE_DEVICE u32 first_column() { return warp() % Base::kWarpColumns * kN * 16; }

  static LATHE_DEVICE void multiply(Sums &sums, u32 stage) {
#pragma unroll
    for (u32 block = 0; block < 2; ++block) {
      u32 b[kM][4];
#pragma unroll
      for (u32 j = 0; j < kM; ++j)
        ldmatrix_x4(
            b[j],
            shared<T>(stage + swizzle<128>(first_row() + j * 8 + lane() % 8, block * 64 + lane() / 8 * 16)).address(0));
#pragma unroll
      for (u32 anchor = 0; anchor < Group::kAnchors; ++anchor)
#pragma unroll
        for (u32 i = 0; i < kN; ++i) {
          u32 tile = stage + Base::kTileA + anchor * Base::kTileB, column = first_column() + i * 16;
          u32 a[4];
          u32 place = across<kKept>(block * 16 + lane() / 16 * 8 + lane() % 8, (column + lane() / 8 % 2 * 8) * 2);
          ldmatrix_x4_trans(a, shared<T>(tile + place).address(0));
          u32 metadata = shared<u32>(tile + kMetadata).load((column / 8 + block) * 16 + lane() / 4 * 2 + lane() % 2);
#pragma unroll
          for (u32 j = 0; j < kM; ++j)
            mma_sparse_m16n8k32(sums[anchor][i][j], a, b[j], metadata, T());
        }
    }
  }

  LATHE_DEVICE void compute() {
    Sums sums = {};
    for (u32 i = 0; i < kStages - 1; ++i)
      load(this->begin + i);
    for (index step = this->begin; step < this->end; ++step) {
      cp_async_wait<kStages - 2>();
      sync_block(); // this step's tiles are there, and those of the last one are free
      load(step + kStages - 1);
      multiply(sums, u32(step) % kStages * Base::kStage);
    }
    sync_block(); // none is under way: the last groups are empty
#pragma unroll
    for (u32 anchor = 0; anchor < Group::kAnchors; ++anchor)
#pragma unroll
      for (u32 i = 0; i < kN; ++i)
#pragma unroll
        for (u32 j = 0; j < kM; ++j)
#pragma unroll
          for (u32 q = 0; q < 4; ++q)
            Base::sum(anchor, first_row() + j * 8 + lane() % 4 * 2 + q % 2,
                      first_column() + i * 16 + lane() / 4 + q / 2 * 8)
                .store(0, sums[anchor][i][j][q]);
    sync_block();
  }
};

} // namespace device
