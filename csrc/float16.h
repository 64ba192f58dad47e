/* float16.h: one element of a weight file as float32, and one float32 rounded to bfloat16. */
#ifndef RC_FLOAT16_H
#define RC_FLOAT16_H

#include "roberta_c.h"

#include <string.h>

/* Element `index` of an array of this type, at any alignment: exactly, but for float64, which is rounded. */
static inline float widened(const void *values, rc_dtype dtype, size_t index) {
    const unsigned char *bytes = values;
    float value;
    if (dtype == RC_FLOAT32) {
        memcpy(&value, bytes + index * sizeof value, sizeof value);
        return value;
    }
    if (dtype == RC_FLOAT64) {
        double number;
        memcpy(&number, bytes + index * sizeof number, sizeof number);
        return (float)number;
    }
    uint16_t half;
    memcpy(&half, bytes + index * sizeof half, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    if (dtype == RC_FLOAT16) {
        const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
        const float denormal = (float)(int32_t)fraction * 0x1p-24f; /* also zero */
        uint32_t magnitude;
        memcpy(&magnitude, &denormal, sizeof magnitude);
        if (exponent > 0) magnitude = (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
        bits = (bits & 0x80000000u) | magnitude;
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
