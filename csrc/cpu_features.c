/* cpu_features.c: CPU features for reports (roberta-c doctor).  dispatch.c makes the choice, not this. */
#include "internal.h"

#if defined(__x86_64__) || defined(__i386__)
/* A compiler rejects names that it does not know.  GCC and clang 14 know the first list; the second needs
 * GCC 12. */
#define FEATURES(DO)                                                                                         \
    DO("avx") DO("fma") DO("avx2") DO("avx512f") DO("avx512bw") DO("avx512vnni") DO("avx512bf16")
#if defined(__clang__) || __GNUC__ < 12
#define NEWER_FEATURES(DO)
#else
#define NEWER_FEATURES(DO)                                                                                   \
    DO("f16c") DO("avxvnni") DO("avx512fp16") DO("amx-tile") DO("amx-int8") DO("amx-bf16")
#endif
#define NAME(name) name,
#define ASK(name) __builtin_cpu_supports(name) != 0,
static const char *const features[] = {FEATURES(NAME) NEWER_FEATURES(NAME)};

size_t rc_cpu_feature_count(void) { return sizeof features / sizeof features[0]; }

const char *rc_cpu_feature_name(size_t index) { return features[index]; }

int rc_cpu_has_feature(size_t index) {
    const int has[] = {FEATURES(ASK) NEWER_FEATURES(ASK)};
    return has[index];
}
#else
size_t rc_cpu_feature_count(void) { return 0; }

const char *rc_cpu_feature_name(size_t index) { return (void)index, NULL; }

int rc_cpu_has_feature(size_t index) { return (void)index, 0; }
#endif
