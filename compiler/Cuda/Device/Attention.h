// softmax(scale * q k^T + mask) v: a warp computes 16 queries of one head, the block's warps share tiles of keys and
// values that cp.async brings. Scores and sums stay in registers; maximum and denominator are carried from one tile of
// keys to the next (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; the products' layout as
// in Dao, "FlashAttention-2", 2023). Tiles that no query of the block may see are not visited.
//
// An Op (written by the emitter around a kernel's methods) has
//   Math; kDepth, kWidth: elements of a head of q and k, of v; kHeads, kKvHeads; kScale, kSoftcap (0: none)
//   kQuery, kKey, kValue: how they lie in memory (Rows or Computed); kPadding, kCausal, kWindow, kBias, kSkips
//   kMaskedRow; batches(), queries(), keys(), offset(), window()
//   query(batch, i, column), key, value: elements; query_address(batch, i, column, elements), …
//   padding(batch, j), bias(batch, head, i, j), reads(row of all batches), store(batch, i, column, value)
namespace device {

/// What a query that may see nothing gives: tfm::MaskedRow.
enum class MaskedRow { Zero, Mean, Unmasked, Nan };

template <class Op> struct Attention {
  using Math = typename Op::Math;
  using T = typename Math::T;
  static constexpr u32 kPitchK = (Op::kDepth * sizeof(T) + 127) / 128 * 128;
  static constexpr u32 kPitchV = (Op::kWidth * sizeof(T) + 127) / 128 * 128;
  static constexpr u32 kWidest = kPitchK > kPitchV ? kPitchK : kPitchV;
  // As passes/Schedule/Cuda.cpp.
  static constexpr u32 kWarps = kWidest <= 512 ? 4 : 2, kThreads = 32 * kWarps, kQueries = 16 * kWarps;
  static constexpr u32 kKeys = kWidest <= 256 ? 64 : kWidest <= 512 ? 32 : 16;
  static constexpr u32 kTileQ = kQueries * kPitchK, kTileK = kKeys * kPitchK, kStage = kTileK + kKeys * kPitchV;
  static constexpr u32 kWords = kTileQ + 2 * kStage; // behind two stages: a word for each warp
  static constexpr u32 kChunk = 16 / sizeof(T);
  static constexpr u32 kScores = kKeys / 8, kSums = (Op::kWidth + 15) / 16 * 2; // blocks of eight columns
  static constexpr bool kRestricted = Op::kPadding || Op::kCausal || Op::kWindow;

  const Op &op;
  index batch, head, kvHead, first; // of the block's queries
  index queries, keys, offset;

#ifdef LATHE_CUDA_SIM
  /// Whether some of `count` queries from `first` on may see that key, and it or one behind it is real.
  bool needed(index key, u32 count) const {
    bool real = !Op::kPadding && key < keys, seen = !Op::kCausal;
    if constexpr (Op::kPadding)
      for (index j = key; j < keys; ++j)
        real = real || op.padding(batch, j);
    for (index i = first; i < first + count && i < queries; ++i)
      seen = seen || key <= i + offset;
    return real && seen;
  }
  bool is_end(index to, u32 count) const { return (to == 0 || needed(to - 1, count)) && !needed(to, count); }
  /// Whether somebody reads one of these queries.
  bool read(u32 count) const {
    bool result = !Op::kSkips;
    if constexpr (Op::kSkips)
      for (index i = first; i < first + count && i < queries; ++i)
        result = result || op.reads(batch * queries + i);
    return result;
  }
#endif

  /// The greatest of all threads' values.
  static LATHE_DEVICE u32 greatest(u32 x) {
    for (u32 mask = 16; mask; mask >>= 1)
      x = maximum(x, shuffle_xor(x, mask));
    if (lane() == 0)
      shared<u32>(kWords).store(warp(), x);
    sync_block();
    x = shared<u32>(kWords).load(0);
    for (u32 i = 1; i < kWarps; ++i)
      x = maximum(x, shared<u32>(kWords).load(i));
    sync_block();
    return x;
  }

  LATHE_DEVICE void load_queries() const {
    constexpr u32 kChunks = kPitchK / 16;
    for (u32 i = thread(); i < kQueries * kChunks; i += kThreads) {
      u32 r = i / kChunks, c = i % kChunks;
      u32 to = swizzle<kPitchK>(r, c * 16);
      bool inside = first + r < queries && c * kChunk < Op::kDepth;
      index column = head * Op::kDepth + c * kChunk;
      if constexpr (Op::kQuery == Source::Rows) {
        cp_async_16(shared<T>(to).address(0),
                    op.query_address(batch, inside ? first + r : 0, inside ? column : 0, inside ? kChunk : 0),
                    inside ? 16 : 0);
      } else {
        for (u32 j = 0; j < kChunk; ++j) {
          T x = T();
          if (inside && c * kChunk + j < Op::kDepth)
            x = op.query(batch, first + r, column + j);
          shared<T>(to).store(j, x);
        }
      }
    }
  }

  /// Keys from `begin` on and their values. Values of keys that aren't real are 0: what they hold may never have been
  /// computed, and 0 * NaN must not get into the sums.
  LATHE_DEVICE void load_keys(index begin, u32 stage) const {
    LATHE_EXPECT(thread() || needed(begin, kQueries));
    constexpr u32 kChunksK = kPitchK / 16, kChunksV = kPitchV / 16;
    u32 tileK = kTileQ + stage * kStage, tileV = tileK + kTileK;
    for (u32 i = thread(); i < kKeys * kChunksK; i += kThreads) {
      u32 r = i / kChunksK, c = i % kChunksK;
      u32 to = tileK + swizzle<kPitchK>(r, c * 16);
      bool inside = begin + r < keys && c * kChunk < Op::kDepth;
      index column = kvHead * Op::kDepth + c * kChunk;
      if constexpr (Op::kKey == Source::Rows) {
        cp_async_16(shared<T>(to).address(0),
                    op.key_address(batch, inside ? begin + r : 0, inside ? column : 0, inside ? kChunk : 0),
                    inside ? 16 : 0);
      } else {
        for (u32 j = 0; j < kChunk; ++j) {
          T x = T();
          if (inside && c * kChunk + j < Op::kDepth)
            x = op.key(batch, begin + r, column + j);
          shared<T>(to).store(j, x);
        }
      }
    }
    for (u32 i = thread(); i < kKeys * kChunksV; i += kThreads) {
      u32 r = i / kChunksV, c = i % kChunksV;
      u32 to = tileV + across<kKeys>(r, c * 16);
      bool inside = begin + r < keys && c * kChunk < Op::kWidth;
      if constexpr (Op::kPadding)
        inside = inside && op.padding(batch, begin + r);
      index column = kvHead * Op::kWidth + c * kChunk;
      if constexpr (Op::kValue == Source::Rows) {
        cp_async_16(shared<T>(to).address(0),
                    op.value_address(batch, inside ? begin + r : 0, inside ? column : 0, inside ? kChunk : 0),
                    inside ? 16 : 0);
      } else {
        for (u32 j = 0; j < kChunk; ++j) {
          T x = T();
          if (inside && c * kChunk + j < Op::kWidth)
            x = op.value(batch, begin + r, column + j);
          shared<T>(to).store(j, x);
        }
      }
    }
    cp_async_commit();
  }

  LATHE_DEVICE bool real(index key) const {
    if constexpr (Op::kPadding)
      return key < keys && op.padding(batch, key);
    return key < keys;
  }
  LATHE_DEVICE bool visible(index query, index key) const {
    bool result = true;
    if constexpr (Op::kCausal)
      result = key <= query + offset;
    if constexpr (Op::kWindow)
      result = result && key > query + offset - op.window();
    return result;
  }

  /// What is left to do to a product of query and key to be a score.
  LATHE_DEVICE float score(float product, index query, index key) const {
    float s = product * Op::kScale;
    if constexpr (Op::kSoftcap != 0)
      s = tanhf(s * (1 / Op::kSoftcap)) * Op::kSoftcap;
    if constexpr (Op::kBias)
      s += op.bias(batch, head, query, key);
    return s;
  }

  struct State {
    float sums[kSums][4];
    float most[2], total[2]; // of rows g and g + 8; `total` of this thread's columns
    bool seen[2];
  };

  LATHE_DEVICE void multiply(State &state, index begin, u32 stage) const {
    u32 tileK = kTileQ + stage * kStage, tileV = tileK + kTileK;
    float scores[kScores][4] = {};
#pragma unroll Math::kUnroll
    for (u32 k = 0; k < Op::kDepth; k += Math::kStep) {
      typename Math::A a;
      Math::template load_a<kPitchK>(a, 0, warp() * 16, k);
#pragma unroll
      for (u32 j = 0; j < kScores; j += 2) {
        typename Math::B b[2];
        Math::template load_b<false, kPitchK>(b, tileK, j * 8, k);
        Math::multiply(scores[j], a, b[0]);
        Math::multiply(scores[j + 1], a, b[1]);
      }
    }
    index query = first + warp() * 16 + lane() / 4, key = begin + lane() % 4 * 2;
    const float kNone = -infinity();
    float most[2] = {state.most[0], state.most[1]};
#pragma unroll
    for (u32 j = 0; j < kScores; ++j)
#pragma unroll
      for (u32 c = 0; c < 2; ++c) {
        index at = key + j * 8 + c;
        bool exists = real(at);
#pragma unroll
        for (u32 r = 0; r < 2; ++r) {
          index i = query + r * 8;
          float &s = scores[j][r * 2 + c];
          bool sees = exists && i < queries && visible(i, at);
          s = sees ? score(s, i, at) : kNone;
          state.seen[r] = state.seen[r] || sees;
          most[r] = fmaxf(most[r], s);
        }
      }
#pragma unroll
    for (u32 r = 0; r < 2; ++r) {
      most[r] = fmaxf(most[r], shuffle_xor(most[r], 1));
      most[r] = fmaxf(most[r], shuffle_xor(most[r], 2));
      float reference = most[r] == kNone ? 0 : most[r], change = Math::exponential(state.most[r] - reference);
      state.most[r] = most[r];
      state.total[r] *= change;
#pragma unroll
      for (u32 j = 0; j < kSums; ++j) {
        state.sums[j][r * 2] *= change;
        state.sums[j][r * 2 + 1] *= change;
      }
#pragma unroll
      for (u32 j = 0; j < kScores; ++j)
#pragma unroll
        for (u32 q = r * 2; q < r * 2 + 2; ++q) {
          scores[j][q] = Math::exponential(scores[j][q] - reference);
          state.total[r] += scores[j][q];
        }
    }
    Math::template weigh<kScores, kSums>(state.sums, scores, tileV);
  }

  /// The row of a query that may see nothing, by a warp.
  LATHE_DEVICE void store_unseen(index query) const {
    LATHE_EXPECT(query < queries);
    for (index c = lane(); c < Op::kWidth; c += 32) {
      index column = kvHead * Op::kWidth + c;
      float result = 0;
      if constexpr (Op::kMaskedRow == MaskedRow::Nan)
        result = bit_cast<float>(0x7fc00000u);
      if constexpr (Op::kMaskedRow == MaskedRow::Mean) {
        for (index j = 0; j < keys; ++j)
          result += to_float(op.value(batch, j, column));
        result /= float(keys);
      }
      if constexpr (Op::kMaskedRow == MaskedRow::Unmasked) {
        float most = -infinity(), total = 0;
        for (index j = 0; j < keys; ++j) {
          float product = 0;
          for (index d = 0; d < Op::kDepth; ++d)
            product = fmaf(to_float(op.query(batch, query, head * Op::kDepth + d)),
                           to_float(op.key(batch, j, kvHead * Op::kDepth + d)), product);
          float s = score(product, query, j), next = fmaxf(s, most);
          float reference = next == -infinity() ? 0 : next;
          float weight = expf(s - reference), change = expf(most - reference);
          result = fmaf(to_float(op.value(batch, j, column)), weight, result * change);
          total = fmaf(total, change, weight);
          most = next;
        }
        result /= total;
      }
      op.store(batch, query, head * Op::kWidth + c, result);
    }
  }

  LATHE_DEVICE void store(const State &state) const {
    index query = first + warp() * 16 + lane() / 4;
    float inverse[2];
    u32 seen[2] = {~0u, ~0u}; // four bits for each row
#pragma unroll
    for (u32 r = 0; r < 2; ++r) {
      float total = state.total[r];
      total += shuffle_xor(total, 1);
      total += shuffle_xor(total, 2);
      inverse[r] = 1 / total;
      if constexpr (kRestricted)
        seen[r] = ballot(state.seen[r]);
    }
#pragma unroll
    for (u32 j = 0; j < kSums; ++j)
#pragma unroll
      for (u32 q = 0; q < 4; ++q) {
        index i = query + q / 2 * 8, column = j * 8 + lane() % 4 * 2 + q % 2;
        if (i < queries && column < Op::kWidth && seen[q / 2] >> lane() / 4 * 4 & 15)
          op.store(batch, i, head * Op::kWidth + column, state.sums[j][q] * inverse[q / 2]);
      }
    if constexpr (kRestricted)
      for (u32 r = 0; r < 16; ++r) {
        index i = first + warp() * 16 + r;
        if (i < queries && !((r < 8 ? seen[0] : seen[1]) >> r % 8 * 4 & 15))
          store_unseen(i);
      }
  }

  LATHE_DEVICE void run() {
    // Keys that some query of the block may see.
    index from = 0, to = keys;
    if constexpr (Op::kPadding) {
      u32 last = 0;
      for (index j = thread(); j < keys; j += kThreads)
        if (op.padding(batch, j))
          last = u32(j) + 1;
      to = greatest(last);
    }
    if constexpr (Op::kCausal)
      to = maximum(minimum(to, minimum(first + kQueries, queries) + offset), index(0));
    if constexpr (Op::kWindow)
      from = maximum(first + offset - op.window() + 1, index(0)) / kKeys * kKeys;
    State state = {};
    state.most[0] = state.most[1] = -infinity();
    LATHE_EXPECT(thread() || is_end(to, kQueries));
    if (from < to) {
      load_queries();
      load_keys(from, 0);
    }
    u32 stage = 0;
    for (index begin = from; begin < to; begin += kKeys) {
      if (begin + kKeys < to)
        load_keys(begin + kKeys, stage ^ 1);
      else
        cp_async_commit();
      cp_async_wait<1>();
      sync_block();
      multiply(state, begin, stage);
      sync_block(); // before the tile is loaded anew
      stage ^= 1;
    }
    store(state);
  }

  static LATHE_DEVICE void run(const Op &op) {
    index blocks = divide(op.queries() + kQueries - 1, kQueries), tile = block();
    if (tile >= op.batches() * Op::kHeads * blocks)
      return;
    index head = remainder(divide(tile, blocks), Op::kHeads), batch = divide(tile, blocks * Op::kHeads);
    Attention a{
        op,           batch,     head,       head / (Op::kHeads / Op::kKvHeads), remainder(tile, blocks) * kQueries,
        op.queries(), op.keys(), op.offset()};
    if constexpr (Op::kSkips) {
      index i = a.first + thread();
      bool read = thread() < kQueries && i < a.queries && op.reads(batch * a.queries + i);
      if (!greatest(read))
        return;
    }
    LATHE_EXPECT(thread() || a.read(kQueries));
    a.run();
  }
};

} // namespace device
