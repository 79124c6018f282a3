// Products of matrices of 16 bits, or of codes, on sm_90a: persistent blocks of three warpgroups. The first one brings
// steps of K into a ring of stages, the other two multiply 64 rows each by wgmma and run the epilogue while the next
// tile's stages arrive. Rows may be gathered (those that are read), which TMA can't do: the producers copy by cp.async
// and hand a stage over through the async proxy. A Group is as in Contraction.h.
#if defined(LATHE_CUDA_SIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
namespace device {

/// The first warpgroup.
struct Producers {
  static constexpr u32 kThreads = 128;
  static constexpr bool kForWgmma = true;
  static LATHE_DEVICE u32 rank() { return thread(); }
  static LATHE_DEVICE void sync() { sync_named(1, kThreads); }
};

/// Where the ring and the tiles stand; carried from one group of the kernel to the next.
struct HopperState {
  u32 step = 0, tiles = 0;
};

template <class Group> struct Hopper {
  static constexpr u32 kStages = 4, kLag = 2; // stages; of a producer, steps under way
  using Tile = Contraction<Group, 128, 128, 2, kStages, Producers>;
  using T = typename Tile::T;
  using Sum = typename Tile::Math::Sum;
  static constexpr u32 kColumns = Tile::kColumns, kAnchors = Group::kAnchors;
  static constexpr u32 kPitchSums = kColumns + 4;
  // Behind the stages: barriers, a word, two lists of rows with their counts, the sums of two warpgroups.
  static constexpr u32 kBarriers = kStages * Tile::kStage, kLast = kBarriers + (2 * kStages + 4) * 8;
  static constexpr u32 kList = 128 * 4 + 64, kLists = kLast + 32, kSums = kLists + 2 * kList;
  static constexpr u32 kShared = kSums + 2 * kAnchors * 64 * kPitchSums * 4;

  static LATHE_DEVICE u32 full(u32 stage) { return shared<u64>(kBarriers).address(stage); }
  static LATHE_DEVICE u32 empty(u32 stage) { return shared<u64>(kBarriers).address(kStages + stage); }
  /// The list of rows of every other tile is free again.
  static LATHE_DEVICE u32 done(u32 list) { return shared<u64>(kBarriers).address(2 * kStages + list); }

  /// A list of rows is written.
  static LATHE_DEVICE u32 listed(u32 list) { return shared<u64>(kBarriers).address(2 * kStages + 2 + list); }

  /// In front of everything, by all threads.
  static LATHE_DEVICE void start() {
    if (thread() == 0) {
      for (u32 i = 0; i < kStages; ++i) {
        mbarrier_init(full(i), 128);
        mbarrier_init(empty(i), 8);
      }
      for (u32 i = 0; i < 2; ++i) {
        mbarrier_init(done(i), 8);
        mbarrier_init(listed(i), 128);
      }
      fence_mbarrier_init();
    }
    sync_block();
  }

  static LATHE_DEVICE Tile tile(const Group &g, index number) {
    index rowTiles = Tile::row_tiles(g), columnTiles = Tile::column_tiles(g);
    index rest = divide(number, rowTiles);
    Tile result{g,
                divide(rest, columnTiles),
                remainder(number, rowTiles) * 128,
                remainder(rest, columnTiles) * kColumns,
                g.rows(),
                g.columns(),
                g.depth()};
    return result;
  }

  /// A step of K: the left side's rows by all producers; the right side by TMA where the group has a map of it.
  static LATHE_DEVICE void load(const Tile &t, u32 stage, index k) {
    if constexpr (Group::kMaps) {
      t.load_lhs(stage * Tile::kStage, k);
      if (thread() == 0) {
        mbarrier_expect(full(stage), kAnchors * Tile::kTileB);
#pragma unroll
        for (u32 anchor = 0; anchor < kAnchors; ++anchor) {
          u32 to = stage * Tile::kStage + Tile::kTileA + anchor * Tile::kTileB;
          if constexpr (Tile::kAcross) {
            for (u32 c = 0; c < kColumns; c += 64) // a box is 64 columns by 64 of K
              tma_load_2d(shared<T>(to + c / 64 * (Tile::kDepth * 128)).address(0), t.group.maps[anchor], full(stage),
                          int(t.column + c), int(k));
          } else { // 64 of K by 64 columns
            for (u32 c = 0; c < kColumns; c += 64)
              tma_load_2d(shared<T>(to + c * 128).address(0), t.group.maps[anchor], full(stage), int(k),
                          int(t.column + c));
          }
        }
      }
    } else {
      t.load_step(stage * Tile::kStage, k);
    }
  }

  static LATHE_DEVICE void produce(const Group &g, index number, HopperState &state) {
    Tile t = tile(g, number);
    t.numbersAt = kLists + state.tiles % 2 * kList;
    if constexpr (Group::kSkips) {
      mbarrier_wait(done(state.tiles % 2), state.tiles / 2 % 2 ^ 1);
      bool any = t.list_rows();
      mbarrier_arrive(listed(state.tiles++ % 2));
      if (!any)
        return;
    }
    u32 steps = u32(divide(t.depth + Tile::kDepth - 1, Tile::kDepth));
    for (u32 i = 0; i < steps + kLag; ++i) {
      if (i < steps) {
        u32 stage = state.step % kStages;
        mbarrier_wait(empty(stage), state.step / kStages % 2 ^ 1);
        load(t, stage, index(i) * Tile::kDepth);
        ++state.step;
      }
      cp_async_commit();
      if (i < kLag)
        continue;
      // What this thread copied for the step before the last ones is there, and may be read by wgmma.
      cp_async_wait<kLag>();
      fence_async_proxy();
      u32 behind = i < steps ? kLag + 1 : steps + kLag - i;
      mbarrier_arrive(full((state.step - behind) % kStages));
    }
  }

  static LATHE_DEVICE Shared<Sum> sum(u32 anchor, u32 r, u32 c) {
    u32 group = warp() / 4 - 1;
    return shared<Sum>(kSums + (((group * kAnchors + anchor) * 64 + r) * kPitchSums + c) * 4);
  }

  static LATHE_DEVICE void multiply(Sum (&sums)[kAnchors][kColumns / 2], u32 stage) {
    constexpr bool kAcross = Tile::kAcross;
    u32 a = shared<u32>(stage + (warp() / 4 - 1) * 64 * 128).address(0);
#pragma unroll
    for (u32 k = 0; k < 4; ++k)
#pragma unroll
      for (u32 anchor = 0; anchor < kAnchors; ++anchor) {
        // Rows of 128 bytes, eight of them a group; across, groups of 64 columns follow each other behind all of K.
        u32 b = shared<u32>(stage + Tile::kTileA + anchor * Tile::kTileB).address(0);
        u64 left = wgmma_descriptor(a + k * 32, 16, 1024, Swizzle::bytes128);
        u64 right =
            wgmma_descriptor(b + k * (kAcross ? 2048 : 32), kAcross ? Tile::kDepth * 128 : 16, 1024, Swizzle::bytes128);
        if constexpr (Tile::kCodes)
          wgmma_m64k32<int(kColumns)>(sums[anchor], left, right, true);
        else
          wgmma_m64k16<int(kColumns), T, false, kAcross>(sums[anchor], left, right, true);
      }
  }

  static LATHE_DEVICE void consume(const Group &g, index number, HopperState &state) {
    Tile t = tile(g, number);
    t.numbersAt = kLists + state.tiles % 2 * kList;
    if constexpr (Group::kSkips) {
      mbarrier_wait(listed(state.tiles % 2), state.tiles / 2 % 2);
      if (t.row(0) < 0) // the rows that are read come first
        return free_list(state);
    }
    Sum sums[kAnchors][kColumns / 2] = {};
    u32 steps = u32(divide(t.depth + Tile::kDepth - 1, Tile::kDepth));
    for (u32 i = 0; i < steps; ++i, ++state.step) {
      u32 stage = state.step % kStages;
      mbarrier_wait(full(stage), state.step / kStages % 2);
      wgmma_pin(sums);
      wgmma_fence();
      multiply(sums, stage * Tile::kStage);
      wgmma_commit();
      // The products of the step before have ended: its stage is free.
      wgmma_wait<1>();
      if (i > 0 && lane() == 0)
        mbarrier_arrive(empty((state.step - 1) % kStages));
    }
    wgmma_wait<0>();
    wgmma_pin(sums);
    if (lane() == 0)
      mbarrier_arrive(empty((state.step - 1) % kStages));
    store(t, sums);
    if constexpr (Group::kWhole)
      finish(t, remainder(number, Tile::row_tiles(g)));
    if constexpr (Group::kSkips)
      free_list(state);
  }

  static LATHE_DEVICE void free_list(HopperState &state) {
    sync_warp();
    if (lane() == 0)
      mbarrier_arrive(done(state.tiles % 2));
    ++state.tiles;
  }

  static LATHE_DEVICE void store(const Tile &t, const Sum (&sums)[kAnchors][kColumns / 2]) {
    u32 group = warp() / 4 - 1, rank = thread() % 128;
    u32 r = warp() % 4 * 16 + lane() / 4, c = lane() % 4 * 2;
    sync_named(2 + group, 128); // the last tile's sums were read
#pragma unroll
    for (u32 anchor = 0; anchor < kAnchors; ++anchor)
#pragma unroll
      for (u32 j = 0; j < kColumns / 8; ++j)
#pragma unroll
        for (u32 q = 0; q < 4; ++q)
          sum(anchor, r + q / 2 * 8, j * 8 + c + q % 2).store(0, sums[anchor][j * 4 + q]);
    sync_named(2 + group, 128);
    const u32 column = rank % kColumns;
    if (t.column + column >= t.columns)
      return;
    float scale[kAnchors] = {};
    int codes[kAnchors] = {};
    if constexpr (Tile::kCodes) {
#pragma unroll
      for (u32 anchor = 0; anchor < kAnchors; ++anchor) {
        scale[anchor] = t.group.column_scale(anchor, t.column + column);
        codes[anchor] = t.group.code_sum(anchor, t.column + column);
      }
    }
    for (u32 row = rank / kColumns; row < 64; row += 128 / kColumns) {
      index at = t.row(group * 64 + row);
      if (at < 0)
        continue;
      float values[kAnchors];
#pragma unroll
      for (u32 anchor = 0; anchor < kAnchors; ++anchor) {
        Sum total = sum(anchor, row, column).load(0);
        if constexpr (Tile::kCodes)
          values[anchor] = t.finish_sum(total, t.group.row_scale(at), scale[anchor], codes[anchor]);
        else
          values[anchor] = total;
      }
      if constexpr (Group::kSkips)
        LATHE_EXPECT(t.group.reads(t.batch * t.rows + at));
      t.group.store(t.batch, at, t.column + column, values);
    }
  }

  /// As Contraction::finish, by both warpgroups; the rows' buffers are where the sums were.
  static LATHE_DEVICE void finish(const Tile &t, index rowTile) {
    fence_device();
    sync_named(4, 256);
    u32 *counter = t.group.counter(t.batch * Tile::row_tiles(t.group) + rowTile);
    index all = t.group.template tile_columns<kColumns>();
    Shared<u32> last = shared<u32>(kLast);
    if (thread() == 128)
      last.store(0, atomic_add(counter, 1) + 1 == u32(all));
    sync_named(4, 256);
    bool mine = last.load(0);
    if (mine) {
      fence_device();
      for (u32 i = warp() - 4; i < 128; i += 8) {
        index at = t.row(i);
        if (at >= 0)
          t.group.finish(Warp(), warp() - 4, t.batch * t.rows + at, kSums);
      }
      if (thread() == 128)
        *counter = 0;
    }
    sync_named(4, 256); // before the sums or `last` are written again
  }

  /// The block's share of the group's tiles, of which `begin` tiles of the kernel come before.
  template <bool kProduces> static LATHE_DEVICE void run(const Group &g, index begin, HopperState &state) {
    index count = Tile::tiles(g), step = block_count();
    for (index number = step - 1 - remainder(begin + step - 1 - index(block()), step); number < count; number += step)
      if constexpr (kProduces)
        produce(g, number, state);
      else
        consume(g, number, state);
  }
};

} // namespace device
#endif
