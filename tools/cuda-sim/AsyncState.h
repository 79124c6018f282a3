// A block's mbarriers, and what is under way: TMA loads and the tensor cores' products.
#pragma once
#include "tools/cuda-sim/Block.h"
#include "tools/cuda-sim/TensorMap.h"

namespace lathe::sim {
struct Mbarrier {
  u32 address;
  u32 initializer, initTime; // the thread, and when
  bool fenced;               // by fence_mbarrier_init
  u32 count, missing;        // arrivals of a phase; of them, those to come
  int64_t bytes;             // to come in this phase
  u32 phase = 0;
  Gathering gathering;
  KnowledgeRef completed;   // what those who wait for the phase before this one learn
  std::vector<u32> waiting; // for this phase
  u32 observed = 0;         // the latest phase that a thread found over
  u32 loaded = 0;           // the phase behind that of the last tma_load, and that load
  Site loadSite;
  u32 unobserved = 0;            // threads woken by the phase before that haven't run since
  KnowledgeRef joinFrom, joined; // the last join of `completed` with a thread's knowledge: neighbours share theirs
};

struct Transfer {
  u32 offset, mbarrier; // the latter's index
  MapContents map;
  int coordinates[maxMapRank];
  Site site;
};

// A warp's part of a wgmma.
struct WgmmaProduct {
  device::SimWgmma what;
  bool inRegisters; // A is
  u32 firstRow;     // of A, of this warp
  u32 time;
  u32 registers[32][4];
  const void *accumulator; // lane 0's d
};
// The registers of d, while products are under way to them.
struct WgmmaAccumulator {
  void *registers[32];
  u32 count;               // of each lane
  std::vector<u32> values; // their bits
  u32 underWay = 0;
  Site site;
};
struct WgmmaWarp {
  bool fenced = false;
  u32 issued = 0;
  u32 registers = 0; // by set_max_registers, of each thread
  std::deque<WgmmaProduct> products;
  u32 committed = 0; // of them
  std::deque<u32> groupSizes;
  std::vector<WgmmaAccumulator> accumulators;
};
// What a warpgroup was told, product by product.
struct WgmmaRecord {
  u64 a, b;
  Site site;
};

struct AsyncState {
  std::vector<Mbarrier> mbarriers;
  std::vector<Transfer> transfers;
  std::vector<WgmmaWarp> wgmma; // per warp, once there is one
  std::vector<WgmmaRecord> wgmmaRecords[maxWarps / 4];
};
} // namespace lathe::sim
