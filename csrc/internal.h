/* internal.h: what the files of csrc/ share among themselves. */
#ifndef RC_INTERNAL_H
#define RC_INTERNAL_H

#include "roberta_c.h"

/* Keys of a sequence whose scores are held at a time; a multiple of every attention_nr. */
enum { RC_KEY_BLOCK = 512 };

/* Floats between the ends of two rows of scores: a cache line, since panels are even numbers of lines, and
 * with an even number between the starts of two rows all rows would fall into few sets of the first-level
 * cache. */
enum { RC_SCORES_PADDING = 16 };

/* `count` items cut into `parts` of nearly equal size: the first item of part `index`.  With tiles of at most
 * 12 rows, 32 rows become 11 + 11 + 10, not 12 + 12 + 8, since low tiles use the FMA units less well. */
static inline size_t part_begin(size_t count, size_t parts, size_t index) {
    return count / parts * index + (index < count % parts ? index : count % parts);
}

/* The number of parts of at most `largest` items. */
static inline size_t part_count(size_t count, size_t largest) { return (count + largest - 1) / largest; }

/* Words of one panel of a linear layer's weights. */
static inline size_t rc_panel_words(const rc_linear *w, size_t nr) {
    return rc_panel_rows(w->arithmetic, w->k) * nr;
}

/* What is done to the sums of a tile, in this order; a pointer is NULL where a stage is left out:
 *   int8: dequantize by the column's and the row's scale
 *   c := residual + scale_m * (sums + bias) */
struct rc_tile_epilogue {
    const float *bias_n;
    const float *residual_mn;
    const float *scale_m;
    size_t ld_residual;
    /* of the tile's rows; required for int8 */
    const rc_quantization *quantization_m;
};

/* One call of linear: what its work units have in common. */
typedef struct {
    const rc_linear *w;
    rc_input_rows x;
    size_t m;
    size_t tiles;          /* that the M rows are cut into */
    size_t section_panels; /* panels of one section of w */
    const rc_epilogue *epilogue;
    float *y_mn;
    size_t ldy;
} rc_product;

/* A work unit of linear: tiles [first_tile, end_tile) of the rows by one panel. */
struct rc_panel_unit {
    const rc_product *product;
    size_t panel;
    size_t first_tile, end_tile;
    /* whether this thread has not read these rows before: then panel.inc prefetches them */
    int new_rows;
    /* the panel that this thread reads next; prefetched */
    const rc_word *next_panel;
};

/* Sets the event, and wakes who sleeps on it. */
void rc_event_set(rc_event *event, unsigned value);
void rc_event_init(rc_event *event, unsigned value);

/* Returns when the event no longer has this value; sleeps after awake_ns nanoseconds. */
void rc_event_wait(rc_event *event, unsigned value, int64_t awake_ns);

/* In a forked child: nobody sleeps. */
void rc_events_after_fork(void);

/* Changes in a forked child. */
size_t rc_forks(void);

/* A clock that only goes forward. */
int64_t rc_nanoseconds(void);

/* One function for each isa_*.c file.  A base set (generic, avx2, …) fills the table; amx starts with
 * avx512's.  An extension of a set (avx512_vnni, …) replaces the entries that its instructions compute
 * faster.  Where a file was compiled without the instructions, its function changes nothing and returns 0,
 * else 1. */
int rc_isa_reference(rc_kernels *kernels);
int rc_isa_generic(rc_kernels *kernels);
int rc_isa_neon(rc_kernels *kernels);
int rc_isa_avx2(rc_kernels *kernels);
int rc_isa_avx_vnni(rc_kernels *kernels);
int rc_isa_avx512(rc_kernels *kernels);
int rc_isa_avx512_vnni(rc_kernels *kernels);
int rc_isa_avx512_bf16(rc_kernels *kernels);
int rc_isa_amx(rc_kernels *kernels);

#endif
