/* dispatch.c: which kernel table this CPU gets.  Names run from best to plainest; a caller (or
 * ROBERTA_C_ISA, read by _kernels.pyx) can ask for any that the CPU has, never for more. */
#include "roberta_c.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

static int cpu_has_generic(void) { return 1; }
static int cpu_has_neon(void) { return 1; } /* wherever its file is more than a stub */
#if defined(__x86_64__) || defined(__i386__)
/* libgcc's check includes the operating system's side (XGETBV), not only CPUID. */
static int cpu_has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int cpu_has_avx512(void) { return cpu_has_avx2() && __builtin_cpu_supports("avx512f"); }
#else
static int cpu_has_avx2(void) { return 0; }
static int cpu_has_avx512(void) { return 0; }
#endif

static const struct {
    const char *name;
    const rc_kernels *(*table)(void);
    int (*cpu_has)(void);
} isas[] = {
    {"avx512", rc_isa_avx512, cpu_has_avx512},
    {"avx2", rc_isa_avx2, cpu_has_avx2},
    {"neon", rc_isa_neon, cpu_has_neon},
    {"generic", rc_isa_generic, cpu_has_generic},
    {"reference", rc_isa_reference, cpu_has_generic},
};

/* VDPBF16PS runs at the rate of a multiply-add, so at twice its arithmetic, on AMD's cores (Zen 5: 935 to 480
 * GF/s, benchmarks/results/encoder_bfloat16.json; Zen 4 as published); on Intel's Sapphire Rapids, as
 * published, at half of it, where widened weights do as well on exact rows. */
static int has_fast_bfloat16(void) {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16") && rc_isa_avx512_bf16() != NULL;
#else
    return 0;
#endif
}

/* VPDPBUSD by the kernels of either width. */
static int has_avx512_vnni(void) {
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("avx512vnni") && rc_isa_avx512_vnni() != NULL;
#else
    return 0;
#endif
}
static int has_avx_vnni(void) {
#if defined(__x86_64__) || defined(__i386__)
    unsigned a, b, c, d; /* asked for here: compilers older than clang 15 do not know its name */
    return rc_isa_avx_vnni() != NULL && cpu_has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a >> 4 & 1);
#else
    return 0;
#endif
}

int rc_can_multiply(const rc_kernels *kernels, rc_arithmetic arithmetic) {
    const int is_avx512 = strcmp(kernels->name, "avx512") == 0, is_avx2 = strcmp(kernels->name, "avx2") == 0;
    switch (arithmetic) {
    case RC_BF16: return is_avx512 && has_fast_bfloat16();
    case RC_INT8: return (is_avx512 && has_avx512_vnni()) || (is_avx2 && has_avx_vnni());
    case RC_INT8_PAIRS: return is_avx2;
    default: return 1;
    }
}

rc_arithmetic rc_bfloat16_arithmetic(const rc_kernels *kernels) {
    return rc_can_multiply(kernels, RC_BF16) ? RC_BF16 : RC_BF16_WEIGHTS;
}

rc_arithmetic rc_int8_arithmetic(const rc_kernels *kernels) {
    if (rc_can_multiply(kernels, RC_INT8)) return RC_INT8;
    return rc_can_multiply(kernels, RC_INT8_PAIRS) ? RC_INT8_PAIRS : RC_INT8_WEIGHTS;
}

size_t rc_isa_count(void) { return sizeof isas / sizeof isas[0]; }

const char *rc_isa_name(size_t index) { return isas[index].name; }

int rc_isa_available(size_t index) { return isas[index].table() != NULL && isas[index].cpu_has(); }

rc_status rc_select_kernels(const char *isa, const rc_kernels **kernels) {
    for (size_t index = 0; index < rc_isa_count(); index++) {
        if (strcmp(isa, isas[index].name) != 0) continue;
        if (!rc_isa_available(index)) return RC_ISA_UNAVAILABLE;
        *kernels = isas[index].table();
        return RC_OK;
    }
    return RC_UNKNOWN_ISA;
}

rc_status rc_attention_scratch(const rc_kernels *kernels, size_t longest, size_t head_size, size_t *floats) {
    const size_t nr = kernels->attention_nr;
    if (longest > SIZE_MAX / 64 / sizeof(float) - nr || head_size > SIZE_MAX / 64 / sizeof(float) - nr)
        return RC_TOO_LARGE;
    const size_t keys = (longest + nr - 1) / nr * nr, columns = (head_size + nr - 1) / nr * nr;
    /* Packed keys (D, keys), packed values (longest, columns), one tile of scores (mr, up to a block). */
    const size_t block = keys < RC_KEY_BLOCK ? keys : RC_KEY_BLOCK, per_key = head_size + columns;
    if (keys > SIZE_MAX / 2 / sizeof(float) / per_key) return RC_TOO_LARGE;
    *floats = keys * per_key + kernels->attention_mr * block;
    return RC_OK;
}
