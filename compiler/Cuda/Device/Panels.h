// Weights whose codes lie in panels, as compiler/Package/Layout.cpp puts them: for each 16 columns, K rows of 16 codes.
// A row of 8-bit codes is 16 bytes, one of 4-bit codes eight: the columns 0 to 7 in their low bits, 8 to 15 in the high
// ones. Behind all panels the scales of each group along K, columns next to each other; then the zero points likewise.
//
// Two codes that stand in the low bits of a register's halves become two elements of T at once where that is exact: a
// mask and an exclusive or give floats whose fractions are the codes, from which the constant part is taken off; scales
// are T's too. What comes out is (code - zero point) * scale rounded to T, bit for bit what the way through f32 gives.
namespace device {

enum class Code { Signed, Unsigned, E4M3, E5M2 }; // Unsigned: with a zero point

template <class A, class B> struct IsSame {
  static constexpr bool value = false;
};
template <class A> struct IsSame<A, A> {
  static constexpr bool value = true;
};

/// Codes of kBits in elements of T.
template <Code kCode, u32 kBits, class T> struct Decoder {
  static constexpr bool kSmall = kCode == Code::E4M3 || kCode == Code::E5M2;
  static constexpr bool kHalf = IsSame<T, f16>::value;
  /// Whether pair() is there: the fraction of bf16 hasn't room for eight bits.
  static constexpr bool kPairs = kHalf || (IsSame<T, bf16>::value && (kSmall || kBits == 4));
  static constexpr u32 kMask = ((1u << kBits) - 1) * 0x10001, kSign = 1u << (kBits - 1);
  static constexpr u32 kOne = kHalf ? 0x6400 : 0x4300; // 1024, 128: the last place of the fraction is 1

  /// What is taken off: two zero points as floats, or the constant.
  static LATHE_DEVICE u32 offset(u32 zeros) { return kCode == Code::Unsigned ? zeros | kOne * 0x10001 : 0; }

  /// The codes in the low bits of two halves, others above them; without a scale.
  static LATHE_DEVICE u32 pair(u32 codes, u32 offset) {
    if constexpr (kCode == Code::Signed) {
      constexpr u32 kBegin = (kOne | kSign) * 0x10001;
      return subtract_pair(mask_xor(codes, kMask, kBegin), kBegin, T());
    } else if constexpr (kCode == Code::Unsigned) {
      return subtract_pair(mask_xor(codes, kMask, kOne * 0x10001), offset, T());
    } else {
      // The exponent and the fraction where T's are; the bias is made up for by a product. NaN and infinity, whose
      // exponent has all bits, keep it: `full` is 0x80 in their halves.
      u32 sign = (codes & 0x00800080) << 8, rest = codes & 0x007f007f;
      if constexpr (kCode == Code::E5M2 && kHalf)
        return sign | rest << 8;
      constexpr u32 kLeast = kCode == Code::E4M3 ? 0x00010001 : 0x00040004;
      u32 full = (rest + kLeast) & 0x00800080;
      u32 bits = sign | rest << (kCode == Code::E5M2 ? 5 : kHalf ? 7 : 4) | full * (kHalf ? 0xfc : 0xff);
      // 256, 2^120, 2^112
      return multiply_pair(bits, (kHalf ? 0x5c00 : kCode == Code::E4M3 ? 0x7b80 : 0x7780) * 0x10001, T());
    }
  }

  /// One code, less its zero point, in f32; exact.
  static LATHE_DEVICE float value(u32 code, u32 zero) {
    if constexpr (kCode == Code::E5M2)
      return to_float(f16{u16(code << 8)});
    if constexpr (kCode == Code::E4M3) {
      u32 rest = code & 0x7f;
      float x = to_float(f16{u16((code & 0x80) << 8 | rest << 7)}) * 256.0f;
      return rest == 0x7f ? bit_cast<float>(0x7fc00000u) : x;
    }
    // A float of 2^23 and the code, less 2^23 and the zero point; a signed code has half of the range more.
    float from = 8388608.0f + float(kCode == Code::Signed ? kSign : zero);
    return bit_cast<float>(0x4b000000u | (kCode == Code::Signed ? code ^ kSign : code)) - from;
  }
};

/// A matrix of kDepth x kColumns (with the padding), kGroup elements of K sharing a scale.
template <Code kCode_, u32 kBits_, u32 kDepth, u32 kColumns, u32 kGroup_, class Scale_, index kScales, index kZeros>
struct PanelCodes {
  static constexpr bool kPlain = false;
  static constexpr Code kCode = kCode_;
  static constexpr u32 kBits = kBits_, kGroup = kGroup_;
  static constexpr u32 kWords = kBits / 2; // of a row
  using Scale = Scale_;
  using Row = Vector<u32, int(kWords)>;

  Global<const u8> memory;

  LATHE_DEVICE index place(index panel, index k) const { // of a row
    LATHE_EXPECT(panel * 16 < kColumns && k < kDepth);
    return panel * kDepth + k;
  }
  LATHE_DEVICE Row row(index panel, index k) const {
    return memory.part<u32>(0).template load<int(kWords)>(place(panel, k) * kWords);
  }
  LATHE_DEVICE float scale(index column) const { return to_float(memory.part<Scale>(kScales).load(column)); }

  /// Scales and zero points of the columns of a panel in the group of k.
  struct Factors {
    Vector<u32, 4> scales[sizeof(Scale)];
    Vector<u32, 4> zeros;
  };
  LATHE_DEVICE Factors factors(index panel, index k) const {
    Factors result{};
    index first = index(u32(k) / kGroup) * kColumns + panel * 16;
    auto scales = memory.part<u32>(kScales);
    for (u32 i = 0; i < sizeof(Scale); ++i)
      result.scales[i] = scales.template load<4>(first * index(sizeof(Scale)) / 4 + i * 4);
    if constexpr (kCode == Code::Unsigned)
      result.zeros = memory.part<u32>(kZeros).template load<4>(first / 4);
    return result;
  }
  static LATHE_DEVICE float get_scale(const Factors &from, u32 column) {
    if constexpr (sizeof(Scale) == 4)
      return bit_cast<float>(from.scales[column / 4][int(column % 4)]);
    else
      return to_float(Scale{u16(from.scales[column / 8][int(column % 8 / 2)] >> column % 2 * 16)});
  }
  static LATHE_DEVICE u32 get_zero(const Factors &from, u32 column) {
    return from.zeros[int(column / 4)] >> column % 4 * 8 & 255;
  }

  /// The elements of two columns whose codes stand in the low bits of two halves.
  template <class T> static LATHE_DEVICE u32 pair(u32 codes, const Factors &from, u32 low, u32 high) {
    using D = Decoder<kCode, kBits, T>;
    if constexpr (D::kPairs && IsSame<T, Scale>::value) {
      u32 offset = D::offset(kCode == Code::Unsigned ? get_zero(from, low) | get_zero(from, high) << 16 : 0);
      u32 scales = permute_bytes(from.scales[low / 8][int(low % 8 / 2)], from.scales[high / 8][int(high % 8 / 2)],
                                 (low % 2 ? 0x32 : 0x10) | (high % 2 ? 0x7600 : 0x5400));
      return multiply_pair(D::pair(codes, offset), scales, T());
    } else {
      constexpr u32 kMask = (1u << kBits) - 1;
      float x = D::value(codes & kMask, get_zero(from, low)), y = D::value(codes >> 16 & kMask, get_zero(from, high));
      return pack(x * get_scale(from, low), y * get_scale(from, high), T());
    }
  }

  /// A row's 16 elements, as 16 bytes each at to(bytes from the first one) of shared memory.
  template <class T, class At> static LATHE_DEVICE void unpack(const Row &row, const Factors &from, At at) {
    if constexpr (sizeof(T) == 2) {
      Vector<u32, 4> words[2]; // eight columns each
#pragma unroll
      for (u32 i = 0; i < kWords; ++i)
#pragma unroll
        for (u32 h = 0; h < 2; ++h) {
          u32 codes = permute_bytes(row[int(i)], 0, h ? 0x4342 : 0x4140), column = 4 * i + 2 * h;
          words[column / 8][int(column % 8 / 2)] = pair<T>(codes, from, column, column + 1);
          if constexpr (kBits == 4)
            words[1][int(column / 2)] = pair<T>(codes >> 4, from, column + 8, column + 9);
        }
      for (u32 i = 0; i < 2; ++i)
        shared<Vector<u32, 4>>(at(i * 16)).store(0, words[i]);
    } else {
#pragma unroll
      for (u32 c = 0; c < 16; c += 4) {
        Vector<float, 4> values;
#pragma unroll
        for (u32 i = 0; i < 4; ++i) {
          u32 word = row[int(kBits == 4 ? c % 8 / 4 : c / 4)], shift = i * 8 + (kBits == 4 && c >= 8 ? 4 : 0);
          values[int(i)] =
              Decoder<kCode, kBits, float>::value(word >> shift & ((1u << kBits) - 1), get_zero(from, c + i)) *
              get_scale(from, c + i);
        }
        shared<Vector<float, 4>>(at(c * 4)).store(0, values);
      }
    }
  }

  /// An element, for what is computed one by one.
  LATHE_DEVICE float element(index k, index column) const {
    index panel = column / 16;
    u32 c = u32(column % 16), byte = kBits == 4 ? c % 8 : c;
    u32 code = memory.load(place(panel, k) * (kBits * 2) + byte) >> (kBits == 4 ? c / 8 * 4 : 0) & ((1u << kBits) - 1);
    index factor = index(u32(k) / kGroup) * kColumns + column;
    u32 zero = 0;
    if constexpr (kCode == Code::Unsigned)
      zero = memory.part<u8>(kZeros).load(factor);
    return Decoder<kCode, kBits, float>::value(code, zero) * to_float(memory.part<Scale>(kScales).load(factor));
  }
};

} // namespace device
