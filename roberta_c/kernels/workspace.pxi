# The intermediates of a forward pass and how they lie in memory. Included by _kernels.pyx.

cdef class Workspace:
    """The memory of one forward pass's intermediates, kept between calls; used by one call at a time."""
    cdef object arena

    def __cinit__(self):
        self.arena = aligned_empty((0,))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.arena.nbytes

    cdef float *reserve(self, Py_ssize_t count) except? NULL:
        """At least `count` floats, uninitialized."""
        if self.arena.shape[0] < count:
            self.arena = None  # freed before the larger one is allocated
            self.arena = aligned_empty((0,))
            self.arena = large_empty(count)
        return writable_floats(self.arena)


cdef size_t full_lines(size_t count) noexcept:
    """`count` floats rounded up to full 64-byte cache lines, so that parts of an arena stay aligned."""
    return (count + 15) // 16 * 16


cdef size_t row_stride(size_t width) noexcept:
    """Floats from one row of intermediates to the next: an odd number of cache lines.

    A tile reads one column of several rows at a time. With a stride that is a multiple of many lines (K = 3072:
    192 = 3 * 64), all rows fall into the same few sets of the first-level cache: 0.45 of the peak in a run where an
    odd stride gave 0.9 (AMD Zen 5 server core, 2026-11-22).
    """
    return ((width + 15) // 16 | 1) * 16


cdef float *lay_out(Workspace workspace, rc_workspace *parts, const rc_linear *qkv, size_t t, size_t f,
                    size_t threads, size_t scratch_per_thread) except? NULL:
    """Reserves the intermediates of T tokens for layers whose first product is `qkv` and whose feed-forward size is
    up to F. Fills `parts`; returns the address of x_th, whose stride is parts.ld_hidden.

        x_th | attended_th | qkv_t3h, context_th (later up_tf) | x_rows, attended_rows | after_rows | scratch

    after_rows: in bfloat16 context_rows (up_rows lie in up_tf); in int8 the quantizations of x, attended, context and
    up (context_rows and up_rows lie in context_th and up_tf).
    """
    cdef rc_arithmetic arithmetic = qkv.arithmetic
    cdef bint converts = rc_converts_rows(arithmetic), quantizes = rc_is_int8(arithmetic)
    cdef size_t h = qkv.k, ld = row_stride(h), ld_rows = row_stride(rc_row_words(arithmetic, h))
    parts.ld_hidden, parts.ld_qkv, parts.ld_up = ld, row_stride(3 * h), row_stride(f)
    # up_tf takes the memory of qkv_t3h and context_th, which are no longer read when it is written.
    cdef size_t shared = t * max(parts.ld_qkv + ld, parts.ld_up)
    # One rc_quantization, two words, for each row.
    cdef size_t quantizations = full_lines(2 * t), converted = 0
    if converts:
        converted = 2 * t * ld_rows + (4 * quantizations if quantizes else t * ld_rows)
    cdef float *x_th = workspace.reserve(2 * t * ld + shared + converted + threads * scratch_per_thread)
    parts.attended_th = x_th + t * ld
    parts.qkv_t3h = parts.attended_th + t * ld
    parts.context_th = parts.qkv_t3h + t * parts.ld_qkv
    parts.up_tf = parts.qkv_t3h
    cdef float *rows = parts.qkv_t3h + shared
    parts.scratch, parts.scratch_per_thread = rows + converted, scratch_per_thread

    memset(&parts.x_rows, 0, sizeof(parts.x_rows))
    memset(&parts.context_rows, 0, sizeof(parts.context_rows))
    memset(&parts.attended_rows, 0, sizeof(parts.attended_rows))
    memset(&parts.up_rows, 0, sizeof(parts.up_rows))
    if not converts:
        return x_th
    # x_rows is complete, for the embeddings; encoder_layer.inc sets format and smooth_k of the others.
    parts.x_rows.format, parts.x_rows.smooth_k = rc_operands_of(arithmetic).row_format, qkv.smooth_k
    parts.x_rows.rows, parts.x_rows.ld = rows, ld_rows
    parts.attended_rows.rows, parts.attended_rows.ld = rows + t * ld_rows, ld_rows
    cdef float *after_rows = rows + 2 * t * ld_rows
    if quantizes:
        # In place: context and up are quantized once a row is complete.
        parts.context_rows.rows, parts.context_rows.ld = parts.context_th, ld
        parts.up_rows.rows, parts.up_rows.ld = parts.up_tf, parts.ld_up
        parts.x_rows.quantization_m = <rc_quantization *>after_rows
        parts.attended_rows.quantization_m = <rc_quantization *>(after_rows + quantizations)
        parts.context_rows.quantization_m = <rc_quantization *>(after_rows + 2 * quantizations)
        parts.up_rows.quantization_m = <rc_quantization *>(after_rows + 3 * quantizations)
    else:
        # bfloat16 rows are written by attention and by the up product. context: memory of its own, since
        # attention writes it while context_th and qkv_t3h are in use. up: in up_tf, which nothing else writes.
        parts.context_rows.rows, parts.context_rows.ld = after_rows, ld_rows
        parts.up_rows.rows, parts.up_rows.ld = parts.up_tf, row_stride(rc_row_words(arithmetic, f))
    return x_th
