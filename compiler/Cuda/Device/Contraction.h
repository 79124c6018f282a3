// Products of matrices: a block computes kRows x kColumns of a result for each of a group's right sides, K in steps of
// 128 bytes, which cp.async brings kStages - 1 steps ahead. The sums go through shared memory to the epilogue.
//
// A Group (written by the emitter around a kernel's methods) has
//   Math, kAnchors; kLhs, kRhs: how operands lie in memory; kSkips: rows that nobody reads are left out;
//   Activation: how the left side's rows are quantized (Quantize.h);
//   kWhole: the epilogue needs whole rows; kParts: blocks that share a small tile's sum over K at most
//   batches(), rows(), columns(), depth()
//   lhs(batch, row, k), rhs<anchor>(batch, k, column)      elements, where they don't lie in memory
//   lhs_run(batch, row, k)                                 of a quantized left side in memory, four elements
//   lhs_vector<count>(batch, row, k)                       of a left side of 16 bits in memory
//   codes<anchor>()                                         of a right side of packed panels: its PanelCodes
//   sparse<anchor>()                                        of one of sparse panels
//   column_scale(anchor, column), code_sum(anchor, column)  of a right side whose codes are multiplied
//   row_scale(row)                                          of a left side that lies in memory in codes (HopperCodes.h)
//   lhs_address(batch, row, k, elements), rhs_address<anchor>(batch, row of memory, place in it, elements)
//   reads(row); store(batch, row, column, sums)            row of all batches
//   tile_columns<kColumns>(), finish(team, warp, row)       with kWhole: of all groups; a row of the results
namespace device {

enum class Source {
  Computed,     // by the kernel's methods
  Rows,         // depth elements after each other for each row (of the right side: column)
  Columns,      // right side: columns() elements after each other for each element of K
  Panels,       // right side: panels of 16 columns, each depth x 16 (kernel.panel)
  Quads,        // codes in panels: for four elements of K after each other, the four codes of each of 16 columns
  PackedPanels, // packed codes in panels (Panels.h)
  SparsePanels  // two of four elements along K, in panels (Sparse.h)
};

/// The threads that work on something together.
struct Everybody {
  static constexpr u32 kThreads = 256;
  static constexpr bool kForWgmma = false; // what they load
  static LATHE_DEVICE u32 rank() { return thread(); }
  static LATHE_DEVICE void sync() { sync_block(); }
};

/// A block's part of the steps of K of its tile, where few tiles would leave a device idle. The parts' sums meet in
/// memory, those of each part of each tile, and are added in their order by the block that comes last.
struct Share {
#ifdef LATHE_CUDA_SIM
  static constexpr u32 kBlocks = 12; // of a grid, all parts, as passes/Schedule/Cuda.h; few, for small tests
#else
  static constexpr u32 kBlocks = 264;
#endif
  static constexpr u32 kLeast = 4;     // steps of a part, likewise
  static constexpr u32 kFloats = 2048; // of a tile's part, for each anchor
  u32 part, parts, tile;
  u32 *counters;        // of tiles; zero when nobody works on them, as all of the memory
  Global<float> floats; // behind them

  static LATHE_DEVICE u32 count(u32 most, index tiles, index steps) {
    if (tiles * 2 > kBlocks || steps < 2 * kLeast)
      return 1;
    u32 parts = minimum(minimum(most, u32(steps) / kLeast), kBlocks / maximum(u32(tiles), 1u));
    u32 each = (u32(steps) + parts - 1) / parts;
    parts = (u32(steps) + each - 1) / each; // none is empty
    LATHE_EXPECT(parts <= most && parts * tiles <= kBlocks && each >= kLeast);
    return parts;
  }
};

/// Sums of rows that were added up in parts.
struct SharedSums {
  Global<float> memory;
  index size; // of a part
  u32 parts;
  LATHE_DEVICE float load(index i) const {
    float sum = memory.load(i);
    for (u32 part = 1; part < parts; ++part)
      sum += memory.load(part * size + i);
    return sum;
  }
  LATHE_DEVICE void store(index i, float value) const {
    for (u32 part = 0; part < parts; ++part)
      memory.store(part * size + i, value);
  }
};

template <class Group, u32 kTileRows, u32 kTileColumns, u32 kWarpRows, u32 kStages, class Threads = Everybody,
          bool kShares = false>
struct Contraction {
  using OfGroup = Group;
  static constexpr u32 kOfStages = kStages;
  using Math = typename Group::Math;
  using T = typename Math::T;
  using Activation = typename Group::Activation;
  static constexpr bool kCodes = sizeof(T) == 1; // both sides' codes are multiplied
  static constexpr u32 kWarps = 8, kThreads = Threads::kThreads, kWarpColumns = kWarps / kWarpRows;
  static constexpr u32 kColumns = kTileColumns / Group::kAnchors;
  static constexpr u32 kDepth = 128 / sizeof(T), kChunk = 16 / sizeof(T); // elements of a step, of a copy
  static constexpr bool kAcross =
      Group::kRhs == Source::Columns || Group::kRhs == Source::Panels || Group::kRhs == Source::PackedPanels;
  static constexpr u32 kSizeB = kCodes ? kColumns * 4 : kAcross ? kDepth : 128; // as Math::load_b has it
  static constexpr u32 kTileA = kTileRows * 128, kTileB = kColumns * 128;
  static constexpr u32 kStage = kTileA + Group::kAnchors * kTileB;
  static constexpr u32 kM = kTileRows / kWarpRows / 16, kN = kColumns / kWarpColumns / 8; // fragments of a warp
  static constexpr u32 kPitchSums = kColumns + 4;
  static constexpr u32 kNumbers = kStages * kStage; // behind the stages: the rows' numbers, 16 counts, the rows' scales
  static_assert(Group::kAnchors * kTileRows * kPitchSums * 4 <= kNumbers, "the sums fit where the stages were");

  const Group &group;
  index batch, first, column; // of the tile; `first` counts the rows that are read
  index rows, columns, depth;
  index begin = 0, end = divide(depth + kDepth - 1, kDepth); // steps
  u32 numbersAt = kNumbers;

  static LATHE_DEVICE index row_tiles(const Group &g) { return divide(g.rows() + kTileRows - 1, kTileRows); }
  static LATHE_DEVICE index column_tiles(const Group &g) { return divide(g.columns() + kColumns - 1, kColumns); }
  static LATHE_DEVICE index tiles(const Group &g) { return g.batches() * row_tiles(g) * column_tiles(g); }
  static LATHE_DEVICE index steps(const Group &g) { return divide(g.depth() + kDepth - 1, kDepth); }

  LATHE_DEVICE Shared<u32> numbers() const { return shared<u32>(numbersAt); }
  LATHE_DEVICE Shared<u32> counts() const { return shared<u32>(numbersAt + kTileRows * 4); }
  LATHE_DEVICE Shared<Vector<float, 4>> scales() const {
    return shared<Vector<float, 4>>(numbersAt + kTileRows * 4 + 64);
  }
  LATHE_DEVICE RowScale row_scale(u32 r) const {
    Vector<float, 4> by = scales().load(r);
    return {by[0], by[1], by[2]};
  }

  /// The row of the tile's i-th, or -1.
  LATHE_DEVICE index row(u32 i) const {
    if constexpr (Group::kSkips) {
      u32 number = numbers().load(i);
      return number == ~0u ? -1 : index(number);
    } else {
      return first + i < rows ? first + i : -1;
    }
  }

  /// Lists the tile's rows among those that are read; whether there are any.
  LATHE_DEVICE bool list_rows() const {
    index seen = 0;
    if (Threads::rank() < kTileRows)
      numbers().store(Threads::rank(), ~0u);
    Threads::sync();
    for (index begin = 0; begin < rows && seen < first + kTileRows; begin += kThreads) {
      index i = begin + Threads::rank();
      bool read = i < rows && group.reads(batch * rows + i);
      u32 mask = ballot(read);
      if (lane() == 0)
        counts().store(Threads::rank() / 32, count_bits(mask));
      Threads::sync();
      index place = seen + count_bits(mask & ((1u << lane()) - 1));
      for (u32 w = 0; w < kThreads / 32; ++w) {
        u32 count = counts().load(w);
        place += w < Threads::rank() / 32 ? count : 0;
        seen += count;
      }
      if (read && place >= first && place < first + kTileRows)
        numbers().store(place - first, u32(i));
      Threads::sync();
    }
    return seen > first;
  }

  /// Four elements of a quantized left side; 0 behind its last one.
  LATHE_DEVICE Vector<float, 4> lhs_run(index from, index k) const {
    Vector<float, 4> x{};
    if constexpr (Group::kLhs == Source::Rows) {
      if (k < depth)
        x = group.lhs_run(batch, from, k);
    } else {
      for (int j = 0; j < 4; ++j)
        if (k + j < depth)
          x[j] = group.lhs(batch, from, k + j);
    }
    return x;
  }

  /// What a row is quantized with, by a warp.
  LATHE_DEVICE RowScale find_scale(index from) const {
    float lo = 0, hi = 0;
    if (Activation::kRange && from >= 0) {
      for (index k = lane() * 4; k < depth; k += 128) {
        Vector<float, 4> x = lhs_run(from, k);
        for (int j = 0; j < 4; ++j) {
          lo = minimum(lo, x[j]);
          hi = maximum(hi, x[j]);
        }
      }
      lo = Warp().template reduce<Minimum>(lo);
      hi = Warp().template reduce<Maximum>(hi);
    }
    return Activation::get(lo, hi);
  }
  LATHE_DEVICE void find_scales() const {
    for (u32 i = warp(); i < kTileRows; i += kWarps) {
      RowScale by = find_scale(row(i));
      if (lane() == 0)
        scales().store(i, {by.scale, by.inverse, by.zero, 0});
    }
    sync_block();
  }

  LATHE_DEVICE void load_lhs(u32 tile, index k) const {
    if constexpr (Activation::kQuantizes) {
      constexpr u32 kRuns = kDepth / 4;
#pragma unroll 4
      for (u32 i = Threads::rank(); i < kTileRows * kRuns; i += kThreads) {
        u32 r = i / kRuns, c = i % kRuns * 4;
        index from = row(r);
        RowScale by = row_scale(r);
        Vector<float, 4> x{};
        if (from >= 0)
          x = lhs_run(from, k + c);
        if constexpr (kCodes) {
          shared<u32>(tile + swizzle<128>(r, c)).store(0, Math::template encode<Activation>(x, by));
        } else {
          Vector<T, 4> values;
          for (int j = 0; j < 4; ++j)
            values[j] = from_float<T>((quantize<Activation>(x[j], by) - by.zero) * by.scale);
          shared<T>(tile + swizzle<128>(r, c * sizeof(T))).template store<4>(0, values);
        }
      }
    } else if constexpr (Group::kLhs == Source::Rows) {
      for (u32 i = Threads::rank(); i < kTileRows * 8; i += kThreads) {
        u32 r = i / 8, c = i % 8;
        index from = row(r), at = k + c * kChunk;
        bool inside = from >= 0 && at < depth;
        cp_async_16(shared<u32>(tile + swizzle<128>(r, c * 16)).address(0),
                    group.lhs_address(batch, inside ? from : 0, inside ? at : 0, inside ? kChunk : 0), inside ? 16 : 0);
      }
    } else {
      for (u32 i = Threads::rank(); i < kTileRows * kDepth; i += kThreads) {
        u32 r = i / kDepth, c = i % kDepth;
        index from = row(r), at = k + c;
        T x = T();
        if (from >= 0 && at < depth)
          x = group.lhs(batch, from, at);
        shared<T>(tile + swizzle<128>(r, c * sizeof(T))).store(0, x);
      }
    }
  }

  template <u32 kAnchor> LATHE_DEVICE void load_rhs(u32 tile, index k) const {
    if constexpr (Group::kRhs == Source::Rows) {
      for (u32 i = Threads::rank(); i < kColumns * 8; i += kThreads) {
        u32 n = i / 8, c = i % 8;
        index at = k + c * kChunk;
        bool inside = column + n < columns && at < depth;
        const T *from =
            group.template rhs_address<kAnchor>(batch, inside ? column + n : 0, inside ? at : 0, inside ? kChunk : 0);
        cp_async_16(shared<T>(tile + swizzle<128>(n, c * 16)).address(0), from, inside ? 16 : 0);
      }
    } else if constexpr (Group::kRhs == Source::Columns) {
      constexpr u32 kChunks = kColumns / kChunk;
      for (u32 i = Threads::rank(); i < kDepth * kChunks; i += kThreads) {
        u32 d = i / kChunks, c = i % kChunks;
        index at = column + c * kChunk;
        bool inside = k + d < depth && at < columns;
        const T *from =
            group.template rhs_address<kAnchor>(batch, inside ? k + d : 0, inside ? at : 0, inside ? kChunk : 0);
        cp_async_16(shared<T>(tile + across<kDepth>(d, c * 16)).address(0), from, inside ? 16 : 0);
      }
    } else if constexpr (Group::kRhs == Source::Panels) {
      constexpr u32 kPerPanel = 16 / kChunk; // copies of a panel's row; neighbours copy what lies side by side
      for (u32 i = Threads::rank(); i < kDepth * kColumns / kChunk; i += kThreads) {
        u32 c = i % kPerPanel, d = i / kPerPanel % kDepth, panel = i / kPerPanel / kDepth;
        index p = column / 16 + panel;
        bool inside = k + d < depth && p * 16 < columns;
        const T *from =
            group.template rhs_address<kAnchor>(0, inside ? p * depth + k + d : 0, c * kChunk, inside ? kChunk : 0);
        cp_async_16(shared<T>(tile + across<kDepth>(d, panel * 16 * sizeof(T) + c * 16)).address(0), from,
                    inside ? 16 : 0);
      }
    } else if constexpr (Group::kRhs == Source::Quads && Threads::kForWgmma) {
      // A column in a row, word by word. A warp copies four words of eight columns: whole sectors into all banks.
      index quads = divide(depth + 3, 4);
      for (u32 i = Threads::rank(); i < kDepth / 4 * kColumns; i += kThreads) {
        u32 d = i / 8 % (kDepth / 4), n = i / 8 / (kDepth / 4) * 8 + i % 8;
        index p = (column + n) / 16, quad = k / 4 + d;
        bool inside = quad < quads && p * 16 < columns;
        const T *from =
            group.template rhs_address<kAnchor>(0, inside ? p * quads + quad : 0, n % 16 * 4, inside ? 4 : 0);
        cp_async_4(shared<u32>(tile + swizzle<128>(n, d * 4)).address(0), from, inside ? 4 : 0);
      }
    } else if constexpr (Group::kRhs == Source::Quads) {
      index quads = divide(depth + 3, 4);
      for (u32 i = Threads::rank(); i < kDepth / 4 * kColumns / 4; i += kThreads) {
        u32 c = i % 4, d = i / 4 % (kDepth / 4), panel = i / kDepth;
        index p = column / 16 + panel, quad = k / 4 + d;
        bool inside = quad < quads && p * 16 < columns;
        const T *from =
            group.template rhs_address<kAnchor>(0, inside ? p * quads + quad : 0, c * kChunk, inside ? kChunk : 0);
        cp_async_16(shared<u32>(tile + Math::template place<kSizeB>(d, panel * 16 + c * 4)).address(0), from,
                    inside ? 16 : 0);
      }
    } else if constexpr (Group::kRhs == Source::PackedPanels && kCodes) {
      // Four rows of a panel make 16 words of four codes of a column.
      for (u32 i = Threads::rank(); i < kDepth / 4 * kColumns / 16; i += kThreads) {
        u32 d = i % (kDepth / 4), panel = i / (kDepth / 4);
        index p = column / 16 + panel;
        Vector<u32, 4> rows[4] = {};
        if (p * 16 < columns)
#pragma unroll
          for (u32 j = 0; j < 4; ++j)
            if (k + d * 4 + j < depth)
              rows[j] = group.template codes<kAnchor>().row(p, k + d * 4 + j);
#pragma unroll
        for (int c = 0; c < 4; ++c)
          shared<Vector<u32, 4>>(tile + Math::template place<kSizeB>(d, panel * 16 + u32(c) * 4))
              .store(0, transpose_bytes(rows[0][c], rows[1][c], rows[2][c], rows[3][c]));
      }
    } else if constexpr (Group::kRhs == Source::PackedPanels) {
      auto codes = group.template codes<kAnchor>();
      using Codes = decltype(codes);
      constexpr u32 kRun = Codes::kGroup % 2 == 0 ? 2 : 1; // rows that have the same scales
      for (u32 i = Threads::rank(); i < kDepth / kRun * kColumns / 16; i += kThreads) {
        u32 d = i % (kDepth / kRun) * kRun, panel = i / (kDepth / kRun);
        index p = column / 16 + panel;
        bool inside = p * 16 < columns && k + d < depth;
        typename Codes::Factors factors{};
        if (inside)
          factors = codes.factors(p, k + d);
#pragma unroll
        for (u32 j = 0; j < kRun; ++j) {
          typename Codes::Row row{};
          if (inside && k + d + j < depth)
            row = codes.row(p, k + d + j);
          Codes::template unpack<T>(
              row, factors, [&](u32 byte) { return tile + across<kDepth>(d + j, panel * 16 * sizeof(T) + byte); });
        }
      }
    } else {
      for (u32 i = Threads::rank(); i < kColumns * kDepth; i += kThreads) {
        u32 n = i / kDepth, d = i % kDepth;
        T x = T();
        if (column + n < columns && k + d < depth)
          x = group.template rhs<kAnchor>(batch, k + d, column + n);
        shared<T>(tile + swizzle<128>(n, d * sizeof(T))).store(0, x);
      }
    }
  }

  /// The operands of the elements of K from `k` on.
  LATHE_DEVICE void load_step(u32 stage, index k) const {
    load_lhs(stage, k);
    load_rhs<0>(stage + kTileA, k);
    if constexpr (Group::kAnchors > 1)
      load_rhs<1>(stage + kTileA + kTileB, k);
    static_assert(Group::kAnchors <= 2, "at most two right sides meet in an epilogue");
  }
  LATHE_DEVICE void load(index step) const {
    if (step < end)
      load_step(u32(step) % kStages * kStage, step * kDepth);
    cp_async_commit();
  }

  using Sums = typename Math::Sum[Group::kAnchors][kM][kN][4];

  LATHE_DEVICE void multiply(Sums &sums, u32 stage) const {
    static_assert(kN % 2 == 0, "the right side's fragments are loaded in pairs");
    u32 firstRow = warp() / kWarpColumns * kM * 16, firstColumn = warp() % kWarpColumns * kN * 8;
#pragma unroll Math::kUnroll
    for (u32 k = 0; k < kDepth; k += Math::kStep) {
      typename Math::A a[kM];
#pragma unroll
      for (u32 i = 0; i < kM; ++i)
        Math::template load_a<128>(a[i], stage, firstRow + i * 16, k);
#pragma unroll
      for (u32 anchor = 0; anchor < Group::kAnchors; ++anchor)
#pragma unroll
        for (u32 j = 0; j < kN; j += 2) {
          typename Math::B b[2];
          Math::template load_b<kAcross, kSizeB>(b, stage + kTileA + anchor * kTileB, firstColumn + j * 8, k);
#pragma unroll
          for (u32 i = 0; i < kM; ++i) {
            Math::multiply(sums[anchor][i][j], a[i], b[0]);
            Math::multiply(sums[anchor][i][j + 1], a[i], b[1]);
          }
        }
    }
  }

  static LATHE_DEVICE Shared<float> sum(u32 anchor, u32 r, u32 c) {
    return shared<float>(((anchor * kTileRows + r) * kPitchSums + c) * 4);
  }

  LATHE_DEVICE float finish_sum(float sum, const RowScale &by, float scale, int) const {
    return sum * by.scale * scale;
  }
  /// The sum of an element. A sum over a part of K leaves the zero point's part to that which begins at 0.
  LATHE_DEVICE float finish_sum(int sum, const RowScale &by, float scale, int codes) const {
    if (begin == 0)
      sum -= int(by.zero) * codes;
    return float(sum) * by.scale * scale;
  }

  /// The tile's sums, where sum() says.
  LATHE_DEVICE void compute() {
    if constexpr (Activation::kQuantizes)
      find_scales();
    Sums sums = {};
    for (u32 i = 0; i < kStages - 1; ++i)
      load(begin + i);
    for (index step = begin; step < end; ++step) {
      cp_async_wait<kStages - 2>();
      sync_block(); // this step's tiles are there, and those of the last one are free
      load(step + kStages - 1);
      multiply(sums, u32(step) % kStages * kStage);
    }
    sync_block(); // none is under way: the last groups are empty
    u32 firstRow = warp() / kWarpColumns * kM * 16 + lane() / 4;
    u32 firstColumn = warp() % kWarpColumns * kN * 8 + lane() % 4 * 2;
#pragma unroll
    for (u32 anchor = 0; anchor < Group::kAnchors; ++anchor)
#pragma unroll
      for (u32 j = 0; j < kN; ++j) {
        float scale[2] = {};
        int codes[2] = {};
        if constexpr (kCodes) {
#pragma unroll
          for (u32 h = 0; h < 2; ++h) {
            index at = column + firstColumn + j * 8 + h;
            if (at < columns) {
              scale[h] = group.column_scale(anchor, at);
              codes[h] = group.code_sum(anchor, at);
            }
          }
        }
#pragma unroll
        for (u32 i = 0; i < kM; ++i)
#pragma unroll
          for (u32 q = 0; q < 4; ++q) {
            u32 r = firstRow + i * 16 + q / 2 * 8;
            float value;
            if constexpr (kCodes)
              value = finish_sum(sums[anchor][i][j][q], row_scale(r), scale[q % 2], codes[q % 2]);
            else
              value = sums[anchor][i][j][q];
            sum(anchor, r, firstColumn + j * 8 + q % 2).store(0, value);
          }
      }
    sync_block();
  }

  LATHE_DEVICE void store() const {
    for (u32 i = thread(); i < kTileRows * kColumns; i += kThreads) {
      u32 r = i / kColumns, c = i % kColumns;
      index at = row(r);
      if (at < 0 || column + c >= columns)
        continue;
      float values[Group::kAnchors];
#pragma unroll
      for (u32 anchor = 0; anchor < Group::kAnchors; ++anchor)
        values[anchor] = sum(anchor, r, c).load(0);
      if constexpr (Group::kSkips)
        LATHE_EXPECT(group.reads(batch * rows + at));
      group.store(batch, at, column + c, values);
    }
  }

  /// Whether this block is the last one of `all` that come here, and then sees what the others wrote.
  LATHE_DEVICE bool is_last(u32 *counter, u32 all) const {
    fence_device();
    sync_block();
    if (thread() == 0)
      counts().store(0, atomic_add(counter, 1) + 1 == all);
    sync_block();
    if (!counts().load(0))
      return false;
    fence_device();
    return true;
  }

  static constexpr u32 kFloats = kTileRows * kColumns; // of a tile's sums for an anchor
  static_assert(!kShares || Group::kAnchors * kFloats <= Group::kMostAnchors * Share::kFloats, "parts have room");

  /// Adds up the parts' sums where this block's were, if it is the last one; else it leaves them for that.
  LATHE_DEVICE bool meet(const Share &share) const {
    constexpr u32 kVectors = Group::kAnchors * kFloats / 4, kPerRow = kColumns / 4;
    auto at = [&](u32 i) { return sum(i / kPerRow / kTileRows, i / kPerRow % kTileRows, i % kPerRow * 4); };
    auto place = [&](u32 part, u32 i) {
      return (index(share.tile) * share.parts + part) * (Group::kMostAnchors * Share::kFloats) + i * 4;
    };
    for (u32 i = thread(); i < kVectors; i += kThreads)
      share.floats.store(place(share.part, i), at(i).template load<4>(0));
    if (!is_last(share.counters + share.tile, share.parts))
      return false;
    for (u32 i = thread(); i < kVectors; i += kThreads) {
      Vector<float, 4> total = share.floats.template load<4>(place(0, i));
      share.floats.store(place(0, i), Vector<float, 4>{});
      for (u32 part = 1; part < share.parts; ++part) {
        Vector<float, 4> more = share.floats.template load<4>(place(part, i));
        share.floats.store(place(part, i), Vector<float, 4>{});
        for (int j = 0; j < 4; ++j)
          total[j] += more[j];
      }
      at(i).store(0, total);
    }
    if (thread() == 0)
      share.counters[share.tile] = 0;
    sync_block();
    return true;
  }

  /// Counts the tiles of these rows; the block that ends the last one computes the rows of the results.
  LATHE_DEVICE void finish(index rowTile) const {
    u32 *counter = group.counter(batch * row_tiles(group) + rowTile);
    if (!is_last(counter, u32(group.template tile_columns<kColumns>())))
      return;
    for (u32 i = warp(); i < kTileRows; i += kWarps) {
      index at = row(i);
      if (at >= 0)
        group.finish(Warp(), warp(), batch * rows + at, 0);
    }
    if (thread() == 0)
      *counter = 0;
  }

  /// The tile, if it is one of the group's; else takes the group's off it. `Tile` is this, or has another compute().
  template <class Tile = Contraction>
  static LATHE_DEVICE bool run(const Group &g, index &tile, const Share &share = {0, 1, 0, nullptr, {}}) {
    index rowTiles = row_tiles(g), all = tiles(g);
    if (tile >= all) {
      tile -= all;
      return false;
    }
    index rowTile = remainder(tile, rowTiles), rest = divide(tile, rowTiles), columnTiles = column_tiles(g);
    Tile c{g,
           divide(rest, columnTiles),
           rowTile * kTileRows,
           remainder(rest, columnTiles) * kColumns,
           g.rows(),
           g.columns(),
           g.depth()};
    if constexpr (Group::kSkips)
      if (!c.list_rows())
        return true;
    if constexpr (kShares) {
      index each = divide(c.end + share.parts - 1, share.parts);
      c.begin = share.part * each;
      c.end = minimum(c.end, c.begin + each);
      LATHE_EXPECT(c.begin < c.end || share.parts == 1);
    }
    c.compute();
    if constexpr (kShares && !Group::kWhole)
      if (share.parts > 1 && !c.meet(share))
        return true;
    c.store();
    if constexpr (Group::kWhole)
      c.finish(rowTile);
    return true;
  }
};

/// Tiles for work that fills the device, and for what doesn't; schedule::scheduleForCuda counts both.
template <class Group> using Large = Contraction<Group, 128, 128, 2, 3>;
template <class Group>
using Small = Contraction<Group, 32, Group::kAnchors == 1 ? 64 : 128, 2, 4, Everybody, (Group::kParts > 1)>;

} // namespace device
