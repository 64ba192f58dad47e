/* isa_neon.c: AArch64's Advanced SIMD, part of its baseline.  24 accumulators + 4 of B + 1 of A in 32
 * registers; by reasoning, never timed on such a CPU. */
#include "internal.h"

#if defined(__aarch64__)
#include "vec_neon.h"

#define ISA_NAME "neon"
#define MR 6
#define NR 16
#define ATTENTION_MR 6
#define ATTENTION_NR 16
#include "kernels.inc"

int rc_isa_neon(rc_kernels *kernels) { return fill_kernels(kernels); }
#else
int rc_isa_neon(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
