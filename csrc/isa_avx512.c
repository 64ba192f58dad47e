/* isa_avx512.c: AVX-512F. 24 accumulators + 2 of B + 1 of A in 32 registers. */
#include "roberta_c.h"

#if defined(__AVX512F__)
#include "vec_avx512.h"

#define ISA_NAME "avx512"
#define MR 12
#define NR 32
#include "kernels.inc"

const rc_kernels *rc_isa_avx512(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx512(void) { return NULL; }
#endif
