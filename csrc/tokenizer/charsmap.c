/* charsmap.c: a text normalized by the character map of a sentencepiece model, and where its characters come
 * from.  The map is looked up for a grapheme cluster of less than 6 bytes as one, otherwise for each of its
 * characters; it answers with the text of the shortest of its keys that the cluster begins with.
 *
 * A cluster of several characters matters only if it has less than 6 bytes.  Two clusters of 6 or more that
 * the library joins are looked up by character either way.  So no rule of annex 29 is needed that joins
 * characters of 3 bytes (Indic conjuncts) or 4 (flags, most emoji): what is left are characters that extend
 * the one before, and those that nothing extends (RC_CONTROL, of any length): what follows one of these
 * begins a cluster, which can be a short one.  Texts with Hangul jamo are the library's. */
#include "tokenizer.h"

#include <string.h>

enum { LOOKED_UP_BELOW = 6, ZWJ = 0x200D, COPYRIGHT = 0xA9, REGISTERED = 0xAE };
#define NODE_OR_LABEL 0x800000FFu

static uint32_t unit_at(const rc_charsmap *map, size_t index) {
    const uint8_t *at = map->units + 4 * index;
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static size_t offset_of(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & 512u) >> 6); }

/* The text of the shortest key with which a cluster begins; NULL if there is none. */
static const uint8_t *look_up(const rc_charsmap *map, const uint8_t *key, size_t n, size_t *size) {
    if (!map->count) return NULL;
    size_t at = offset_of(unit_at(map, 0));
    for (size_t i = 0; i < n && key[i]; i++) {
        at ^= key[i];
        if (at >= map->count) return NULL;
        const uint32_t unit = unit_at(map, at);
        if ((unit & NODE_OR_LABEL) != key[i]) return NULL;
        at ^= offset_of(unit);
        if (unit & 256u) {
            if (at >= map->count) return NULL;
            const size_t place = unit_at(map, at) & 0x7FFFFFFFu;
            if (place > map->texts_size) return NULL;
            const uint8_t *text = map->texts + place;
            const uint8_t *end = memchr(text, 0, map->texts_size - place);
            *size = end ? (size_t)(end - text) : map->texts_size - place;
            return text;
        }
    }
    return NULL;
}

static size_t count_chars(const uint8_t *bytes, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += (bytes[i] & 0xC0) != 0x80;
    return count;
}

/* Appends `new`, of n bytes, in place of old_chars characters. */
static void replace(rc_normalized *out, const uint8_t *new, size_t n, size_t old_chars) {
    out->is_changed = 1;
    if (out->bytes) {
        const size_t new_chars = count_chars(new, n);
        memcpy(out->bytes + out->size, new, n);
        memset(out->changes + out->chars, 0, new_chars * sizeof *out->changes);
        out->chars += new_chars;
        if (new_chars > old_chars) {
            for (size_t i = 1; i <= new_chars - old_chars; i++) out->changes[out->chars - i] = 1;
        } else if (new_chars < old_chars && out->chars) {
            out->changes[out->chars - 1] -= (int32_t)(old_chars - new_chars);
        }
    }
    out->size += n;
}

static void keep(rc_normalized *out, const uint8_t *bytes, size_t n) {
    if (out->bytes) {
        memcpy(out->bytes + out->size, bytes, n);
        out->changes[out->chars++] = 0;
    }
    out->size += n;
}

rc_text_status rc_normalize(const rc_charsmap *map, const uint8_t *text, size_t n, rc_normalized *out) {
    int before = RC_CONTROL; /* of the last character before the cluster */
    out->size = out->chars = 0;
    out->is_changed = 0;
    for (size_t start = 0; start < n;) {
        const size_t first_length = rc_utf8_length(text[start]);
        const uint32_t first = rc_utf8_decode(text + start);
        int join = rc_code_point(first) & RC_JOIN_BITS;
        if (join == RC_JOIN_UNSURE) return RC_TEXT_UNSURE;
        size_t end = start + first_length, chars = 1;
        int has_joiner = 0;
        if (first == '\r' && end < n && text[end] == '\n') {
            end++;
            chars++;
        }
        while (join != RC_CONTROL && end < n && text[end] >= 0x80) {
            const uint32_t next = rc_utf8_decode(text + end);
            if ((rc_code_point(next) & RC_JOIN_BITS) != RC_EXTENDS) break;
            has_joiner |= next == ZWJ;
            end += rc_utf8_length(text[end]);
            join = RC_EXTENDS;
            chars++;
        }
        size_t size = 0;
        const uint8_t *new = NULL;
        if (chars > 1 && end - start < LOOKED_UP_BELOW) {
            /* A conjunct or an emoji sequence may join the cluster with those before or behind. */
            const int is_pictograph = first == COPYRIGHT || first == REGISTERED;
            if (is_pictograph && has_joiner) return RC_TEXT_UNSURE;
            if (before == RC_EXTENDS && (first_length >= 3 || is_pictograph)) return RC_TEXT_UNSURE;
            new = look_up(map, text + start, end - start, &size);
        }
        before = join;
        if (new) {
            replace(out, new, size, chars);
            start = end;
        }
        while (start < end) {
            const size_t length = rc_utf8_length(text[start]);
            new = look_up(map, text + start, length, &size);
            if (new) {
                replace(out, new, size, 1);
            } else {
                keep(out, text + start, length);
            }
            start += length;
        }
    }
    return RC_TEXT_OK;
}

rc_text_status rc_align(const uint8_t *text, size_t n, const rc_normalized *normalized, uint32_t *starts,
                        uint32_t *ends) {
    size_t place = 0, at = 0;
    uint32_t index = 0; /* of the character at place */
    for (size_t i = 0; i < normalized->chars; i++) {
        const int32_t change = normalized->changes[i];
        uint32_t start, end;
        if (change > 0) {
            start = index ? index - 1 : 0;
            end = index;
        } else {
            if (place >= n) return RC_TEXT_UNSURE;
            start = index;
            end = index + 1;
            for (int32_t skipped = 0; skipped >= change && place < n; skipped--) {
                place += rc_utf8_length(text[place]);
                index++;
            }
        }
        const size_t length = rc_utf8_length(normalized->bytes[at]);
        for (size_t k = 0; k < length; k++) {
            starts[at + k] = start;
            ends[at + k] = end;
        }
        at += length;
    }
    return RC_TEXT_OK;
}
