/* The limits of the machine, by which benchmarks divide. peak.py compiles and calls this.
 *
 * work_together: called by each of `team` threads; all start when the last has arrived.
 * fma_W(rounds): `rounds` times 12 fused multiply-adds of W-bit vectors (24 for W = 512), each with an
 * accumulator of its own: two units of latency 4 need 8 accumulators to be always busy. In assembly, so
 * that no compiler adds a copy or keeps an accumulator in memory.
 * dot_bf16(rounds): the same with VDPBF16PS, two multiply-adds of bfloat16 in each of 16 lanes.
 * dot_int8(rounds): the same with VPDPBUSD, four multiply-adds of bytes in each of 16 lanes.
 * tile_bf16(rounds), tile_int8(rounds): `rounds` times 6 multiplications of AMX tiles, 16 x 16 sums of 32
 * bfloat16 or 64 int8 products, each with sums of its own.
 * has_K(): whether this CPU can run K.
 * read_bytes(start, bytes): reads every cache line of a buffer, from eight places in turn, which keeps more
 * lines in flight than one place does. bytes: a multiple of 4096.
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Asks for huge pages, so that the cost of small pages is not measured. */
void ask_for_huge_pages(void *start, size_t bytes) {
#if defined(MADV_HUGEPAGE)
    madvise(start, bytes, MADV_HUGEPAGE);
#else
    (void)start;
    (void)bytes;
#endif
}

/* A kind that this compiler or CPU does not have. */
#define NO_FMA(name)                                                                                         \
    float name(int64_t rounds) {                                                                             \
        (void)rounds;                                                                                        \
        return 0;                                                                                            \
    }                                                                                                        \
    int has_##name(void) { return 0; }

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define TWELVE(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define TWENTY_FOUR(F) TWELVE(F) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23)
#define DECLARE(i) vector sum##i = a;
#define MULTIPLY_ADD(i) __asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(sum##i) : "v"(a), "v"(b));
#define DOT_BF16(i) __asm__ volatile("vdpbf16ps %1, %2, %0" : "+v"(sum##i) : "v"(a), "v"(b));
#define DOT_INT8(i) __asm__ volatile("vpdpbusd %1, %2, %0" : "+v"(sum##i) : "v"(a), "v"(b));
#define COLLECT(i) a = add(a, sum##i);

/* Accumulators stay normal numbers: each grows by 2e-6 in a step. (dot_int8 reads the same bits as bytes; its
 * integer sums may wrap.) */
#define FMA(name, isa, type, set1, step, store, repeat)                                                      \
    __attribute__((target(isa))) float name(int64_t rounds) {                                                \
        typedef type vector;                                                                                 \
        vector a = set1(1e-3f), b = set1(2e-3f);                                                             \
        float lanes[16];                                                                                     \
        repeat(DECLARE);                                                                                     \
        for (int64_t i = 0; i < rounds; i++) {                                                               \
            repeat(step)                                                                                     \
        }                                                                                                    \
        repeat(COLLECT);                                                                                     \
        store(lanes, a);                                                                                     \
        return lanes[0];                                                                                     \
    }

#define add _mm_add_ps
FMA(fma_128, "avx2,fma", __m128, _mm_set1_ps, MULTIPLY_ADD, _mm_storeu_ps, TWELVE)
#undef add
#define add _mm256_add_ps
FMA(fma_256, "avx2,fma", __m256, _mm256_set1_ps, MULTIPLY_ADD, _mm256_storeu_ps, TWELVE)
#undef add
#define add _mm512_add_ps
FMA(fma_512, "avx512f", __m512, _mm512_set1_ps, MULTIPLY_ADD, _mm512_storeu_ps, TWENTY_FOUR)
FMA(dot_bf16, "avx512f", __m512, _mm512_set1_ps, DOT_BF16, _mm512_storeu_ps, TWENTY_FOUR)
FMA(dot_int8, "avx512f", __m512, _mm512_set1_ps, DOT_INT8, _mm512_storeu_ps, TWENTY_FOUR)
#undef add

#if defined(__clang__) || __GNUC__ >= 11 /* whose assemblers know AMX */
/* All tiles get 16 rows of 64 bytes; the operands' bits are 1e-3 in float32. */
static void fill_tiles(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes_per_row[16];
        uint8_t rows[16];
    } shapes __attribute__((aligned(64))) = {.palette = 1};
    float words[256];
    for (int i = 0; i < 256; i++) words[i] = 1e-3f;
    for (int i = 0; i < 8; i++) {
        shapes.bytes_per_row[i] = 64;
        shapes.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(shapes));
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm6\n\ttileloadd (%0,%1,1), %%tmm7" ::"r"(words), "r"(64L)
                     : "memory");
}

#define TILES(name, instruction)                                                                             \
    float name(int64_t rounds) {                                                                             \
        fill_tiles();                                                                                        \
        for (int64_t i = 0; i < rounds; i++)                                                                 \
            __asm__ volatile(instruction                                                                     \
                             " %tmm7, %tmm6, %tmm0\n\t" instruction " %tmm7, %tmm6, %tmm1\n\t" instruction   \
                             " %tmm7, %tmm6, %tmm2\n\t" instruction " %tmm7, %tmm6, %tmm3\n\t" instruction   \
                             " %tmm7, %tmm6, %tmm4\n\t" instruction " %tmm7, %tmm6, %tmm5");                 \
        __asm__ volatile("tilerelease");                                                                     \
        return 0;                                                                                            \
    }
TILES(tile_bf16, "tdpbf16ps")
TILES(tile_int8, "tdpbusd")

/* Bits of CPUID leaf 7, register EDX. */
enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };

/* Linux gives AMX's registers to processes that ask. */
static int has_tiles(unsigned feature) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (~d & (AMX_TILE | feature))) return 0;
#if defined(__linux__)
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}
int has_tile_bf16(void) { return has_tiles(AMX_BF16); }
int has_tile_int8(void) { return has_tiles(AMX_INT8); }
#else
NO_FMA(tile_bf16)
NO_FMA(tile_int8)
#endif

int has_fma_128(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
int has_fma_256(void) { return has_fma_128(); }
int has_fma_512(void) { return __builtin_cpu_supports("avx512f") != 0; }
int has_dot_bf16(void) { return __builtin_cpu_supports("avx512bf16") != 0; }
int has_dot_int8(void) { return __builtin_cpu_supports("avx512vnni") != 0; }

__attribute__((target("avx2"))) float read_bytes(const float *start, size_t bytes) {
    enum { places = 8, line = 16 };
    size_t stretch = bytes / sizeof(float) / places;
    __m256 sums[places];
    for (size_t p = 0; p < places; p++) {
        sums[p] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < stretch; i += line) {
        for (size_t p = 0; p < places; p++) {
            const float *from = start + p * stretch + i;
            sums[p] = _mm256_or_ps(sums[p], _mm256_or_ps(_mm256_load_ps(from), _mm256_load_ps(from + 8)));
        }
    }
    for (size_t p = 1; p < places; p++) {
        sums[0] = _mm256_or_ps(sums[0], sums[p]);
    }
    float lanes[8];
    _mm256_storeu_ps(lanes, sums[0]);
    return lanes[0];
}

#else

NO_FMA(fma_128)
NO_FMA(fma_256)
NO_FMA(fma_512)
NO_FMA(dot_bf16)
NO_FMA(dot_int8)
NO_FMA(tile_bf16)
NO_FMA(tile_int8)

float read_bytes(const float *start, size_t bytes) {
    float sums[8] = {0};
    for (size_t i = 0; i + 8 <= bytes / sizeof(float); i += 8) {
        for (size_t lane = 0; lane < 8; lane++) {
            sums[lane] += start[i + lane];
        }
    }
    return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

#endif

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* arithmetic: one of the functions above, to be run for `size` rounds; NULL: reads `size` bytes from start.
 * begin_end: receives this thread's start and end, by a clock that all threads share. */
float work_together(int64_t *arrived, int64_t team, float (*arithmetic)(int64_t), int64_t size,
                    const float *start, double *begin_end) {
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < team) {
    }
    begin_end[0] = now();
    float result = arithmetic ? arithmetic(size) : read_bytes(start, (size_t)size);
    begin_end[1] = now();
    return result;
}
