// Weights in an integer format, whose codes are packed row by row: eight neighbours at a time.
namespace device {

/// A matrix of kRows x kColumns, whose columns 8 divides, of codes of 4 or 8 bits; a block's columns are 1, a multiple
/// of 8, or all. The scales begin at byte kScales, zero points at kZeros: 0 if there are none, and codes are signed.
template <u32 kBits, u32 kRows, u32 kColumns, u32 kBlockRows, u32 kBlockColumns, class Scale, index kScales,
          index kZeros>
struct Packed {
  static_assert(kBits == 4 || kBits == 8, "eight codes are one word or two");
  static constexpr bool kEach = kBlockColumns == 1; // a scale for each
  static constexpr u32 kBlocks = kEach ? kColumns : (kColumns + kBlockColumns - 1) / kBlockColumns;

  /// Elements [column, column + 8) of a row; 8 divides the column.
  static LATHE_DEVICE void load(const Global<const u8> &memory, index row, index column, float (&x)[8]) {
    u32 words[2];
    index run = (row * kColumns + column) / 8;
    if constexpr (kBits == 4) {
      words[0] = memory.part<u32>(0).load(run);
    } else {
      Vector<u32, 2> pair = memory.part<u32>(0).template load<2>(run * 2);
      words[0] = pair[0];
      words[1] = pair[1];
    }
    index block = index(u32(row) / kBlockRows * kBlocks + u32(column) / kBlockColumns);
    float scale[kEach ? 8 : 1];
    u32 zero[kEach ? 8 : 1];
    auto scales = memory.part<Scale>(kScales);
    auto zeros = memory.part<u8>(kZeros);
    if constexpr (kEach) {
      constexpr int kRun = 16 / sizeof(Scale);
      for (int i = 0; i < 8; i += kRun) {
        auto some = scales.template load < kRun<8 ? kRun : 8>(block + i);
        for (int j = 0; j < kRun && j < 8; ++j)
          scale[i + j] = to_float(some[j]);
      }
      if constexpr (kZeros != 0) {
        auto some = zeros.template load<8>(block);
        for (int i = 0; i < 8; ++i)
          zero[i] = some[i];
      }
    } else {
      scale[0] = to_float(scales.load(block));
      if constexpr (kZeros != 0)
        zero[0] = zeros.load(block);
    }
    // A float of 2^23 and the code, less 2^23 and the zero point, is exact; a signed code has half of the range more.
    constexpr u32 kSign = 1u << (kBits - 1), kPerWord = 32 / kBits;
    for (u32 i = 0; i < 8; ++i) {
      u32 code = words[i / kPerWord] >> i % kPerWord * kBits & ((1u << kBits) - 1);
      if constexpr (kZeros == 0)
        code ^= kSign;
      float from = 8388608.0f + float(kZeros == 0 ? kSign : zero[kEach ? i : 0]);
      x[i] = (bit_cast<float>(0x4b000000u | code) - from) * scale[kEach ? i : 0];
    }
  }
};

/// Eight elements as 16 bytes each of shared memory, at(bytes from the first one) being their offsets.
template <class T, class At> LATHE_DEVICE void store_run(const float (&x)[8], At at) {
  if constexpr (sizeof(T) == 2) {
    Vector<u32, 4> words;
    for (int i = 0; i < 4; ++i)
      words[i] = pack(x[2 * i], x[2 * i + 1], T());
    shared<Vector<u32, 4>>(at(0)).store(0, words);
  } else {
    for (u32 i = 0; i < 8; i += 4)
      shared<Vector<float, 4>>(at(i * 4)).store(0, {x[i], x[i + 1], x[i + 2], x[i + 3]});
  }
}

} // namespace device
