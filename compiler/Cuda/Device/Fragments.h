// Matrix products of a warp over tiles in shared memory, in each precision. All accumulate f32 in the fragments of
// m16n8: with g = lane / 4 and t = lane % 4, d[0] (g, 2t), d[1] (g, 2t + 1), d[2] (g + 8, 2t), d[3] (g + 8, 2t + 1).
//
// A tile has rows of kPitch bytes, a multiple of 128. Its 16-byte chunks are swizzled, chunk ^ (row % 8), as TMA's and
// wgmma's 128-byte mode is: eight rows at one place lie in eight different groups of banks. Tiles of the left side have
// a row of the matrix in a row. Tiles of the right side have a column in a row, or, `Across`, an element of K:
// across().
namespace device {

template <u32 kPitch> LATHE_DEVICE u32 swizzle(u32 row, u32 byte) { return row * kPitch + (byte ^ ((row & 7) << 4)); }
/// In a tile Across of kDepth elements of K: 128 bytes of columns side by side, then all of K, then the next columns.
template <u32 kDepth> LATHE_DEVICE u32 across(u32 k, u32 byte) {
  return byte / 128 * (kDepth * 128) + swizzle<128>(k, byte % 128);
}

LATHE_DEVICE u32 count_bits(u32 bits) {
#ifdef LATHE_CUDA_SIM
  return u32(__builtin_popcount(bits));
#else
  return u32(__popc(int(bits)));
#endif
}

/// f32 by multiply-add.
struct F32 {
  using T = float;
  using Sum = float;
  static constexpr u32 kStep = 4, kUnroll = 2; // steps that stand side by side in the code
  struct A {
    Vector<float, 4> rows[2];
  };
  struct B {
    Vector<float, 4> columns[2];
  };
  template <u32 kPitch> static LATHE_DEVICE void load_a(A &a, u32 tile, u32 row, u32 k) {
    for (u32 i = 0; i < 2; ++i)
      a.rows[i] = shared<Vector<float, 4>>(tile + swizzle<kPitch>(row + lane() / 4 + 8 * i, k * 4)).load(0);
  }
  /// Two n8 blocks from the column on. kSize: bytes of a row, or elements of K of a tile Across.
  template <bool Across, u32 kSize> static LATHE_DEVICE void load_b(B (&b)[2], u32 tile, u32 column, u32 k) {
    for (u32 i = 0; i < 2; ++i) {
      u32 first = column + 8 * i + lane() % 4 * 2;
      if constexpr (Across) {
        for (u32 j = 0; j < 4; ++j) {
          auto pair = shared<Vector<float, 2>>(tile + across<kSize>(k + j, first * 4)).load(0);
          b[i].columns[0][int(j)] = pair[0];
          b[i].columns[1][int(j)] = pair[1];
        }
      } else {
        for (u32 j = 0; j < 2; ++j)
          b[i].columns[j] = shared<Vector<float, 4>>(tile + swizzle<kSize>(first + j, k * 4)).load(0);
      }
    }
  }
  static LATHE_DEVICE void multiply(float (&d)[4], const A &a, const B &b) {
    for (int k = 0; k < 4; ++k)
      for (int i = 0; i < 4; ++i)
        d[i] = fmaf(a.rows[i / 2][k], b.columns[i % 2][k], d[i]);
  }
  static LATHE_DEVICE float exponential(float x) { return expf(x); }
  template <u32 kScores, u32 kSums>
  static LATHE_DEVICE void weigh(float (&sums)[kSums][4], const float (&weights)[kScores][4], u32 tile) {
#pragma unroll
    for (u32 k = 0; k < kScores * 8; k += kStep) {
      A a; // from the lanes of the row that hold these columns
#pragma unroll
      for (u32 j = 0; j < 4; ++j)
#pragma unroll
        for (u32 r = 0; r < 2; ++r)
          a.rows[r][int(j)] = shuffle(weights[k / 8][r * 2 + j % 2], lane() / 4 * 4 + (k % 8 + j) / 2);
#pragma unroll
      for (u32 j = 0; j < kSums; j += 2) {
        B b[2];
        load_b<true, kScores * 8>(b, tile, j * 8, k);
        multiply(sums[j], a, b[0]);
        multiply(sums[j + 1], a, b[1]);
      }
    }
  }
};

/// f32 in memory, its products rounded to tf32.
struct Tf32 {
  using T = float;
  using Sum = float;
  static constexpr u32 kStep = 8, kUnroll = 4;
  struct A {
    u32 r[4];
  };
  struct B {
    u32 r[2];
  };
  template <u32 kPitch> static LATHE_DEVICE void load_a(A &a, u32 tile, u32 row, u32 k) {
    for (u32 i = 0; i < 4; ++i) {
      u32 place = swizzle<kPitch>(row + lane() / 4 + 8 * (i % 2), (k + lane() % 4 + 4 * (i / 2)) * 4);
      a.r[i] = to_tf32(shared<float>(tile + place).load(0));
    }
  }
  template <bool Across, u32 kSize> static LATHE_DEVICE void load_b(B (&b)[2], u32 tile, u32 column, u32 k) {
    for (u32 i = 0; i < 2; ++i)
      for (u32 j = 0; j < 2; ++j) {
        u32 n = column + 8 * i + lane() / 4, depth = k + lane() % 4 + 4 * j;
        u32 place = Across ? across<kSize>(depth, n * 4) : swizzle<kSize>(n, depth * 4);
        b[i].r[j] = to_tf32(shared<float>(tile + place).load(0));
      }
  }
  static LATHE_DEVICE void multiply(float (&d)[4], const A &a, const B &b) { mma_m16n8k8_tf32(d, a.r, b.r); }
  static LATHE_DEVICE float exponential(float x) { return exp2_approx(x * 1.44269504f); }
  template <u32 kScores, u32 kSums>
  static LATHE_DEVICE void weigh(float (&sums)[kSums][4], const float (&weights)[kScores][4], u32 tile) {
#pragma unroll
    for (u32 k = 0; k < kScores; ++k) {
      // The order of K is free: column 2t of the weights stands for t, 2t + 1 for t + 4.
      A a{{to_tf32(weights[k][0]), to_tf32(weights[k][2]), to_tf32(weights[k][1]), to_tf32(weights[k][3])}};
#pragma unroll
      for (u32 j = 0; j < kSums; ++j) {
        B b;
        for (u32 i = 0; i < 2; ++i) {
          u32 place = across<kScores * 8>(k * 8 + lane() % 4 * 2 + i, (j * 8 + lane() / 4) * 4);
          b.r[i] = to_tf32(shared<float>(tile + place).load(0));
        }
        multiply(sums[j], a, b);
      }
    }
  }
};

/// f16 or bf16.
template <class Type> struct Half {
  using T = Type;
  using Sum = float;
  static constexpr u32 kStep = 16, kUnroll = 4;
  struct A {
    u32 r[4];
  };
  struct B {
    u32 r[2];
  };
  template <u32 kPitch> static LATHE_DEVICE void load_a(A &a, u32 tile, u32 row, u32 k) {
    ldmatrix_x4(a.r, shared<T>(tile + swizzle<kPitch>(row + lane() % 16, (k + lane() / 16 * 8) * 2)).address(0));
  }
  template <bool Across, u32 kSize> static LATHE_DEVICE void load_b(B (&b)[2], u32 tile, u32 column, u32 k) {
    u32 r[4];
    if constexpr (Across) {
      u32 place = across<kSize>(k + lane() % 16, (column + lane() / 16 * 8) * 2);
      ldmatrix_x4_trans(r, shared<T>(tile + place).address(0));
    } else {
      u32 place = swizzle<kSize>(column + lane() % 8 + lane() / 16 * 8, (k + lane() / 8 % 2 * 8) * 2);
      ldmatrix_x4(r, shared<T>(tile + place).address(0));
    }
    for (u32 i = 0; i < 4; ++i)
      b[i / 2].r[i % 2] = r[i];
  }
  static LATHE_DEVICE void multiply(float (&d)[4], const A &a, const B &b) { mma_m16n8k16(d, a.r, b.r, T()); }
  static LATHE_DEVICE float exponential(float x) { return exp2_approx(x * 1.44269504f); }
  template <u32 kScores, u32 kSums>
  static LATHE_DEVICE void weigh(float (&sums)[kSums][4], const float (&weights)[kScores][4], u32 tile) {
#pragma unroll
    for (u32 k = 0; k < kScores; k += 2) {
      A a;
      for (u32 i = 0; i < 4; ++i)
        a.r[i] = pack(weights[k + i / 2][i % 2 * 2], weights[k + i / 2][i % 2 * 2 + 1], T());
#pragma unroll
      for (u32 j = 0; j < kSums; j += 2) {
        B b[2];
        load_b<true, kScores * 8>(b, tile, j * 8, k * 8);
        multiply(sums[j], a, b[0]);
        multiply(sums[j + 1], a, b[1]);
      }
    }
  }
};

} // namespace device
