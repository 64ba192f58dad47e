/* reference.c: the oracle. Every kernel of the table in plain loops and float64 inside, one output element
 * at a time, never optimised and never deleted: what the fast bodies must agree with. Its name as an ISA
 * is "reference"; nothing chooses it but a test or a person. Panels of one column make packing a copy. */
#include "roberta_c.h"

#include <math.h>
#include <string.h>

#include "float16.h"

/* The i-th value of a row of int8 or, `over`, of weights, before it is rounded. */
static float smoothed(const float *x_k, const float *smooth_k, int over, size_t i) {
    if (!smooth_k) return x_k[i];
    return over ? x_k[i] / smooth_k[i] : x_k[i] * smooth_k[i];
}

/* How far values reach above and below zero; NaN where one is not finite. */
static void reach(const float *x_k, const float *smooth_k, int over, size_t k, float *above, float *below) {
    *above = 0x1p-100f;
    *below = 0.0f;
    for (size_t i = 0; i < k; i++) {
        const float x = smoothed(x_k, smooth_k, over, i);
        if (!isfinite(x)) *above = *below = NAN;
        if (x > *above) *above = x;
        if (-x > *below) *below = -x;
    }
}

/* One column: words of bytes, a row that is used elsewhere, and the scale. */
static void pack_quantized(const float *w_k, const float *smooth_k, size_t k, rc_word *column_k) {
    const size_t words = rc_words(RC_INT8_WEIGHTS, k);
    float above, below;
    reach(w_k, smooth_k, 1, k, &above, &below);
    const float scale = (above > below || isnan(above) ? above : below) / 127.0f, inverse = 1.0f / scale;
    int8_t *bytes_k = (int8_t *)column_k;
    memset(column_k, 0, (words + 1) * sizeof *column_k);
    for (size_t i = 0; i < k && scale == scale; i++)
        bytes_k[i] = (int8_t)nearbyintf(smoothed(w_k, smooth_k, 1, i) * inverse);
    column_k[words + 1] = scale;
}

static void pack_linear(rc_arithmetic arithmetic, const float *w_nk, const float *smooth_k, size_t n,
                        size_t k, rc_word *panels_pkn, size_t ith, size_t nth) {
    for (size_t p = n * ith / nth; p < n * (ith + 1) / nth; p++) {
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

/* What whole rows of int8 (RC_INT8_WEIGHTS) give with a column. */
static double quantized_product(const rc_linear *w, size_t column, const rc_rows *x, size_t row) {
    const rc_word *column_k = w->panels_pkn + column * rc_panel_words(w, 1);
    const int8_t *bytes_k = (const int8_t *)column_k;
    int64_t sum = 0;
    for (size_t i = 0; i < w->k; i++) sum += (int64_t)x->rows[row * x->ld + i] * bytes_k[i];
    return (double)((float)sum * column_k[rc_words(w->arithmetic, w->k) + 1] * x->scale_m[row].scale);
}

static void linear(const rc_linear *w, const rc_rows *x, size_t m, const rc_epilogue *epilogue, float *y_mn,
                   size_t ldy, rc_team *team, size_t ith, size_t nth) {
    (void)team;
    const size_t n = w->sections * w->n, k = w->k, ldx = x->ld;
    const rc_word *x_mk = x->rows;
    const rc_dtype stored = w->arithmetic == RC_FP32 ? RC_FLOAT32 : RC_BFLOAT16;
    for (size_t row = m * ith / nth; row < m * (ith + 1) / nth; row++) {
        for (size_t column = 0; column < n; column++) {
            double y = w->bias_n ? w->bias_n[column] : 0.0;
            if (rc_is_int8(w->arithmetic)) y += quantized_product(w, column, x, row);
            for (size_t i = 0; i < k && !rc_is_int8(w->arithmetic); i++)
                y += (double)x_mk[row * ldx + i] *
                     (double)widened(w->panels_pkn + column * rc_panel_words(w, 1), stored, i);
            y = activated(epilogue->activation, y);
            if (epilogue->residual_mn) y += epilogue->residual_mn[row * epilogue->ld_residual + column];
            y_mn[row * ldy + column] = (float)y;
        }
    }
}

static void attention(const rc_attention *a, float *scratch, rc_team *team, size_t ith, size_t nth) {
    const size_t d = a->h / a->heads, jobs = a->s * a->heads, ld = a->ld_qkv; /* always RC_FP32 */
    (void)scratch, (void)team;
    for (size_t job = jobs * ith / nth; job < jobs * (ith + 1) / nth; job++) {
        const size_t sequence = job / a->heads, first = job % a->heads * d;
        const size_t begin = (size_t)a->starts_s[sequence], end = (size_t)a->starts_s[sequence + 1];
        const size_t query = a->first_tokens_only ? sequence : begin;
        const size_t queries = a->first_tokens_only && begin < end ? 1 : end - begin;
        const rc_word *k = a->qkv_t3h + a->h + first, *v = k + a->h;
        for (size_t i = query; i < query + queries; i++) {
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

/* Whole float32 and their scale (RC_INT8_WEIGHTS); nothing else is asked for here. */
static void narrow_row(const float *x_k, size_t k, const rc_narrow *to, size_t row) {
    float above, below;
    reach(x_k, to->smooth_k, 0, k, &above, &below);
    const float scale = above / 254.0f + below / 254.0f, inverse = 1.0f / scale;
    rc_word *whole_k = to->rows + row * to->ld;
    for (size_t i = 0; i < k; i++)
        whole_k[i] = scale == scale ? nearbyintf(smoothed(x_k, to->smooth_k, 0, i) * inverse) : 0.0f;
    memset(whole_k + k, 0, (rc_row_words(to->arithmetic, k) - k) * sizeof *whole_k);
    to->scale_m[row] = (rc_scale){scale, 0};
}

static void narrow(const float *x_mn, size_t ldx, size_t m, size_t n, const rc_narrow *to, size_t ith,
                   size_t nth) {
    for (size_t row = m * ith / nth; row < m * (ith + 1) / nth; row++)
        narrow_row(x_mn + row * ldx, n, to, row);
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
                       size_t ldy, const rc_narrow *to, size_t ith, size_t nth) {
    for (size_t row = t * ith / nth; row < t * (ith + 1) / nth; row++) {
        layer_norm_row(norm, x_th + row * ldx, h, y_th + row * ldy);
        if (to->rows) narrow_row(y_th + row * ldy, h, to, row);
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

static void embed(const rc_embeddings *tables, const int64_t *ids_t, const int64_t *positions_t,
                  const int64_t *types_t, size_t t, float *x_th, size_t ith, size_t nth) {
    const size_t h = tables->h;
    for (size_t token = t * ith / nth; token < t * (ith + 1) / nth; token++) {
        for (size_t i = 0; i < h; i++) {
            const float word = widened(tables->word_vh, tables->word_dtype, (size_t)ids_t[token] * h + i);
            const float position = tables->position_ph[(size_t)positions_t[token] * h + i];
            const size_t type = types_t ? (size_t)types_t[token] : 0;
            x_th[token * h + i] = word + tables->token_type_gh[type * h + i] + position;
        }
        layer_norm_row(&tables->norm, x_th + token * h, h, x_th + token * h);
    }
}

#define NR 1
#include "encoder_layer.inc"

static const rc_kernels kernels = {
    .name = "reference",
    .mr = 1,
    .nr = 1,
    .attention_mr = 1,
    .attention_nr = 1,
    .pack_linear = pack_linear,
    .linear = linear,
    .narrow = narrow,
    .attention = attention,
    .layer_norm = layer_norm,
    .activate = activate,
    .exponentiate = exponentiate,
    .embed = embed,
    .encoder_layer = encoder_layer,
};

const rc_kernels *rc_isa_reference(void) { return &kernels; }
