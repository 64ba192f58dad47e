/* isa_avx512_bf16.c: linear's units of work by VDPBF16PS, for those CPUs with AVX-512 that have it at full
 * rate (dispatch.c): a word of two bfloat16 takes the place of a float32, and twice the work is done at a
 * step. */
#include "roberta_c.h"

#if defined(__AVX512BF16__)
#include "vec_avx512.h"

#include "basics.inc"

int rc_has_panel_avx512_bf16(void) { return 1; }

void rc_panel_avx512_bf16(const rc_product *of, size_t panel, size_t t0, size_t t1, int new_rows,
                          const rc_word *soon) {
    panel_by_tiles(RC_BF16, of, panel, t0, t1, new_rows, soon);
}

void rc_attention_tile_avx512_bf16(size_t rows, const rc_word *a_mk, size_t lda, const rc_word *panel_kn,
                                   size_t k, size_t columns, const rc_tile_epilogue *e, float *c_mn,
                                   size_t ldc) {
    attention_tile(RC_BF16, rows, a_mk, lda, panel_kn, k, columns, e, c_mn, ldc);
}
#else
int rc_has_panel_avx512_bf16(void) { return 0; }

void rc_panel_avx512_bf16(const rc_product *of, size_t panel, size_t t0, size_t t1, int new_rows,
                          const rc_word *soon) {
    (void)of, (void)panel, (void)t0, (void)t1, (void)new_rows, (void)soon;
}

void rc_attention_tile_avx512_bf16(size_t rows, const rc_word *a_mk, size_t lda, const rc_word *panel_kn,
                                   size_t k, size_t columns, const rc_tile_epilogue *e, float *c_mn,
                                   size_t ldc) {
    (void)rows, (void)a_mk, (void)lda, (void)panel_kn, (void)k, (void)columns, (void)e, (void)c_mn, (void)ldc;
}
#endif
