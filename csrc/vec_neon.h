/* vec_neon.h: the vector vocabulary (vec_generic.h) in 128-bit Advanced SIMD of AArch64, with FMA.  Unlike
 * there, vf_max and vf_min give NaN if either argument is NaN. */
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VL 4
typedef float32x4_t vf;

static inline vf vf_set1(float a) { return vdupq_n_f32(a); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf v) { vst1q_f32(p, v); }
static inline vf vf_load_n(const float *p, size_t n) {
    float lanes[VL] = {0, 0, 0, 0};
    memcpy(lanes, p, n * sizeof(float));
    return vld1q_f32(lanes);
}
static inline void vf_store_n(float *p, vf v, size_t n) {
    float lanes[VL];
    vst1q_f32(lanes, v);
    memcpy(p, lanes, n * sizeof(float));
}
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
static inline vf vf_residual(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
static inline vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vf_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf vf_abs(vf a) { return vabsq_f32(a); }
static inline vf vf_select_less(vf a, vf b, vf yes, vf no) { return vbslq_f32(vcltq_f32(a, b), yes, no); }
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vf vf_scale2(vf a, vf n) {
    const int32x4_t exponent = vcvtq_s32_f32(n), half = vshrq_n_s32(exponent, 1), bias = vdupq_n_s32(127);
    const int32x4_t rest = vsubq_s32(exponent, half);
    const vf first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    const vf second = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23));
    return vmulq_f32(vmulq_f32(a, first), second);
}
static inline vf vf_power2(vf k) { return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(k), 23)); }
static inline vf vf_keep_n(vf v, size_t n) {
    static const uint32_t lanes[VL] = {0, 1, 2, 3};
    const uint32x4_t kept = vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)n));
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), kept));
}
static inline float vf_sum(vf v) { return vaddvq_f32(v); }
static inline float vf_largest(vf v) { return vmaxvq_f32(v); }
static inline vf vf_lower(vf words) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(words), 16));
}
static inline vf vf_upper(vf words) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(words), vdupq_n_u32(0xffff0000u)));
}
static inline void vf_store_bfloat16(uint16_t *p, vf v) {
    const uint32x4_t bits = vreinterpretq_u32_f32(v), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16));
}
static inline void vf_store_bfloat16_n(uint16_t *p, vf v, size_t n) {
    uint16_t all[VL];
    vf_store_bfloat16(all, v);
    memcpy(p, all, n * sizeof *p);
}
static inline vf vf_of_integers(vf v) { return vcvtq_f32_s32(vreinterpretq_s32_f32(v)); }
static inline vf vf_to_integers(vf v) { return vreinterpretq_f32_s32(vcvtnq_s32_f32(v)); }
static inline vf vf_add_integers(vf a, vf b) {
    return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
static inline vf vf_byte(vf words, int byte) {
    const int32x4_t high = vshlq_s32(vreinterpretq_s32_f32(words), vdupq_n_s32(24 - 8 * byte));
    return vcvtq_f32_s32(vshrq_n_s32(high, 24));
}
static inline void vf_store_bytes(uint8_t *p, vf v) {
    const uint16x4_t halves = vmovn_u32(vcvtq_u32_f32(v));
    uint8_t all[8];
    vst1_u8(all, vmovn_u16(vcombine_u16(halves, halves)));
    memcpy(p, all, VL);
}
/* to[j * ld_to + i] := from[i * ld + j], VL by VL. */
static inline void vf_transpose(const float *from, size_t ld, float *to, size_t ld_to) {
    const float32x4x2_t low = vtrnq_f32(vld1q_f32(from), vld1q_f32(from + ld));
    const float32x4x2_t high = vtrnq_f32(vld1q_f32(from + 2 * ld), vld1q_f32(from + 3 * ld));
    for (size_t c = 0; c < 2; c++) {
        vst1q_f32(to + c * ld_to, vcombine_f32(vget_low_f32(low.val[c]), vget_low_f32(high.val[c])));
        vst1q_f32(to + (c + 2) * ld_to, vcombine_f32(vget_high_f32(low.val[c]), vget_high_f32(high.val[c])));
    }
}
