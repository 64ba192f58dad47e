/* dispatch.c: which functions this CPU gets.  Instruction sets run from best to plainest; a caller (or
 * ROBERTA_C_ISA, read by roberta_c/kernels/) can ask for any that the CPU has, never for more.  A table is
 * filled in two steps: the functions of the set, then those of each extension that the CPU has. */
#define _DEFAULT_SOURCE /* syscall */
#include "internal.h"

#include <string.h>

typedef struct {
    int (*fill)(rc_kernels *kernels);
    int (*cpu_has)(void);
} instructions;

static int cpu_has_generic(void) { return 1; }
static int cpu_has_neon(void) { return 1; } /* wherever isa_neon.c is more than a stub */
static int cpu_has_avx2(void);
static int cpu_has_avx_vnni(void);
static int cpu_has_avx512(void);
static int cpu_has_avx512_vnni(void);
static int cpu_has_fast_avx512_bf16(void);
static int cpu_has_amx(void);

static const struct {
    const char *name;
    instructions base, extensions[2];
} isas[] = {
    {"amx", {rc_isa_amx, cpu_has_amx}, {{NULL, NULL}}},
    {"avx512",
     {rc_isa_avx512, cpu_has_avx512},
     {{rc_isa_avx512_vnni, cpu_has_avx512_vnni}, {rc_isa_avx512_bf16, cpu_has_fast_avx512_bf16}}},
    {"avx2", {rc_isa_avx2, cpu_has_avx2}, {{rc_isa_avx_vnni, cpu_has_avx_vnni}}},
    {"neon", {rc_isa_neon, cpu_has_neon}, {{NULL, NULL}}},
    {"generic", {rc_isa_generic, cpu_has_generic}, {{NULL, NULL}}},
    {"reference", {rc_isa_reference, cpu_has_generic}, {{NULL, NULL}}},
};

size_t rc_isa_count(void) { return sizeof isas / sizeof isas[0]; }

const char *rc_isa_name(size_t index) { return isas[index].name; }

int rc_isa_available(size_t index) {
    rc_kernels kernels;
    return isas[index].base.cpu_has() && isas[index].base.fill(&kernels);
}

rc_status rc_select_kernels(const char *isa, rc_kernels *kernels) {
    size_t index = 0;
    while (index < rc_isa_count() && strcmp(isa, isas[index].name) != 0) index++;
    if (index == rc_isa_count()) return RC_UNKNOWN_ISA;
    if (!rc_isa_available(index)) return RC_ISA_UNAVAILABLE;
    isas[index].base.fill(kernels);
    for (size_t i = 0; i < sizeof isas[0].extensions / sizeof isas[0].extensions[0]; i++) {
        const instructions *extension = &isas[index].extensions[i];
        if (extension->fill && extension->cpu_has()) extension->fill(kernels);
    }
    return RC_OK;
}

int rc_can_multiply(const rc_kernels *kernels, rc_arithmetic arithmetic) {
    return kernels->panel[arithmetic] != NULL;
}

rc_arithmetic rc_bfloat16_arithmetic(const rc_kernels *kernels) {
    return rc_can_multiply(kernels, RC_BF16) ? RC_BF16 : RC_BF16_WEIGHTS;
}

rc_arithmetic rc_int8_arithmetic(const rc_kernels *kernels) {
    if (rc_can_multiply(kernels, RC_INT8)) return RC_INT8;
    return rc_can_multiply(kernels, RC_INT8_PAIRS) ? RC_INT8_PAIRS : RC_INT8_WEIGHTS;
}

rc_arithmetic rc_attention_arithmetic(const rc_kernels *kernels, rc_arithmetic linear, size_t d) {
    const int in_bfloat16 = rc_converts_rows(linear) && kernels->attention_product[RC_BF16] && d % 2 == 0;
    return in_bfloat16 ? RC_BF16 : RC_FP32;
}

rc_status rc_attention_scratch(const rc_kernels *kernels, size_t longest, size_t head_size, size_t *floats) {
    const size_t nr = kernels->attention_nr;
    if (head_size > SIZE_MAX / 8 / RC_KEY_BLOCK / sizeof(float) - nr) return RC_TOO_LARGE;
    /* Of a block of keys: packed keys (D, keys), packed values (keys, columns), scores of a tile (mr, keys).
     */
    const size_t block = longest < RC_KEY_BLOCK ? longest : RC_KEY_BLOCK;
    const size_t keys = (block + nr - 1) / nr * nr, columns = (head_size + nr - 1) / nr * nr;
    *floats = keys * (head_size + columns) + kernels->attention_mr * (keys + RC_SCORES_PADDING);
    return RC_OK;
}

/* ---- the CPU ----------------------------------------------------------------------------------------- */

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* libgcc's check asks the operating system too (XGETBV), not CPUID alone. */
static int cpu_has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int cpu_has_avx_vnni(void) {
    unsigned a, b, c, d; /* CPUID directly: compilers older than clang 15 do not know the feature's name */
    return cpu_has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
static int cpu_has_avx512(void) { return cpu_has_avx2() && __builtin_cpu_supports("avx512f"); }
static int cpu_has_avx512_vnni(void) { return __builtin_cpu_supports("avx512vnni") != 0; }

/* VDPBF16PS issues as often as a float32 multiply-add on AMD's cores and does twice its work (Zen 5: 935 GF/s
 * against 480, benchmarks/results/encoder_bfloat16.json; Zen 4: by published instruction tables, not measured
 * here).  On Intel's Sapphire Rapids it issues half as often, by such tables; RC_BF16_WEIGHTS is as fast
 * there, and keeps rows exact. */
static int cpu_has_fast_avx512_bf16(void) {
    return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512bf16");
}

/* AMX's registers are 8 KiB.  Linux (5.16 and later) gives them to a process that asks for them, for good:
 * signal frames of threads that use them are larger by as much, and alternate signal stacks that are too
 * small for these are refused from then on; if there is one already, this request is.  On other systems AMX
 * is not used. */
static int cpu_has_amx(void) {
#if defined(__x86_64__) && defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    const unsigned needed = AMX_BF16 | AMX_TILE | AMX_INT8;
    unsigned a, b, c, d;
    return cpu_has_avx512() && cpu_has_avx512_vnni() && __builtin_cpu_supports("avx512bf16") &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & needed) == needed &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}
#else
static int cpu_has_amx(void) { return 0; }
static int cpu_has_avx2(void) { return 0; }
static int cpu_has_avx_vnni(void) { return 0; }
static int cpu_has_avx512(void) { return 0; }
static int cpu_has_avx512_vnni(void) { return 0; }
static int cpu_has_fast_avx512_bf16(void) { return 0; }
#endif
