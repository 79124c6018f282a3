// RUN: cpu-kernel-check %s --target=x86-64-v3 --compile-only --save-temps=%t.v3
// RUN: cpu-kernel-check %s --target=x86-64-v4 --compile-only --save-temps=%t.v4
// RUN: llvm-readelf -hldrW --dyn-syms %t.v3.so | FileCheck %s --check-prefix=ELF
// RUN: llvm-readelf -hldrW --dyn-syms %t.v4.so | FileCheck %s --check-prefix=ELF
// RUN: FileCheck %s --check-prefix=V3 < %t.v3.0.s
// RUN: FileCheck %s --check-prefix=V4 < %t.v4.0.s
// What the runtime's loader takes: no needed library, no undefined symbol, no constructor, no TLS, nothing writable and
// executable, relative relocations only.
// ELF: Type: DYN
// ELF-NOT: TLS
// ELF-NOT: RWE
// ELF-NOT: NEEDED
// ELF-NOT: INIT
// ELF-NOT: R_X86_64_{{JUMP_SLOT|GLOB_DAT|64|IRELATIVE}}
// ELF-NOT: {{UND +[^ ]}}
// ELF: FUNC GLOBAL DEFAULT {{.*}} k0
// The register tile: 6 rows of 2 vectors in 16 registers, 14 of 2 in 32, nothing spilt.
// V3-LABEL: gemm.f32.6x16.stream:
// V3: vfmadd{{.*}}%ymm
// V3-NOT: (%rsp), %ymm
// V3: jl
// V3-NOT: zmm
// V4-LABEL: gemm.f32.14x32.stream:
// V4: vfmadd{{.*}}%zmm
// V4-NOT: (%rsp), %zmm
// V4: jl
!x = tensor<?x384xf32, #tfm.dims<m, 384>>
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  kernel.func @norm(%x: !x, %w: tensor<384x384xf32> {test.panel}, %b: tensor<384xf32>) -> !x attributes {anchor = #kernel.anchor<contraction>} {
    %c = tfm.constant dense<[1.0, 2.0]> : tensor<2xf32>
    %0 = tfm.linear %x, %w bias(%b) : (!x, tensor<384x384xf32>, tensor<384xf32>) -> !x
    %1 = tfm.softmax %0 {axis = 1 : i64} : (!x) -> !x
    %2 = tfm.log %1 : (!x) -> !x
    %3 = tfm.pow %2, %1 : (!x, !x) -> !x
    kernel.return %3 : !x
  }
}
