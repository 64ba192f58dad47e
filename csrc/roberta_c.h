/* roberta_c.h: every structure and function that crosses a file of csrc/, and the kernel table.
 *
 * Shape letters, used as array suffixes everywhere: T packed tokens, S sequences, H hidden,
 * F feed-forward, A heads, D head size (A * D = H), V vocabulary, G token types, M rows, N columns, K inner
 * length, P panels of NR columns (of an embedding table: positions).  x_th is row-major, x_th[t * H + h].
 *
 * Kernels compute one thread's share (ith of nth, or the units that it takes from the team) and meet at
 * rc_team_wait where a step needs all of the step before.  They never allocate, print, exit or start
 * threads, and cannot fail: _kernels.pyx checks every argument first.  Every output element is summed over K
 * in one fixed order (tile.inc), whatever the tile, so results do not depend on M, on neighbours or on nth.
 * Rows may lie further apart than they are wide: ld is the distance from one to the next, in floats unless
 * said.
 */
#ifndef ROBERTA_C_H
#define ROBERTA_C_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RC_NO_ACTIVATION, RC_GELU, RC_GELU_NEW, RC_RELU, RC_TANH } rc_activation;

/* How the rows of an embedding table lie in the file. */
typedef enum { RC_FLOAT32, RC_FLOAT16, RC_BFLOAT16 } rc_dtype;

/* How a linear layer multiplies.  Sums are float32, and those of int8 whole numbers of 32 bits: weights are
 * whole numbers from -127 to 127 times a scale for each column, rows 255 whole numbers around zero times a
 * scale each.
 */
typedef enum {
    RC_FP32,         /* float32 rows by float32 weights */
    RC_BF16,         /* both rounded to bfloat16, two multiply-adds a word by the CPU's own instruction */
    RC_BF16_WEIGHTS, /* float32 rows by bfloat16 weights widened in registers: half the memory to read */
    RC_INT8,         /* rows as bytes by int8 weights: four multiply-adds a word by one instruction */
    RC_INT8_PAIRS,   /* the same operands in 16-bit pairs: for AVX2, exact where its own bytes saturate */
    RC_INT8_WEIGHTS, /* the same sums, exact in float32: rows of whole float32, weights widened in registers
                      */
} rc_arithmetic;

/* 32 bits of an operand: one float32, or two bfloat16 or four bytes that follow each other in K, the lowest
 * bits first; where K ends within a word, the rest of it is zero. */
typedef float __attribute__((may_alias)) rc_word;

static inline int rc_is_int8(rc_arithmetic arithmetic) { return arithmetic >= RC_INT8; }

/* Whether rows become something else than float32 before they are multiplied. */
static inline int rc_narrows_rows(rc_arithmetic arithmetic) {
    return arithmetic == RC_BF16 || rc_is_int8(arithmetic);
}

/* Words that k weights fill. */
static inline size_t rc_words(rc_arithmetic arithmetic, size_t k) {
    const size_t values = rc_is_int8(arithmetic) ? 4 : arithmetic == RC_FP32 ? 1 : 2;
    return (k + values - 1) / values;
}

/* And k values of a row. */
static inline size_t rc_row_words(rc_arithmetic arithmetic, size_t k) {
    if (arithmetic == RC_INT8_WEIGHTS) return 4 * rc_words(arithmetic, k);
    return rc_narrows_rows(arithmetic) ? rc_words(arithmetic, k) : k;
}

/* Rows of NR words in a panel of weights: with int8 two more than words, with the sum of each column's
 * weights, negative, and with the columns' scales. */
static inline size_t rc_panel_rows(rc_arithmetic arithmetic, size_t k) {
    return rc_words(arithmetic, k) + (rc_is_int8(arithmetic) ? 2 : 0);
}

/* Sums of more products of 255 by 127 would not fit 32 bits. */
enum { RC_LONGEST_INT8 = 66311 };

/* A linear layer whose weights W (sections * N, K) are packed in panels of NR columns.  Each section
 * starts a new panel (so that query, key and value of one product can also be used alone); the last
 * panel of a section is filled with zeros. */
typedef struct {
    const rc_word
        *panels_pkn;       /* (sections * ceil(N / NR), panel_rows, NR); starts a 64-byte line when whole */
    const float *bias_n;   /* (sections * N) or NULL */
    const float *smooth_k; /* int8: what rows are multiplied by before they are rounded, and weights were
                              divided by, so that no column is much larger than the rest; or NULL */
    size_t sections, n, k;
    rc_arithmetic arithmetic;
} rc_linear;

/* Words of a panel of its weights. */
static inline size_t rc_panel_words(const rc_linear *w, size_t nr) {
    return rc_panel_rows(w->arithmetic, w->k) * nr;
}

/* What a row's whole numbers are times; bytes are more by the one that zero became. */
typedef struct {
    float scale;
    int32_t zero;
} rc_scale;

/* Rows as a product reads them; with int8 each has a scale. */
typedef struct {
    const rc_word *rows;
    size_t ld; /* words */
    const rc_scale *scale_m;
} rc_rows;

/* And where they are made: rounded to bfloat16, or to whole numbers.  The last word is filled up with zeros.
 */
typedef struct {
    rc_arithmetic arithmetic;
    rc_word *rows; /* or NULL: none wanted */
    size_t ld;     /* words */
    rc_scale *scale_m;
    const float *smooth_k;
} rc_narrow;

/* What happens to a product before it is out of the caches: y := activation(y + bias), or y := residual +
 * y + bias; never both an activation and a residual. */
typedef struct {
    rc_activation activation;
    const float *residual_mn; /* or NULL; may be the output itself */
    size_t ld_residual;
    const rc_linear *then; /* the product whose weights are read after these, or NULL */
    rc_narrow narrow;      /* where the result goes instead, in bfloat16, if anywhere: not with a residual */
} rc_epilogue;

typedef struct {
    const float *weight_h, *bias_h;
    float eps;
} rc_norm;

/* One post-norm encoder layer (Vaswani et al. 2017; Devlin et al. 2018). */
typedef struct {
    rc_linear qkv;              /* 3 sections of (H, H): query, key, value */
    rc_linear attention_output; /* (H, H) */
    rc_norm attention_norm;
    rc_linear up;   /* (F, H) */
    rc_linear down; /* (H, F) */
    rc_norm output_norm;
    size_t heads;
    rc_activation activation;
    rc_arithmetic attention; /* RC_FP32, or RC_BF16 where D is even */
    const rc_linear *then;   /* the next layer's qkv, or NULL */
} rc_encoder_layer;

/* Where one call's intermediates lie; contents are garbage on entry.  up_tf may share the memory of qkv_t3h
 * and context_th, which are done with when it is written. */
typedef struct {
    float *qkv_t3h, *context_th, *attended_th, *up_tf; /* qkv: words where attention is in bfloat16 */
    size_t ld_qkv, ld_hidden, ld_up;                   /* ld_hidden: of context and attended */
    /* Where rows are narrowed: x's, which hold those of the layer's input on entry and of its output after,
     * and the rows of context, of attended and of up, which may lie where the float32 ones would; with int8
     * those of context and up lie just there. */
    rc_narrow narrow_x, narrow_context, narrow_attended, narrow_up;
    float *scratch; /* nth * scratch_per_thread floats, 64-byte aligned */
    size_t scratch_per_thread;
} rc_workspace;

/* softmax(Q K^T / sqrt(D)) V for each sequence and head: what goes in and where the result goes.  With
 * first_tokens_only the query of sequence i is row i, and the result has S rows; keys and values always lie
 * at the sequence's own rows. */
typedef struct {
    rc_arithmetic arithmetic; /* RC_FP32, or RC_BF16 where D is even: then probabilities are rounded too */
    const rc_word *qkv_t3h;   /* float32 or bfloat16 */
    size_t ld_qkv;            /* in words */
    const int64_t *starts_s;  /* S + 1 entries */
    size_t s, heads, h;
    int first_tokens_only;
    float *context_th;
    size_t ld_context;
    rc_narrow narrow; /* where the context goes too, in bfloat16, if anywhere */
} rc_attention;

typedef struct {
    const void *word_vh; /* rows in word_dtype, any alignment */
    rc_dtype word_dtype;
    const float *position_ph, *token_type_gh; /* G token types */
    rc_norm norm;
    size_t h;
} rc_embeddings;

/* The threads of one region: a sense-counting barrier that spins briefly, then yields, and the number of the
 * step's next unit of work, which starts at 0 behind every barrier.  On lines of their own: waiting threads
 * read the generation while others still take units. */
typedef struct {
    _Alignas(64) atomic_size_t generation;
    _Alignas(64) atomic_size_t arrived;
    _Alignas(64) atomic_size_t next_unit;
} rc_team;

/* Keys of a sequence whose scores stand in memory at a time; a multiple of every attention_nr. */
enum { RC_KEY_BLOCK = 512 };

/* What becomes of a tile's sums: residual + scale of its row * (sums + bias); before, those of int8 are
 * multiplied by the column's scale and by the operand row's. */
typedef struct {
    const float *bias_n; /* or NULL, as are the next two */
    const float *residual_mn;
    const float *scale_m;
    size_t ld_residual;
    const rc_scale *operand_m;
} rc_tile_epilogue;

/* One product, its tiles and panels: what a unit of it is cut from. */
typedef struct {
    const rc_linear *w;
    rc_rows x;
    size_t m, tiles, per_section;
    const rc_epilogue *epilogue;
    float *y_mn;
    size_t ldy;
} rc_product;

typedef struct rc_kernels {
    const char *name;
    size_t mr, nr;                     /* rows and columns of linear's register tile */
    size_t attention_mr, attention_nr; /* and of attention's */

    /* panels_pkn := one section of packed W, from row-major w_nk; smooth_k as in rc_linear. */
    void (*pack_linear)(rc_arithmetic arithmetic, const float *w_nk, const float *smooth_k, size_t n,
                        size_t k, rc_word *panels_pkn, size_t ith, size_t nth);

    /* y_mn := activation(x_mk W^T + bias_n), or residual_mn + x_mk W^T + bias_n; y may be the residual, not
     * x, whose rows are float32 or as `narrow` makes them; GELU of products of the latter is right to 3.5e-5.
     */
    void (*linear)(const rc_linear *w, const rc_rows *x, size_t m, const rc_epilogue *epilogue, float *y_mn,
                   size_t ldy, rc_team *team, size_t ith, size_t nth);

    /* to := x_mn, rounded; to whole numbers also in place: to->rows may be x_mn. */
    void (*narrow)(const float *x_mn, size_t ldx, size_t m, size_t n, const rc_narrow *to, size_t ith,
                   size_t nth);

    /* context := softmax(Q K^T / sqrt(D)) V for each sequence and head; scratch is this thread's own. */
    void (*attention)(const rc_attention *a, float *scratch, rc_team *team, size_t ith, size_t nth);

    /* y := (x - mean(x)) / sqrt(var(x) + eps) * weight + bias over each row; y may be x.  `narrow` receives
     * it too, if it has rows. */
    void (*layer_norm)(const rc_norm *norm, const float *x_th, size_t ldx, size_t t, size_t h, float *y_th,
                       size_t ldy, const rc_narrow *narrow, size_t ith, size_t nth);

    /* y := activation(x), elementwise over n values; y may be x. */
    void (*activate)(rc_activation activation, const float *x_n, size_t n, float *y_n, size_t ith,
                     size_t nth);

    /* y_n := exp(x_n), flushed to the smallest normal number below -87.3: what softmax uses. */
    void (*exponentiate)(const float *x_n, size_t n, float *y_n);

    /* x_th := layer_norm(word[ids] + token_type[types] + position[positions]); types_t NULL: all 0. */
    void (*embed)(const rc_embeddings *tables, const int64_t *ids_t, const int64_t *positions_t,
                  const int64_t *types_t, size_t t, float *x_th, size_t ith, size_t nth);

    /* x_th := the layer's output, in place; all nth threads call it with the same team.  With
     * first_tokens_only the first S rows of x become the output for each sequence's first token, and no
     * sequence may be empty. */
    void (*encoder_layer)(const rc_encoder_layer *layer, const int64_t *starts_s, size_t s,
                          int first_tokens_only, float *x_th, size_t ldx, const rc_workspace *workspace,
                          rc_team *team, size_t ith, size_t nth);
} rc_kernels;

typedef enum { RC_OK, RC_UNKNOWN_ISA, RC_ISA_UNAVAILABLE, RC_TOO_LARGE } rc_status;

/* What multiplies by an instruction that not all CPUs of an instruction set have: a unit of linear's work
 * (arguments as in panel.inc), with bfloat16 a tile of attention's products (attention_tile.inc), too. */
typedef void rc_panel(const rc_product *of, size_t panel, size_t t0, size_t t1, int new_rows,
                      const rc_word *soon);
typedef struct {
    rc_panel *panel;
    void (*attention_tile)(size_t rows, const rc_word *a_mk, size_t lda, const rc_word *panel_kn, size_t k,
                           size_t columns, const rc_tile_epilogue *e, float *c_mn, size_t ldc);
} rc_bf16_kernels;

/* One table per ISA file, or NULL where the file was compiled for another kind of CPU. */
const rc_kernels *rc_isa_reference(void);
const rc_kernels *rc_isa_generic(void);
const rc_kernels *rc_isa_neon(void);
const rc_kernels *rc_isa_avx2(void);
const rc_kernels *rc_isa_avx512(void);
const rc_bf16_kernels *rc_isa_avx512_bf16(void);
rc_panel *rc_isa_avx512_vnni(void);
rc_panel *rc_isa_avx_vnni(void);

/* dispatch.c */
size_t rc_isa_count(void);
const char *rc_isa_name(size_t index); /* best first; the last is "reference", never chosen by itself */
int rc_isa_available(size_t index);
rc_status rc_select_kernels(const char *isa, const rc_kernels **kernels);

/* The best way to multiply in bfloat16, or in int8, that these kernels have on this CPU; and whether they
 * have a way at all. */
rc_arithmetic rc_bfloat16_arithmetic(const rc_kernels *kernels);
rc_arithmetic rc_int8_arithmetic(const rc_kernels *kernels);
int rc_can_multiply(const rc_kernels *kernels, rc_arithmetic arithmetic);

/* Floats of scratch that attention needs per thread for sequences of up to longest tokens. */
rc_status rc_attention_scratch(const rc_kernels *kernels, size_t longest, size_t head_size, size_t *floats);

/* cpu_features.c */
/* Features by which instruction sets are told apart, as far as the compiler can ask this CPU and its
 * operating system for them; none on other architectures than x86. */
size_t rc_cpu_feature_count(void);
const char *rc_cpu_feature_name(size_t index);
int rc_cpu_has_feature(size_t index);

/* status.c */
const char *rc_status_message(rc_status status);

/* team.c */
void rc_team_init(rc_team *team);
void rc_team_wait(rc_team *team, size_t nth);
size_t rc_next_unit(rc_team *team); /* between two steps that take units, all must wait once */

#endif
