/* tokenizer.h: text -> token ids, for the two published vocabularies: a sentencepiece Unigram (XLM-R) and a
 * byte-level BPE (RoBERTa).
 *
 * Texts are UTF-8 that the caller has made from a str, so they are valid.  Vocabularies and character maps
 * come from files of strangers: every read of them is within the lengths given here.  Nothing is allocated:
 * buffers are the caller's (roberta_c/tokenizer/_encoder.pyx), and a function that needs a larger one says
 * so.
 *
 * The tokenizers library is the specification.  Where a text has characters for which its answer depends on
 * its version of Unicode, or on rules that are not written here, functions return RC_TEXT_UNSURE, and the
 * caller asks the library.
 */
#ifndef ROBERTA_C_TOKENIZER_H
#define ROBERTA_C_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

/* No text, and no piece of a vocabulary, is longer than that many bytes: places are 32-bit integers. */
#define RC_TEXT_MOST ((size_t)1 << 26)

typedef enum {
    RC_TEXT_OK,
    RC_TEXT_UNSURE,    /* ask the library */
    RC_TEXT_FULL,      /* a buffer is too small: call again with a larger one */
    RC_TEXT_DUPLICATE, /* a string that is there already */
} rc_text_status;

/* ---- properties of code points (code_points.c) --------------------------------------------------- */

/* How a code point takes part in grapheme clusters (Unicode annex 29). */
enum { RC_PLAIN, RC_CONTROL, RC_EXTENDS, RC_JOIN_UNSURE };
/* What GPT-2's regular expression takes a code point for. */
enum { RC_OTHER = 0, RC_LETTER = 4, RC_NUMBER = 8, RC_SPACE = 12, RC_KIND_UNSURE = 16 };
enum { RC_JOIN_BITS = 3, RC_KIND_BITS = 28, RC_WHITE_SPACE = 32 };

/* The sum of one value of each of the two enums, and of RC_WHITE_SPACE for Unicode's White_Space. */
uint8_t rc_code_point(uint32_t code_point);

/* The number of bytes of the UTF-8 sequence that begins with this byte. */
static inline size_t rc_utf8_length(uint8_t first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* The code point at `at`, of rc_utf8_length bytes that are all there. */
static inline uint32_t rc_utf8_decode(const uint8_t *at) {
    if (at[0] < 0x80) return at[0];
    if (at[0] < 0xE0) return (at[0] & 31u) << 6 | (at[1] & 63u);
    if (at[0] < 0xF0) return (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u);
    return (at[0] & 7u) << 18 | (at[1] & 63u) << 12 | (at[2] & 63u) << 6 | (at[3] & 63u);
}

/* Whether n bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
int rc_is_utf8(const uint8_t *bytes, size_t n);

/* ---- a set of strings with a number each (trie.c) ------------------------------------------------ */

/* A trie whose edges lie in a hash table.
 * edges:  [slots] ((parent << 8 | byte) << 32 | child), 0 for an empty slot; slots is a power of two
 * values: [node_room] value + 1 of the string that ends at a node, 0 if none does
 * Node 0 is the root; no edge leads to it.  node_room is at most RC_TRIE_NODES. */
#define RC_TRIE_NODES ((size_t)1 << 24)
typedef struct {
    uint64_t *edges;
    uint32_t *values;
    size_t slots, node_room, nodes;
    uint32_t multiplier; /* odd; random, so that no file can choose strings whose edges collide */
    int shift;           /* 32 - log2(slots) */
} rc_trie;

/* Adds a string of n bytes.  RC_TEXT_FULL: it needs more room, and nothing is added;
 * RC_TEXT_DUPLICATE. */
rc_text_status rc_trie_add(rc_trie *trie, const uint8_t *bytes, size_t n, uint32_t value);

/* Copies the edges and values of a trie into one with at least as many slots and nodes, all zero. */
void rc_trie_copy(const rc_trie *from, rc_trie *to);

/* The first slot of an edge.  Edges of nodes that follow one another differ by a multiple of 256: whatever
 * the multiplier makes of that, the second product spreads it. */
static inline size_t rc_trie_slot(const rc_trie *trie, uint32_t key) {
    uint32_t hash = key * trie->multiplier;
    hash = (hash ^ hash >> 15) * 0x9E3779B1u;
    return hash >> trie->shift;
}

/* The child of a node by a byte; 0 if there is none. */
static inline uint32_t rc_trie_child(const rc_trie *trie, uint32_t parent, uint8_t byte) {
    const uint32_t key = parent << 8 | byte;
    for (size_t slot = rc_trie_slot(trie, key);; slot++) {
        const uint64_t edge = trie->edges[slot & (trie->slots - 1)];
        if (edge >> 32 == key && edge) return (uint32_t)edge;
        if (!edge) return 0;
    }
}

/* value + 1 of a string of n bytes; 0 if it is not there. */
uint32_t rc_trie_find(const rc_trie *trie, const uint8_t *bytes, size_t n);

/* Whether one of the trie's strings stands somewhere in a text. */
int rc_trie_occurs(const rc_trie *trie, const uint8_t *text, size_t n);

/* ---- sentencepiece's character map (charsmap.c) -------------------------------------------------- */

/* units: count * 4 bytes, little-endian, of a Darts double-array trie; texts: ended by a zero byte each. */
typedef struct {
    const uint8_t *units, *texts;
    size_t count, texts_size;
} rc_charsmap;

/* A normalized text.  NULL buffers: only `size` is counted.
 * bytes:   [size] UTF-8
 * changes: [chars] how a character came to be, as the library counts: 0 it replaces one of the text, 1 it is
 *          new, -c it replaces one and c more behind that are gone */
typedef struct {
    uint8_t *bytes;
    int32_t *changes;
    size_t size, chars;
    int is_changed; /* whether anything was replaced */
} rc_normalized;

/* The text, grapheme cluster by grapheme cluster, as the library's Precompiled normalizer makes it. */
rc_text_status rc_normalize(const rc_charsmap *map, const uint8_t *text, size_t n, rc_normalized *out);

/* The characters [starts[i], ends[i]) of the text from which the normalized byte i comes. */
rc_text_status rc_align(const uint8_t *text, size_t n, const rc_normalized *normalized, uint32_t *starts,
                        uint32_t *ends);

/* ---- Unigram (unigram.c) --------------------------------------------------------------------------- */

/* pieces: the vocabulary, by id; scores: one for each; unknown_id: the token of what is in no piece.
 * after_space: the node of the trie behind U+2581, 0 if no piece begins with it. */
typedef struct {
    rc_trie pieces;
    const float *scores;
    double unknown_score;
    uint32_t unknown_id, after_space;
    int prepends_space;
} rc_unigram;

/* A token: its id, its word, the bytes [start, end) of the normalized text, or of the text of a BPE, and
 * whether a U+2581 (for a BPE: a space) stands before them that the text does not have. */
typedef struct {
    uint32_t id, word, start, end;
    uint8_t is_prefixed;
} rc_token;

/* The best segmentation of the beginning of a word: its score, and its last token. */
typedef struct {
    double score;
    uint32_t from, id;
} rc_best;

/* tokens: [room]; count and words: how many there are; at: the next byte to read.  All zero at first.
 * best: [longest word + 4]. */
typedef struct {
    rc_token *tokens;
    size_t room, count, at, words;
    rc_best *best;
} rc_tokens;

/* The tokens of a normalized text.  RC_TEXT_FULL: call again with at least twice the room for tokens. */
rc_text_status rc_unigram_encode(const rc_unigram *model, const uint8_t *text, size_t n, rc_tokens *out);

/* ---- byte-level BPE (byte_pairs.c) ----------------------------------------------------------------- */

/* pairs: [slots] left << 32 | right, ids of tokens, in a hash table; UINT64_MAX for an empty slot
 * ranks: [slots] the rank of a pair, by which pairs are merged, the lowest first
 * merged: by rank, the token that a pair becomes
 * bytes: the token of each byte
 * tokens: those of the vocabulary as bytes of texts, with their ids
 * is_word: by id, whether the merges make that token of its bytes: 0 not known, 1 yes, 2 no; a word that is
 * such a token needs no merges.  Threads that find it out at the same time store the same. */
typedef struct {
    uint64_t *pairs;
    uint32_t *ranks, *merged;
    size_t slots;
    uint64_t multiplier; /* as that of a trie */
    int shift;           /* 64 - log2(slots) */
    uint32_t bytes[256];
    rc_trie tokens;
    uint8_t *is_word;
} rc_byte_pairs;

/* Adds the pair of a rank.  RC_TEXT_DUPLICATE if it is there.  slots is at least twice the number of pairs.
 */
rc_text_status rc_add_pair(rc_byte_pairs *model, uint32_t left, uint32_t right, uint32_t rank);

/* A symbol of a word: a token, and the symbols beside it. */
typedef struct {
    uint32_t id, size, before, after;
} rc_symbol;

/* Where words are merged.  symbols: [room]; queue: [3 * room]; room: bytes of the longest word. */
typedef struct {
    rc_symbol *symbols;
    uint64_t *queue;
} rc_merging;

/* The bytes of the longest word of a text; RC_TEXT_UNSURE if its words are not known here. */
rc_text_status rc_longest_word(const uint8_t *text, size_t n, size_t *longest);

/* The tokens of a text; out->best is not used.  RC_TEXT_FULL: call again with at least twice the room. */
rc_text_status rc_byte_pairs_encode(const rc_byte_pairs *model, const uint8_t *text, size_t n,
                                    rc_merging *merging, rc_tokens *out);

#endif
