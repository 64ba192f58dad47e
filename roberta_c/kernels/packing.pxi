# Matrices, in memory or in a file -> PackedLinear: one parallel region that reads, checks and packs. And the sizes of
# their columns, read in the same way. Included by _kernels.pyx.

cdef struct packing_job:
    # A matrix (n, k): in memory, or if descriptor >= 0 in that file, as elements of `dtype` from first_byte on.
    const float *w_nk
    int descriptor
    int64_t first_byte
    rc_dtype dtype
    size_t element_bytes
    const float *smooth_k
    rc_word *panels_pkn
    size_t n, k
    size_t first_unit, rows_per_unit, rows_per_piece
    int failed     # why rows could not be read: what read_fully returned
    int nonfinite  # whether a weight is NaN or infinite

cdef struct packing:
    const rc_kernels *kernels
    rc_arithmetic arithmetic
    packing_job *jobs
    size_t count, units
    # Each thread has buffer_floats of these: the rows of a piece as float32, then as the file has them.
    float *buffers
    size_t buffer_floats, values_floats
    # Where the sizes of columns are wanted, not packed matrices: (threads, sizes_floats), of which k are used.
    float *sizes
    size_t sizes_floats

cdef enum:
    # Bytes, as float32, of the rows that are read, checked and packed before the next ones. They stay in the
    # second-level cache.
    PIECE_BYTES = 256 << 10
    # Bytes, as float32, of the rows that one thread packs one after the other. In float32 that is a huge page of
    # panels: where two threads begin to write to the same new page at the same time, the system clears two.
    UNIT_BYTES = 2 << 20
    FLOATS_PER_LINE = 16


cdef const float *rows_of(const packing *work, packing_job *job, size_t first, size_t count,
                          float *buffer) noexcept nogil:
    """`count` rows of a matrix as float32; NULL if they could not be read. buffer: this thread's own."""
    cdef size_t values = count * job.k
    cdef bint is_float32 = job.dtype == RC_FLOAT32
    cdef uint8_t *elements = <uint8_t *>(buffer if is_float32 else buffer + work.values_floats)
    if job.descriptor < 0:
        return job.w_nk + first * job.k
    cdef int error = read_fully(job.descriptor, elements, values * job.element_bytes,
                                job.first_byte + <int64_t>(first * job.k * job.element_bytes))
    if error:
        rc_store(&job.failed, error)
        return NULL
    if not is_float32:
        work.kernels.widen(elements, job.dtype, values, buffer)
    return buffer


cdef void take_piece(const packing *work, packing_job *job, size_t first, size_t count, size_t ith) noexcept nogil:
    """Reads `count` rows of a matrix, and packs them or takes the sizes of their columns."""
    cdef const float *rows = rows_of(work, job, first, count, work.buffers + ith * work.buffer_floats)
    if rows == NULL:
        return
    if work.sizes != NULL:
        work.kernels.column_sizes(rows, count, job.k, work.sizes + ith * work.sizes_floats)
    elif not work.kernels.pack_linear(work.arithmetic, rows, job.smooth_k, count, job.k,
                                      job.panels_pkn + first * rc_panel_rows(work.arithmetic, job.k), 0, 1):
        rc_set_flag(&job.nonfinite)


cdef void take_share(void *given, rc_team *team, size_t ith, size_t nth) noexcept nogil:
    cdef packing *work = <packing *>given
    cdef packing_job *job = work.jobs
    cdef packing_job *end = work.jobs + work.count
    cdef size_t first, end_of_unit, unit = rc_next_unit(team, ith, nth)
    while unit < work.units:
        while job + 1 < end and job[1].first_unit <= unit:  # units never decrease
            job += 1
        first = (unit - job.first_unit) * job.rows_per_unit
        end_of_unit = min(first + job.rows_per_unit, job.n)
        while first < end_of_unit:
            take_piece(work, job, first, min(job.rows_per_piece, end_of_unit - first), ith)
            first += job.rows_per_piece
        unit = rc_next_unit(team, ith, nth)


cdef object checked_matrix(weight):
    """`weight` if it is a matrix as `Kernels.pack_linears` takes it."""
    if not isinstance(weight, StoredTensor):
        return checked_array(weight, "weight", np.float32, (None, None))
    if len(weight.shape) != 2 or weight.strides is not None or weight.dtype not in FILE_DTYPES:
        found = f"{weight.dtype} of shape {weight.shape}, strides {weight.strides}"
        raise InputError(mismatch("weight", found, f"a matrix of {', '.join(FILE_DTYPES)} in C order"))
    return weight


cdef int set_packing_job(packing *work, Py_ssize_t index, weight, smooth=None, panels=None) except -1:
    """Fills one of the jobs, which are set in order. panels: where the packed matrix goes, if it is wanted."""
    cdef packing_job *job = &work.jobs[<size_t>index]
    cdef size_t nr = work.kernels.nr
    job.n, job.k = weight.shape
    job.descriptor = -1
    if panels is not None:
        job.panels_pkn = writable_floats(panels)
    if smooth is not None:
        job.smooth_k = floats(smooth)
    job.rows_per_piece = (PIECE_BYTES // (4 * job.k * nr) or 1) * nr
    job.rows_per_unit = (UNIT_BYTES // (4 * job.k * job.rows_per_piece) or 1) * job.rows_per_piece
    job.first_unit = work.units
    work.units += (job.n + job.rows_per_unit - 1) // job.rows_per_unit
    if isinstance(weight, np.ndarray):
        job.w_nk = floats(weight)
    else:
        job.descriptor, job.first_byte = weight.file.descriptor, weight.offset
        job.dtype, job.element_bytes = FILE_DTYPES[weight.dtype], tensor_view.NUMPY_DTYPES[weight.dtype].itemsize
    return 0


cdef int run_packing(packing *work, size_t threads) except -1:
    """Opens the region, with buffers for each thread that are large enough for a piece of any job."""
    cdef packing_job *job
    cdef size_t index, values, most_values = 0, most_stored = 0
    for index in range(work.count):
        job = &work.jobs[index]
        if job.descriptor >= 0:
            values = min(job.rows_per_piece, job.n) * job.k
            most_values = max(most_values, values)
            if job.dtype != RC_FLOAT32:
                most_stored = max(most_stored, (values * job.element_bytes + 3) // 4)
    work.values_floats = (most_values + FLOATS_PER_LINE - 1) // FLOATS_PER_LINE * FLOATS_PER_LINE
    work.buffer_floats = work.values_floats + (
        (most_stored + FLOATS_PER_LINE - 1) // FLOATS_PER_LINE * FLOATS_PER_LINE)
    buffers = aligned_empty((threads * work.buffer_floats,))
    work.buffers = writable_floats(buffers)
    run_team(take_share, work, <int>threads)
    return 0


cdef int check_packing(const packing *work, weights, bint allow_nonfinite) except -1:
    """After the region: ModelFileError or InputError if a file has changed, or a weight is not finite."""
    cdef size_t index
    tensor_loading.check_unchanged(weight for weight in weights if isinstance(weight, StoredTensor))
    for index, weight in enumerate(weights):
        if work.jobs[index].failed:
            reason = os.strerror(work.jobs[index].failed) if work.jobs[index].failed > 0 else "the file ends before"
            raise ModelFileError(f"{weight.file.path}: tensor {shown(weight.name)}: cannot be read: {reason}")
        if work.jobs[index].nonfinite and not allow_nonfinite:
            if isinstance(weight, StoredTensor):
                tensor_loading.raise_nonfinite(weight)
            raise InputError(mismatch("weight", "NaN or infinity", "finite numbers"))
    return 0


cdef list packed_stacks(Kernels kernels, stacks, num_threads, dtype, bint allow_nonfinite):
    """`Kernels.pack_linears`."""
    cdef packing work
    memset(&work, 0, sizeof(packing))
    work.kernels, work.arithmetic = &kernels.table, checked_arithmetic(dtype, &kernels.table)
    cdef size_t threads = checked_thread_count(num_threads)
    shapes, sources, total = [], [], 0
    for weights, biases, smooth in stacks:
        if not len(weights):
            raise InputError(mismatch("weights", "none", "at least one matrix"))
        n, k = checked_matrix(weights[0]).shape
        shape = kernels.panel_shape(n, k, dtype)
        checked_smooth(smooth, k)
        for weight in weights:
            if checked_matrix(weight).shape != (n, k):
                raise InputError(mismatch("weight", f"shape {weight.shape}", f"({n}, {k})"))
            sources.append((weight, smooth, total))
            total += math.prod(shape)
        shapes.append((len(weights), n, k, shape))
    # The slab starts on a cache line; so does every panel whose rows fill complete lines.
    slab = large_empty(total)
    cdef uint8_t[::1] jobs = np.zeros(max(1, len(sources)) * sizeof(packing_job), np.uint8)
    work.jobs, work.count = <packing_job *>&jobs[0], len(sources)
    for index, (weight, smooth, begin) in enumerate(sources):
        set_packing_job(&work, index, weight, smooth, slab[begin:])
    threads = min(threads, work.units) or 1
    run_packing(&work, threads)
    check_packing(&work, [weight for weight, _, _ in sources], allow_nonfinite)
    packed, begin = [], 0
    for (sections, n, k, shape), (_, biases, smooth) in zip(shapes, stacks):
        panels = slab[begin:begin + sections * math.prod(shape)].reshape(-1, *shape[1:])
        begin += panels.size
        bias = None
        if biases is not None:
            if len(biases) != sections:
                raise InputError(mismatch("biases", len(biases), f"{sections}, one for each matrix"))
            bias = np.concatenate([checked_array(b, "bias", np.float32, (n,)) for b in biases])
            checked_array(bias, "biases", np.float32, (sections * n,))
        packed.append(PackedLinear(kernels, panels, bias, sections, n, k, dtype,
                                   smooth if rc_is_int8(work.arithmetic) else None))
    return packed


cdef object sizes_of_columns(Kernels kernels, weights, num_threads):
    """`Kernels.column_sizes`."""
    cdef packing work
    memset(&work, 0, sizeof(packing))
    work.kernels = &kernels.table
    cdef size_t threads = checked_thread_count(num_threads)
    if not len(weights):
        raise InputError(mismatch("weights", "none", "at least one matrix"))
    k = checked_matrix(weights[0]).shape[1]
    for weight in weights:
        if checked_matrix(weight).shape[1] != k or not weight.shape[0] or not k:
            raise InputError(mismatch("weight", f"shape {weight.shape}", f"rows of {k or 'some'} values"))
    cdef uint8_t[::1] jobs = np.zeros(len(weights) * sizeof(packing_job), np.uint8)
    work.jobs, work.count = <packing_job *>&jobs[0], len(weights)
    for index, weight in enumerate(weights):
        set_packing_job(&work, index, weight)
    threads = min(threads, work.units)
    sizes = np.zeros((threads, (k + FLOATS_PER_LINE - 1) // FLOATS_PER_LINE * FLOATS_PER_LINE), np.float32)
    work.sizes, work.sizes_floats = writable_floats(sizes), sizes.shape[1]
    run_packing(&work, threads)
    check_packing(&work, weights, True)
    return sizes[:, :k].max(axis=0)
