/* vec_generic.h: the vector vocabulary in the compilers' own 128-bit vectors: SSE2, NEON or plain C,
 * whatever the target has.  Multiply-add is two roundings here (no FMA is assumed), built with
 * -ffp-contract=off so that it is the same two everywhere. */
#include <stdint.h>
#include <string.h>

#define VL 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

static inline vf vf_set1(float a) { return (vf){a, a, a, a}; }
static inline vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
/* The first n < VL lanes; the rest are zero. */
static inline vf vf_load_n(const float *p, size_t n) {
    vf v = {0, 0, 0, 0};
    memcpy(&v, p, n * sizeof(float));
    return v;
}
static inline void vf_store_n(float *p, vf v, size_t n) { memcpy(p, &v, n * sizeof(float)); }
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }  /* a b + c */
static inline vf vf_fnma(vf a, vf b, vf c) { return c - a * b; } /* c - a b */
static inline vf vf_select(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }
/* Where a comparison meets NaN the second argument is returned, as the x86 instructions do. */
static inline vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
static inline vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
static inline vf vf_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
static inline vf vf_select_less(vf a, vf b, vf yes, vf no) { return vf_select(a < b, yes, no); } /* a < b ? */
static inline vf vf_round(vf a) { /* to the nearest integer, for |a| < 2^22 */
    const vf shift = vf_set1(12582912.0f);
    return (a + shift) - shift;
}
/* a * 2^n for integral n in [-252, 254]; in two steps so that neither factor leaves the format. */
static inline vf vf_scale2(vf a, vf n) {
    const vi whole = __builtin_convertvector(n, vi), half = whole >> 1;
    return a * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
}
/* c - a b as if rounded once, where a b is c but for rounding: without FMA from halves of 12 bits, whose
 * products are exact. */
static inline vf vf_residual(vf a, vf b, vf c) {
    const vf upper_a = (vf)((vi)a & -4096), upper_b = (vf)((vi)b & -4096);
    return ((c - upper_a * upper_b) - upper_a * (b - upper_b)) - (a - upper_a) * b;
}
/* 2^n for integral n in [-126, 127], and 0 for n = -127; n stands in the low bits of k = 12583039 + n, a sum
 * that rounds to an integer by itself.  k NaN: any finite number, infinity or NaN. */
static inline vf vf_power2(vf k) { return (vf)((vi)k << 23); }
static inline vf vf_keep_n(vf v, size_t n) { /* lanes >= n become zero */
    const vi lane = {0, 1, 2, 3};
    return (vf)((vi)v & (lane < (int32_t)n));
}
static inline float vf_sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
static inline float vf_largest(vf v) {
    const float a = v[0] > v[1] ? v[0] : v[1], b = v[2] > v[3] ? v[2] : v[3];
    return a > b ? a : b;
}
/* The halves of words as float32: bfloat16 is its upper half. */
static inline vf vf_lower(vf words) { return (vf)((vi)words << 16); }
static inline vf vf_upper(vf words) { return (vf)((vi)words & -65536); }
/* p[i] := v[i] rounded to the nearest bfloat16, ties to even; NaN stays NaN. */
static inline void vf_store_bfloat16_n(uint16_t *p, vf v, size_t n) {
    const vi bits = (vi)v, rounded = bits + 0x7fff + ((bits >> 16) & 1), quiet = bits | 0x400000;
    const vi kept = (rounded & (v == v)) | (quiet & (v != v));
    uint16_t all[VL];
    for (size_t i = 0; i < VL; i++) all[i] = (uint16_t)((uint32_t)kept[i] >> 16);
    memcpy(p, all, n * sizeof *p);
}
static inline void vf_store_bfloat16(uint16_t *p, vf v) { vf_store_bfloat16_n(p, v, VL); }
/* Lanes may hold whole numbers of 32 bits: as float32, rounded, and back, for those that have some. */
static inline vf vf_of_integers(vf v) { return __builtin_convertvector((vi)v, vf); }
static inline vf vf_to_integers(vf v) { return (vf) __builtin_convertvector(v, vi); }
static inline vf vf_add_integers(vf a, vf b) { /* modulo 2^32 */
    typedef uint32_t vu __attribute__((vector_size(16)));
    return (vf)((vu)a + (vu)b);
}
/* A byte of each word, with its sign, as float32; byte 0 is the lowest. */
static inline vf vf_byte(vf words, int byte) {
    return __builtin_convertvector((vi)words << (24 - 8 * byte) >> 24, vf);
}
/* p[i] := v[i], which is whole and from 0 to 255. */
static inline void vf_store_bytes(uint8_t *p, vf v) {
    for (size_t i = 0; i < VL; i++) p[i] = (uint8_t)(int32_t)v[i];
}
/* to[j * ld_to + i] := from[i * ld + j], VL by VL. */
static inline void vf_transpose(const float *from, size_t ld, float *to, size_t ld_to) {
    const vf r0 = vf_load(from), r1 = vf_load(from + ld), r2 = vf_load(from + 2 * ld),
             r3 = vf_load(from + 3 * ld);
    for (size_t j = 0; j < VL; j++) {
        const vf column = {r0[j], r1[j], r2[j], r3[j]};
        vf_store(to + j * ld_to, column);
    }
}
