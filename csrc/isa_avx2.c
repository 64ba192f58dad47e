/* isa_avx2.c: AVX2 with FMA; the tile sizes are in vec_avx2.h. */
#include "internal.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "vec_avx2.h"

#define ISA_NAME "avx2"
#include "kernels.inc"

int rc_isa_avx2(rc_kernels *kernels) { return fill_kernels(kernels); }
#else
int rc_isa_avx2(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
