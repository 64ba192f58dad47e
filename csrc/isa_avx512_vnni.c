/* isa_avx512_vnni.c: an extension of avx512, VPDPBUSD: four int8 multiply-adds in each 32-bit lane. */
#include "internal.h"

#if defined(__AVX512VNNI__)
#include "vec_avx512.h"

#include "multiply.inc"

static void panel_int8(const rc_panel_unit *unit) { multiply_panel(RC_INT8, unit); }

int rc_isa_avx512_vnni(rc_kernels *kernels) {
    kernels->panel[RC_INT8] = panel_int8;
    return 1;
}
#else
int rc_isa_avx512_vnni(rc_kernels *kernels) { return (void)kernels, 0; }
#endif
