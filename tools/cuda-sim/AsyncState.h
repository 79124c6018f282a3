// A block's mbarriers and the TMA loads that are under way.
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
  KnowledgeRef completed;        // what those who wait for the phase before this one learn
  std::vector<u32> waiting;      // for this phase
  u32 unobserved = 0;            // threads woken by the phase before that haven't run since
  KnowledgeRef joinFrom, joined; // the last join of `completed` with a thread's knowledge: neighbours share theirs
};

struct Transfer {
  u32 offset, mbarrier; // the latter's index
  MapContents map;
  int coordinates[maxMapRank];
  Site site;
};

struct AsyncState {
  std::vector<Mbarrier> mbarriers;
  std::vector<Transfer> transfers;
  u32 warpgroups = 0; // that have used wgmma, up to the last
};
} // namespace lathe::sim
