/* isa_amx.c: avx512's table, bfloat16's and int8's products on AMX (Intel's matrix unit, from Sapphire
 * Rapids). */
#include "internal.h"
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__) && defined(__AVX512BF16__) &&    \
    defined(__AVX512VNNI__) /* for dot_begin and dot_finish of RC_INT8 (dot.inc) */
#include "vec_avx512.h"

#include "multiply.inc"

#include "amx_panel.inc"
#include "pack_columns.inc"
#include "attention.inc"

#include "amx_attention.inc"

static void panel_bf16(const rc_panel_unit *unit) { multiply_panel_amx(RC_BF16, unit); }
static void panel_int8(const rc_panel_unit *unit) { multiply_panel_amx(RC_INT8, unit); }
int rc_isa_amx(rc_kernels *kernels) {
    if (!rc_isa_avx512(kernels)) return 0;
    kernels->name = "amx";
    kernels->panel[RC_BF16] = panel_bf16;
    kernels->panel[RC_INT8] = panel_int8;
    kernels->attention = attention;
    kernels->attention_mr = QUERY_ROWS;
    kernels->attention_product[RC_BF16] = attention_product_amx;
    return 1;
}
#else
int rc_isa_amx(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
