/* trie.c: strings with a number each, in a trie whose edges lie in a hash table with linear probing. */
#include "tokenizer.h"

#include <string.h>

int rc_is_utf8(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n;) {
        const uint8_t first = bytes[i];
        if (first < 0x80) {
            i++;
            continue;
        }
        if (first < 0xC2 || first > 0xF4) return 0;
        const size_t length = rc_utf8_length(first);
        if (n - i < length) return 0;
        for (size_t k = 1; k < length; k++) {
            if ((bytes[i + k] & 0xC0) != 0x80) return 0;
        }
        const uint32_t code_point = rc_utf8_decode(bytes + i);
        if (length == 3 && (code_point < 0x800 || (code_point >= 0xD800 && code_point < 0xE000))) return 0;
        if (length == 4 && (code_point < 0x10000 || code_point > 0x10FFFF)) return 0;
        i += length;
    }
    return 1;
}

static void add_edge(rc_trie *trie, uint32_t key, uint32_t child) {
    size_t slot = rc_trie_slot(trie, key);
    while (trie->edges[slot & (trie->slots - 1)]) slot++;
    trie->edges[slot & (trie->slots - 1)] = (uint64_t)key << 32 | child;
}

rc_text_status rc_trie_add(rc_trie *trie, const uint8_t *bytes, size_t n, uint32_t value) {
    /* Every node but the root has one edge.  A quarter of the slots stays empty. */
    if (n > trie->node_room - trie->nodes || trie->nodes + n > trie->slots / 4 * 3) return RC_TEXT_FULL;
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t child = rc_trie_child(trie, node, bytes[i]);
        if (!child) {
            child = (uint32_t)trie->nodes++;
            add_edge(trie, node << 8 | bytes[i], child);
        }
        node = child;
    }
    if (trie->values[node]) return RC_TEXT_DUPLICATE;
    trie->values[node] = value + 1;
    return RC_TEXT_OK;
}

void rc_trie_copy(const rc_trie *from, rc_trie *to) {
    for (size_t slot = 0; slot < from->slots; slot++) {
        const uint64_t edge = from->edges[slot];
        if (edge) add_edge(to, (uint32_t)(edge >> 32), (uint32_t)edge);
    }
    memcpy(to->values, from->values, from->nodes * sizeof *from->values);
    to->nodes = from->nodes;
}

uint32_t rc_trie_find(const rc_trie *trie, const uint8_t *bytes, size_t n) {
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        node = rc_trie_child(trie, node, bytes[i]);
        if (!node) return 0;
    }
    return trie->values[node];
}

int rc_trie_occurs(const rc_trie *trie, const uint8_t *text, size_t n) {
    uint32_t by_first[256];
    for (int byte = 0; byte < 256; byte++) by_first[byte] = rc_trie_child(trie, 0, (uint8_t)byte);
    for (size_t i = 0; i < n; i++) {
        uint32_t node = by_first[text[i]];
        for (size_t k = i + 1; node; k++) {
            if (trie->values[node]) return 1;
            if (k == n) break;
            node = rc_trie_child(trie, node, text[k]);
        }
    }
    return 0;
}
