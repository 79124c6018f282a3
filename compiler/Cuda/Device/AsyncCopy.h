// Copies from global to shared memory that run beside the thread: cp.async (sm_80 and later), and TMA with mbarriers
// (sm_90 and later).
#ifndef LATHE_DEVICE_ASYNC_COPY_H
#define LATHE_DEVICE_ASYNC_COPY_H

namespace device {

// What cuTensorMapEncodeTiled fills; a kernel parameter by value, const __grid_constant__.
struct alignas(64) TensorMap {
  u64 opaque[16];
};

#ifdef LATHE_CUDA_SIM
extern "C" {
void sim_cp_async(u32 address, const void *global, u32 size, u32 bytes, Site);
void sim_cp_async_commit(Site);
void sim_cp_async_wait(u32 groups, Site);
void sim_fence_proxy(Site);
void sim_mbarrier_fence(Site);
void sim_mbarrier_init(u32 address, u32 count, Site);
void sim_mbarrier_expect(u32 address, u32 bytes, Site);
void sim_mbarrier_arrive(u32 address, Site);
void sim_mbarrier_wait(u32 address, u32 parity, Site);
void sim_tma_load(u32 address, const TensorMap *, u32 mbarrier, u32 rank, const int *coordinates, Site);
}
#endif

// ---- cp.async: this thread's copies, in groups that complete in order. Only the thread that waited for them sees
// them; a barrier makes them known to others.

// 16 bytes, of which `bytes` (0 to 16) are copied and the rest are zero. Past L1. With no bytes `global` isn't read.
LATHE_DEVICE void cp_async_16(u32 address, const void *global, u32 bytes LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_cp_async(address, global, 16, bytes, site);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
#endif
}
LATHE_DEVICE void cp_async_4(u32 address, const void *global, u32 bytes LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_cp_async(address, global, 4, bytes, site);
#else
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
#endif
}
// Makes a group, maybe empty, of the copies since the last one.
LATHE_DEVICE void cp_async_commit(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_cp_async_commit(site);
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Until at most N of this thread's groups, the latest ones, are under way.
template <int N> LATHE_DEVICE void cp_async_wait(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_cp_async_wait(N, site);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// ---- sm_90 and later
#if defined(LATHE_CUDA_SIM) || __CUDA_ARCH__ >= 900

// What this thread knows of ordinary accesses (generic proxy) to shared memory is seen by later TMA and wgmma (async
// proxy) of those that it is ordered before. Stand it behind the stores, in front of the barrier.
LATHE_DEVICE void fence_async_proxy(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_fence_proxy(site);
#else
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

// An mbarrier is 8 bytes of shared memory, aligned to 8. A phase completes with `count` arrivals, and when all bytes
// expected in it have arrived. Initialised once, followed by fence_mbarrier_init() and a barrier.
LATHE_DEVICE void mbarrier_init(u32 mbarrier, u32 count LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_init(mbarrier, count, site);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(mbarrier), "r"(count) : "memory");
#endif
}
LATHE_DEVICE void fence_mbarrier_init(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_fence(site);
#else
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
// `bytes` more have to arrive in this phase. No arrival by itself.
LATHE_DEVICE void mbarrier_expect(u32 mbarrier, u32 bytes LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_expect(mbarrier, bytes, site);
#else
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(mbarrier), "r"(bytes) : "memory");
#endif
}
LATHE_DEVICE void mbarrier_arrive(u32 mbarrier LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_arrive(mbarrier, site);
#else
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(mbarrier) : "memory");
#endif
}
// Both in one instruction: what a producer does in front of its loads.
LATHE_DEVICE void mbarrier_arrive_expect(u32 mbarrier, u32 bytes LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_expect(mbarrier, bytes, site);
  sim_mbarrier_arrive(mbarrier, site);
#else
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(mbarrier), "r"(bytes)
               : "memory");
#endif
}
// Until the phase of that parity has completed: 0 for the first, 1 for the second, and so on in turn. A wait for parity
// 1 passes at once while the first phase lasts.
LATHE_DEVICE void mbarrier_wait(u32 mbarrier, u32 parity LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mbarrier_wait(mbarrier, parity, site);
#else
  u32 done;
  do
    asm volatile("{\n .reg .pred p;\n mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\n"
                 " selp.u32 %0, 1, 0, p;\n}"
                 : "=r"(done)
                 : "r"(mbarrier), "r"(parity)
                 : "memory");
  while (!done);
#endif
}

// Loads the map's box at element coordinates, the innermost first; what lies outside of the tensor becomes zero. The
// box's bytes arrive at the mbarrier. `address` is aligned to 128 bytes. One thread issues it.
LATHE_DEVICE void tma_load_2d(u32 address, const TensorMap *map, u32 mbarrier, int c0, int c1 LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  int c[] = {c0, c1};
  sim_tma_load(address, map, mbarrier, 2, c, site);
#else
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], "
               "[%4];" ::"r"(address),
               "l"(map), "r"(c0), "r"(c1), "r"(mbarrier)
               : "memory");
#endif
}
LATHE_DEVICE void tma_load_3d(u32 address, const TensorMap *map, u32 mbarrier, int c0, int c1, int c2 LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  int c[] = {c0, c1, c2};
  sim_tma_load(address, map, mbarrier, 3, c, site);
#else
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, "
               "%4}], [%5];" ::"r"(address),
               "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(mbarrier)
               : "memory");
#endif
}
LATHE_DEVICE void tma_load_4d(u32 address, const TensorMap *map, u32 mbarrier, int c0, int c1, int c2,
                              int c3 LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  int c[] = {c0, c1, c2, c3};
  sim_tma_load(address, map, mbarrier, 4, c, site);
#else
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, "
               "%4, %5}], [%6];" ::"r"(address),
               "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(mbarrier)
               : "memory");
#endif
}
LATHE_DEVICE void prefetch_tensor_map([[maybe_unused]] const TensorMap *map) {
#ifndef LATHE_CUDA_SIM
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#endif
}

#endif

} // namespace device

#endif
