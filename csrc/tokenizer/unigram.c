/* unigram.c: the words of a normalized text, each with U+2581 before it, segmented into the pieces with the
 * highest total score.
 *
 * Scores are summed in double, from the beginning of a word on; of equal ones the first stays: that of the
 * longest last piece.  A character without a piece has the unknown token, and a row of such one for all. */
#include "tokenizer.h"

enum { SPACE_SIZE = 3 };
#define NOWHERE UINT32_MAX
static const uint8_t SPACE[SPACE_SIZE] = {0xE2, 0x96, 0x81};

/* A word: n bytes, with SPACE before them if `prefix` is SPACE_SIZE and not 0.  Places in it count both. */
typedef struct {
    const uint8_t *bytes;
    size_t n, prefix;
} word;

static int is_space(const uint8_t *at, size_t n) {
    return n >= SPACE_SIZE && at[0] == SPACE[0] && at[1] == SPACE[1] && at[2] == SPACE[2];
}

/* Takes a segmentation of the word's beginning up to `end`, whose last token begins at `from`. */
static void offer(rc_best *best, size_t from, size_t end, double score, uint32_t id) {
    if (best[end].from == NOWHERE || score > best[end].score)
        best[end] = (rc_best){score, (uint32_t)from, id};
}

/* Fills best[0 … size of the word]. */
static void segment(const rc_unigram *model, const word *one, rc_best *best) {
    const size_t size = one->prefix + one->n;
    for (size_t i = 1; i <= size; i++) best[i].from = NOWHERE;
    best[0].score = 0;
    for (size_t from = 0; from < size;) {
        const double score = best[from].score;
        int has_single = 0;
        size_t length, at;
        uint32_t node;
        if (from < one->prefix) {
            length = SPACE_SIZE;
            node = model->after_space;
            at = 0;
            if (node && model->pieces.values[node]) {
                const uint32_t id = model->pieces.values[node] - 1;
                offer(best, from, length, model->scores[id] + score, id);
                has_single = 1;
            }
        } else {
            at = from - one->prefix;
            length = rc_utf8_length(one->bytes[at]);
            node = rc_trie_child(&model->pieces, 0, one->bytes[at++]);
            if (node && model->pieces.values[node]) {
                const uint32_t id = model->pieces.values[node] - 1;
                offer(best, from, from + 1, model->scores[id] + score, id);
                has_single = length == 1;
            }
        }
        while (node && at < one->n) {
            node = rc_trie_child(&model->pieces, node, one->bytes[at++]);
            if (node && model->pieces.values[node]) {
                const uint32_t id = model->pieces.values[node] - 1;
                const size_t end = one->prefix + at;
                offer(best, from, end, model->scores[id] + score, id);
                has_single |= end - from == length;
            }
        }
        if (!has_single) offer(best, from, from + length, model->unknown_score + score, model->unknown_id);
        from += length;
    }
}

/* value + 1 of the piece at the places [start, end) of a word. */
static uint32_t find_piece(const rc_unigram *model, const word *one, size_t start, size_t end) {
    uint32_t node = 0;
    if (start < one->prefix) {
        node = model->after_space;
        if (!node) return 0;
        start = one->prefix;
    }
    for (size_t i = start; i < end; i++) {
        node = rc_trie_child(&model->pieces, node, one->bytes[i - one->prefix]);
        if (!node) return 0;
    }
    return model->pieces.values[node];
}

/* Where the token begins that ends at `end`: unknown tokens side by side are one. */
static size_t token_start(const rc_unigram *model, const rc_best *best, size_t end) {
    size_t start = best[end].from;
    if (best[end].id == model->unknown_id) {
        while (start && best[start].id == model->unknown_id) start = best[start].from;
    }
    return start;
}

/* Appends the tokens of a word, which begins at the byte `place` of the text. */
static rc_text_status append(const rc_unigram *model, const word *one, size_t place, rc_tokens *out) {
    const size_t size = one->prefix + one->n;
    size_t count = 0;
    for (size_t end = size; end; end = token_start(model, out->best, end)) count++;
    if (count > out->room - out->count) return RC_TEXT_FULL;
    out->count += count;
    rc_token *token = out->tokens + out->count;
    for (size_t end = size; end;) {
        const size_t start = token_start(model, out->best, end);
        uint32_t id = out->best[end].id;
        if (id == model->unknown_id) {
            const uint32_t found = find_piece(model, one, start, end);
            if (found) id = found - 1;
        }
        const int is_prefixed = start < one->prefix;
        *--token = (rc_token){
            .id = id,
            .word = (uint32_t)out->words,
            .start = (uint32_t)(place + (is_prefixed ? 0 : start - one->prefix)),
            .end = (uint32_t)(place + end - one->prefix),
            .is_prefixed = (uint8_t)is_prefixed,
        };
        end = start;
    }
    out->words++;
    return RC_TEXT_OK;
}

static int is_white_space(const uint8_t *at) {
    return *at < 0x80 ? *at == ' ' || (*at >= 9 && *at <= 13)
                      : (rc_code_point(rc_utf8_decode(at)) & RC_WHITE_SPACE) != 0;
}

rc_text_status rc_unigram_encode(const rc_unigram *model, const uint8_t *text, size_t n, rc_tokens *out) {
    /* A part of a word, which begins with U+2581 inside it, has no prefix.  White space or such a part is at
     * out->at, unless that is the beginning. */
    int is_first = out->at == 0;
    for (size_t at = out->at; at < n;) {
        if (is_white_space(text + at)) {
            at += rc_utf8_length(text[at]);
            is_first = 1;
            continue;
        }
        size_t end = at + rc_utf8_length(text[at]);
        while (end < n && !is_white_space(text + end) && !is_space(text + end, n - end)) {
            end += rc_utf8_length(text[end]);
        }
        const int is_prefixed = is_first && model->prepends_space && !is_space(text + at, n - at);
        const word one = {text + at, end - at, is_prefixed ? SPACE_SIZE : 0};
        segment(model, &one, out->best);
        const rc_text_status status = append(model, &one, at, out);
        if (status != RC_TEXT_OK) return status;
        at = out->at = end;
        is_first = 0;
    }
    out->at = n;
    return RC_TEXT_OK;
}
