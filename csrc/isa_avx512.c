/* isa_avx512.c: AVX-512F; the tile sizes are in vec_avx512.h. */
#include "internal.h"

#if defined(__AVX512F__)
#include "vec_avx512.h"

#define ISA_NAME "avx512"
#include "kernels.inc"

int rc_isa_avx512(rc_kernels *kernels) { return fill_kernels(kernels); }
#else
int rc_isa_avx512(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
