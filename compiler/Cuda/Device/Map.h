// Elements on their own: a block computes kMapElements of them.
namespace device {
constexpr index kMapElements = 1024;

template <class Element> __device__ __forceinline__ void map(index count, u32 threads, Element element) {
  index begin = index(block()) * kMapElements, end = minimum(begin + kMapElements, count);
  for (index i = begin + thread(); i < end; i += threads)
    element(i);
}
} // namespace device
