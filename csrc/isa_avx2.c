/* isa_avx2.c: AVX2 with FMA. 12 accumulators + 2 of B + 1 of A in 16 registers; 4 x 24 ran alike within noise
 * (AMD Zen 5 server core, 2026-11-22). */
#include "roberta_c.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "vec_avx2.h"

#define ISA_NAME "avx2"
#define MR 6
#define NR 16
#define ATTENTION_MR 6
#define ATTENTION_NR 16
#include "kernels.inc"

const rc_kernels *rc_isa_avx2(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx2(void) { return NULL; }
#endif
