/* roberta_c.h: what a program calls.  Select kernels, pack weights, run.
 *
 *   rc_kernels kernels;
 *   rc_select_kernels("avx2", &kernels);                       select: fill the table of one instruction set
 *
 *   rc_arithmetic arithmetic = rc_int8_arithmetic(&kernels);   pack: once for each weight matrix
 *   kernels.pack_linear(arithmetic, w_nk, NULL, n, k, panels_pkn, 0, 1);
 *
 *   static void share(void *work, rc_team *team, size_t ith, size_t nth) {   run: each thread makes the call
 *       kernels.linear(&kernels, &w, &x, m, &epilogue, y_mn, ldy, team, ith, nth);
 *   }
 *   rc_run_team(share, work, nth, NULL);
 *
 * Shape letters, used as array suffixes: T packed tokens, S sequences, R wanted rows, H hidden,
 * F feed-forward, A heads, D head size (A * D = H), V vocabulary, G token types, M rows, N columns, K inner
 * length, P panels of NR columns (of an embedding table: positions).  x_th is row-major, x_th[t * H + h].
 * ld is a row stride (leading dimension): the distance between the starts of two rows, in floats or words.
 *
 * A kernel computes one thread's share: part ith of nth, or the work units that it takes from the team.
 * encoder_layer ends with a barrier.  After any other kernel the caller calls rc_team_wait before a stage
 * that reads the result or takes work units.
 *
 * Kernels never allocate, print, exit or start threads, and cannot fail: the caller has checked every
 * argument (roberta_c/kernels/).  Every output element is summed over K in one fixed order (tile.inc,
 * amx_panel.inc), so results depend neither on M, nor on the other rows, nor on nth.
 */
#ifndef ROBERTA_C_H
#define ROBERTA_C_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* ---- types ------------------------------------------------------------------------------------- */

typedef enum { RC_NO_ACTIVATION, RC_GELU, RC_GELU_NEW, RC_RELU, RC_TANH } rc_activation;

/* How the rows of a sequence become one row. */
typedef enum {
    RC_POOL_FIRST,         /* the first row, that of <s> */
    RC_POOL_LAST,          /* the last row, that of </s> */
    RC_POOL_MEAN,          /* Σ x_t / T */
    RC_POOL_MEAN_SQRT,     /* Σ x_t / sqrt(T) */
    RC_POOL_WEIGHTED_MEAN, /* Σ t x_t / Σ t, t from 1 */
    RC_POOL_MAX            /* max x_t, in each column */
} rc_pooling;

/* Element types of weight files.  An embedding table has any of them but RC_FLOAT64. */
typedef enum { RC_FLOAT32, RC_FLOAT16, RC_BFLOAT16, RC_FLOAT64 } rc_dtype;

/* How a linear layer multiplies.  Sums are float32 or, for int8, int32. */
typedef enum {
    RC_FP32,         /* float32 rows, float32 weights */
    RC_BF16,         /* bfloat16 rows, bfloat16 weights, multiplied by a dot-product or matrix instruction */
    RC_BF16_WEIGHTS, /* float32 rows, bfloat16 weights widened in registers: half the memory traffic */
    RC_INT8,         /* uint8 rows, int8 weights, multiplied by a dot-product or matrix instruction */
    RC_INT8_PAIRS,   /* as RC_INT8, bytes widened to 16 bits: AVX2's own byte product would saturate */
    RC_INT8_WEIGHTS, /* integers held as float32 in rows, int8 weights widened to float32: exact too */
    RC_ARITHMETICS   /* how many there are */
} rc_arithmetic;

/* What activation rows hold when a product reads them. */
typedef enum {
    RC_FLOAT32_ROWS,  /* float32: nothing is converted */
    RC_BFLOAT16_ROWS, /* two bfloat16 in a word */
    RC_UINT8_ROWS,    /* four uint8 in a word: x ≈ scale * (q - zero_point) */
    RC_INTEGER_ROWS,  /* one integer a word, held as float32: x ≈ scale * q */
} rc_row_format;

/* 32 bits of an operand: one float32, two bfloat16 or four bytes that are neighbours in K, the first in the
 * lowest bits.  Zeros pad the last word of a column and of a converted row. */
typedef float __attribute__((may_alias)) rc_word;

/* Layout of the operands of an arithmetic.  Step kk of the inner loop multiplies word kk of
 * each column of weights by row_words_per_step words of each row. */
typedef struct {
    rc_row_format row_format;
    size_t row_words_per_step;
    size_t weights_per_word;
} rc_operands;

static inline rc_operands rc_operands_of(rc_arithmetic arithmetic) {
    switch (arithmetic) {
    case RC_BF16: return (rc_operands){RC_BFLOAT16_ROWS, 1, 2};
    case RC_BF16_WEIGHTS: return (rc_operands){RC_FLOAT32_ROWS, 2, 2};
    case RC_INT8:
    case RC_INT8_PAIRS: return (rc_operands){RC_UINT8_ROWS, 1, 4};
    case RC_INT8_WEIGHTS: return (rc_operands){RC_INTEGER_ROWS, 4, 4};
    default: return (rc_operands){RC_FLOAT32_ROWS, 1, 1};
    }
}

/* int8 is the only type of weights of which four fill a word. */
static inline int rc_is_int8(rc_arithmetic arithmetic) {
    return rc_operands_of(arithmetic).weights_per_word == 4;
}

/* Whether a product reads rows that convert_rows made, instead of float32. */
static inline int rc_converts_rows(rc_arithmetic arithmetic) {
    return rc_operands_of(arithmetic).row_format != RC_FLOAT32_ROWS;
}

/* 32-bit words that k weights occupy. */
static inline size_t rc_weight_words(rc_arithmetic arithmetic, size_t k) {
    const size_t per_word = rc_operands_of(arithmetic).weights_per_word;
    return (k + per_word - 1) / per_word;
}

/* 32-bit words that k activations occupy. */
static inline size_t rc_row_words(rc_arithmetic arithmetic, size_t k) {
    if (!rc_converts_rows(arithmetic)) return k;
    return rc_operands_of(arithmetic).row_words_per_step * rc_weight_words(arithmetic, k);
}

/* Rows of NR words in a panel.  An int8 panel ends with two more rows than words of K: for each column -Σ q
 * (int32), q being its quantized weights, and its scale (float32). */
static inline size_t rc_panel_rows(rc_arithmetic arithmetic, size_t k) {
    return rc_weight_words(arithmetic, k) + (rc_is_int8(arithmetic) ? 2 : 0);
}

/* Largest K of an int8 layer: K * 255 * 127 must fit into int32. */
enum { RC_LONGEST_INT8 = 66311 };

/* ---- operands ---------------------------------------------------------------------------------------- */

/* A linear layer whose weights W (sections * N, K) are packed in panels of NR columns.  Each section starts
 * a new panel, so that query, key and value, multiplied as one, can also be used alone.  Zeros pad the last
 * panel of a section.  int8 weights: w ≈ scale * q with q from -127 to 127 and one scale for each column. */
typedef struct {
    /* (sections * ceil(N / NR), panel_rows, NR) */
    const rc_word *panels_pkn;
    /* (sections * N), or NULL */
    const float *bias_n;
    /* int8, or NULL: smoothing factors s[k] (SmoothQuant, Xiao et al. 2022).  Rows are quantized from
     * x_mk[k] * s[k], weights from w_nk[k] / s[k]: the product stays, outlier columns become smaller. */
    const float *smooth_k;
    size_t sections, n, k;
    rc_arithmetic arithmetic;
} rc_linear;

/* Quantization of one row: x ≈ scale * (q - zero_point). */
typedef struct {
    float scale;
    int32_t zero_point;
} rc_quantization;

/* Activation rows as a product reads them. */
typedef struct {
    const rc_word *rows;
    size_t ld; /* words */
    /* (M) for int8, else NULL */
    const rc_quantization *quantization_m;
} rc_input_rows;

/* Destination of converted activation rows (bfloat16 or int8); zeros pad the last word.  rows NULL: none are
 * wanted (convert_rows itself requires rows). */
typedef struct {
    rc_row_format format;
    rc_word *rows;
    size_t ld; /* words */
    rc_quantization *quantization_m;
    const float *smooth_k;
} rc_output_rows;

/* What is done to a tile of a product while it is in cache:
 *   y := activation(x W^T + bias), or y := residual + x W^T + bias; never both. */
typedef struct {
    rc_activation activation;
    /* NULL for none; may be the output itself */
    const float *residual_mn;
    size_t ld_residual;
    /* If converted.rows is not NULL, the result is stored there as bfloat16 instead of in y; without a
     * residual only. */
    rc_output_rows converted;
    /* The product whose weights are read after these, or NULL: its first panels are prefetched. */
    const rc_linear *next_linear;
} rc_epilogue;

typedef struct {
    const float *weight_h, *bias_h;
    float eps;
} rc_norm;

/* Where the S sequences lie among the packed tokens, and which rows of a result are wanted. */
typedef struct {
    size_t s;
    /* (S + 1): sequence i is tokens [starts_s[i], starts_s[i + 1]); T = starts_s[S] */
    const int64_t *starts_s;
    /* (R), ascending: the tokens whose rows are wanted; NULL: all */
    const int64_t *wanted_r;
    /* (S + 1): the wanted rows of sequence i are [wanted_starts_s[i], wanted_starts_s[i + 1]) of the R rows;
     * R = wanted_starts_s[S]; starts_s where all rows are wanted */
    const int64_t *wanted_starts_s;
} rc_sequences;

/* softmax(Q K^T / sqrt(D)) V for each sequence and head.  Queries are R rows, keys and values T rows. */
typedef struct {
    /* RC_FP32, or RC_BF16 where D is even: then the probabilities are rounded to bfloat16 as well */
    rc_arithmetic arithmetic;
    /* float32 or bfloat16: queries in columns [0, H), keys in [H, 2 H), values in [2 H, 3 H) */
    const rc_word *qkv_t3h;
    size_t ld_qkv; /* words */
    const rc_sequences *sequences;
    size_t heads, h;
    float *context_th;
    size_t ld_context;
    /* If converted.rows is not NULL, the context is stored there as bfloat16 too. */
    rc_output_rows converted;
} rc_attention;

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
    /* Of attention's products: RC_FP32, or RC_BF16 where D is even (rc_attention_arithmetic) */
    rc_arithmetic attention_arithmetic;
    /* The next layer's qkv, or NULL */
    const rc_linear *next_linear;
} rc_encoder_layer;

/* Memory for the intermediates of one call; contents are undefined on entry.  up_tf may share the memory of
 * qkv_t3h and context_th, which are no longer read when it is written. */
typedef struct {
    float *qkv_t3h, *context_th, *attended_th, *up_tf;
    size_t ld_qkv;    /* of qkv_t3h; words where attention is in bfloat16 */
    size_t ld_hidden; /* of context_th and attended_th */
    size_t ld_up;     /* of up_tf */
    /* Converted rows of x, context, attended and up, where the products read such.  On entry x_rows hold the
     * layer's input; on return its output as next_linear reads it, or nothing of use if that is NULL.  With
     * int8, context_rows and up_rows must have the addresses and strides of context_th and up_tf, which are
     * quantized in place. */
    rc_output_rows x_rows, context_rows, attended_rows, up_rows;
    /* nth * scratch_per_thread floats, 64-byte aligned */
    float *scratch;
    size_t scratch_per_thread;
} rc_workspace;

typedef struct {
    /* (V, H) in word_dtype, at any alignment */
    const void *word_vh;
    rc_dtype word_dtype;
    const float *position_ph, *token_type_gh;
    rc_norm norm;
    size_t h;
} rc_embeddings;

/* ---- threads ----------------------------------------------------------------------------------------- */

/* A number that one thread sets and others wait for (event.c). */
typedef struct {
    _Alignas(64) atomic_uint value;
    atomic_uint sleepers;
} rc_event;

/* Asks the caller whether to stop: nonzero to cancel the call. */
typedef int rc_poll(void);

/* The threads that compute together (team.c): a barrier, the number of the next free work unit of a stage,
 * which every barrier resets to 0, and whether the call was cancelled.  What different threads write has a
 * cache line of its own, since waiting threads read the generation while others still take units. */
typedef struct {
    rc_event generation;
    _Alignas(64) atomic_size_t arrived;
    _Alignas(64) atomic_size_t next_unit;
    _Alignas(64) atomic_int cancelled;
    /* whether the call was cancelled before the last barrier: the same for all threads */
    int stopped;
    int alone;     /* in a child that was forked during the call: the other threads do not exist */
    rc_poll *poll; /* or NULL */
    int64_t polled_ns;
    unsigned units_until_clock; /* of thread 0, before it looks whether it is time to poll */
} rc_team;

void rc_team_init(rc_team *team, rc_poll *poll);

/* The barrier: returns when all nth threads have called it. */
void rc_team_wait(rc_team *team, size_t nth);

/* Takes a work unit: 0, 1, 2, … since the last barrier, one of which must stand between two stages that take
 * units; RC_NO_UNIT once the call is cancelled.  Thread 0 polls here: at the first
 * of each 8 units of its own at which 50 ms have passed since it last did. */
size_t rc_next_unit(rc_team *team, size_t ith, size_t nth);
#define RC_NO_UNIT (SIZE_MAX / 2)

/* What one thread of a team does: its share, ith of nth, of `work`. */
typedef void rc_share(void *work, rc_team *team, size_t ith, size_t nth);

/* How a call was run: by how many threads, the error number if one could not be started, and whether it was
 * cancelled, which leaves its results incomplete. */
typedef struct {
    size_t nth;
    int error, cancelled;
} rc_team_run;

/* Runs `share` on up to nth threads (threads.c), one of them the calling one, whose part is ith = 0; returns
 * when all have finished.  poll NULL: the call cannot be cancelled. */
rc_team_run rc_run_team(rc_share *share, void *work, size_t nth, rc_poll *poll);
enum { RC_MOST_THREADS = 1024 };

/* Bytes of stack below this call; SIZE_MAX where the system does not tell. */
size_t rc_stack_left(void);
/* Bytes of stack that rc_run_team needs, whatever the kernel. */
enum { RC_STACK = 96 * 1024 };

/* ---- kernels ----------------------------------------------------------------------------------------- */

typedef struct rc_kernels rc_kernels;
typedef struct rc_panel_unit rc_panel_unit;
typedef struct rc_tile_epilogue rc_tile_epilogue;

/* Multiplies a block of rows by one panel of a linear layer (panel.inc, amx_panel.inc). */
typedef void rc_panel_function(const rc_panel_unit *unit);

/* One of attention's two products for a tile of query rows: multiplies them by all panels that hold `columns`
 * (attention_tile.inc, amx_attention.inc). */
typedef void rc_attention_product_function(size_t rows, const rc_word *a_mk, size_t lda,
                                           const rc_word *panels_pkn, size_t panel_stride, size_t k,
                                           size_t columns, const rc_tile_epilogue *e, float *c_mn,
                                           size_t ldc);

/* The functions of one instruction set, best for this CPU.  rc_select_kernels fills it. */
struct rc_kernels {
    const char *name;
    size_t mr, nr;       /* rows and columns of linear's register tile */
    size_t attention_mr; /* the most query rows of attention's tiles, in any arithmetic */
    size_t attention_nr; /* columns of its panels */

    /* to_n := n elements of `from`, at any alignment, of a type but float32; float64 is rounded. */
    void (*widen)(const void *from, rc_dtype dtype, size_t n, float *to_n);

    /* panels_pkn := one section of packed W, from row-major w_nk; smooth_k as in rc_linear.  Returns whether
     * all weights that this share has packed are finite. */
    int (*pack_linear)(rc_arithmetic arithmetic, const float *w_nk, const float *smooth_k, size_t n, size_t k,
                       rc_word *panels_pkn, size_t ith, size_t nth);

    /* sizes_k[j] := max(sizes_k[j], |w_nk[i * k + j]|) over all rows i; NaN counts as the largest value. */
    void (*column_sizes)(const float *w_nk, size_t n, size_t k, float *sizes_k);

    /* y_mn := activation(x_mk W^T + bias_n), or residual_mn + x_mk W^T + bias_n.  x must be in the row format
     * of w's arithmetic.  y and the residual may be the same array; y and x may not overlap.  If w's
     * arithmetic converts rows, GELU is vf_gelu_short, whose error is up to 3.5e-5. */
    void (*linear)(const rc_kernels *kernels, const rc_linear *w, const rc_input_rows *x, size_t m,
                   const rc_epilogue *epilogue, float *y_mn, size_t ldy, rc_team *team, size_t ith,
                   size_t nth);

    /* to := x_mk in to->format.  int8 may be in place: to->rows = x_mk with the same stride. */
    void (*convert_rows)(const float *x_mk, size_t ldx, size_t m, size_t k, const rc_output_rows *to,
                         size_t ith, size_t nth);

    /* context := softmax(Q K^T / sqrt(D)) V; scratch is this thread's own. */
    void (*attention)(const rc_kernels *kernels, const rc_attention *a, float *scratch, rc_team *team,
                      size_t ith, size_t nth);

    /* y := (x - mean(x)) / sqrt(var(x) + eps) * weight + bias for each row; y may be x.  `converted`
     * receives y too, if its rows are not NULL. */
    void (*layer_norm)(const rc_norm *norm, const float *x_th, size_t ldx, size_t t, size_t h, float *y_th,
                       size_t ldy, const rc_output_rows *converted, size_t ith, size_t nth);

    /* y := activation(x), elementwise over n values; y may be x. */
    void (*activate)(rc_activation activation, const float *x_n, size_t n, float *y_n, size_t ith,
                     size_t nth);

    /* y_n := exp(x_n), at least the smallest normal number; what softmax uses. */
    void (*exponentiate)(const float *x_n, size_t n, float *y_n);

    /* y_n := 2^x_n for x_n <= 0, at least the smallest normal number (but not by `reference`), with a
     * relative error of 3e-6; what softmax uses for weights that are rounded to bfloat16. */
    void (*exp2_short)(const float *x_n, size_t n, float *y_n);

    /* x_th := layer_norm(word[ids] + token_type[types] + position[positions]); types_t NULL: all 0.
     * `converted` receives x too, if its rows are not NULL. */
    void (*embed)(const rc_embeddings *tables, const int64_t *ids_t, const int64_t *positions_t,
                  const int64_t *types_t, size_t t, float *x_th, size_t ldx, const rc_output_rows *converted,
                  size_t ith, size_t nth);

    /* x_th := the layer's output, in place; all nth threads call it with the same team.  Where not all rows
     * are wanted, the first R rows of x become their output. */
    void (*encoder_layer)(const rc_kernels *kernels, const rc_encoder_layer *layer,
                          const rc_sequences *sequences, float *x_th, size_t ldx,
                          const rc_workspace *workspace, rc_team *team, size_t ith, size_t nth);

    /* y_sh := each sequence's rows of x, but for the first `skipped`, as one row.  Weighted means keep the
     * positions that rows have with those before them.  Where no row is left, means and maximum are 0, and
     * the first and last row are those of all. */
    void (*pool)(rc_pooling pooling, const float *x_th, size_t ldx, const int64_t *starts_s, size_t s,
                 size_t h, size_t skipped, float *y_sh, size_t ldy, size_t ith, size_t nth);

    /* The functions with which linear and attention multiply, by rc_arithmetic; NULL: not on this CPU. */
    rc_panel_function *panel[RC_ARITHMETICS];
    rc_attention_product_function *attention_product[RC_ARITHMETICS];
};

/* ---- packed weights in files -------------------------------------------------------------------------- */

/* The version of what pack_linear writes.  Another one makes all files of packed weights useless, so it
 * rises with every change of the bits that any kernels pack (tests/kernels/test_packed_layout.py). */
enum { RC_LAYOUT_VERSION = 1 };

/* A digest of `size` bytes, which tells whether they have changed by accident (digest.c). */
uint64_t rc_digest(const void *data, size_t size);

/* ---- choice ------------------------------------------------------------------------------------------ */

typedef enum { RC_OK, RC_UNKNOWN_ISA, RC_ISA_UNAVAILABLE, RC_TOO_LARGE } rc_status;

/* The end of an error message; the caller puts the argument in front. */
const char *rc_status_message(rc_status status);

/* Instruction sets, best first; the last is "reference", the float64 oracle, never chosen by itself. */
size_t rc_isa_count(void);
const char *rc_isa_name(size_t index);
int rc_isa_available(size_t index);
rc_status rc_select_kernels(const char *isa, rc_kernels *kernels);

/* The fastest arithmetic that these kernels have for bfloat16 and for int8 weights. */
rc_arithmetic rc_bfloat16_arithmetic(const rc_kernels *kernels);
rc_arithmetic rc_int8_arithmetic(const rc_kernels *kernels);
int rc_can_multiply(const rc_kernels *kernels, rc_arithmetic arithmetic);

/* The arithmetic of attention, for heads of size d, in a layer whose linear layers use `linear`: RC_BF16 if
 * these convert rows, these kernels have it and d is even, else RC_FP32. */
rc_arithmetic rc_attention_arithmetic(const rc_kernels *kernels, rc_arithmetic linear, size_t d);

/* Floats of scratch that attention needs per thread for sequences of up to `longest` tokens. */
rc_status rc_attention_scratch(const rc_kernels *kernels, size_t longest, size_t head_size, size_t *floats);

/* CPU features that tell instruction sets apart, as far as the compiler can ask the CPU and its operating
 * system for them; none on architectures other than x86. */
size_t rc_cpu_feature_count(void);
const char *rc_cpu_feature_name(size_t index);
int rc_cpu_has_feature(size_t index);

#endif
