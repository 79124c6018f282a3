// Shared and global memory of generated kernels. T is a scalar of 1 to 8 bytes or a Vector of up to 16; every access is
// aligned to its size. Under NVRTC these are plain accesses, so that the compiler optimises them; the emulator checks
// bounds, alignment, data races and reads of what nobody wrote.
#ifndef LATHE_DEVICE_MEMORY_H
#define LATHE_DEVICE_MEMORY_H

#ifndef LATHE_CUDA_SIM
extern __shared__ __align__(1024) unsigned char lathe_shared_memory[];
#endif

namespace device {

#ifdef LATHE_CUDA_SIM
// The address of shared memory's first byte: not zero, so that offsets taken for addresses are found.
enum : u32 { simSharedBase = 1024 };

extern "C" {
void sim_shared_bounds(index offset, u32 bytes, Site);
void sim_shared_read(u32 offset, u32 bytes, Site);
void sim_shared_write(u32 offset, u32 bytes, Site);
u64 *sim_global_range(const void *, index bytes, u32 alignment, Site);
void sim_global_read(const u64 *cells, u32 count, bool readonly, const void *, Site);
void sim_global_write(u64 *cells, u32 count, const void *, Site);
void sim_global_bounds(const void *, index i, index count, u32 elements, u32 bytes, Site);
}

// The stamps of an access's memory.
template <int Bytes> struct SimStamps {
  typedef int Type __attribute__((vector_size(Bytes * 2), aligned(4)));
};

// Whether an access with that stamp happened before this thread's present: its own, or known through a barrier.
LATHE_DEVICE bool simBefore(u32 stamp) {
  return stamp >> simTimeBits == sim_state.stamp >> simTimeBits ||
         sim_state.known[stamp >> simTimeBits] >= (stamp & simTimeMask);
}
// Whether all did, as far as can be told at once: what is older than the floor did, and one stamp is looked up.
template <class Stamps> LATHE_DEVICE bool simAllBefore(Stamps stamps) {
  return !__builtin_reduce_or((stamps & int(simTimeMask)) > int(sim_state.floor)) ||
         (!__builtin_reduce_or(stamps ^ stamps[0]) && simBefore(u32(stamps[0])));
}
// Of all readers since the last write the latest is kept, and the latest of another warp than its.
template <int Bytes> LATHE_DEVICE void simRead(u32 offset, Site site) {
  using Stamps = typename SimStamps<Bytes>::Type;
  Stamps &reader = *reinterpret_cast<Stamps *>(sim_state.reader + offset / 2);
  if (!simAllBefore(*reinterpret_cast<const Stamps *>(sim_state.writer + offset / 2)))
    return sim_shared_read(offset, Bytes, site);
  sim_state.readSite[offset / 16] = site;
  u32 former = u32(reader[0]), mine = sim_state.stamp;
  if ((former ^ mine) >> (simTimeBits + 5))
    *reinterpret_cast<Stamps *>(sim_state.otherReader + offset / 2) = reader;
  reader = Stamps{} | int(mine);
}
template <int Bytes> LATHE_DEVICE void simWrite(u32 offset, Site site) {
  using Stamps = typename SimStamps<Bytes>::Type;
  Stamps &writer = *reinterpret_cast<Stamps *>(sim_state.writer + offset / 2);
  Stamps &reader = *reinterpret_cast<Stamps *>(sim_state.reader + offset / 2);
  Stamps &other = *reinterpret_cast<Stamps *>(sim_state.otherReader + offset / 2);
  if (!simAllBefore(writer) || !simAllBefore(reader) || !simAllBefore(other))
    return sim_shared_write(offset, Bytes, site);
  sim_state.writeSite[offset / 16] = site;
  writer = Stamps{} | int(sim_state.stamp);
  reader = other = Stamps{};
}
#endif

// Elements of T in the block's shared memory, from a byte offset on.
template <class T> struct Shared {
  static_assert(sizeof(T) >= 2 && sizeof(T) <= 16, "one access of shared memory");
  u32 offset;

  LATHE_DEVICE Shared operator+(index elements) const { return {offset + u32(elements * index(sizeof(T)))}; }

  // For ldmatrix, cp.async, mbarriers, TMA and descriptors.
  LATHE_DEVICE u32 address(index i = 0) const {
#ifdef LATHE_CUDA_SIM
    return simSharedBase + offset + u32(i * index(sizeof(T)));
#else
    return u32(__cvta_generic_to_shared(lathe_shared_memory)) + offset + u32(i) * u32(sizeof(T));
#endif
  }

  LATHE_DEVICE T load(index i LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    return access<const T>(i, site);
#else
    return *reinterpret_cast<const T *>(lathe_shared_memory + offset + u32(i) * u32(sizeof(T)));
#endif
  }
  LATHE_DEVICE void store(index i, T value LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    access<T>(i, site) = value;
#else
    *reinterpret_cast<T *>(lathe_shared_memory + offset + u32(i) * u32(sizeof(T))) = value;
#endif
  }

  // N elements from element i on, in one access; i * sizeof(T) is aligned to that access.
  template <int N> LATHE_DEVICE Vector<T, N> load(index i LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    return Shared<Vector<T, N>>{offset}.template access<const Vector<T, N>, sizeof(T)>(i, site);
#else
    return *reinterpret_cast<const Vector<T, N> *>(lathe_shared_memory + offset + u32(i) * u32(sizeof(T)));
#endif
  }
  template <int N> LATHE_DEVICE void store(index i, Vector<T, N> value LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    Shared<Vector<T, N>>{offset}.template access<Vector<T, N>, sizeof(T)>(i, site) = value;
#else
    *reinterpret_cast<Vector<T, N> *>(lathe_shared_memory + offset + u32(i) * u32(sizeof(T))) = value;
#endif
  }

#ifdef LATHE_CUDA_SIM
  // The place itself, for a read where A is const, for a write elsewhere; i counts `Step` bytes.
  template <class A, u32 Step = sizeof(T)> LATHE_DEVICE A &access(index i, Site site) const {
    index at = index(offset) + i * index(Step);
    if (u64(at) + sizeof(T) > sim_state.memoryBytes || at % sizeof(T))
      sim_shared_bounds(at, sizeof(T), site);
    if (__is_const(A))
      simRead<sizeof(T)>(u32(at), site);
    else
      simWrite<sizeof(T)>(u32(at), site);
    return *reinterpret_cast<A *>(sim_state.memory + at);
  }
#endif
};

template <class T> LATHE_DEVICE Shared<T> shared(u32 byteOffset) { return {byteOffset}; }

// `count` elements of T in global memory. Through Global<const T> they are read past the coherent caches: nobody may
// write them while the kernel runs.
template <class T> struct Global {
  T *pointer;
#ifdef LATHE_CUDA_SIM
  index count;
  u64 *shadow; // who wrote each two bytes last: launch, block and stamp; null where that isn't known
#endif

  LATHE_DEVICE auto load(index i LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    check<const T>(i, 1, site);
#endif
    return read(pointer + i);
  }
  LATHE_DEVICE void store(index i, T value LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    check<T>(i, 1, site);
#endif
    pointer[i] = value;
  }

  // N elements from element i on, in one access; their address is aligned to it.
  template <int N> LATHE_DEVICE auto load(index i LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    check<const Vector<T, N>>(i, N, site);
#endif
    return read(reinterpret_cast<const Vector<Value, N> *>(pointer + i));
  }
  template <int N> LATHE_DEVICE void store(index i, Vector<T, N> value LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    check<Vector<T, N>>(i, N, site);
#endif
    *reinterpret_cast<Vector<T, N> *>(pointer + i) = value;
  }

  // What lies from that byte on, as elements of A: a part of a weight in a format, which kernels only read.
  template <class A> LATHE_DEVICE Global<const A> part(index bytes) const {
    const A *begin = reinterpret_cast<const A *>(reinterpret_cast<const u8 *>(pointer) + bytes);
#ifdef LATHE_CUDA_SIM
    return {begin, (count * index(sizeof(T)) - bytes) / index(sizeof(A)), nullptr};
#else
    return {begin};
#endif
  }

  // For cp.async: the address of `elements` elements from i on, checked as if they were loaded.
  LATHE_DEVICE T *address(index i, u32 elements = 1 LATHE_AND_SITE) const {
#ifdef LATHE_CUDA_SIM
    bounds<T>(i, elements, site);
#endif
    return pointer + i;
  }

private:
  template <class A> struct Mutable {
    using type = A;
    static constexpr bool readonly = false;
  };
  template <class A> struct Mutable<const A> {
    using type = A;
    static constexpr bool readonly = true;
  };
  using Value = typename Mutable<T>::type;

  template <class A> static LATHE_DEVICE A read(const A *from) {
#ifndef LATHE_CUDA_SIM
    if constexpr (Mutable<T>::readonly) {
      // Volatile, so that none moves in front of the wait for the grid that wrote it.
      if constexpr (sizeof(A) == 2) {
        u16 a;
        asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(a) : "l"(from));
        return bit_cast<A>(a);
      } else if constexpr (sizeof(A) == 4) {
        u32 a;
        asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(a) : "l"(from));
        return bit_cast<A>(a);
      } else if constexpr (sizeof(A) == 8) {
        u64 a;
        asm volatile("ld.global.nc.u64 %0, [%1];" : "=l"(a) : "l"(from));
        return bit_cast<A>(a);
      } else if constexpr (sizeof(A) == 16) {
        Vector<u32, 4> a;
        asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                     : "l"(from));
        return bit_cast<A>(a);
      }
    }
#endif
    return *from;
  }
#ifdef LATHE_CUDA_SIM
  template <class A> LATHE_DEVICE void bounds(index i, u32 elements, Site site) const {
    if (u64(i) + elements > u64(count) || u64(pointer + i) % sizeof(A))
      sim_global_bounds(pointer, i, count, elements, sizeof(T), site);
  }
  // A read where A is const. Single bytes are not watched.
  template <class A> LATHE_DEVICE void check(index i, u32 elements, Site site) const {
    bounds<A>(i, elements, site);
    constexpr u32 cells = sizeof(A) / 2;
    if (cells == 0 || !shadow)
      return;
    u64 *at = shadow + i * index(sizeof(T)) / 2;
    bool written = false; // in this launch
#pragma unroll
    for (u32 c = 0; c < cells; ++c)
      written |= at[c] >> 48 == sim_state.globalTag >> 48;
    if (__is_const(A)) {
      if (written)
        sim_global_read(at, cells, Mutable<T>::readonly, pointer + i, site);
      return;
    }
    if (written)
      sim_global_write(at, cells, pointer + i, site);
#pragma unroll
    for (u32 c = 0; c < cells; ++c)
      at[c] = sim_state.globalTag | sim_state.stamp;
  }
#endif
};

template <class T> LATHE_DEVICE Global<T> global(T *pointer, index count LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return {pointer, count, sim_global_range(pointer, count * index(sizeof(T)), alignof(T), site)};
#else
  return {pointer};
#endif
}

} // namespace device

#endif
