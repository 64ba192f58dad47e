/* float16.h: one float16 or bfloat16 widened to float32, exactly, and one float32 rounded to bfloat16. */
#ifndef RC_FLOAT16_H
#define RC_FLOAT16_H

#include "roberta_c.h"

#include <string.h>

/* Element `index` of an array of this type, at any alignment. */
static inline float widened(const void *values, rc_dtype dtype, size_t index) {
    float value;
    if (dtype == RC_FLOAT32) {
        memcpy(&value, (const unsigned char *)values + index * sizeof value, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, (const unsigned char *)values + index * sizeof half, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    if (dtype == RC_FLOAT16) {
        const uint32_t sign = bits & 0x80000000u, exponent = half >> 10 & 31, fraction = half & 1023;
        if (exponent == 0) { /* zero or denormal: fraction * 2^-24 */
            value = (float)fraction * 0x1p-24f;
            return sign ? -value : value;
        }
        bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest bfloat16, ties to even; NaN stays NaN. */
static inline uint16_t bfloat16_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = value != value ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
    return (uint16_t)(bits >> 16);
}

#endif
