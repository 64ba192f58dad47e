/* isa_avx512_bf16.c: an extension of avx512, VDPBF16PS: two bfloat16 multiply-adds in each 32-bit lane. */
#include "internal.h"

#if defined(__AVX512BF16__)
#include "vec_avx512.h"

#include "multiply.inc"

static void panel_bf16(const rc_panel_unit *unit) { multiply_panel(RC_BF16, unit); }

static void attention_product_bf16(size_t rows, const rc_word *a_mk, size_t lda, const rc_word *panels_pkn,
                                   size_t panel_stride, size_t k, size_t columns, const rc_tile_epilogue *e,
                                   float *c_mn, size_t ldc) {
    multiply_attention(RC_BF16, rows, a_mk, lda, panels_pkn, panel_stride, k, columns, e, c_mn, ldc);
}

int rc_isa_avx512_bf16(rc_kernels *kernels) {
    kernels->panel[RC_BF16] = panel_bf16;
    kernels->attention_product[RC_BF16] = attention_product_bf16;
    return 1;
}
#else
int rc_isa_avx512_bf16(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
