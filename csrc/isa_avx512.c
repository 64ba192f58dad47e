/* isa_avx512.c: AVX-512F. 27 accumulators + 3 of B + 1 of A in 32 registers.  Of the peak, on base-size
 * products at 504 rows, 9 x 48 reached 93 to 95 %, 8 x 48 1 less, 12 x 32 3 to 5 less, 6 x 64 3 less (AMD Zen
 * 5 server core, 2026-11-22).  Attention's products are 64 wide, which 48 does not divide. */
#include "roberta_c.h"

#if defined(__AVX512F__)
#include "vec_avx512.h"

#define ISA_NAME "avx512"
#define MR 9
#define NR 48
#define ATTENTION_MR 12
#define ATTENTION_NR 32
#define PANEL_BF16 rc_panel_avx512_bf16
#include "kernels.inc"

const rc_kernels *rc_isa_avx512(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx512(void) { return NULL; }
#endif
