/* reference.c: the oracle, a table of plain loops that the fast kernels are tested against.  Sums are float64
 * (int8: exact integers, dequantized in float32; embeddings are added in float32).  encoder_layer alone is
 * the shared one (encoder_layer.inc), which calls the functions of this file.  A panel is one column of W^T,
 * a tile one row.  Do not optimize it.  It is selected by its name, "reference", only. */
#include "internal.h"

#include <math.h>
#include <string.h>

#include "float16.h"

/* Smoothing factors multiply activations and divide weights (rc_linear). */
typedef enum { TIMES_SMOOTH, OVER_SMOOTH } smoothing;
static float smoothed(const float *x_k, const float *smooth_k, smoothing how, size_t i) {
    if (!smooth_k) return x_k[i];
    return how == OVER_SMOOTH ? x_k[i] / smooth_k[i] : x_k[i] * smooth_k[i];
}

/* above := max(x, 0), below := max(-x, 0); both NaN if a value is not finite. */
static void find_range(const float *x_k, const float *smooth_k, smoothing how, size_t k, float *above,
                       float *below) {
    *above = 0x1p-100f;
    *below = 0.0f;
    for (size_t i = 0; i < k; i++) {
        const float x = smoothed(x_k, smooth_k, how, i);
        if (!isfinite(x)) *above = *below = NAN;
        if (x > *above) *above = x;
        if (-x > *below) *below = -x;
    }
}

/* One column: words of int8; a zero word, where other tables have -Σ q, which only uint8 rows need; the
 * scale. */
static void pack_quantized(const float *w_k, const float *smooth_k, size_t k, rc_word *column_k) {
    const size_t words = rc_weight_words(RC_INT8_WEIGHTS, k);
    float above, below;
    find_range(w_k, smooth_k, OVER_SMOOTH, k, &above, &below);
    const float scale = (above > below || isnan(above) ? above : below) / 127.0f, inverse = 1.0f / scale;
    int8_t *bytes_k = (int8_t *)column_k;
    memset(column_k, 0, (words + 1) * sizeof *column_k);
    for (size_t i = 0; i < k && scale == scale; i++)
        bytes_k[i] = (int8_t)nearbyintf(smoothed(w_k, smooth_k, OVER_SMOOTH, i) * inverse);
    column_k[words + 1] = scale;
}

static void widen(const void *from, rc_dtype dtype, size_t n, float *to_n) {
    for (size_t i = 0; i < n; i++) to_n[i] = widened(from, dtype, i);
}

static int pack_linear(rc_arithmetic arithmetic, const float *w_nk, const float *smooth_k, size_t n, size_t k,
                       rc_word *panels_pkn, size_t ith, size_t nth) {
    int finite = 1;
    for (size_t p = n * ith / nth; p < n * (ith + 1) / nth; p++) {
        for (size_t i = 0; i < k; i++) finite &= isfinite(w_nk[p * k + i]) != 0;
        if (arithmetic == RC_FP32) {
            memcpy(panels_pkn + p * k, w_nk + p * k, k * sizeof(float));
            continue;
        }
        if (rc_is_int8(arithmetic)) {
            pack_quantized(w_nk + p * k, smooth_k, k, panels_pkn + p * rc_panel_rows(arithmetic, k));
            continue;
        }
        unsigned char *halves_k = (unsigned char *)(panels_pkn + p * ((k + 1) / 2));
        for (size_t i = 0; i < (k + 1) / 2 * 2; i++) {
            const uint16_t half = i < k ? bfloat16_of_float(w_nk[p * k + i]) : 0;
            memcpy(halves_k + i * sizeof half, &half, sizeof half);
        }
    }
    return finite;
}

static void column_sizes(const float *w_nk, size_t n, size_t k, float *sizes_k) {
    for (size_t i = 0; i < n * k; i++) {
        const float size = fabsf(w_nk[i]);
        if (isnan(size) || size > sizes_k[i % k]) sizes_k[i % k] = size;
    }
}

static double activated(rc_activation activation, double x) {
    switch (activation) {
    case RC_GELU: return x * 0.5 * erfc(-x * sqrt(0.5));
    /* 1 + tanh u as 2 / (1 + exp(-2u)), which loses no digits in the negative tail. */
    case RC_GELU_NEW: return x / (1.0 + exp(-2.0 * sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case RC_RELU: return x < 0.0 ? 0.0 : x;
    case RC_TANH: return tanh(x);
    default: return x;
    }
}

/* The bias of the unit's column. */
static double bias_of(const rc_panel_unit *unit) {
    const float *bias_n = unit->product->w->bias_n;
    return bias_n ? bias_n[unit->panel] : 0.0;
}

/* Stores the element of one row: activation(y), or residual + y. */
static void store(const rc_panel_unit *unit, size_t row, double y) {
    const rc_product *product = unit->product;
    const rc_epilogue *epilogue = product->epilogue;
    const size_t column = unit->panel;
    y = activated(epilogue->activation, y);
    if (epilogue->residual_mn) y += epilogue->residual_mn[row * epilogue->ld_residual + column];
    product->y_mn[row * product->ldy + column] = (float)y;
}

/* One column by rows [first_tile, end_tile), float32 rows by float32 or bfloat16 weights.  Tiles of this
 * table have one row, so tile numbers are row numbers. */
static void panel_float(const rc_panel_unit *unit) {
    const rc_linear *w = unit->product->w;
    const rc_input_rows *x = &unit->product->x;
    const rc_word *column_k = w->panels_pkn + unit->panel * rc_panel_words(w, 1);
    const rc_dtype stored = w->arithmetic == RC_FP32 ? RC_FLOAT32 : RC_BFLOAT16;
    for (size_t row = unit->first_tile; row < unit->end_tile; row++) {
        double y = bias_of(unit);
        for (size_t i = 0; i < w->k; i++)
            y += (double)x->rows[row * x->ld + i] * (double)widened(column_k, stored, i);
        store(unit, row, y);
    }
}

/* The same for RC_INT8_WEIGHTS: an integer sum, dequantized. */
static void panel_int8(const rc_panel_unit *unit) {
    const rc_linear *w = unit->product->w;
    const rc_input_rows *x = &unit->product->x;
    const rc_word *column_k = w->panels_pkn + unit->panel * rc_panel_words(w, 1);
    const int8_t *bytes_k = (const int8_t *)column_k;
    const float column_scale = column_k[rc_weight_words(w->arithmetic, w->k) + 1];
    for (size_t row = unit->first_tile; row < unit->end_tile; row++) {
        int64_t sum = 0;
        for (size_t i = 0; i < w->k; i++) sum += (int64_t)x->rows[row * x->ld + i] * bytes_k[i];
        store(unit, row, bias_of(unit) + (double)((float)sum * column_scale * x->quantization_m[row].scale));
    }
}

static void linear(const rc_kernels *kernels, const rc_linear *w, const rc_input_rows *x, size_t m,
                   const rc_epilogue *epilogue, float *y_mn, size_t ldy, rc_team *team, size_t ith,
                   size_t nth) {
    (void)team;
    const rc_product product = {.w = w, .x = *x, .m = m, .epilogue = epilogue, .y_mn = y_mn, .ldy = ldy};
    rc_panel_unit unit = {.product = &product, .first_tile = m * ith / nth, .end_tile = m * (ith + 1) / nth};
    for (; unit.panel < w->sections * w->n; unit.panel++) kernels->panel[w->arithmetic](&unit);
}

static void attention(const rc_kernels *kernels, const rc_attention *a, float *scratch, rc_team *team,
                      size_t ith, size_t nth) {
    const rc_sequences *sequences = a->sequences;
    const size_t d = a->h / a->heads, jobs = sequences->s * a->heads, ld = a->ld_qkv;
    /* a->arithmetic is RC_FP32, since this table has no attention_product: words are float32. */
    (void)kernels, (void)scratch, (void)team;
    for (size_t job = jobs * ith / nth; job < jobs * (ith + 1) / nth; job++) {
        const size_t sequence = job / a->heads, first = job % a->heads * d;
        const size_t begin = (size_t)sequences->starts_s[sequence];
        const size_t end = (size_t)sequences->starts_s[sequence + 1];
        const size_t first_query = (size_t)sequences->wanted_starts_s[sequence];
        const size_t end_query = (size_t)sequences->wanted_starts_s[sequence + 1];
        const rc_word *k = a->qkv_t3h + a->h + first, *v = k + a->h;
        for (size_t i = first_query; i < end_query; i++) {
            const rc_word *q_d = a->qkv_t3h + i * ld + first;
            for (size_t c = 0; c < d; c++) {
                double largest = -INFINITY, sum = 0.0, weighted = 0.0;
                for (int pass = 0; pass < 2; pass++) {
                    for (size_t j = begin; j < end; j++) {
                        double score = 0.0;
                        for (size_t x = 0; x < d; x++) score += (double)q_d[x] * (double)k[j * ld + x];
                        score /= sqrt((double)d);
                        if (pass == 0) {
                            largest = fmax(largest, score);
                        } else {
                            const double e = exp(score - largest);
                            sum += e;
                            weighted += e * (double)v[j * ld + c];
                        }
                    }
                }
                a->context_th[i * a->ld_context + first + c] = (float)(weighted / sum);
            }
        }
    }
}

/* Integers held as float32 and their scale: the only format that the arithmetics of this table read. */
static void convert_row(const float *x_k, size_t k, const rc_output_rows *to, size_t row) {
    float above, below;
    find_range(x_k, to->smooth_k, TIMES_SMOOTH, k, &above, &below);
    const float scale = above / 254.0f + below / 254.0f, inverse = 1.0f / scale;
    rc_word *row_k = to->rows + row * to->ld;
    for (size_t i = 0; i < k; i++)
        row_k[i] = scale == scale ? nearbyintf(smoothed(x_k, to->smooth_k, TIMES_SMOOTH, i) * inverse) : 0.0f;
    memset(row_k + k, 0, (rc_row_words(RC_INT8_WEIGHTS, k) - k) * sizeof *row_k);
    to->quantization_m[row] = (rc_quantization){scale, 0};
}

static void convert_rows(const float *x_mk, size_t ldx, size_t m, size_t k, const rc_output_rows *to,
                         size_t ith, size_t nth) {
    for (size_t row = m * ith / nth; row < m * (ith + 1) / nth; row++)
        convert_row(x_mk + row * ldx, k, to, row);
}

static void layer_norm_row(const rc_norm *norm, const float *x_h, size_t h, float *y_h) {
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < h; i++) mean += x_h[i] / (double)h;
    for (size_t i = 0; i < h; i++) variance += (x_h[i] - mean) * (x_h[i] - mean) / (double)h;
    for (size_t i = 0; i < h; i++)
        y_h[i] = (float)((x_h[i] - mean) / sqrt(variance + (double)norm->eps) * norm->weight_h[i] +
                         norm->bias_h[i]);
}

static void layer_norm(const rc_norm *norm, const float *x_th, size_t ldx, size_t t, size_t h, float *y_th,
                       size_t ldy, const rc_output_rows *converted, size_t ith, size_t nth) {
    for (size_t row = t * ith / nth; row < t * (ith + 1) / nth; row++) {
        layer_norm_row(norm, x_th + row * ldx, h, y_th + row * ldy);
        if (converted->rows) convert_row(y_th + row * ldy, h, converted, row);
    }
}

static void activate(rc_activation activation, const float *x_n, size_t n, float *y_n, size_t ith,
                     size_t nth) {
    for (size_t i = n * ith / nth; i < n * (ith + 1) / nth; i++)
        y_n[i] = (float)activated(activation, x_n[i]);
}

static void exponentiate(const float *x_n, size_t n, float *y_n) {
    for (size_t i = 0; i < n; i++) y_n[i] = (float)exp(x_n[i]);
}

static void exp2_short(const float *x_n, size_t n, float *y_n) {
    for (size_t i = 0; i < n; i++) y_n[i] = (float)exp2(x_n[i]);
}

static void embed(const rc_embeddings *tables, const int64_t *ids_t, const int64_t *positions_t,
                  const int64_t *types_t, size_t t, float *x_th, size_t ldx, const rc_output_rows *converted,
                  size_t ith, size_t nth) {
    const size_t h = tables->h;
    for (size_t token = t * ith / nth; token < t * (ith + 1) / nth; token++) {
        float *x_h = x_th + token * ldx;
        for (size_t i = 0; i < h; i++) {
            const float word = widened(tables->word_vh, tables->word_dtype, (size_t)ids_t[token] * h + i);
            const float position = tables->position_ph[(size_t)positions_t[token] * h + i];
            const size_t type = types_t ? (size_t)types_t[token] : 0;
            x_h[i] = word + tables->token_type_gh[type * h + i] + position;
        }
        layer_norm_row(&tables->norm, x_h, h, x_h);
        if (converted->rows) convert_row(x_h, h, converted, token);
    }
}

static double pooled(rc_pooling pooling, const float *x_t, size_t ldx, size_t skipped, size_t t) {
    if (pooling == RC_POOL_FIRST) return x_t[skipped * ldx];
    if (pooling == RC_POOL_LAST) return x_t[(t - 1) * ldx];
    double sum = 0.0, weights = 0.0, largest = -INFINITY;
    for (size_t row = skipped; row < t; row++) {
        const double weight = pooling == RC_POOL_WEIGHTED_MEAN ? (double)(row + 1) : 1.0;
        sum += weight * x_t[row * ldx];
        weights += weight;
        largest = fmax(largest, x_t[row * ldx]);
    }
    if (pooling == RC_POOL_MAX) return largest;
    return sum / (pooling == RC_POOL_MEAN_SQRT ? sqrt(weights) : weights);
}

static void pool(rc_pooling pooling, const float *x_th, size_t ldx, const int64_t *starts_s, size_t s,
                 size_t h, size_t skipped, float *y_sh, size_t ldy, size_t ith, size_t nth) {
    for (size_t sequence = 0; sequence < s; sequence++) {
        const size_t begin = (size_t)starts_s[sequence], t = (size_t)starts_s[sequence + 1] - begin;
        const int one_row = pooling == RC_POOL_FIRST || pooling == RC_POOL_LAST;
        const size_t left_out = t > skipped ? skipped : one_row ? 0 : t;
        for (size_t i = h * ith / nth; i < h * (ith + 1) / nth; i++)
            y_sh[sequence * ldy + i] =
                t > left_out ? (float)pooled(pooling, x_th + begin * ldx + i, ldx, left_out, t) : 0.0f;
    }
}

/* encoder_layer.inc calls linear, attention and the others above; a panel has one column. */
#define NR 1
#include "encoder_layer.inc"

int rc_isa_reference(rc_kernels *kernels) {
    *kernels = (rc_kernels){
        .name = "reference",
        .mr = 1,
        .nr = 1,
        .attention_mr = 1,
        .attention_nr = 1,
        .widen = widen,
        .pack_linear = pack_linear,
        .column_sizes = column_sizes,
        .linear = linear,
        .convert_rows = convert_rows,
        .attention = attention,
        .layer_norm = layer_norm,
        .activate = activate,
        .exponentiate = exponentiate,
        .exp2_short = exp2_short,
        .embed = embed,
        .encoder_layer = encoder_layer,
        .pool = pool,
        .panel = {[RC_FP32] = panel_float, [RC_BF16_WEIGHTS] = panel_float, [RC_INT8_WEIGHTS] = panel_int8},
    };
    return 1;
}
