/* vec_avx2.h: the vector vocabulary (vec_generic.h) in 256-bit AVX2 with FMA. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VL 8
/* Tile sizes: 12 accumulators + 2 of B + 1 of A in 16 registers; 4 x 24 took the same time within noise (AMD
 * Zen 5 server core, 2026-11-22). */
#define MR 6
#define NR 16
#define ATTENTION_MR 6
#define ATTENTION_NR 16
typedef __m256 vf;

static inline __m256i mask_n(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf vf_set1(float a) { return _mm256_set1_ps(a); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
static inline vf vf_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, mask_n(n)); }
static inline void vf_store_n(float *p, vf v, size_t n) { _mm256_maskstore_ps(p, mask_n(n), v); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf vf_select_less(vf a, vf b, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_scale2(vf a, vf n) {
    const __m256i exponent = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(exponent, 1);
    const __m256i rest = _mm256_sub_epi32(exponent, half), bias = _mm256_set1_epi32(127);
    const vf first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const vf second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, first), second);
}
static inline vf vf_residual(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
static inline vf vf_power2(vf k) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(k), 23));
}
static inline vf vf_keep_n(vf v, size_t n) { return _mm256_and_ps(v, _mm256_castsi256_ps(mask_n(n))); }
static inline float vf_sum(vf v) {
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}
static inline float vf_largest(vf v) {
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_shuffle_ps(a, a, 1)));
}
static inline vf vf_lower(vf words) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 16));
}
static inline vf vf_upper(vf words) {
    return _mm256_and_ps(words, _mm256_castsi256_ps(_mm256_set1_epi32(-65536)));
}
static inline void vf_store_bfloat16(uint16_t *p, vf v) {
    const __m256i bits = _mm256_castps_si256(v), one = _mm256_set1_epi32(1);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i kept = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(kept, kept), 0x08);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(packed));
}
static inline void vf_store_bfloat16_n(uint16_t *p, vf v, size_t n) {
    uint16_t all[VL];
    vf_store_bfloat16(all, v);
    memcpy(p, all, n * sizeof *p);
}
static inline vf vf_of_integers(vf v) { return _mm256_cvtepi32_ps(_mm256_castps_si256(v)); }
static inline vf vf_to_integers(vf v) { return _mm256_castsi256_ps(_mm256_cvtps_epi32(v)); }
static inline vf vf_add_integers(vf a, vf b) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline vf vf_byte(vf words, int byte) {
    const __m256i high = _mm256_sll_epi32(_mm256_castps_si256(words), _mm_cvtsi32_si128(24 - 8 * byte));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(high, 24));
}
/* int32 lanes: the lower 32 bits of a b. */
static inline vf vf_mul_integers(vf a, vf b) {
    return _mm256_castsi256_ps(_mm256_mullo_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
static inline void vf_store_bytes(uint8_t *p, vf v) {
    const __m256i integers = _mm256_cvtps_epi32(v), halves = _mm256_packs_epi32(integers, integers);
    const __m256i bytes = _mm256_packus_epi16(halves, halves); /* four in each 128-bit lane */
    const __m256i joined = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0));
    _mm_storel_epi64((__m128i *)p, _mm256_castsi256_si128(joined));
}
/* The even or the odd bytes of each word, widened to two 16-bit integers with or without sign; and c + the
 * sum of the products of such pairs, which always fits 32 bits. */
#define vf_has_pairs
static inline __attribute__((always_inline)) vf vf_signed_pairs(vf words, const int odd) {
    const __m256i bytes = _mm256_castps_si256(words);
    return _mm256_castsi256_ps(_mm256_srai_epi16(odd ? bytes : _mm256_slli_epi16(bytes, 8), 8));
}
static inline __attribute__((always_inline)) vf vf_unsigned_pairs(vf words, const int odd) {
    const __m256i bytes = _mm256_castps_si256(words);
    return _mm256_castsi256_ps(odd ? _mm256_srli_epi16(bytes, 8)
                                   : _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)));
}
static inline vf vf_add_pairs(vf a, vf b, vf c) {
    const __m256i products = _mm256_madd_epi16(_mm256_castps_si256(a), _mm256_castps_si256(b));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(c), products));
}
/* c + Σ a_i b_i over the four bytes of each word, a unsigned, b signed (VPDPBUSD of AVX-VNNI).  In assembly,
 * for the reason given in vec_avx512.h. */
#if defined(__AVXVNNI__)
#define vf_has_dot4
static inline vf vf_dot4(vf a, vf b, vf c) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
}
#endif
/* to[j * ld_to + i] := from[i * ld + j], VL by VL. */
static inline void vf_transpose(const float *from, size_t ld, float *to, size_t ld_to) {
    __m256 r[VL], q[VL];
    for (size_t i = 0; i < VL; i++) r[i] = _mm256_loadu_ps(from + i * ld);
    for (size_t i = 0; i < VL; i += 2) {
        q[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        q[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < VL; i += 4) { /* r[i + c]: columns c and 4 + c of rows i to i + 3 */
        r[i] = _mm256_shuffle_ps(q[i], q[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(q[i], q[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(q[i + 1], q[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(q[i + 1], q[i + 3], 0xee);
    }
    for (size_t c = 0; c < 4; c++) {
        _mm256_storeu_ps(to + c * ld_to, _mm256_permute2f128_ps(r[c], r[c + 4], 0x20));
        _mm256_storeu_ps(to + (c + 4) * ld_to, _mm256_permute2f128_ps(r[c], r[c + 4], 0x31));
    }
}
