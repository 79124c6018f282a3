// Quantized rows: how the rows of a left side become codes (#tfm.dynamic, #tfm.static), always unsigned; symmetric ones
// have half of the range more; or small floats (#tfm.dynamic_float). And the product of codes with a weight's own.
namespace device {

/// What a row's codes are made with: code = round(x * inverse) + zero, x = (code - zero) * scale. A row with an element
/// that isn't finite has a NaN for a scale.
struct RowScale {
  float scale, inverse, zero;
};

/// The left side as it is.
struct Exactly {
  static constexpr bool kQuantizes = false;
};

/// By each row's range.
template <u32 kBits, bool kSymmetric> struct Dynamic {
  static constexpr bool kQuantizes = true, kRange = true, kFloat = false;
  static constexpr float kLevels = float((1u << kBits) - 1), kHalf = float(1u << (kBits - 1));
  static constexpr float kLeast = kSymmetric ? 1.0f : 0.0f, kMost = kLevels;
  static LATHE_DEVICE RowScale get(float lo, float hi) {
    float scale = kSymmetric ? maximum(hi, -lo) / (kHalf - 1) : (hi - lo) / kLevels;
    scale = scale == 0 ? 1.0f : scale;
    float inverse = 1.0f / scale;
    return {scale + (scale - scale), inverse, kSymmetric ? kHalf : rintf(-lo * inverse)};
  }
};

/// All by one scale, given by its bits.
template <u32 kBits, u32 kScale, u32 kZero> struct Static {
  static constexpr bool kQuantizes = true, kRange = false, kFloat = false;
  static constexpr float kLeast = 0, kMost = float((1u << kBits) - 1);
  static LATHE_DEVICE RowScale get(float, float) {
    float scale = bit_cast<float>(kScale);
    return {scale, 1.0f / scale, float(kZero)};
  }
};

/// By each row's greatest magnitude, as f8E4M3FN.
struct DynamicFloat {
  static constexpr bool kQuantizes = true, kRange = true, kFloat = true;
  static constexpr float kMost = 448;
  static LATHE_DEVICE RowScale get(float lo, float hi) {
    float scale = maximum(hi, -lo) / kMost;
    scale = scale < 1.17549435e-38f ? 1.0f : scale;
    return {scale + (scale - scale), 1.0f / scale, 0};
  }
};

/// The code, of a NaN the least.
template <class Activation> LATHE_DEVICE float quantize(float x, const RowScale &by) {
  if constexpr (Activation::kFloat)
    return round_to_e4m3(fminf(fmaxf(x * by.inverse, -Activation::kMost), Activation::kMost));
  else
    return fminf(fmaxf(rintf(x * by.inverse) + by.zero, Activation::kLeast), Activation::kMost);
}

/// Products of codes, unsigned by signed, summed in 32 bits. A tile of the right side has the four codes of a column
/// for four elements of K in a word, the columns of those side by side.
struct Codes {
  using T = u8;
  using Sum = int;
  static constexpr u32 kStep = 32, kUnroll = 4;
  struct A {
    u32 r[4];
  };
  struct B {
    u32 r[2];
  };
  /// Four codes of a row.
  template <class Activation> static LATHE_DEVICE u32 encode(const Vector<float, 4> &x, const RowScale &by) {
    u32 word = 0;
    for (int j = 0; j < 4; ++j)
      word |= u32(int(quantize<Activation>(x[j], by))) << 8 * j;
    return word;
  }
  /// kPitch: bytes of a row of words.
  template <u32 kPitch> static LATHE_DEVICE u32 place(u32 quad, u32 column) {
    return quad * kPitch + (column * 4 ^ (quad & 3) << 5); // so that four rows' eight words lie in different banks
  }
  template <u32 kPitch> static LATHE_DEVICE void load_a(A &a, u32 tile, u32 row, u32 k) {
    ldmatrix_x4(a.r, shared<u32>(tile + swizzle<kPitch>(row + lane() % 16, k + lane() / 16 * 16)).address(0));
  }
  template <bool, u32 kPitch> static LATHE_DEVICE void load_b(B (&b)[2], u32 tile, u32 column, u32 k) {
    for (u32 i = 0; i < 2; ++i)
      for (u32 j = 0; j < 2; ++j)
        b[i].r[j] = shared<u32>(tile + place<kPitch>(k / 4 + lane() % 4 + 4 * j, column + 8 * i + lane() / 4)).load(0);
  }
  static LATHE_DEVICE void multiply(int (&d)[4], const A &a, const B &b) { mma_m16n8k32(d, a.r, b.r); }
};

/// The same of small floats, f8E4M3FN on both sides, summed in f32. sm_89 and later.
struct SmallFloats : Codes {
  using Sum = float;
  static constexpr u32 kUnroll = 1; // sm_100a has the product in several instructions, which take registers
  template <class Activation> static LATHE_DEVICE u32 encode(const Vector<float, 4> &x, const RowScale &by) {
    return pack_e4m3({x[0] * by.inverse, x[1] * by.inverse, x[2] * by.inverse, x[3] * by.inverse});
  }
  static LATHE_DEVICE void multiply(float (&d)[4], const A &a, const B &b) { mma_m16n8k32_e4m3(d, a.r, b.r); }
};

} // namespace device
