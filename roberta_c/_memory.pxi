# Intermediates and where they lie; rows copied and rows read. Included by _kernels.pyx.

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
