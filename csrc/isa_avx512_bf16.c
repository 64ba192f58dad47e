/* isa_avx512_bf16.c: VDPBF16PS, for those CPUs with AVX-512 that have it at full rate (dispatch.c): a word of
 * two bfloat16 takes the place of a float32, and twice the work is done at a step. */
#include "roberta_c.h"

#if defined(__AVX512BF16__)
#include "vec_avx512.h"

#include "basics.inc"

static void panel_bf16(const rc_product *of, size_t panel, size_t t0, size_t t1, int new_rows,
                       const rc_word *soon) {
    panel_by_tiles(RC_BF16, of, panel, t0, t1, new_rows, soon);
}

static void attention_tile_bf16(size_t rows, const rc_word *a_mk, size_t lda, const rc_word *panel_kn,
                                size_t k, size_t columns, const rc_tile_epilogue *e, float *c_mn,
                                size_t ldc) {
    attention_tile(RC_BF16, rows, a_mk, lda, panel_kn, k, columns, e, c_mn, ldc);
}

static const rc_bf16_kernels kernels = {panel_bf16, attention_tile_bf16};

const rc_bf16_kernels *rc_isa_avx512_bf16(void) { return &kernels; }
#else
const rc_bf16_kernels *rc_isa_avx512_bf16(void) { return NULL; }
#endif
