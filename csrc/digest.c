/* digest.c: a digest of bytes, which tells that a file of packed weights is as it was written.
 *
 * Eight lanes take one 64-bit word each of every 64 bytes:
 *   mixed := word * odd;  mixed := mixed xor (mixed >> 32);  lane := rotate(lane xor mixed, 27) * odd
 * Each step is a bijection of the lane for a given word, and of the word for a given lane, and so is the way
 * from the lanes to the result. So a change inside one word, of one bit or of several, always changes the
 * digest; any other accidental change does, but for one in 2^64. The word is mixed first because changes of a
 * few high bits in two words could cancel each other otherwise. It is no protection against somebody who
 * chooses the bytes.
 *
 * The lanes are independent of each other, which hides the latency of the multiplication: a core digests as
 * fast as memory delivers. */
#include "internal.h"

#include <string.h>

enum { LANES = 8, BLOCK = 8 * LANES };

static const uint64_t ODD = 0x9E3779B97F4A7C15u;

static inline uint64_t step(uint64_t lane, uint64_t word) {
    uint64_t mixed = word * ODD;
    mixed = lane ^ mixed ^ mixed >> 32;
    return (mixed << 27 | mixed >> 37) * ODD;
}

/* The bijection that ends MurmurHash3: every bit of the result depends on every bit of x. */
static inline uint64_t finish(uint64_t x) {
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCDu;
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53u;
    return x ^ x >> 33;
}

static inline void take_block(uint64_t lanes[LANES], const unsigned char *bytes) {
    uint64_t words[LANES];
    memcpy(words, bytes, BLOCK);
    for (size_t i = 0; i < LANES; i++) lanes[i] = step(lanes[i], words[i]);
}

uint64_t rc_digest(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint64_t lanes[LANES];
    for (size_t i = 0; i < LANES; i++) lanes[i] = ODD * (2 * i + 1);
    size_t at = 0;
    for (; size - at >= BLOCK; at += BLOCK) take_block(lanes, bytes + at);
    if (at < size) { /* zeros follow the last bytes; the size tells them from bytes of the data */
        unsigned char last[BLOCK] = {0};
        memcpy(last, bytes + at, size - at);
        take_block(lanes, last);
    }
    uint64_t digest = size;
    for (size_t i = 0; i < LANES; i++) digest = step(digest, finish(lanes[i]));
    return finish(digest);
}
