/* isa_avx2.c: AVX2 with FMA; the tiles are in vec_avx2.h. */
#include "roberta_c.h"

#if defined(__AVX2__) && defined(__FMA__)
#include "vec_avx2.h"

#define ISA_NAME "avx2"
#define PANEL_INT8 rc_isa_avx_vnni()
#define PANEL_INT8_PAIRS panel_int8_pairs
#include "kernels.inc"

const rc_kernels *rc_isa_avx2(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx2(void) { return NULL; }
#endif
