# Digests of bytes, piece by piece on several threads (csrc/digest.c). Included by _kernels.pyx.

cdef struct digesting:
    const uint8_t *data
    size_t size, piece_bytes, pieces
    uint64_t *digests_p


cdef void digest_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef digesting *work = <digesting *>given
    cdef size_t begin, piece = rc_next_unit(team, ith, nth)
    while piece < work.pieces:
        begin = piece * work.piece_bytes
        work.digests_p[piece] = rc_digest(work.data + begin, min(work.piece_bytes, work.size - begin))
        piece = rc_next_unit(team, ith, nth)


def digests(data, piece_bytes, num_threads=1) -> np.ndarray:
    """The digest of each piece of `piece_bytes` of contiguous bytes, the last of which may be shorter: uint64 (P).

    A change inside one aligned 64-bit word of a piece always changes its digest, any other accidental one does, but
    for one in 2^64. It is no protection against somebody who chooses the bytes.
    """
    cdef digesting work
    cdef const uint8_t[::1] view = memoryview(data).cast("B")
    if isinstance(piece_bytes, bool) or not isinstance(piece_bytes, int) or not 64 <= piece_bytes < 2**62:
        raise InputError(mismatch("piece_bytes", shown(piece_bytes), "an integer of at least 64"))
    work.size, work.piece_bytes = view.shape[0], piece_bytes
    work.pieces = (work.size + work.piece_bytes - 1) // work.piece_bytes
    found = np.empty(work.pieces, np.uint64)
    cdef uint64_t[::1] found_view = found
    if work.pieces:
        work.data, work.digests_p = &view[0], &found_view[0]
        run_team(digest_share, &work, checked_thread_count(num_threads))
    return found
