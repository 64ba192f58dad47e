/* byte_pairs.c: a text split into words by GPT-2's regular expression
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * and the bytes of each word merged, pair by pair: of all pairs the one of the lowest rank, of equal ones the
 * first.  The pairs of a long word wait in a heap.  An entry of it whose pair has changed is dropped: what
 * its place has now is longer, so that it cannot become the same token. */
#include "tokenizer.h"

#include <stdatomic.h>
#include <string.h>

enum { SHORT_WORD = 48 };
#define NONE UINT32_MAX
#define EMPTY UINT64_MAX

/* ---- words ------------------------------------------------------------------------------------- */

static int kind_at(const uint8_t *at) {
    const uint8_t byte = *at;
    if (byte >= 0x80) return rc_code_point(rc_utf8_decode(at)) & RC_KIND_BITS;
    if ((uint8_t)((byte | 32) - 'a') < 26) return RC_LETTER;
    if ((uint8_t)(byte - '0') < 10) return RC_NUMBER;
    return byte == ' ' || (byte >= 9 && byte <= 13) ? RC_SPACE : RC_OTHER;
}

static size_t contraction(const uint8_t *text, size_t n) {
    if (n < 2 || text[0] != '\'') return 0;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return n > 2 && text[2] == 'e' ? 3 : 0;
    case 'l': return n > 2 && text[2] == 'l' ? 3 : 0;
    default: return 0;
    }
}

/* The end of the characters of one kind from `at` on. */
static size_t run(const uint8_t *text, size_t n, size_t at, int kind) {
    while (at < n && kind_at(text + at) == kind) at += rc_utf8_length(text[at]);
    return at;
}

/* The end of the word at `start`; 0 if it is not known. */
static size_t word_end(const uint8_t *text, size_t n, size_t start) {
    const size_t short_form = contraction(text + start, n - start);
    if (short_form) return start + short_form;
    int kind = kind_at(text + start);
    size_t at = start;
    if (text[start] == ' ' && start + 1 < n && kind_at(text + start + 1) != RC_SPACE) {
        kind = kind_at(text + ++at);
    }
    if (kind == RC_KIND_UNSURE) return 0;
    size_t end = run(text, n, at, kind);
    if (end < n && kind_at(text + end) == RC_KIND_UNSURE) return 0;
    if (kind == RC_SPACE && end < n) { /* the last one is left to the next word, unless it is alone */
        size_t last = end - 1;
        while ((text[last] & 0xC0) == 0x80) last--;
        if (last > start) end = last;
    }
    return end;
}

rc_text_status rc_longest_word(const uint8_t *text, size_t n, size_t *longest) {
    *longest = 0;
    for (size_t start = 0; start < n;) {
        const size_t end = word_end(text, n, start);
        if (!end) return RC_TEXT_UNSURE;
        if (end - start > *longest) *longest = end - start;
        start = end;
    }
    return RC_TEXT_OK;
}

/* ---- pairs ------------------------------------------------------------------------------------- */

static size_t slot_of(const rc_byte_pairs *model, uint64_t pair) {
    uint64_t hash = pair * model->multiplier;
    hash = (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u; /* as rc_trie_slot */
    return (size_t)(hash >> model->shift);
}

rc_text_status rc_add_pair(rc_byte_pairs *model, uint32_t left, uint32_t right, uint32_t rank) {
    const uint64_t pair = (uint64_t)left << 32 | right;
    size_t slot = slot_of(model, pair);
    while (model->pairs[slot] != EMPTY) {
        if (model->pairs[slot] == pair) return RC_TEXT_DUPLICATE;
        slot = (slot + 1) & (model->slots - 1);
    }
    model->pairs[slot] = pair;
    model->ranks[slot] = rank;
    return RC_TEXT_OK;
}

static uint32_t rank_of(const rc_byte_pairs *model, uint32_t left, uint32_t right) {
    const uint64_t pair = (uint64_t)left << 32 | right;
    for (size_t slot = slot_of(model, pair);; slot = (slot + 1) & (model->slots - 1)) {
        if (model->pairs[slot] == pair) return model->ranks[slot];
        if (model->pairs[slot] == EMPTY) return NONE;
    }
}

/* ---- merging ----------------------------------------------------------------------------------- */

/* Merges a short word, whose symbols stay side by side; their number. */
static size_t merge_short(const rc_byte_pairs *model, rc_symbol *symbols, size_t n) {
    uint32_t ranks[SHORT_WORD]; /* of a symbol and the next */
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_of(model, symbols[i].id, symbols[i + 1].id);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < ranks[best]) best = i;
        }
        if (ranks[best] == NONE) break;
        symbols[best].id = model->merged[ranks[best]];
        symbols[best].size += symbols[best + 1].size;
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof *symbols);
        if (best + 1 < n) {
            memmove(ranks + best, ranks + best + 1, (n - best - 1) * sizeof *ranks);
            ranks[best] = rank_of(model, symbols[best].id, symbols[best + 1].id);
        }
        if (best) ranks[best - 1] = rank_of(model, symbols[best - 1].id, symbols[best].id);
    }
    return n;
}

static void push(uint64_t *queue, size_t *count, uint64_t entry) {
    size_t at = (*count)++;
    while (at && queue[(at - 1) / 2] > entry) {
        queue[at] = queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue[at] = entry;
}

static uint64_t pop(uint64_t *queue, size_t *count) {
    const uint64_t top = queue[0], last = queue[--*count];
    size_t at = 0;
    for (size_t child = 1; child < *count; child = 2 * at + 1) {
        if (child + 1 < *count && queue[child + 1] < queue[child]) child++;
        if (queue[child] >= last) break;
        queue[at] = queue[child];
        at = child;
    }
    queue[at] = last;
    return top;
}

/* Merges a word of n symbols; the number of those that are left, which are moved side by side.  Each merge
 * adds two entries to the queue at most, so that it never has more than 3 * n. */
static size_t merge_long(const rc_byte_pairs *model, const rc_merging *merging, size_t n) {
    rc_symbol *symbols = merging->symbols;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        symbols[i].before = i ? (uint32_t)(i - 1) : NONE;
        symbols[i].after = i + 1 < n ? (uint32_t)(i + 1) : NONE;
        const uint32_t rank = i + 1 < n ? rank_of(model, symbols[i].id, symbols[i + 1].id) : NONE;
        if (rank != NONE) push(merging->queue, &count, (uint64_t)rank << 32 | i);
    }
    while (count) {
        const uint64_t entry = pop(merging->queue, &count);
        const uint32_t place = (uint32_t)entry, rank = (uint32_t)(entry >> 32);
        rc_symbol *left = &symbols[place];
        if (!left->size || left->after == NONE) continue;
        rc_symbol *right = &symbols[left->after];
        if (rank_of(model, left->id, right->id) != rank) continue;
        left->id = model->merged[rank];
        left->size += right->size;
        right->size = 0;
        left->after = right->after;
        if (left->after != NONE) {
            symbols[left->after].before = place;
            const uint32_t next = rank_of(model, left->id, symbols[left->after].id);
            if (next != NONE) push(merging->queue, &count, (uint64_t)next << 32 | place);
        }
        if (left->before != NONE) {
            const uint32_t next = rank_of(model, symbols[left->before].id, left->id);
            if (next != NONE) push(merging->queue, &count, (uint64_t)next << 32 | left->before);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (symbols[i].size) symbols[kept++] = symbols[i];
    }
    return kept;
}

/* The tokens of a word, as symbols; their number. */
static size_t merge(const rc_byte_pairs *model, const uint8_t *word, size_t n, const rc_merging *merging) {
    rc_symbol *symbols = merging->symbols;
    const uint32_t found = n <= SHORT_WORD ? rc_trie_find(&model->tokens, word, n) : 0;
    _Atomic uint8_t *is_word = found ? (_Atomic uint8_t *)(model->is_word + found - 1) : NULL;
    if (is_word && atomic_load_explicit(is_word, memory_order_relaxed) == 1) {
        symbols[0] = (rc_symbol){found - 1, (uint32_t)n, NONE, NONE};
        return 1;
    }
    for (size_t i = 0; i < n; i++) symbols[i] = (rc_symbol){model->bytes[word[i]], 1, NONE, NONE};
    const size_t count = n <= SHORT_WORD ? merge_short(model, symbols, n) : merge_long(model, merging, n);
    if (is_word) {
        const int is = count == 1 && symbols[0].id == found - 1;
        atomic_store_explicit(is_word, is ? 1 : 2, memory_order_relaxed);
    }
    return count;
}

rc_text_status rc_byte_pairs_encode(const rc_byte_pairs *model, const uint8_t *text, size_t n,
                                    rc_merging *merging, rc_tokens *out) {
    while (out->at < n) {
        const size_t start = out->at, end = word_end(text, n, start);
        if (!end) return RC_TEXT_UNSURE;
        const size_t count = merge(model, text + start, end - start, merging);
        if (count > out->room - out->count) return RC_TEXT_FULL;
        uint32_t place = (uint32_t)start;
        for (size_t i = 0; i < count; i++) {
            const rc_symbol *symbol = &merging->symbols[i];
            out->tokens[out->count++] = (rc_token){
                .id = symbol->id, .word = (uint32_t)out->words, .start = place, .end = place + symbol->size};
            place += symbol->size;
        }
        out->words++;
        out->at = end;
    }
    return RC_TEXT_OK;
}
