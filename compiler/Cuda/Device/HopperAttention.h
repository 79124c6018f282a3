// Attention of 16 bits on sm_90a: persistent blocks of three warpgroups. The first one brings queries, keys and values
// into rings of two stages, the other two compute 64 queries of one head each by wgmma. While the tensor cores weigh
// the values of one tile of keys, the softmax of the next one runs (Shah et al., "FlashAttention-3", 2024). Rows come
// by cp.async, as their number isn't known before a launch, and are handed over through the async proxy. An Op is as in
// Attention.h.
#if defined(LATHE_CUDA_SIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
namespace device {

/// A tile of kRows rows of kColumns elements of 16 bits, as wgmma reads it: blocks of 64, 32 or 16 columns behind each
/// other, in each a row is 128, 64 or 32 bytes, swizzled. kColumns has such blocks only.
template <u32 kRows, u32 kColumns> struct WgmmaTile {
  static constexpr u32 kPitch = kColumns % 64 == 0 ? 128 : kColumns % 32 == 0 ? 64 : 32, kChunks = kColumns / 8;
  static constexpr u32 kBlock = kRows * kPitch, kBytes = kRows * kColumns * 2;
  static constexpr Swizzle kSwizzle = kPitch == 128  ? Swizzle::bytes128
                                      : kPitch == 64 ? Swizzle::bytes64
                                                     : Swizzle::bytes32;

  /// Where byte `byte` of a row lies.
  static LATHE_DEVICE u32 place(u32 row, u32 byte) {
    u32 at = row * kPitch + byte % kPitch;
    return byte / kPitch * kBlock + (at ^ (at >> 7 & (kPitch / 16 - 1)) << 4);
  }
  /// Rows from `row` on, a multiple of eight, as an operand whose K are the 16 columns from `column` on.
  static LATHE_DEVICE u64 by_rows(u32 tile, u32 row, u32 column) {
    u32 byte = column * 2;
    return wgmma_descriptor(shared<u16>(tile + byte / kPitch * kBlock + row * kPitch + byte % kPitch).address(0), 16,
                            8 * kPitch, kSwizzle);
  }
  /// All columns as an operand (transposed) whose K are the 16 rows from `row` on.
  static LATHE_DEVICE u64 by_columns(u32 tile, u32 row) {
    return wgmma_descriptor(shared<u16>(tile + row * kPitch).address(0), kBlock, 8 * kPitch, kSwizzle);
  }
};

/// Where the rings stand; carried from one tile to the next.
struct HopperAttentionState {
  u32 step = 0, tiles = 0;
};

template <class Op> struct HopperAttention {
  using Base = Attention<Op>;
  using T = typename Base::T;
  static constexpr u32 padded(u32 columns) { return columns <= 16 ? 16 : (columns + 31) / 32 * 32; }
  static constexpr u32 kDepth = padded(Op::kDepth), kWidth = padded(Op::kWidth);
  // As passes/Schedule/Cuda.cpp. The registers that hold the sums and a tile's scores limit the keys.
  static constexpr bool kScaled = Op::kBias || Op::kSoftcap != 0 || !(Op::kScale > 0); // scores aren't just products
  static constexpr u32 kWide = kDepth > kWidth ? kDepth : kWidth;
  static constexpr u32 kQueries = 128, kKeys = kWide <= 128 && !kScaled ? 128 : kWide <= 224 ? 64 : 32;
  using TileQ = WgmmaTile<kQueries, kDepth>;
  using TileK = WgmmaTile<kKeys, kDepth>;
  using TileV = WgmmaTile<kKeys, kWidth>;
  static constexpr u32 kKeysAt = 2 * (TileK::kBytes + TileV::kBytes); // the size of both rings
  static constexpr u32 kRingQ = kKeysAt + 2 * TileQ::kBytes <= 221184 ? 2 : 1;
  // Keys, values, queries; then of each stage of keys which are real, of each tile its range of keys, barriers.
  static constexpr u32 kV = 2 * TileK::kBytes, kQ = kKeysAt, kReal = kQ + kRingQ * TileQ::kBytes;
  static constexpr u32 kWords = kKeys / 32, kRange = kReal + 2 * kWords * 4, kMost = kRange + 2 * 8;
  static constexpr u32 kBarriers = kMost + 16, kShared = kBarriers + 12 * 8;
  static constexpr float kLog2e = 1.44269504f, kFactor = kScaled ? kLog2e : Op::kScale * kLog2e;

  enum Ring { Queries, Keys, Values };
  static LATHE_DEVICE u32 full(Ring ring, u32 stage) { return shared<u64>(kBarriers).address(ring * 4 + stage); }
  static LATHE_DEVICE u32 empty(Ring ring, u32 stage) { return shared<u64>(kBarriers).address(ring * 4 + 2 + stage); }

  Base base;
  index from, to; // keys that some query of the tile may see

  /// In front of everything, by all threads.
  static LATHE_DEVICE void start() {
    if (thread() == 0)
      for (u32 ring = 0; ring < 3; ++ring)
        for (u32 stage = 0; stage < 2; ++stage) {
          mbarrier_init(full(Ring(ring), stage), 128);
          mbarrier_init(empty(Ring(ring), stage), 8);
        }
    sync_block();
  }

  static LATHE_DEVICE index tiles(const Op &op) {
    return op.batches() * Op::kHeads * divide(op.queries() + kQueries - 1, kQueries);
  }
  static LATHE_DEVICE HopperAttention tile(const Op &op, index number) {
    index blocks = divide(op.queries() + kQueries - 1, kQueries);
    index head = remainder(divide(number, blocks), Op::kHeads), batch = divide(number, blocks * Op::kHeads);
    return {{op, batch, head, head / (Op::kHeads / Op::kKvHeads), remainder(number, blocks) * kQueries, op.queries(),
             op.keys(), op.offset()},
            0,
            0};
  }

  // ---- the producers

  /// The greatest of the producers' values.
  static LATHE_DEVICE u32 greatest(u32 x) {
    for (u32 mask = 16; mask; mask >>= 1)
      x = maximum(x, shuffle_xor(x, mask));
    if (lane() == 0)
      shared<u32>(kMost).store(warp(), x);
    Producers::sync();
    for (u32 i = 0; i < 4; ++i)
      x = maximum(x, shared<u32>(kMost).load(i));
    Producers::sync();
    return x;
  }

  /// Finds the range of keys; empty where nobody reads the tile's rows. Whether anybody does.
  LATHE_DEVICE bool find_range() {
    const Op &op = base.op;
    from = 0, to = base.keys;
    if constexpr (Op::kSkips) {
      index i = base.first + thread();
      if (!greatest(i < base.queries && op.reads(base.batch * base.queries + i))) {
        to = 0;
        return false;
      }
    }
    if constexpr (Op::kPadding) {
      u32 last = 0;
      for (index j = thread(); j < base.keys; j += Producers::kThreads)
        if (op.padding(base.batch, j))
          last = u32(j) + 1;
      to = greatest(last);
    }
    if constexpr (Op::kCausal)
      to = maximum(minimum(to, minimum(base.first + kQueries, base.queries) + base.offset), index(0));
    if constexpr (Op::kWindow)
      from = maximum(base.first + base.offset - op.window() + 1, index(0)) / kKeys * kKeys;
    return true;
  }

  /// kRows rows of one of the operands into a tile; what isn't `inside` is 0.
  template <class Tile, u32 kRows, u32 kSize, Source kSource, class Inside, class Address, class Element>
  static LATHE_DEVICE void copy(u32 tile, Inside inside, Address address, Element element) {
    for (u32 i = thread(); i < kRows * Tile::kChunks; i += Producers::kThreads) {
      u32 r = i / Tile::kChunks, c = i % Tile::kChunks, to = tile + Tile::place(r, c * 16);
      bool valid = inside(r) && c * 8 < kSize;
      LATHE_EXPECT(!valid || c * 8 < kSize); // what lies behind is another head's
      if constexpr (kSource == Source::Rows) {
        cp_async_16(shared<T>(to).address(0), address(valid ? r : 0, valid ? c * 8 : 0, valid ? 8 : 0), valid ? 16 : 0);
      } else {
        for (u32 j = 0; j < 8; ++j)
          shared<T>(to).store(j, valid && c * 8 + j < kSize ? element(r, c * 8 + j) : T());
      }
    }
  }

  LATHE_DEVICE void load_queries(u32 stage) const {
    LATHE_EXPECT(from < to);
    const Base &b = base;
    index column = b.head * Op::kDepth;
    copy<TileQ, kQueries, Op::kDepth, Op::kQuery>(
        kQ + stage * TileQ::kBytes, [&](u32 r) { return b.first + r < b.queries; },
        [&](u32 r, u32 c, u32 count) {
          if constexpr (Op::kQuery == Source::Rows)
            return b.op.query_address(b.batch, count ? b.first + r : 0, count ? column + c : 0, count);
        },
        [&](u32 r, u32 c) { return b.op.query(b.batch, b.first + r, column + c); });
  }
  LATHE_DEVICE void load_keys(u32 stage, index begin) const {
    const Base &b = base;
    LATHE_EXPECT(thread() || b.needed(begin, kQueries));
    index column = b.kvHead * Op::kDepth;
    copy<TileK, kKeys, Op::kDepth, Op::kKey>(
        stage * TileK::kBytes, [&](u32 r) { return begin + r < b.keys; },
        [&](u32 r, u32 c, u32 count) {
          if constexpr (Op::kKey == Source::Rows)
            return b.op.key_address(b.batch, count ? begin + r : 0, count ? column + c : 0, count);
        },
        [&](u32 r, u32 c) { return b.op.key(b.batch, begin + r, column + c); });
    if constexpr (Op::kPadding)
      if (thread() < kKeys) {
        u32 real = ballot(b.real(begin + thread()));
        if (lane() == 0)
          shared<u32>(kReal).store(stage * kWords + warp(), real);
      }
  }
  /// Values of keys that aren't real are 0: what they hold may never have been computed.
  LATHE_DEVICE void load_values(u32 stage, index begin) const {
    const Base &b = base;
    index column = b.kvHead * Op::kWidth;
    copy<TileV, kKeys, Op::kWidth, Op::kValue>(
        kV + stage * TileV::kBytes, [&](u32 r) { return b.real(begin + r); },
        [&](u32 r, u32 c, u32 count) {
          if constexpr (Op::kValue == Source::Rows)
            return b.op.value_address(b.batch, count ? begin + r : 0, count ? column + c : 0, count);
        },
        [&](u32 r, u32 c) { return b.op.value(b.batch, begin + r, column + c); });
  }

  /// Hands over the load in front of the latest one.
  static LATHE_DEVICE void hand_over(u32 barrier) {
    cp_async_wait<1>();
    fence_async_proxy();
    mbarrier_arrive(barrier);
  }

  static LATHE_DEVICE void produce(const Op &op) {
    HopperAttentionState state;
    u32 pending = 0; // the barrier of the load that is under way
    auto acquire = [&](Ring ring, u32 number, u32 stages) {
      mbarrier_wait(empty(ring, number % stages), number / stages % 2 ^ 1);
    };
    auto commit = [&](u32 barrier) {
      cp_async_commit();
      if (pending)
        hand_over(pending);
      pending = barrier;
    };
    for (index number = block(); number < tiles(op); number += block_count(), ++state.tiles) {
      HopperAttention t = tile(op, number);
      bool read = t.find_range();
      LATHE_EXPECT(thread() || read == t.base.read(kQueries));
      LATHE_EXPECT(thread() || !read || t.base.is_end(t.to, kQueries));
      u32 slot = state.tiles % kRingQ;
      if constexpr (kRingQ == 1) // the queries in front of these are only free once all of their tile is there
        commit(0);
      acquire(Queries, state.tiles, kRingQ);
      if (thread() == 0) {
        shared<u32>(kRange).store(slot * 2, u32(t.from));
        shared<u32>(kRange).store(slot * 2 + 1, read ? u32(t.to) : ~0u);
      }
      if (t.from < t.to)
        t.load_queries(slot);
      commit(full(Queries, slot));
      for (index begin = t.from; begin < t.to; begin += kKeys, ++state.step) {
        u32 stage = state.step % 2;
        acquire(Keys, state.step, 2);
        t.load_keys(stage, begin);
        commit(full(Keys, stage));
        acquire(Values, state.step, 2);
        t.load_values(stage, begin);
        commit(full(Values, stage));
      }
    }
    commit(0);
  }

  // ---- the consumers

  struct Sums {
    float values[kWidth / 2], scores[kKeys / 2];
    u32 weights[kKeys / 16][4];
    float most[2], total[2], change[2]; // of rows g and g + 8
    bool seen[2];
  };

  static LATHE_DEVICE void release(Ring ring, u32 stage) {
    sync_warp();
    if (lane() == 0)
      mbarrier_arrive(empty(ring, stage));
  }

  /// scores = q k^T
  static LATHE_DEVICE void multiply_keys(Sums &sums, u32 slot, u32 stage) {
    u32 row = (warp() / 4 - 1) * 64;
#pragma unroll
    for (u32 k = 0; k < kDepth; k += 16)
      wgmma_m64k16<int(kKeys), T>(sums.scores, TileQ::by_rows(kQ + slot * TileQ::kBytes, row, k),
                                  TileK::by_rows(stage * TileK::kBytes, 0, k), k != 0);
    wgmma_commit();
  }
  /// values += weights v
  static LATHE_DEVICE void multiply_values(Sums &sums, u32 stage) {
#pragma unroll
    for (u32 k = 0; k < kKeys; k += 16)
      wgmma_m64k16<int(kWidth), T, true>(sums.values, sums.weights[k / 16],
                                         TileV::by_columns(kV + stage * TileV::kBytes, k), true);
    wgmma_commit();
  }

  /// Of the keys [begin + 32 word, begin + 32 word + 32) those that are real.
  LATHE_DEVICE u32 real_keys(u32 stage, index begin, u32 word) const {
    if constexpr (Op::kPadding)
      return shared<u32>(kReal).load(stage * kWords + word);
    index count = base.keys - begin - word * 32;
    return count >= 32 ? ~0u : count <= 0 ? 0u : (1u << count) - 1;
  }

  /// The query of this thread's row g, the first of its rows.
  LATHE_DEVICE index query() const { return base.first + (warp() - 4) * 16 + lane() / 4; }

#ifdef LATHE_CUDA_SIM
  /// Whether those scores are -infinity, and but for a bias no others, whose keys their queries may not see.
  bool is_masked(const Sums &sums, index begin) const {
    for (u32 j = 0; j < kKeys / 2; ++j) {
      index i = query() + j / 2 % 2 * 8, key = begin + j / 4 * 8 + lane() % 4 * 2 + j % 2;
      bool sees = base.real(key) && base.visible(i, key), none = sums.scores[j] == -infinity();
      if (i < base.queries && (sees ? none && !Op::kBias : !none))
        return false;
    }
    return true;
  }
#endif

  /// What is left to do to products to be scores; those of keys that a query may not see become -infinity.
  LATHE_DEVICE void mask(Sums &sums, u32 stage, index begin) const {
    const float kNone = -infinity();
    bool all = true; // may be seen by all of the warp's queries
    u32 real[kWords];
#pragma unroll
    for (u32 w = 0; w < kWords; ++w) {
      u32 word = real_keys(stage, begin, w);
      real[w] = word >> lane() % 4 * 2;
      all = all && word == ~0u;
    }
    // Key `begin + i` is visible for i in [low, high), by row.
    int low[2] = {0, 0}, high[2] = {int(kKeys), int(kKeys)};
#pragma unroll
    for (u32 r = 0; r < 2; ++r) {
      index last = query() + r * 8 + base.offset - begin;
      if constexpr (Op::kCausal)
        high[r] = int(maximum(minimum(last + 1, index(kKeys)), index(0)));
      if constexpr (Op::kWindow)
        low[r] = int(maximum(minimum(last - base.op.window() + 1, index(kKeys)), index(0)));
      all = all && low[r] == 0 && high[r] == int(kKeys);
    }
    if constexpr (kScaled) {
#pragma unroll
      for (u32 j = 0; j < kKeys / 2; ++j) {
        index i = query() + j / 2 % 2 * 8, key = begin + j / 4 * 8 + lane() % 4 * 2 + j % 2;
        bool inside = real[j / 16] >> (j / 4 % 4 * 8 + j % 2) & 1 && i < base.queries;
        sums.scores[j] = inside ? base.score(sums.scores[j], i, key) : kNone;
      }
    }
    if (all) {
      sums.seen[0] = sums.seen[1] = true;
      LATHE_EXPECT(is_masked(sums, begin));
      return;
    }
#pragma unroll
    for (u32 j = 0; j < kKeys / 2; ++j) {
      u32 r = j / 2 % 2;
      int key = int(j / 4 * 8 + lane() % 4 * 2 + j % 2);
      bool sees = real[j / 16] >> (j / 4 % 4 * 8 + j % 2) & 1 && key >= low[r] && key < high[r];
      sums.scores[j] = sees ? sums.scores[j] : kNone;
      sums.seen[r] = sums.seen[r] || sees;
    }
    LATHE_EXPECT(is_masked(sums, begin));
  }

  /// Scores become weights; `change` is what the sums up to here are to be multiplied by.
  static LATHE_DEVICE void soften(Sums &sums) {
    const float kNone = -infinity();
#pragma unroll
    for (u32 r = 0; r < 2; ++r) {
      float most = sums.most[r];
#pragma unroll
      for (u32 j = 0; j < kKeys / 2; j += 4)
        most = fmaxf(most, fmaxf(sums.scores[j + r * 2], sums.scores[j + r * 2 + 1]));
      most = fmaxf(most, shuffle_xor(most, 1));
      most = fmaxf(most, shuffle_xor(most, 2));
      float reference = most == kNone ? 0 : most * kFactor;
      sums.change[r] = exp2_approx(fmaf(sums.most[r], kFactor, -reference));
      sums.most[r] = most;
      float total = 0;
#pragma unroll
      for (u32 j = 0; j < kKeys / 2; j += 4)
#pragma unroll
        for (u32 q = j + r * 2; q < j + r * 2 + 2; ++q) {
          sums.scores[q] = exp2_approx(fmaf(sums.scores[q], kFactor, -reference));
          total += sums.scores[q];
        }
      sums.total[r] = fmaf(sums.total[r], sums.change[r], total);
    }
  }

  /// The weights as wgmma's left side, and the sums in their measure.
  static LATHE_DEVICE void pack_weights(Sums &sums) {
#pragma unroll
    for (u32 k = 0; k < kKeys / 16; ++k)
#pragma unroll
      for (u32 i = 0; i < 4; ++i)
        sums.weights[k][i] = pack(sums.scores[k * 8 + i * 2], sums.scores[k * 8 + i * 2 + 1], T());
#pragma unroll
    for (u32 j = 0; j < kWidth / 2; ++j)
      sums.values[j] *= sums.change[j / 2 % 2];
  }

  LATHE_DEVICE void multiply(Sums &sums, u32 slot, HopperAttentionState &state) const {
    LATHE_EXPECT(first_of_group() < base.queries);
    u32 step = state.step;
    mbarrier_wait(full(Keys, step % 2), step / 2 % 2);
    wgmma_fence();
    multiply_keys(sums, slot, step % 2);
    wgmma_wait<0>();
    wgmma_pin(sums.scores);
    mask(sums, step % 2, from);
    release(Keys, step % 2);
    soften(sums);
    pack_weights(sums);
    for (index begin = from + kKeys; begin < to; begin += kKeys, ++step) {
      u32 stage = step % 2, next = stage ^ 1;
      LATHE_EXPECT(begin == from + index(step + 1 - state.step) * kKeys);
      mbarrier_wait(full(Keys, next), (step + 1) / 2 % 2); // behind the values of `stage`
      wgmma_pin(sums.scores);
      wgmma_pin(sums.values);
      wgmma_fence();
      multiply_keys(sums, slot, next);
      multiply_values(sums, stage);
      wgmma_wait<1>();
      wgmma_pin(sums.scores);
      mask(sums, next, begin);
      release(Keys, next);
      soften(sums);
      wgmma_wait<0>();
      wgmma_pin(sums.values);
      release(Values, stage);
      pack_weights(sums);
    }
    release(Queries, slot);
    mbarrier_wait(full(Values, step % 2), step / 2 % 2);
    wgmma_pin(sums.values);
    wgmma_fence();
    multiply_values(sums, step % 2);
    wgmma_wait<0>();
    wgmma_pin(sums.values);
    release(Values, step % 2);
    state.step = step + 1;
  }

  /// The steps of a warpgroup without queries. Keys are there once their values' stage was free: so it may be released.
  LATHE_DEVICE void pass(HopperAttentionState &state) const {
    for (index begin = from; begin < to; begin += kKeys, ++state.step) {
      mbarrier_wait(full(Keys, state.step % 2), state.step / 2 % 2);
      release(Keys, state.step % 2);
      release(Values, state.step % 2);
    }
  }

  LATHE_DEVICE void store(const Sums &sums) const {
    float inverse[2];
    u32 seen[2] = {~0u, ~0u}; // four bits for each row
#pragma unroll
    for (u32 r = 0; r < 2; ++r) {
      float total = sums.total[r];
      total += shuffle_xor(total, 1);
      total += shuffle_xor(total, 2);
      inverse[r] = 1 / total;
      if constexpr (Base::kRestricted)
        seen[r] = ballot(sums.seen[r]);
    }
#pragma unroll
    for (u32 j = 0; j < kWidth / 2; ++j) {
      u32 r = j / 2 % 2;
      index i = query() + r * 8, column = j / 4 * 8 + lane() % 4 * 2 + j % 2;
      if (i < base.queries && column < Op::kWidth && seen[r] >> lane() / 4 * 4 & 15)
        base.op.store(base.batch, i, base.head * Op::kWidth + column, sums.values[j] * inverse[r]);
    }
    if constexpr (Base::kRestricted)
      for (u32 r = 0; r < 16; ++r) {
        index i = base.first + (warp() - 4) * 16 + r;
        if (i < base.queries && !((r < 8 ? seen[0] : seen[1]) >> r % 8 * 4 & 15))
          base.store_unseen(i);
      }
  }

  static LATHE_DEVICE void consume(const Op &op) {
    HopperAttentionState state;
    for (index number = block(); number < tiles(op); number += block_count(), ++state.tiles) {
      HopperAttention t = tile(op, number);
      u32 slot = state.tiles % kRingQ;
      mbarrier_wait(full(Queries, slot), state.tiles / kRingQ % 2);
      u32 to = shared<u32>(kRange).load(slot * 2 + 1);
      bool read = to != ~0u;
      t.from = shared<u32>(kRange).load(slot * 2);
      t.to = read ? to : 0;
      if (!read || t.first_of_group() >= t.base.queries) {
        t.pass(state);
        release(Queries, slot);
        continue;
      }
      Sums sums = {};
      sums.most[0] = sums.most[1] = -infinity();
      if (t.from < t.to)
        t.multiply(sums, slot, state);
      else
        release(Queries, slot);
      t.store(sums);
    }
  }
  LATHE_DEVICE index first_of_group() const { return base.first + (warp() / 4 - 1) * 64; }

  static LATHE_DEVICE void run(const Op &op) {
    start();
    if (thread() < Producers::kThreads) {
      set_max_registers<kScaled ? 72 : 56>(false);
      produce(op);
    } else {
      set_max_registers<kScaled ? 216 : 224>(true);
      consume(op);
    }
  }
};

} // namespace device
#endif
