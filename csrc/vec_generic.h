/* vec_generic.h: the vector vocabulary, defined here for all vec_*.h, in the compilers' own 128-bit vectors:
 * SSE2, NEON or plain C, whatever the target has.  A vector vf has VL lanes of float32 (or of 32 bits that
 * hold something else, where said).  Multiply-add rounds twice here, since no FMA is assumed; the flag
 * -ffp-contract=off makes it so on every compiler.
 * Optional, only where a set has instructions for it, and described in vec_avx2.h and vec_avx512.h:
 *   vf_has_dot2    vf_dot2, for RC_BF16
 *   vf_has_dot4    vf_dot4 and vf_mul_integers, for RC_INT8
 *   vf_has_pairs   vf_signed_pairs, vf_unsigned_pairs, vf_add_pairs and vf_mul_integers, for RC_INT8_PAIRS */
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
/* The first n < VL lanes; the other lanes are zero. */
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
/* If one argument is NaN, the result is the second, as with the x86 instructions. */
static inline vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }
static inline vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
static inline vf vf_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
static inline vf vf_select_less(vf a, vf b, vf yes, vf no) { return vf_select(a < b, yes, no); } /* a < b ? */
static inline vf vf_round(vf a) {          /* to the nearest integer, for |a| < 2^22 */
    const vf shift = vf_set1(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    return (a + shift) - shift;
}
/* a * 2^n for integers n in [-252, 254]; two factors, each of which float32 can represent. */
static inline vf vf_scale2(vf a, vf n) {
    const vi exponent = __builtin_convertvector(n, vi), half = exponent >> 1;
    return a * (vf)((half + 127) << 23) * (vf)((exponent - half + 127) << 23);
}
/* c - a b, rounded once, where c is a b up to rounding.  Without FMA: a and b are split into halves of 12
 * bits, whose products are exact. */
static inline vf vf_residual(vf a, vf b, vf c) {
    const vf upper_a = (vf)((vi)a & -4096), upper_b = (vf)((vi)b & -4096);
    return ((c - upper_a * upper_b) - upper_a * (b - upper_b)) - (a - upper_a) * b;
}
/* 2^n for integers n in [-126, 127], 0 for n = -127, where k = 12583039 + n.  The constant is 1.5 * 2^23 +
 * 127: adding it in float32 rounds to an integer and leaves n + 127, the exponent field of 2^n, in the low
 * bits. For k NaN the result is undefined. */
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
/* The lower or upper bfloat16 of each word, as float32: a bfloat16 is the upper half of a float32. */
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
/* Between lanes of int32 and lanes of float32; vf_to_integers is exact for integers. */
static inline vf vf_of_integers(vf v) { return __builtin_convertvector((vi)v, vf); }
static inline vf vf_to_integers(vf v) { return (vf) __builtin_convertvector(v, vi); }
static inline vf vf_add_integers(vf a, vf b) { /* modulo 2^32 */
    typedef uint32_t vu __attribute__((vector_size(16)));
    return (vf)((vu)a + (vu)b);
}
/* One signed byte of each word, as float32; byte 0 is the lowest. */
static inline vf vf_byte(vf words, int byte) {
    return __builtin_convertvector((vi)words << (24 - 8 * byte) >> 24, vf);
}
/* p[i] := v[i], an integer from 0 to 255. */
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
