// The algebra of layouts: fragments as the PTX ISA's formulas give them hold each element once, and the emulated
// instructions agree with them; swizzles permute; and conflicts of banks are counted, for swizzled and for naive tiles.
#include "test/unit/cuda-sim/Values.h"
#include "tools/cuda-sim/Block.h"
#include "tools/cuda-sim/TensorMap.h"

#include "compiler/Cuda/Device/Fragments.h"

#include <algorithm>
#include <set>

using namespace lathe::sim_test;
extern "C" unsigned long long sim_bank_conflicts();

namespace {
struct Place {
  int row, column;
  bool operator<(const Place &other) const { return std::pair(row, column) < std::pair(other.row, other.column); }
};
// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" (.f16) and "... mma.m16n8k8" (.tf32), with
// groupID = lane >> 2 and threadID_in_group = lane % 4. i counts elements: in 16 bits, two in a register.
Place a16(int lane, int i) {
  return {(i < 2 || (i >= 4 && i < 6)) ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
Place b16(int lane, int i) { return {lane % 4 * 2 + (i & 1) + (i < 2 ? 0 : 8), lane >> 2}; }
Place aTf32(int lane, int i) { return {i % 2 ? (lane >> 2) + 8 : lane >> 2, i < 2 ? lane % 4 : lane % 4 + 4}; }
Place bTf32(int lane, int i) { return {i ? lane % 4 + 4 : lane % 4, lane >> 2}; }
Place sums(int lane, int i) { return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)}; }
// "Register Fragments" of wgmma's D, for N = 256: i counts a thread's registers.
Place wgmmaSums(int lane, int i) {
  return {lane / 32 * 16 + (i / 2 % 2 ? (lane % 32 >> 2) + 8 : lane % 32 >> 2), i / 4 * 8 + lane % 4 * 2 + (i & 1)};
}

void expectBijective(Place (*layout)(int, int), int lanes, int count, int rows, int columns) {
  std::set<Place> places;
  for (int lane = 0; lane < lanes; ++lane)
    for (int i = 0; i < count; ++i) {
      Place place = layout(lane, i);
      EXPECT_TRUE(place.row >= 0 && place.row < rows && place.column >= 0 && place.column < columns);
      places.insert(place);
    }
  EXPECT_EQ(places.size(), size_t(rows * columns));
  EXPECT_EQ(lanes * count, rows * columns);
}

TEST(Layout, FragmentsAreBijective) {
  expectBijective(a16, 32, 8, 16, 16);
  expectBijective(b16, 32, 4, 16, 8);
  expectBijective(aTf32, 32, 4, 16, 8);
  expectBijective(bTf32, 32, 2, 8, 8);
  expectBijective(sums, 32, 4, 16, 8);
  expectBijective(wgmmaSums, 128, 128, 64, 256);
}

TEST(Layout, Mma) {
  Device device("Layout.so");
  for (bool tf32 : {false, true}) {
    SCOPED_TRACE(tf32);
    int k = tf32 ? 8 : 16;
    auto a = randomFloats(16 * k), b = randomFloats(8 * k); // b is given transposed
    toBf16(a), toBf16(b);                                   // few bits: exact in f16 and tf32
    auto place = [&](const std::vector<float> &values, int perLane, auto at) {
      std::vector<uint32_t> registers;
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < perLane; ++i) {
          float value = values[at(lane, i)];
          _Float16 half = value;
          uint32_t bits = 0;
          if (tf32)
            memcpy(&bits, &value, 4);
          else
            memcpy(&bits, &half, 2);
          if (tf32 || i % 2 == 0)
            registers.push_back(bits);
          else
            registers.back() |= bits << 16;
        }
      return registers;
    };
    Buffer<uint32_t> left(place(a, tf32 ? 4 : 8,
                                [&](int lane, int i) {
                                  Place p = tf32 ? aTf32(lane, i) : a16(lane, i);
                                  return p.row * k + p.column;
                                })),
        right(place(b, tf32 ? 2 : 4, [&](int lane, int i) {
          Place p = tf32 ? bTf32(lane, i) : b16(lane, i);
          return p.column * k + p.row;
        }));
    Buffer<float> out(size_t(128));
    EXPECT_EQ(device.launch(tf32 ? "mma_tf32" : "mma_16", 1, 32, 0, out.memory, left.memory, right.memory), "");
    std::vector<float> c(128);
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i)
        c[sums(lane, i).row * 8 + sums(lane, i).column] = out.read()[lane * 4 + i];
    expectProduct(a, b, c, 16, 8, k);
  }
}

// PTX ISA, "Matrix Fragments for mma.m16n8k32": i counts bytes, four in a register.
TEST(Layout, MmaOfSmallFloats) {
  Device device("Layout.so");
  std::vector<float> a(16 * 32), b(8 * 32); // b is given transposed
  std::vector<uint32_t> left(32 * 4), right(32 * 2);
  // Powers of two from 2^-6 on, of both signs, and the least subnormal.
  auto value = [](int i) { return i % 11 == 0 ? 0x1p-9f : std::ldexp(i % 3 ? 1.0f : -1.0f, i % 7 - 6); };
  auto code = [](int i) { return i % 11 == 0 ? 1u : (i % 3 ? 0u : 0x80u) | (i % 7 + 1) << 3; };
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 16; ++i) {
      int row = (lane >> 2) + (i / 4 % 2 ? 8 : 0), k = lane % 4 * 4 + i % 4 + (i < 8 ? 0 : 16), at = row * 32 + k;
      a[at] = value(at);
      left[lane * 4 + i / 4] |= code(at) << i % 4 * 8;
    }
    for (int i = 0; i < 8; ++i) {
      int k = lane % 4 * 4 + i % 4 + (i < 4 ? 0 : 16), at = (lane >> 2) * 32 + k;
      b[at] = value(at * 5 + 1);
      right[lane * 2 + i / 4] |= code(at * 5 + 1) << i % 4 * 8;
    }
  }
  Buffer<uint32_t> l(left), r(right);
  Buffer<float> out(size_t(128));
  EXPECT_EQ(device.launch("mma_e4m3", 1, 32, 0, out.memory, l.memory, r.memory), "");
  std::vector<float> c(128);
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i)
      c[sums(lane, i).row * 8 + sums(lane, i).column] = out.read()[lane * 4 + i];
  expectProduct(a, b, c, 16, 8, 32);
}

// Register m of a lane holds two neighbours of matrix m: of its row, or, transposed, of its column.
TEST(Layout, Ldmatrix) {
  Device device("Layout.so");
  for (int transposed : {0, 1}) {
    Buffer<uint32_t> out(size_t(128));
    EXPECT_EQ(device.launch("matrices", 1, 32, 512, out.memory, 16, transposed), "");
    for (int lane = 0; lane < 32; ++lane)
      for (int m = 0; m < 4; ++m)
        for (int half = 0; half < 2; ++half) {
          int g = lane >> 2, t = lane % 4 * 2 + half;
          uint32_t expected = m * 64 + (transposed ? t * 8 + g : g * 8 + t);
          EXPECT_EQ(out.read()[lane * 4 + m] >> 16 * half & 0xffff, expected);
        }
  }
}

// How often a warp's access has to be repeated because lanes want different words of one bank. Accesses of 16 bytes go
// by eight lanes, of 8 bytes by sixteen.
int conflicts(const std::vector<uint32_t> &addresses, uint32_t bytes) {
  int repeats = 0;
  size_t together = 128 / bytes;
  for (size_t first = 0; first < addresses.size(); first += together) {
    std::set<uint32_t> words[32];
    for (size_t lane = first; lane < first + together; ++lane)
      for (uint32_t word = addresses[lane] / 4; word < (addresses[lane] + bytes) / 4; ++word)
        words[word % 32].insert(word);
    size_t most = 0;
    for (const std::set<uint32_t> &bank : words)
      most = std::max(most, bank.size());
    repeats += most - 1;
  }
  return repeats;
}
template <class Address> std::vector<uint32_t> ofLanes(Address address) {
  std::vector<uint32_t> addresses;
  for (uint32_t lane = 0; lane < 32; ++lane)
    addresses.push_back(address(lane));
  return addresses;
}

TEST(Layout, SwizzlesAreBijective) {
  for (uint32_t bits = 0; bits < 4; ++bits) {
    std::set<uint32_t> addresses;
    for (uint32_t address = 0; address < 4096; ++address)
      addresses.insert(lathe::sim::swizzled(address, bits));
    EXPECT_EQ(addresses.size(), 4096u);
    EXPECT_EQ(*addresses.rbegin(), 4095u);
  }
  std::set<uint32_t> rows, columns;
  for (uint32_t row = 0; row < 32; ++row)
    for (uint32_t byte = 0; byte < 256; ++byte) {
      rows.insert(device::swizzle<256>(row, byte));
      columns.insert(device::across<32>(row, byte));
    }
  for (const auto &places : {rows, columns}) {
    EXPECT_EQ(places.size(), 32u * 256);
    EXPECT_EQ(*places.rbegin(), 32u * 256 - 1);
  }
  // What threads store by the one, wgmma reads by the other.
  for (uint32_t row = 0; row < 32; ++row)
    for (uint32_t byte = 0; byte < 128; ++byte)
      EXPECT_EQ(device::swizzle<128>(row, byte), lathe::sim::swizzled(row * 128 + byte, 3));
}

TEST(Layout, BankConflicts) {
  // ldmatrix of 16 rows by two chunks: eight rows at one place of naive rows of 128 bytes lie in the same banks.
  auto naive = [](uint32_t lane) { return lane % 16 * 128 + lane / 16 * 16; };
  auto swizzled = [](uint32_t lane) { return device::swizzle<128>(lane % 16, lane / 16 * 16); };
  auto padded = [](uint32_t lane) { return lane % 16 * 144 + lane / 16 * 16; };
  EXPECT_EQ(conflicts(ofLanes(naive), 16), 4 * 7);
  EXPECT_EQ(conflicts(ofLanes(swizzled), 16), 0);
  EXPECT_EQ(conflicts(ofLanes(padded), 16), 0);
  // Storing 16-byte chunks, eight lanes to a row.
  EXPECT_EQ(conflicts(ofLanes([](uint32_t lane) { return device::swizzle<128>(lane / 8, lane % 8 * 16); }), 16), 0);
  // Transposed tiles of the right side: 16 of k by two chunks of columns.
  auto across = [](uint32_t lane) { return device::across<16>(lane % 16, lane / 16 * 16); };
  EXPECT_EQ(conflicts(ofLanes(across), 16), 0);
  // tf32: four words of each of eight rows.
  auto words = [](uint32_t lane) { return device::swizzle<128>(lane / 4, lane % 4 * 4); };
  EXPECT_EQ(conflicts(ofLanes(words), 4), 0);
  EXPECT_EQ(conflicts(ofLanes([](uint32_t lane) { return lane / 4 * 128 + lane % 4 * 4; }), 4), 7);
}

// The emulator counts those of ldmatrix.
TEST(Layout, LdmatrixConflictsAreCounted) {
  Device device("Layout.so");
  Buffer<uint32_t> out(size_t(128));
  for (auto [pitch, expected] : {std::pair(16, 0), {128, 28}, {64, 12}, {144, 0}}) {
    EXPECT_EQ(device.launch("matrices", 1, 32, 32 * pitch, out.memory, pitch, 0), "");
    EXPECT_EQ(sim_bank_conflicts(), unsigned(expected)) << pitch;
  }
}
} // namespace
