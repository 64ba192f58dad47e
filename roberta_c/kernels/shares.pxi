# The part of each kernel that one thread runs, in the form that `run_team` calls: a structure of arguments and a
# function. Included by _kernels.pyx.

cdef extern from *:
    """
    static inline void rc_store(int *to, int value) { __atomic_store_n(to, value, __ATOMIC_RELAXED); }
    static inline void rc_set_flag(int *flag) { rc_store(flag, 1); }
    """
    void rc_store(int *, int) noexcept nogil
    void rc_set_flag(int *) noexcept nogil


cdef int read_fully(int descriptor, uint8_t *to, size_t count, int64_t offset) noexcept nogil:
    """`count` bytes of a file from `offset`. 0, or if they cannot be read an error number, -1 for a file that ends."""
    cdef ssize_t got
    while count > 0:
        got = pread(descriptor, to, count, offset)
        if got < 0 and errno == EINTR:
            continue
        if got <= 0:
            return errno if got < 0 else -1
        to, count, offset = to + got, count - got, offset + got
    return 0


cdef struct conversion:
    const rc_kernels *kernels
    const float *x_mk
    size_t m, k
    const rc_output_rows *to


cdef void convert_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef conversion *work = <conversion *>given
    work.kernels.convert_rows(work.x_mk, work.k, work.m, work.k, work.to, ith, nth)


cdef struct linear_product:
    const rc_kernels *kernels
    const rc_linear *w
    rc_input_rows x
    size_t m
    rc_epilogue epilogue
    float *y_mn


cdef void linear_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef linear_product *work = <linear_product *>given
    work.kernels.linear(work.kernels, work.w, &work.x, work.m, &work.epilogue, work.y_mn,
                        work.w.sections * work.w.n, team, ith, nth)


cdef struct attention_call:
    const rc_kernels *kernels
    rc_attention attention
    rc_sequences sequences
    float *scratch
    size_t scratch_per_thread
    # Queries, keys and values in float32; converted to `rows` first if that has rows.
    const float *qkv_t3h
    rc_output_rows rows


cdef void attention_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef attention_call *work = <attention_call *>given
    cdef size_t t = work.sequences.starts_s[work.sequences.s], width = 3 * work.attention.h
    if work.rows.rows != NULL:
        work.kernels.convert_rows(work.qkv_t3h, width, t, width, &work.rows, ith, nth)
        rc_team_wait(team, nth)
    work.kernels.attention(work.kernels, &work.attention, work.scratch + ith * work.scratch_per_thread, team,
                           ith, nth)


cdef struct normalization:
    const rc_kernels *kernels
    const rc_norm *norm
    const float *x_th
    size_t t, h
    float *y_th


cdef void layer_norm_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef normalization *work = <normalization *>given
    cdef rc_output_rows none
    none.rows = NULL
    work.kernels.layer_norm(work.norm, work.x_th, work.h, work.t, work.h, work.y_th, work.h, &none, ith, nth)


cdef struct activation_call:
    const rc_kernels *kernels
    rc_activation function
    const float *x_n
    size_t n
    float *y_n


cdef void activate_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef activation_call *work = <activation_call *>given
    work.kernels.activate(work.function, work.x_n, work.n, work.y_n, ith, nth)


cdef struct pooling_call:
    const rc_kernels *kernels
    const float *x_th
    size_t ldx, h
    const int64_t *starts_s
    size_t s
    # One result for each of these, side by side: y_sh is (S, count * H).
    rc_pooling *poolings
    size_t count, skipped
    float *y_sh


cdef void pool_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef pooling_call *work = <pooling_call *>given
    cdef size_t index
    for index in range(work.count):
        work.kernels.pool(work.poolings[index], work.x_th, work.ldx, work.starts_s, work.s, work.h, work.skipped,
                          work.y_sh + index * work.h, work.count * work.h, ith, nth)


# ---- embeddings ----------------------------------------------------------------------------------------

cdef struct lookup:
    const rc_kernels *kernels
    rc_embeddings tables
    const int64_t *ids_t
    const int64_t *positions_t
    const int64_t *types_t
    size_t t
    # If descriptor >= 0, word rows are read from that file, in which the table begins at first_byte. `rows`
    # (T, row_bytes) receives the row of each token and replaces the table: its row i is token i's, so in_order_t,
    # 0 … T - 1, replaces the ids.
    int descriptor
    int64_t first_byte
    size_t row_bytes
    uint8_t *rows
    const int64_t *in_order_t
    int failed  # set by a thread that could not read a row


cdef void embed_share(lookup *work, float *x_th, size_t ldx, const rc_output_rows *converted, size_t ith,
                      size_t nth) noexcept nogil:
    """Reads this thread's rows of the word table, if they come from a file, then embeds its tokens."""
    cdef size_t token, row_bytes = work.row_bytes
    cdef const int64_t *rows_t = work.ids_t
    if work.descriptor >= 0:
        rows_t = work.in_order_t
        for token in range(work.t * ith // nth, work.t * (ith + 1) // nth):
            if read_fully(work.descriptor, work.rows + token * row_bytes, row_bytes,
                          work.first_byte + work.ids_t[token] * <int64_t>row_bytes):
                rc_set_flag(&work.failed)
                memset(work.rows + token * row_bytes, 0, row_bytes)
    work.kernels.embed(&work.tables, rows_t, work.positions_t, work.types_t, work.t, x_th, ldx, converted, ith,
                       nth)


cdef struct embedding_call:
    lookup source
    float *x_th


cdef void embed_alone_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef embedding_call *work = <embedding_call *>given
    cdef rc_output_rows none
    none.rows = NULL
    embed_share(&work.source, work.x_th, work.source.tables.h, &none, ith, nth)


# ---- the encoder ---------------------------------------------------------------------------------------

cdef struct encoder_call:
    const rc_kernels *kernels
    # The input: ids to embed, or hidden states x (T, H) where given_th is not NULL.
    lookup source
    const float *given_th
    const rc_encoder_layer *layers
    size_t count, t, h
    rc_sequences sequences       # for every layer but the last
    rc_sequences last_sequences  # for the last layer, of which only some rows may be wanted
    float *x_th
    rc_workspace workspace
    # Results: every state, (count + 1, T, H) or NULL; the last layer's wanted rows (R, H), or its pooled rows.
    float *states_lth
    float *out_rh
    pooling_call pooling  # of count 0: none


cdef void copy_rows(const float *from_th, size_t ld_from, float *to_th, size_t ld_to, size_t t, size_t h,
                    size_t ith, size_t nth) noexcept nogil:
    """This thread's share of t rows of h floats."""
    cdef size_t row
    for row in range(t * ith // nth, t * (ith + 1) // nth):
        memcpy(to_th + row * ld_to, from_th + row * ld_from, h * sizeof(float))


cdef void encoder_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef encoder_call *work = <encoder_call *>given
    cdef size_t t = work.t, h = work.h, ld = work.workspace.ld_hidden, index
    cdef const rc_sequences *sequences
    if work.given_th == NULL:
        embed_share(&work.source, work.x_th, ld, &work.workspace.x_rows, ith, nth)
    else:
        copy_rows(work.given_th, h, work.x_th, ld, t, h, ith, nth)
        if work.workspace.x_rows.rows != NULL:
            work.kernels.convert_rows(work.given_th, h, t, h, &work.workspace.x_rows, ith, nth)
    # No barrier before this copy: each thread made the rows that it copies. Nor after a layer: x_th is not written
    # again before the next layer's barriers.
    if work.states_lth != NULL:
        copy_rows(work.x_th, ld, work.states_lth, h, t, h, ith, nth)
    rc_team_wait(team, nth)
    for index in range(work.count):
        sequences = &work.last_sequences if index + 1 == work.count else &work.sequences
        work.kernels.encoder_layer(work.kernels, &work.layers[index], sequences, work.x_th, ld, &work.workspace, team,
                                   ith, nth)
        if team.stopped:  # cancelled
            return
        if work.states_lth != NULL:
            copy_rows(work.x_th, ld, work.states_lth + (index + 1) * t * h, h, t, h, ith, nth)
    if work.pooling.count == 0:
        copy_rows(work.x_th, ld, work.out_rh, h, work.last_sequences.wanted_starts_s[work.last_sequences.s], h, ith,
                  nth)
        return
    rc_team_wait(team, nth)  # for the rows of all threads
    pool_share(&work.pooling, team, ith, nth)
