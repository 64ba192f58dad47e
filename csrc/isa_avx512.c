/* isa_avx512.c: AVX-512F.  Linear's tile is in vec_avx512.h; attention's products are 64 wide, which 48 does
 * not divide. */
#include "roberta_c.h"

#if defined(__AVX512F__)
#include "vec_avx512.h"

#define ISA_NAME "avx512"
#define ATTENTION_MR 12
#define ATTENTION_NR 32
#define PANEL_BF16 rc_panel_avx512_bf16
#include "kernels.inc"

const rc_kernels *rc_isa_avx512(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx512(void) { return NULL; }
#endif
