/* vec_avx512.h: the vector vocabulary (vec_generic.h) in 512-bit AVX-512F. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VL 16
/* Tile sizes, the same in all AVX-512 files.  Linear's: 27 accumulators + 3 of B + 1 of A in 32 registers. On
 * float32 products of base size with 504 rows 9 x 48 reached 93 to 95 % of the peak, 8 x 48 1 point less,
 * 12 x 32 3 to 5 less, 6 x 64 3 less (AMD Zen 5 server core, 2026-11-22). */
#define MR 9
#define NR 48
/* Attention's: a head has 64 columns, which 48 does not divide. */
#define ATTENTION_MR 12
#define ATTENTION_NR 32
typedef __m512 vf;

static inline __mmask16 mask_n(size_t n) { return (__mmask16)((1u << n) - 1); }
static inline vf vf_set1(float a) { return _mm512_set1_ps(a); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
static inline vf vf_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(mask_n(n), p); }
static inline void vf_store_n(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, mask_n(n), v); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf vf_select_less(vf a, vf b, vf yes, vf no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
static inline vf vf_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_scale2(vf a, vf n) { return _mm512_scalef_ps(a, n); }
static inline vf vf_residual(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
static inline vf vf_power2(vf k) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(k), 23));
}
static inline vf vf_keep_n(vf v, size_t n) { return _mm512_maskz_mov_ps(mask_n(n), v); }
static inline float vf_sum(vf v) { return _mm512_reduce_add_ps(v); }
static inline float vf_largest(vf v) { return _mm512_reduce_max_ps(v); }
static inline vf vf_lower(vf words) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(words), 16));
}
static inline vf vf_upper(vf words) {
    return _mm512_castsi512_ps(_mm512_and_epi32(_mm512_castps_si512(words), _mm512_set1_epi32(-65536)));
}
#if defined(__AVX512BF16__)
/* v rounded to bfloat16, ties to even.  Subnormal numbers become 0 (VCVTNEPS2BF16), as in all products of
 * bfloat16 on these CPUs. */
static inline __m256i bfloat16_of(vf v) { return (__m256i)_mm512_cvtneps_pbh(v); }
#else
static inline __m256i bfloat16_of(vf v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_epi32(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i kept = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), bits,
                                              _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
}
#endif
static inline void vf_store_bfloat16(uint16_t *p, vf v) { _mm256_storeu_si256((__m256i *)p, bfloat16_of(v)); }
static inline void vf_store_bfloat16_n(uint16_t *p, vf v, size_t n) {
    uint16_t all[VL];
    vf_store_bfloat16(all, v);
    memcpy(p, all, n * sizeof *p);
}
static inline vf vf_of_integers(vf v) { return _mm512_cvtepi32_ps(_mm512_castps_si512(v)); }
static inline vf vf_to_integers(vf v) { return _mm512_castsi512_ps(_mm512_cvtps_epi32(v)); }
static inline vf vf_add_integers(vf a, vf b) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline vf vf_byte(vf words, int byte) {
    const __m512i high = _mm512_sll_epi32(_mm512_castps_si512(words), _mm_cvtsi32_si128(24 - 8 * byte));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(high, 24));
}
/* int32 lanes: the lower 32 bits of a b. */
static inline vf vf_mul_integers(vf a, vf b) {
    return _mm512_castsi512_ps(_mm512_mullo_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
static inline void vf_store_bytes(uint8_t *p, vf v) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
/* c + Σ a_i b_i over the two bfloat16 of each word (VDPBF16PS: the upper ones first; subnormal numbers count
 * as 0). */
#if defined(__AVX512BF16__)
#define vf_has_dot2
static inline vf vf_dot2(vf a, vf b, vf c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
#endif
/* c + Σ a_i b_i over the four bytes of each word, a unsigned, b signed (VPDPBUSD).  In assembly: with the
 * intrinsic, GCC 12 keeps sums in memory that are also used as float32. */
#if defined(__AVX512VNNI__)
#define vf_has_dot4
static inline vf vf_dot4(vf a, vf b, vf c) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}
#endif
/* to[j * ld_to + i] := from[i * ld + j], VL by VL. */
static inline void vf_transpose(const float *from, size_t ld, float *to, size_t ld_to) {
    __m512 r[VL], q[VL];
    for (size_t i = 0; i < VL; i++) r[i] = _mm512_loadu_ps(from + i * ld);
    for (size_t i = 0; i < VL; i += 2) {
        q[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        q[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < VL; i += 4) { /* r[i + c]: column 4 g + c of rows i to i + 3 in 128-bit lane g */
        const __m512d a = _mm512_castps_pd(q[i]), b = _mm512_castps_pd(q[i + 1]);
        const __m512d c = _mm512_castps_pd(q[i + 2]), d = _mm512_castps_pd(q[i + 3]);
        r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    for (size_t c = 0; c < 4; c++) {
        const __m512 low = _mm512_shuffle_f32x4(r[c], r[c + 4], 0x88);       /* lanes 0, 2 of both */
        const __m512 high = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0x88); /* rows 8 to 15 */
        const __m512 low_odd = _mm512_shuffle_f32x4(r[c], r[c + 4], 0xdd);   /* lanes 1, 3 */
        const __m512 high_odd = _mm512_shuffle_f32x4(r[c + 8], r[c + 12], 0xdd);
        _mm512_storeu_ps(to + c * ld_to, _mm512_shuffle_f32x4(low, high, 0x88));
        _mm512_storeu_ps(to + (c + 4) * ld_to, _mm512_shuffle_f32x4(low_odd, high_odd, 0x88));
        _mm512_storeu_ps(to + (c + 8) * ld_to, _mm512_shuffle_f32x4(low, high, 0xdd));
        _mm512_storeu_ps(to + (c + 12) * ld_to, _mm512_shuffle_f32x4(low_odd, high_odd, 0xdd));
    }
}
