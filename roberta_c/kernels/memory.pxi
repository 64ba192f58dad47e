# New arrays; intermediates and where they lie; rows copied and rows read. Included by _kernels.pyx.

HUGE_FROM = 4 << 20  # bytes: two huge pages


def aligned_empty(shape) -> np.ndarray:
    """An uninitialised float32 array whose first value lies on a 64-byte line. ResourceError without memory."""
    count = math.prod(shape)
    try:
        buffer = np.empty(count + 16, dtype=np.float32)
    except (MemoryError, ValueError, OverflowError):  # the last two: more than numpy can count
        raise ResourceError(f"memory: found less than {count * 4:,} bytes free, needed for {shape}") from None
    first = -buffer.ctypes.data % 64 // 4
    return buffer[first:first + count].reshape(shape)


def large_empty(Py_ssize_t count) -> np.ndarray:
    """An uninitialised float32 array of `count` for packed weights or intermediates: from some MiB on, memory
    that is new to the process, in huge pages where the system gives them. What an allocator hands out again
    may lie in small ones, which cost a look-up every 4 KiB that are read."""
    if count * 4 < HUGE_FROM or not hasattr(mmap, "MADV_HUGEPAGE"):
        return aligned_empty((count,))
    try:
        memory = mmap.mmap(-1, count * 4, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, ValueError, OverflowError):
        raise ResourceError(f"memory: found less than {count * 4:,} bytes free, expected so many") from None
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.float32, count)


cdef class Workspace:
    """The memory of one forward pass's intermediates, kept between calls; used by one call at a time."""
    cdef object arena

    def __init__(self):
        self.arena = aligned_empty((0,))

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.arena.nbytes

    cdef float *reserve(self, Py_ssize_t count) except? NULL:
        if self.arena.shape[0] < count:
            self.arena = None  # freed before the larger one is asked for
            self.arena = aligned_empty((0,))
            self.arena = large_empty(count)
        return writable_floats(self.arena)


cdef Py_ssize_t whole_lines(Py_ssize_t count):
    """`count` floats rounded up to whole 64-byte lines, so that parts of an arena stay aligned."""
    return (count + 15) // 16 * 16


cdef Py_ssize_t row_distance(Py_ssize_t width):
    """Floats from one row of intermediates to the next: an odd number of lines.

    A tile reads one column of several rows at a time. Were they a multiple of many lines apart (K = 3072 is
    192), all would fall into the same few sets of the first-level cache: 0.45 of the peak in a run where an odd
    distance gave 0.9 (AMD Zen 5 server core, 2026-11-22).
    """
    return ((width + 15) // 16 | 1) * 16


cdef float *laid_out(Workspace workspace, rc_workspace *parts, const rc_linear *qkv, size_t t, size_t f,
                     size_t threads, size_t per_thread) except? NULL:
    """Room for the intermediates of t tokens in layers whose first product is qkv; the address of x_th."""
    cdef rc_arithmetic arithmetic = qkv.arithmetic
    cdef bint narrow = rc_narrows_rows(arithmetic), quantized = rc_is_int8(arithmetic)
    cdef size_t h = qkv.k, ld = row_distance(h), ld_words = row_distance(rc_row_words(arithmetic, h))
    parts.ld_hidden, parts.ld_qkv, parts.ld_up = ld, row_distance(3 * h), row_distance(f)
    cdef size_t shared = t * max(parts.ld_qkv + ld, parts.ld_up), scales = whole_lines(2 * t), words = 0
    if narrow:
        words = 2 * t * ld_words + (4 * scales if quantized else t * ld_words)
    cdef float *x_th = workspace.reserve(2 * t * ld + shared + words + threads * per_thread)
    parts.attended_th = x_th + t * ld
    parts.qkv_t3h = parts.attended_th + t * ld
    parts.context_th = parts.qkv_t3h + t * parts.ld_qkv
    parts.up_tf = parts.qkv_t3h
    cdef float *narrow_rows = parts.qkv_t3h + shared
    parts.scratch = narrow_rows + words
    parts.scratch_per_thread = per_thread
    parts.narrow_x.rows, parts.narrow_attended.rows = narrow_rows, narrow_rows + t * ld_words
    parts.narrow_x.ld = parts.narrow_attended.ld = ld_words
    parts.narrow_x.arithmetic, parts.narrow_x.smooth_k = arithmetic, qkv.smooth_k
    cdef float *after = narrow_rows + 2 * t * ld_words
    if quantized:  # rounded in place, once the row is whole
        parts.narrow_context.rows, parts.narrow_context.ld = parts.context_th, ld
        parts.narrow_up.rows, parts.narrow_up.ld = parts.up_tf, parts.ld_up
        parts.narrow_x.scale_m, parts.narrow_attended.scale_m = <rc_scale *>after, <rc_scale *>(after + scales)
        parts.narrow_context.scale_m = <rc_scale *>(after + 2 * scales)
        parts.narrow_up.scale_m = <rc_scale *>(after + 3 * scales)
    else:  # bfloat16, where it is made; beside context_th, below which attention still reads
        parts.narrow_context.rows, parts.narrow_context.ld = after, ld_words
        parts.narrow_up.rows, parts.narrow_up.ld = parts.up_tf, row_distance(rc_row_words(arithmetic, f))
    return x_th


cdef bint read_whole(int descriptor, uint8_t *to, size_t count, int64_t offset) noexcept nogil:
    """`count` bytes of a file from `offset`; False where they cannot be had."""
    cdef ssize_t got
    while count > 0:
        got = pread(descriptor, to, count, offset)
        if got < 0 and errno == EINTR:
            continue
        if got <= 0:
            return False
        to, count, offset = to + got, count - got, offset + got
    return True


cdef void copy_rows(const float *from_th, size_t ld_from, float *to_th, size_t ld_to, size_t t, size_t h,
                    size_t ith, size_t nth) noexcept nogil:
    """This thread's share of t rows of h floats."""
    cdef size_t row
    for row in range(t * ith // nth, t * (ith + 1) // nth):
        memcpy(to_th + row * ld_to, from_th + row * ld_from, h * sizeof(float))
