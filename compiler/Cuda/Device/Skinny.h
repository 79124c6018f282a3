// Products of at most 16 rows of 16 bits by packed codes in panels. Such a product costs what reading the weight costs:
// each warp streams codes from memory into registers, a step ahead, where they become the fragments of mma; they never
// lie in shared memory.
//
// A step is 128 columns, eight panels, by 32 elements of K in 4 bits, 16 in 8. The lanes 4p to 4p + 3 read from panel
// p, each a quarter of the step's rows, which lie side by side: 64 bytes. The order of K in a fragment is free, as long
// as both sides have the same, and so is that of columns: column g of the j-th n8 block is column j of panel g; an mma
// takes of each lane four rows, as the elements 2t, 2t + 1, 2t + 8, 2t + 9 of its k16. The warps of a block take every
// eighth step; their sums are added at the end, in the order of the warps.
namespace device {

template <class Group> struct Skinny : Contraction<Group, 16, 128, 1, 4, Everybody, (Group::kParts > 1)> {
  using Base = Contraction<Group, 16, 128, 1, 4, Everybody, (Group::kParts > 1)>;
  using T = typename Base::T;
  using Codes = decltype(static_cast<const Group *>(nullptr)->template codes<0>()); // all anchors' are alike, but where
  static constexpr u32 kPerAnchor = 8 / Group::kAnchors;                            // panels
  static constexpr u32 kPitch = Base::kPitchSums, kRegion = Group::kAnchors * 16 * kPitch * 4; // of a warp's sums
  static_assert(8 * kRegion <= Base::kNumbers, "the warps' sums fit where stages would be");
  static constexpr u32 kRun = 32 / Codes::kBits, kStep = 4 * kRun; // rows of a lane, of a step
  static_assert(sizeof(T) == 2 && Codes::kGroup % kRun == 0, "a lane's rows of a step share scales");

  using Factors = typename Codes::Factors;

  /// What a lane reads of a step, but for scales and zero points: those aren't read ahead, which takes registers.
  struct Step {
    Vector<u32, 4> codes[4];
    Vector<T, int(kRun)> a[2]; // rows g and g + 8
  };

  static LATHE_DEVICE auto codes(const Group &g, u32 anchor) {
    if constexpr (Group::kAnchors > 1)
      if (anchor == 1)
        return g.template codes<1>();
    return g.template codes<0>();
  }

  LATHE_DEVICE index panel() const { return this->column / 16 + lane() / 4 % kPerAnchor; }
  LATHE_DEVICE bool hasPanel(index k, index limit) const { return k < limit && panel() * 16 < this->columns; }

  /// From the lane's first element of K on.
  LATHE_DEVICE Step load(const Codes &codes, index k, index limit, const index (&from)[2]) const {
    Step step{};
    if (hasPanel(k, limit))
      for (u32 i = 0; i < 4; ++i)
        step.codes[i] =
            codes.memory.template part<u32>(0).template load<4>(codes.place(panel(), k) * Codes::kWords + i * 4);
    for (u32 i = 0; i < 2; ++i)
      if (k < limit && from[i] >= 0)
        step.a[i] = this->group.template lhs_vector<int(kRun)>(this->batch, from[i], k);
    return step;
  }

  /// Word i of row r of a step.
  static LATHE_DEVICE u32 word(const Step &step, u32 r, u32 i) {
    u32 at = r * Codes::kWords + i;
    return step.codes[at / 4][int(at % 4)];
  }

  static LATHE_DEVICE void multiply(float (&sums)[16][4], const Step &step, const Factors &factors) {
#pragma unroll
    for (u32 h = 0; h < kRun / 4; ++h) {
      u32 a[4];
#pragma unroll
      for (u32 i = 0; i < 4; ++i)
        a[i] = bit_cast<Vector<u32, int(kRun / 2)>>(step.a[i % 2])[int(2 * h + i / 2)];
#pragma unroll
      for (u32 i = 0; i < Codes::kWords; ++i)
#pragma unroll
        for (u32 half = 0; half < 2; ++half) {
          u32 pairs[2]; // of neighbours along K, two columns' codes in each half
#pragma unroll
          for (u32 j = 0; j < 2; ++j)
            pairs[j] =
                permute_bytes(word(step, 4 * h + 2 * j, i), word(step, 4 * h + 2 * j + 1, i), half ? 0x7632 : 0x5410);
#pragma unroll
          for (u32 n = 0; n < 16 / Codes::kBits; ++n) {
            u32 c = 4 * i + 2 * half + (Codes::kBits == 4 ? n / 2 + n % 2 * 8 : n);
            u32 b[2];
#pragma unroll
            for (u32 j = 0; j < 2; ++j)
              b[j] = Codes::template pair<T>(pairs[j] >> n * Codes::kBits, factors, c, c);
            mma_m16n8k16(sums[c], a, b, T());
          }
        }
    }
  }

  LATHE_DEVICE void compute() {
    index from[2] = {this->row(lane() / 4), this->row(lane() / 4 + 8)};
    index limit = minimum(this->end * index(Base::kDepth), this->depth);
    float sums[16][4] = {};
    Codes codes = Skinny::codes(this->group, lane() / 4 / kPerAnchor);
    index k = this->begin * index(Base::kDepth) + warp() * kStep, mine = lane() % 4 * kRun; // a lane's in a step
    Step next = load(codes, k + mine, limit, from);
    for (; k < limit; k += Base::kWarps * kStep) {
      Step step = next;
      Factors factors{};
      if (hasPanel(k + mine, limit))
        factors = codes.factors(panel(), k + mine);
      next = load(codes, k + Base::kWarps * kStep + mine, limit, from);
      multiply(sums, step, factors);
    }
    for (u32 c = 0; c < 16; ++c)
#pragma unroll
      for (u32 q = 0; q < 4; ++q) {
        u32 panel = lane() % 4 * 2 + q % 2, r = lane() / 4 + q / 2 * 8;
        u32 at = (panel / kPerAnchor * 16 + r) * kPitch + panel % kPerAnchor * 16 + c;
        shared<float>(warp() * kRegion).store(at, sums[c][q]);
      }
    sync_block();
    for (u32 i = thread(); i < 16 * 128 / 4; i += Base::kThreads) {
      u32 at = i / (Base::kColumns / 4) * kPitch + i % (Base::kColumns / 4) * 4;
      Vector<float, 4> total = shared<float>(0).template load<4>(at);
      for (u32 w = 1; w < Base::kWarps; ++w) {
        Vector<float, 4> more = shared<float>(w * kRegion).template load<4>(at);
        for (int j = 0; j < 4; ++j)
          total[j] += more[j];
      }
      shared<float>(0).template store<4>(at, total);
    }
    sync_block();
  }
};

} // namespace device
