/* kernel_check.c: every kernel of one instruction set against the float64 oracle, without Python, so that it
 * also runs cross-compiled under an emulator: kernel_check ISA (exit
 * code 2: not here). Random shapes on and off the tile; the
 * threads' shares are computed one after the other, the encoder layer, which has barriers, by one. Prints
 * each kernel's worst error relative to its largest value (elementwise functions: in ULP); fails where that
 * is above the bound or a byte around an output changed. */
#include "float16.h"
#include "roberta_c.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 12, THREADS = 3, MARGIN = 64 };
static const float CANARY = 12345.678f;

static const rc_kernels *fast, *oracle;

static uint32_t random_bits(void) {
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}
static size_t random_size(size_t least, size_t most) { return least + random_bits() % (most - least + 1); }
static float random_float(float scale) { return ((float)random_bits() / 2147483648.0f - 1.0f) * scale; }

/* n floats amid canaries; kept until the process ends. */
static float *buffer(size_t n) {
    const size_t bytes = ((n + 2 * MARGIN) * sizeof(float) + 63) / 64 * 64;
    float *whole = aligned_alloc(64, bytes);
    if (!whole) exit(2);
    for (size_t i = 0; i < bytes / sizeof(float); i++) whole[i] = CANARY;
    return whole + MARGIN;
}
static float *random_floats(size_t n, float scale) {
    float *x_n = buffer(n);
    for (size_t i = 0; i < n; i++) x_n[i] = random_float(scale);
    return x_n;
}

/* Up to 4 sequences, of which all but the first may be empty. */
typedef struct {
    int64_t starts_s[5];
    size_t s, t, longest;
} batch;
static batch random_batch(size_t longest) {
    batch batch = {.s = random_size(1, 4)};
    for (size_t i = 0; i < batch.s; i++) {
        const size_t tokens = random_size(i ? 0 : 1, longest);
        batch.starts_s[i + 1] = (int64_t)(batch.t += tokens);
        if (tokens > batch.longest) batch.longest = tokens;
    }
    return batch;
}

/* The largest difference relative to the largest expected value; a canary overwritten is infinitely wrong. */
static double difference(const float *found_n, const float *expected_n, size_t n) {
    double worst = 0.0, largest = 1e-30;
    for (size_t i = 0; i < MARGIN; i++)
        if (found_n[(ptrdiff_t)i - MARGIN] != CANARY || found_n[n + i] != CANARY) return INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double error = fabs((double)found_n[i] - (double)expected_n[i]);
        if (!(error <= worst)) worst = isnan(error) ? INFINITY : error; /* fmax would lose a NaN */
        if (fabs((double)expected_n[i]) > largest) largest = fabs((double)expected_n[i]);
    }
    return worst / largest;
}

static int report(const char *kernel, double worst, double bound) {
    printf("%-9s %-13s worst error %.2g, bound %.2g\n", fast->name, kernel, worst, bound);
    return !(worst <= bound);
}

/* ---- one wrapper a kernel: all of its threads' shares ---- */

static rc_linear pack_smoothed(const rc_kernels *kernels, rc_arithmetic arithmetic, const float *w_nk,
                               const float *bias_n, const float *smooth_k, size_t sections, size_t n,
                               size_t k) {
    const size_t panels = (n + kernels->nr - 1) / kernels->nr;
    const size_t section_words = panels * kernels->nr * rc_panel_rows(arithmetic, k);
    float *panels_pkn = buffer(sections * section_words);
    for (size_t section = 0; section < sections; section++)
        for (size_t ith = 0; ith < THREADS; ith++)
            kernels->pack_linear(arithmetic, w_nk + section * n * k, smooth_k, n, k,
                                 panels_pkn + section * section_words, ith, THREADS);
    return (rc_linear){.panels_pkn = panels_pkn,
                       .bias_n = bias_n,
                       .smooth_k = smooth_k,
                       .sections = sections,
                       .n = n,
                       .k = k,
                       .arithmetic = arithmetic};
}
static rc_linear pack(const rc_kernels *kernels, rc_arithmetic arithmetic, const float *w_nk,
                      const float *bias_n, size_t sections, size_t n, size_t k) {
    return pack_smoothed(kernels, arithmetic, w_nk, bias_n, NULL, sections, n, k);
}
static void run_linear(const rc_kernels *kernels, const rc_linear *w, const float *x_mk, size_t m,
                       const rc_epilogue *epilogue, float *y_mn) {
    rc_team team;
    rc_team_init(&team);
    rc_rows x = {x_mk, w->k, NULL};
    if (rc_narrows_rows(w->arithmetic)) {
        const size_t ld = rc_row_words(w->arithmetic, w->k);
        const rc_narrow narrow = {w->arithmetic, buffer(m * ld), ld, (rc_scale *)buffer(2 * m), w->smooth_k};
        for (size_t ith = 0; ith < THREADS; ith++)
            kernels->narrow(x_mk, w->k, m, w->k, &narrow, ith, THREADS);
        x = (rc_rows){narrow.rows, ld, narrow.scale_m};
    }
    for (size_t ith = 0; ith < THREADS; ith++)
        kernels->linear(w, &x, m, epilogue, y_mn, w->sections * w->n, &team, ith, THREADS);
}
static void run_attention(const rc_kernels *kernels, const float *qkv_t3h, const batch *batch, size_t heads,
                          size_t h, float *context_th) {
    size_t floats;
    rc_attention_scratch(kernels, batch->longest, h / heads, &floats);
    float *scratch = buffer(floats);
    const rc_attention what = {RC_FP32,    qkv_t3h, 3 * h, batch->starts_s, batch->s, heads, h, 0,
                               context_th, h,       {0}};
    rc_team team;
    rc_team_init(&team);
    for (size_t ith = 0; ith < THREADS; ith++) kernels->attention(&what, scratch, &team, ith, THREADS);
}
static void run_encoder_layer(const rc_kernels *kernels, const rc_encoder_layer *layer, const batch *batch,
                              int first_tokens_only, float *x_th) {
    const size_t t = batch->t, h = layer->qkv.k, f = layer->up.n;
    rc_team team;
    /* Rows further apart than wide, and the memory of up_tf shared, as the door has them. */
    rc_workspace workspace = {.ld_qkv = 3 * h + 3, .ld_hidden = h + 1, .ld_up = f + 2};
    const size_t qkv = t * workspace.ld_qkv, hidden = t * workspace.ld_hidden, up = t * workspace.ld_up;
    workspace.qkv_t3h = workspace.up_tf = buffer(qkv + hidden > up ? qkv + hidden : up);
    workspace.context_th = workspace.qkv_t3h + qkv;
    workspace.attended_th = buffer(hidden);
    rc_attention_scratch(kernels, batch->longest, h / layer->heads, &workspace.scratch_per_thread);
    workspace.scratch = buffer(workspace.scratch_per_thread);
    rc_team_init(&team);
    kernels->encoder_layer(layer, batch->starts_s, batch->s, first_tokens_only, x_th, h, &workspace, &team, 0,
                           1);
}
static void run_elementwise(const rc_kernels *kernels, int function, const float *x_n, size_t n, float *y_n) {
    if (function == 5) kernels->exponentiate(x_n, n, y_n);
    for (size_t ith = 0; function < 5 && ith < THREADS; ith++)
        kernels->activate((rc_activation)function, x_n, n, y_n, ith, THREADS);
}

/* ---- one check a kernel ---- */

static double linear_error(size_t round) {
    /* Now and then several units of work, and a long K. */
    const size_t m = random_size(1, round % 8 == 3 ? 250 : 40),
                 k = random_size(1, round % 8 == 5 ? 900 : 450);
    const size_t n = random_size(1, 70);
    const size_t sections = random_size(1, 3), width = sections * n;
    const float *w_nk = random_floats(width * k, 1.0f), *x_mk = random_floats(m * k, 1.0f);
    const float *bias_n = round % 4 ? random_floats(width, 1.0f) : NULL;
    rc_epilogue epilogue = {.ld_residual = width};
    if (round % 2)
        epilogue.activation = (rc_activation)(round / 2 % 5);
    else
        epilogue.residual_mn = random_floats(m * width, 1.0f);
    const rc_linear of_fast = pack(fast, RC_FP32, w_nk, bias_n, sections, n, k);
    const rc_linear of_oracle = pack(oracle, RC_FP32, w_nk, bias_n, sections, n, k);
    float *found_mn = buffer(m * width), *expected_mn = buffer(m * width);
    run_linear(fast, &of_fast, x_mk, m, &epilogue, found_mn);
    run_linear(oracle, &of_oracle, x_mk, m, &epilogue, expected_mn);
    return difference(found_mn, expected_mn, m * width);
}

static float *all_rounded(const float *x_n, size_t n) {
    float *rounded_n = buffer(n);
    for (size_t i = 0; i < n; i++) {
        const uint16_t half = bfloat16_of_float(x_n[i]);
        rounded_n[i] = widened(&half, RC_BFLOAT16, 0);
    }
    return rounded_n;
}

/* The product of rounded operands, in float32 sums; rows are rounded where this CPU's own way does so. */
static double bfloat16_error(size_t round) {
    const rc_arithmetic arithmetic = round % 2 ? RC_BF16_WEIGHTS : rc_bfloat16_arithmetic(fast);
    const size_t m = random_size(1, round % 8 == 3 ? 250 : 40), n = random_size(1, 70);
    const size_t k = random_size(1, round % 8 == 5 ? 900 : 450);
    const float *w_nk = random_floats(n * k, 1.0f), *x_mk = random_floats(m * k, 1.0f);
    const rc_epilogue plain = {.activation = RC_NO_ACTIVATION};
    const rc_linear of_fast = pack(fast, arithmetic, w_nk, NULL, 1, n, k);
    const rc_linear of_oracle = pack(oracle, RC_FP32, all_rounded(w_nk, n * k), NULL, 1, n, k);
    float *found_mn = buffer(m * n), *expected_mn = buffer(m * n);
    run_linear(fast, &of_fast, x_mk, m, &plain, found_mn);
    run_linear(oracle, &of_oracle, arithmetic == RC_BF16 ? all_rounded(x_mk, m * k) : x_mk, m, &plain,
               expected_mn);
    return difference(found_mn, expected_mn, m * n);
}

/* Whole numbers and their sums are the oracle's, whatever multiplies. */
static double int8_error(size_t round) {
    const rc_arithmetic ways[] = {rc_int8_arithmetic(fast), RC_INT8_WEIGHTS, RC_INT8_PAIRS};
    const rc_arithmetic arithmetic = ways[rc_can_multiply(fast, ways[round % 3]) ? round % 3 : 0];
    const size_t m = random_size(1, round % 8 == 3 ? 250 : 40), n = random_size(1, 70);
    const size_t k = random_size(1, round % 8 == 5 ? 3000 : 900);
    const float *w_nk = random_floats(n * k, 1.0f), *x_mk = random_floats(m * k, 1.0f);
    const rc_epilogue plain = {.activation = RC_NO_ACTIVATION};
    float *factors_k = buffer(k), *smooth_k = round % 4 < 2 ? factors_k : NULL;
    for (size_t i = 0; i < k; i++) factors_k[i] = i % 3 ? 1.0f : 0.25f;
    const rc_linear of_fast = pack_smoothed(fast, arithmetic, w_nk, NULL, smooth_k, 1, n, k);
    const rc_linear of_oracle = pack_smoothed(oracle, RC_INT8_WEIGHTS, w_nk, NULL, smooth_k, 1, n, k);
    float *found_mn = buffer(m * n), *expected_mn = buffer(m * n);
    run_linear(fast, &of_fast, x_mk, m, &plain, found_mn);
    run_linear(oracle, &of_oracle, x_mk, m, &plain, expected_mn);
    return difference(found_mn, expected_mn, m * n);
}

static double attention_error(size_t round) {
    const int several_key_blocks = round % 16 == 7;
    const batch batch = random_batch(several_key_blocks ? 2 * RC_KEY_BLOCK : 50);
    const size_t heads = 1 + round % 3, h = heads * random_size(1, several_key_blocks ? 4 : 37),
                 n = batch.t * h;
    const float *qkv_t3h = random_floats(3 * n, 2.0f);
    float *found_th = buffer(n), *expected_th = buffer(n);
    run_attention(fast, qkv_t3h, &batch, heads, h, found_th);
    run_attention(oracle, qkv_t3h, &batch, heads, h, expected_th);
    return difference(found_th, expected_th, n);
}

static rc_norm random_norm(size_t h) {
    return (rc_norm){.weight_h = random_floats(h, 1.0f), .bias_h = random_floats(h, 1.0f), .eps = 1e-5f};
}

static double layer_norm_error(size_t round) {
    const size_t t = random_size(1, 9), h = random_size(2, 90);
    const rc_norm norm = random_norm(h);
    const float *x_th = random_floats(t * h, 3.0f + (float)round);
    float *found_th = buffer(t * h), *expected_th = buffer(t * h);
    for (size_t ith = 0; ith < THREADS; ith++) {
        fast->layer_norm(&norm, x_th, h, t, h, found_th, h, &(rc_narrow){0}, ith, THREADS);
        oracle->layer_norm(&norm, x_th, h, t, h, expected_th, h, &(rc_narrow){0}, ith, THREADS);
    }
    return difference(found_th, expected_th, t * h);
}

static double embed_error(size_t round) {
    const size_t t = random_size(1, 9), h = random_size(2, 90);
    rc_embeddings tables = {.word_dtype = RC_FLOAT32, .norm = random_norm(h), .h = h};
    tables.word_vh = random_floats(7 * h, 1.0f);
    tables.position_ph = random_floats(5 * h, 1.0f);
    tables.token_type_gh = random_floats(2 * h, 1.0f);
    int64_t ids_t[9], positions_t[9], types_t[9];
    for (size_t i = 0; i < t; i++) {
        ids_t[i] = (int64_t)random_size(0, 6);
        positions_t[i] = (int64_t)random_size(0, 4);
        types_t[i] = (int64_t)random_size(0, 1);
    }
    float *found_th = buffer(t * h), *expected_th = buffer(t * h);
    for (size_t ith = 0; ith < THREADS; ith++) {
        fast->embed(&tables, ids_t, positions_t, round % 2 ? types_t : NULL, t, found_th, ith, THREADS);
        oracle->embed(&tables, ids_t, positions_t, round % 2 ? types_t : NULL, t, expected_th, ith, THREADS);
    }
    return difference(found_th, expected_th, t * h);
}

/* In ULP of the expected value where that is a normal number; the oracle's own rounding adds half of one. */
static double elementwise_error(int function) {
    double worst = 0.0;
    for (size_t round = 0; round < 40; round++) {
        const size_t n = random_size(1, 2000);
        float *x_n = random_floats(n, round % 2 ? 14.0f : 1.0f), *found_n = buffer(n), *exact_n = buffer(n);
        x_n[random_size(0, n - 1)] = round % 3 ? 0.0f : 80.0f;
        run_elementwise(fast, function, x_n, n, found_n);
        run_elementwise(oracle, function, x_n, n, exact_n);
        if (!(difference(found_n, exact_n, n) < 1e-6)) return INFINITY; /* NaN, or canaries */
        for (size_t i = 0; i < n; i++) {
            const double exact = exact_n[i], error = fabs((double)found_n[i] - exact);
            if (fabs(exact) >= FLT_MIN) worst = fmax(worst, error / ldexp(1.0, ilogb(exact) - 23));
        }
    }
    return worst;
}

static double encoder_layer_error(size_t round) {
    const batch batch = random_batch(50);
    int first_tokens_only = round % 2;
    for (size_t i = 0; i < batch.s; i++) first_tokens_only &= batch.starts_s[i] < batch.starts_s[i + 1];
    const size_t heads = 1 + round % 3, h = heads * random_size(2, 20), f = random_size(1, 90);
    const size_t n = batch.t * h;
    float *found_th = random_floats(n, 1.0f), *expected_th = buffer(n);
    memcpy(expected_th, found_th, n * sizeof(float));
    const rc_norm norms[] = {random_norm(h), random_norm(h)};
    const float *w_3hh = random_floats(3 * h * h, 0.3f), *w_hh = random_floats(h * h, 0.3f);
    const float *w_fh = random_floats(f * h, 0.3f), *w_hf = random_floats(h * f, 0.3f);
    const float *bias_n = random_floats(3 * h + f, 0.1f);
    for (int exact = 0; exact < 2; exact++) {
        const rc_kernels *kernels = exact ? oracle : fast;
        rc_encoder_layer layer = {.heads = heads, .activation = RC_GELU};
        layer.qkv = pack(kernels, RC_FP32, w_3hh, bias_n, 3, h, h);
        layer.attention_output = pack(kernels, RC_FP32, w_hh, bias_n, 1, h, h);
        layer.attention_norm = norms[0];
        layer.up = pack(kernels, RC_FP32, w_fh, bias_n, 1, f, h);
        layer.down = pack(kernels, RC_FP32, w_hf, bias_n, 1, h, f);
        layer.output_norm = norms[1];
        run_encoder_layer(kernels, &layer, &batch, first_tokens_only, exact ? expected_th : found_th);
    }
    return difference(found_th, expected_th, n);
}

static const struct {
    const char *kernel;
    double (*error)(size_t round);
    double bound;
} checks[] = {{"linear", linear_error, 4e-6},
              {"bfloat16", bfloat16_error, 4e-6},
              {"int8", int8_error, 0.0},
              {"attention", attention_error, 1e-5},
              {"layer_norm", layer_norm_error, 4e-6},
              {"embed", embed_error, 4e-6},
              {"encoder_layer", encoder_layer_error, 2e-5}};
static const char *const functions[] = {"none", "gelu", "gelu_new", "relu", "tanh", "exponentiate"};
static const double function_bounds[] = {0.0, 4.0, 4.0, 0.0, 2.0, 2.0};

int main(int count, char **words) {
    int failures = 0;
    if (count != 2 || rc_select_kernels(words[1], &fast) != RC_OK) return 2;
    oracle = rc_isa_reference();
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        double worst = 0.0;
        for (size_t round = 0; round < ROUNDS; round++) worst = fmax(worst, checks[i].error(round));
        failures += report(checks[i].kernel, worst, checks[i].bound);
    }
    for (int i = 0; i < 6; i++) failures += report(functions[i], elementwise_error(i), function_bounds[i]);
    return failures != 0;
}
