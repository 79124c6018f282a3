// The caller's allocator, and the only containers that the runtime needs on top of it. Failure is a return value.
#pragma once
#include "lathe/lathe.h"
#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace lathe::runtime {

class Allocator {
public:
  constexpr Allocator() = default; // malloc and free
  explicit Allocator(const lathe_allocator &custom) : raw(custom) {}

  void *allocate(size_t size, size_t alignment = alignof(max_align_t)) const {
    return raw.allocate(raw.self, size ? size : 1, alignment);
  }
  void release(void *memory, size_t size) const {
    if (memory)
      raw.release(raw.self, memory, size ? size : 1);
  }

  template <class T, class... Args> T *create(Args &&...args) const {
    void *memory = allocate(sizeof(T), alignof(T));
    return memory ? new (memory) T(std::forward<Args>(args)...) : nullptr;
  }
  template <class T> void destroy(T *object) const {
    if (!object)
      return;
    object->~T();
    release(object, sizeof(T));
  }

private:
  static void *allocateDefault(void *, size_t size, size_t alignment);
  static void releaseDefault(void *, void *memory, size_t size);
  lathe_allocator raw = {nullptr, allocateDefault, releaseDefault};
};

// A block of elements that need no destructor, zeroed, allocated once or again in another size.
template <class T> class Array {
  static_assert(std::is_trivially_destructible_v<T>);

public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { clear(); }

  // Drops the old contents. False: out of memory, and the array is empty.
  [[nodiscard]] bool allocate(const Allocator &from, size_t count, size_t alignment = alignof(T)) {
    if (!allocateRaw(from, count, alignment))
      return false;
    std::memset(static_cast<void *>(items), 0, count * sizeof(T));
    return true;
  }
  // The same without touching the memory.
  [[nodiscard]] bool allocateRaw(const Allocator &from, size_t count, size_t alignment = alignof(T)) {
    clear();
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof(T), &bytes))
      return false;
    items = static_cast<T *>(from.allocate(bytes, alignment));
    if (!items)
      return false;
    allocator = from;
    length = count;
    return true;
  }
  void clear() {
    if (items)
      allocator.release(items, length * sizeof(T));
    items = nullptr;
    length = 0;
  }

  void swap(Array &other) {
    std::swap(allocator, other.allocator);
    std::swap(items, other.items);
    std::swap(length, other.length);
  }

  T *data() const { return items; }
  size_t size() const { return length; }
  T &operator[](size_t i) const { return items[i]; }
  T *begin() const { return items; }
  T *end() const { return items + length; }

private:
  Allocator allocator;
  T *items = nullptr;
  size_t length = 0;
};

// Strings and small tables that live as long as their owner; released all at once.
class Slab {
public:
  explicit Slab(const Allocator &allocator) : allocator(allocator) {}
  Slab(const Slab &) = delete;
  Slab &operator=(const Slab &) = delete;
  ~Slab();

  void *allocate(size_t size); // aligned to 8; null when out of memory
  template <class T> T *allocate(size_t count) {
    static_assert(alignof(T) <= 8);
    return static_cast<T *>(allocate(count * sizeof(T)));
  }

private:
  struct Block {
    Block *next;
    size_t size, used;
  };
  Allocator allocator;
  Block *head = nullptr;
};

inline uint64_t alignUp(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

} // namespace lathe::runtime
