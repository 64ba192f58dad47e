/* isa_avx512.c: AVX-512F; the tiles are in vec_avx512.h. */
#include "roberta_c.h"

#if defined(__AVX512F__)
#include "vec_avx512.h"

#define ISA_NAME "avx512"
#define PANEL_INT8 rc_isa_avx512_vnni()
#define PANEL_BF16 rc_isa_avx512_bf16()->panel
#define ATTENTION_TILE_BF16 rc_isa_avx512_bf16()->attention_tile
#include "kernels.inc"

const rc_kernels *rc_isa_avx512(void) { return &kernels; }
#else
const rc_kernels *rc_isa_avx512(void) { return NULL; }
#endif
