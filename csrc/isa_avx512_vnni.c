/* isa_avx512_vnni.c: VPDPBUSD, for those CPUs with AVX-512 that have it: a word of four bytes takes the place
 * of a float32, and four times the work is done at a step. */
#include "roberta_c.h"

#if defined(__AVX512VNNI__)
#include "vec_avx512.h"

#include "basics.inc"

static void panel_int8(const rc_product *of, size_t panel, size_t t0, size_t t1, int new_rows,
                       const rc_word *soon) {
    panel_by_tiles(RC_INT8, of, panel, t0, t1, new_rows, soon);
}

rc_panel *rc_isa_avx512_vnni(void) { return panel_int8; }
#else
rc_panel *rc_isa_avx512_vnni(void) { return NULL; }
#endif
