// SHA-256 in portable code and with SHA-NI, SHA-512 in portable code.
#include "runtime/Package/Sha.h"
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lathe::runtime {

static constexpr uint64_t roundConstants[80] = {
#include "runtime/Package/Sha512Table.inc"
};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }
static uint64_t rotate(uint64_t x, int n) { return x >> n | x << (64 - n); }

template <class Word> static Word loadBigEndian(const uint8_t *bytes) {
  Word word = 0;
  for (size_t i = 0; i < sizeof(Word); ++i)
    word = word << 8 | bytes[i];
  return word;
}
template <class Word> static void storeBigEndian(uint8_t *bytes, Word word) {
  for (size_t i = sizeof(Word); i--; word >>= 8)
    bytes[i] = static_cast<uint8_t>(word);
}

// One compression for both hashes: they differ in word size, number of rounds and rotations.
struct Rotations {
  int s0[2], s0Shift, s1[2], s1Shift, e[3], a[3];
};
static constexpr Rotations rotations256 = {{7, 18}, 3, {17, 19}, 10, {6, 11, 25}, {2, 13, 22}};
static constexpr Rotations rotations512 = {{1, 8}, 7, {19, 61}, 6, {14, 18, 41}, {28, 34, 39}};

template <class Word, int Rounds>
static void compress(Word state[8], const uint8_t *data, size_t blocks, const Rotations &r) {
  for (; blocks--; data += 16 * sizeof(Word)) {
    Word w[Rounds];
    for (int i = 0; i < 16; ++i)
      w[i] = loadBigEndian<Word>(data + i * sizeof(Word));
    for (int i = 16; i < Rounds; ++i) {
      Word x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + (rotate(x, r.s0[0]) ^ rotate(x, r.s0[1]) ^ x >> r.s0Shift) + w[i - 7] +
             (rotate(y, r.s1[0]) ^ rotate(y, r.s1[1]) ^ y >> r.s1Shift);
    }
    Word v[8];
    memcpy(v, state, sizeof v);
    // Instead of moving the eight variables along, their places turn: variable j of round i is v[(j - i) mod 8].
#pragma clang loop unroll_count(8)
    for (int i = 0; i < Rounds; ++i) {
      auto at = [&v, i](int j) -> Word & { return v[(j - i) & 7]; };
      Word a = at(0), e = at(4);
      Word k = static_cast<Word>(roundConstants[i] >> (64 - 8 * sizeof(Word)));
      Word t1 =
          at(7) + (rotate(e, r.e[0]) ^ rotate(e, r.e[1]) ^ rotate(e, r.e[2])) + ((e & at(5)) ^ (~e & at(6))) + k + w[i];
      Word t2 =
          (rotate(a, r.a[0]) ^ rotate(a, r.a[1]) ^ rotate(a, r.a[2])) + ((a & at(1)) ^ (a & at(2)) ^ (at(1) & at(2)));
      at(3) += t1;
      at(7) = t1 + t2;
    }
    for (int i = 0; i < 8; ++i)
      state[i] += v[i];
  }
}

#if defined(__x86_64__)
// The instructions keep the state as ABEF and CDGH; four rounds at a time, the schedule in a ring of four vectors.
__attribute__((target("sha,sse4.1,ssse3"))) static void compressShaNi(uint32_t state[8], const uint8_t *data,
                                                                      size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i *>(state));
  __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i *>(state + 4));
  __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  alignas(16) uint32_t k[64];
  for (int i = 0; i < 64; ++i)
    k[i] = static_cast<uint32_t>(roundConstants[i] >> 32);
  for (; blocks--; data += 64) {
    __m128i abefBefore = abef, cdghBefore = cdgh, w[4];
    for (int i = 0; i < 4; ++i)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i *>(data) + i), swap);
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; ++i) {
      __m128i sum = _mm_add_epi32(w[i & 3], _mm_load_si128(reinterpret_cast<const __m128i *>(k) + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (i < 12) { // w[i + 4] from w[i], w[i + 1], w[i + 2], w[i + 3]
        __m128i last = w[(i + 3) & 3];
        __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, last);
      }
    }
    abef = _mm_add_epi32(abef, abefBefore);
    cdgh = _mm_add_epi32(cdgh, cdghBefore);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i *>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i *>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

static void compressSha256(uint32_t state[8], const uint8_t *data, size_t blocks, bool accelerated) {
#if defined(__x86_64__)
  if (accelerated)
    return compressShaNi(state, data, blocks);
#endif
  compress<uint32_t, 64>(state, data, blocks, rotations256);
}

// Feeds whole blocks to `compressBlocks`, keeps the rest in `block`.
template <class Compress>
static void absorb(uint8_t *block, size_t blockSize, uint64_t &length, const void *input, size_t size,
                   Compress compressBlocks) {
  auto *data = static_cast<const uint8_t *>(input);
  size_t used = length % blockSize;
  length += size;
  if (used) {
    size_t part = blockSize - used < size ? blockSize - used : size;
    memcpy(block + used, data, part);
    data += part;
    size -= part;
    if (used + part < blockSize)
      return;
    compressBlocks(block, 1);
  }
  compressBlocks(data, size / blockSize);
  if (size % blockSize)
    memcpy(block, data + size / blockSize * blockSize, size % blockSize);
}

// A one bit, zeros, and the length in bits, big-endian, in the last `lengthSize` bytes of a block.
template <class Hash> static void pad(Hash &hash, uint64_t length, size_t blockSize, size_t lengthSize) {
  uint8_t padding[256] = {0x80};
  size_t size = blockSize - length % blockSize;
  if (size < lengthSize + 1)
    size += blockSize;
  storeBigEndian<uint64_t>(padding + size - 8, length * 8);
  hash.update(padding, size);
}

Sha256::Sha256(bool accelerated) : accelerated(accelerated) {
  static constexpr uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(state, initial, sizeof state);
}
void Sha256::update(const void *data, size_t size) {
  absorb(block, sizeof block, length, data, size,
         [this](const uint8_t *data, size_t blocks) { compressSha256(state, data, blocks, accelerated); });
}
void Sha256::finish(uint8_t digest[32]) {
  pad(*this, length, sizeof block, 8);
  for (int i = 0; i < 8; ++i)
    storeBigEndian(digest + 4 * i, state[i]);
}

void sha256(const void *data, size_t size, bool accelerated, uint8_t digest[32]) {
  Sha256 hash(accelerated);
  hash.update(data, size);
  hash.finish(digest);
}

Sha512::Sha512() {
  static constexpr uint64_t initial[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                          0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                          0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  memcpy(state, initial, sizeof state);
}
void Sha512::update(const void *data, size_t size) {
  absorb(block, sizeof block, length, data, size,
         [this](const uint8_t *data, size_t blocks) { compress<uint64_t, 80>(state, data, blocks, rotations512); });
}
void Sha512::finish(uint8_t digest[64]) {
  pad(*this, length, sizeof block, 16);
  for (int i = 0; i < 8; ++i)
    storeBigEndian(digest + 8 * i, state[i]);
}

} // namespace lathe::runtime
