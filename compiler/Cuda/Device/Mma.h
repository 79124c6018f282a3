// Matrix products of a warp. Fragments, with g = lane / 4 and t = lane % 4 (PTX ISA, "matrix fragments"):
//   m16n8k16, 16 bits, two in a register, the lower column (A) or row (B) in its low half
//     a[0] (g, 2t..)  a[1] (g + 8, 2t..)  a[2] (g, 2t + 8..)  a[3] (g + 8, 2t + 8..)      A is 16 x 16
//     b[0] (2t.., g)  b[1] (2t + 8.., g)                                                  B is 16 x 8
//   m16n8k8, tf32
//     a[0] (g, t)  a[1] (g + 8, t)  a[2] (g, t + 4)  a[3] (g + 8, t + 4)                  A is 16 x 8
//     b[0] (t, g)  b[1] (t + 4, g)                                                        B is 8 x 8
//   m16n8k32, 8 bits, four in a register, the lowest column (A, unsigned) or row (B, signed) in its low bits
//     a[0] (g, 4t..)  a[1] (g + 8, 4t..)  a[2] (g, 4t + 16..)  a[3] (g + 8, 4t + 16..)    A is 16 x 32
//     b[0] (4t.., g)  b[1] (4t + 16.., g)                                                 B is 32 x 8
//     the same of f8E4M3FN on both sides
//   m16n8k32, 16 bits, A sparse: of each four elements of a row of A two are there, 16 of 32, as A of m16n8k16 is
//     b[0] (2t.., g)  b[1] (2t + 8.., g)  b[2] (2t + 16.., g)  b[3] (2t + 24.., g)        B is 32 x 8
//     metadata, of lanes with t < 2: where in its four each of row g's elements 8t to 8t + 7 is, two bits each, the
//     first in the lowest; then row g + 8's. Of a four's two the first comes first.
//   d[0] (g, 2t)  d[1] (g, 2t + 1)  d[2] (g + 8, 2t)  d[3] (g + 8, 2t + 1)                D is 16 x 8
// ldmatrix loads 8 x 8 matrices of 16 bits: lane 8m + i gives the address of matrix m's row i (16 bytes, aligned), and
// r[m] becomes (g, 2t..) of matrix m, or (2t.., g) where it is transposed.
#ifndef LATHE_DEVICE_MMA_H
#define LATHE_DEVICE_MMA_H

namespace device {

#ifdef LATHE_CUDA_SIM
enum class SimType : u32 { f16, bf16, tf32, u8, s8 };
extern "C" {
void sim_ldmatrix(u32 *r, u32 address, u32 matrices, bool transposed, Site);
void sim_mma(float *d, const u32 *a, const u32 *b, SimType, Site);
void sim_mma_codes(int *d, const u32 *a, const u32 *b, Site);
void sim_mma_sparse(float *d, const u32 *a, const u32 *b, u32 metadata, SimType, Site);
void sim_mma_e4m3(float *d, const u32 *a, const u32 *b, Site);
}
LATHE_DEVICE constexpr SimType simType(f16) { return SimType::f16; }
LATHE_DEVICE constexpr SimType simType(bf16) { return SimType::bf16; }
#endif

LATHE_DEVICE void ldmatrix_x4(u32 (&r)[4], u32 address LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_ldmatrix(r, address, 4, false, site);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#endif
}
LATHE_DEVICE void ldmatrix_x4_trans(u32 (&r)[4], u32 address LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_ldmatrix(r, address, 4, true, site);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#endif
}
LATHE_DEVICE void ldmatrix_x2(u32 (&r)[2], u32 address LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_ldmatrix(r, address, 2, false, site);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(address)
               : "memory");
#endif
}
LATHE_DEVICE void ldmatrix_x2_trans(u32 (&r)[2], u32 address LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_ldmatrix(r, address, 2, true, site);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(address)
               : "memory");
#endif
}

// d += a * b
LATHE_DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], f16 LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mma(d, a, b, SimType::f16, site);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
LATHE_DEVICE void mma_m16n8k16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], bf16 LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mma(d, a, b, SimType::bf16, site);
#else
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
LATHE_DEVICE void mma_m16n8k8_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2] LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mma(d, a, b, SimType::tf32, site);
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
LATHE_DEVICE void mma_m16n8k32(int (&d)[4], const u32 (&a)[4], const u32 (&b)[2] LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mma_codes(d, a, b, site);
#else
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#ifdef LATHE_CUDA_SIM
template <class T>
LATHE_DEVICE void mma_sparse_m16n8k32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[4], u32 metadata,
                                      T LATHE_AND_SITE) {
  sim_mma_sparse(d, a, b, metadata, simType(T()), site);
}
#else
LATHE_DEVICE void mma_sparse_m16n8k32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[4], u32 metadata, f16) {
  asm volatile("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
               "{%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, 0x0;"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(metadata));
}
LATHE_DEVICE void mma_sparse_m16n8k32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[4], u32 metadata, bf16) {
  asm volatile("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
               "{%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, 0x0;"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(metadata));
}
#endif
// sm_89 and later.
LATHE_DEVICE void mma_m16n8k32_e4m3(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2] LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_mma_e4m3(d, a, b, site);
#else
  asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

} // namespace device

#endif
