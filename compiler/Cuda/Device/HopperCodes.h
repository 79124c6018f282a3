// Quantized rows by weights in codes on sm_90a, by Hopper.h: each row becomes codes once in a launch, in the workspace,
// and the producers of every tile copy them from there as they do any rows. The tile of columns that is the last one to
// read rows leaves their place zero.
#if defined(LATHE_CUDA_SIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
namespace device {

/// The rows' place in the workspace: three counters, then for each row its codes, padded to 16 bytes, and 16 bytes of
/// its scale and its zero point (of floats); of the i-th tile of rows, the counter of its tiles of columns is behind
/// those of row i. passes/Schedule/Cuda.cpp has the size.
struct CodedRows {
  static constexpr u32 kHead = 4, kWarps = 12; // words; warps of a block
  Global<u32> memory;
  index rows, depth, columnTiles; // the latter of all groups

  static LATHE_DEVICE index words(index rows, index depth) { return kHead + rows * record(depth); }
  static LATHE_DEVICE index record(index depth) { return divide(depth + 15, 16) * 4 + 4; }
  LATHE_DEVICE index place(index row) const { return kHead + row * record(depth); }
  LATHE_DEVICE index scale_place(index row) const { return place(row + 1) - 4; }

  LATHE_DEVICE RowScale scale(index row) const {
    Vector<u32, 2> by = memory.load<2>(scale_place(row));
    return {bit_cast<float>(by[0]), 0, bit_cast<float>(by[1])};
  }

  /// By a warp.
  LATHE_DEVICE void clear(index row) const {
    for (index i = lane() * 4; i < record(depth) - 4; i += 128)
      memory.store(place(row) + i, Vector<u32, 4>{});
    if (lane() == 0)
      memory.store(scale_place(row), Vector<u32, 2>{});
  }

  /// All rows that are read, by all blocks: each takes rows as long as there are any, so that it waits only for blocks
  /// that run. Behind Hopper::start().
  template <class Group> LATHE_DEVICE void fill(const Group &g) const {
    const Large<Group> tile{g, 0, 0, 0, rows, 0, depth};
    u32 *taken = memory.address(0), *done = memory.address(1), *left = memory.address(2);
    const u32 all = u32(divide(rows + kWarps - 1, kWarps));
    Shared<u32> next = shared<u32>(0);
    for (u32 mine = 0;; ++mine) {
      if (thread() == 0)
        next.store(0, atomic_add(taken, 1));
      sync_block();
      u32 part = next.load(0);
      if (part >= all) {
        wait(done, mine, all, taken, left);
        return;
      }
      index row = index(part) * kWarps + warp();
      bool read = row < rows;
      if constexpr (Group::kSkips)
        read = read && g.reads(row);
      if (read)
        fill_row(tile, row);
      sync_block(); // `next` was read
    }
  }
  template <class Tile> LATHE_DEVICE void fill_row(const Tile &tile, index row) const {
    RowScale by = tile.find_scale(row);
#pragma unroll 4
    for (index k = lane() * 4; k < (record(depth) - 4) * 4; k += 128)
      memory.store(place(row) + k / 4,
                   Tile::Math::template encode<typename Tile::Activation>(tile.lhs_run(row, k), by));
    if (lane() == 0)
      memory.store(scale_place(row), Vector<u32, 2>{bit_cast<u32>(by.scale), bit_cast<u32>(by.zero)});
  }
  /// Until all parts are done; who is the last one to see that leaves the counters zero. A barrier stands in front.
  static LATHE_DEVICE void wait(u32 *done, u32 mine, u32 all, u32 *taken, u32 *left) {
    if (thread() == 0) {
      fence_device();
      atomic_add(done, mine);
      while (atomic_add(done, 0) != all)
        ;
      fence_device();
      if (atomic_add(left, 1) + 1 == block_count())
        *taken = *done = *left = 0;
    }
    sync_block();
  }
};

/// A group whose left side's codes are coded rows.
template <class Group> struct Coded : Group {
  using Activation = Exactly;
  static constexpr Source kLhs = Source::Rows;
  static constexpr bool kWhole = true, kEpilogue = Group::kWhole; // of its own, an epilogue over whole rows
  CodedRows coded;

  LATHE_DEVICE const u8 *lhs_address(index, index row, index k, u32 elements) const {
    return reinterpret_cast<const u8 *>(coded.memory.address(coded.place(row) + k / 4, elements / 4));
  }
  LATHE_DEVICE RowScale row_scale(index row) const { return coded.scale(row); }
  LATHE_DEVICE u32 *counter(index rowTile) const { return coded.memory.address(coded.scale_place(rowTile) + 2); }
  template <u32> LATHE_DEVICE index tile_columns() const { return coded.columnTiles; }
  template <class Team> LATHE_DEVICE void finish(Team team, u32 number, index row, u32 memory) const {
    if constexpr (kEpilogue)
      Group::finish(team, number, row, memory);
    coded.clear(row);
  }
};

} // namespace device
#endif
