# What a kernel is given: checked, and where it lies. Included by _kernels.pyx.

cdef object checked_array(object value, str name, object dtype, tuple shape, bint any_alignment=False):
    """`value` if it is such an array; a None in `shape` admits any length there."""
    if not isinstance(value, np.ndarray):
        raise InputError(f"{name}: found {type(value).__name__}, expected a numpy array")
    expected = ", ".join("any" if size is None else str(size) for size in shape)
    if value.dtype != dtype:
        raise InputError(f"{name}: found dtype {value.dtype}, expected {np.dtype(dtype)}")
    if value.ndim != len(shape) or any(want is not None and want != have
                                       for want, have in zip(shape, value.shape)):
        raise InputError(f"{name}: found shape {value.shape}, expected ({expected})")
    if not value.flags.c_contiguous or not (value.flags.aligned or any_alignment):
        raise InputError(f"{name}: found a strided or unaligned array, expected a C-contiguous one")
    return value


cdef object checked_any_shape(object value, str name):
    """`value` if it is a C-contiguous float32 array, of any shape."""
    return checked_array(value, name, np.float32, getattr(value, "shape", ()))


cdef rc_activation checked_activation(object name) except *:
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise InputError(f"activation: found {shown(name)}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


cdef rc_arithmetic checked_arithmetic(object dtype, const rc_kernels *table) except *:
    """How these kernels multiply in that type on this CPU."""
    if not isinstance(dtype, str) or dtype not in ARITHMETICS:
        raise InputError(f"dtype: found {shown(dtype)}, expected one of {', '.join(ARITHMETICS)}")
    if dtype == "bfloat16":
        return rc_bfloat16_arithmetic(table)
    if dtype == "int8":
        return rc_int8_arithmetic(table)
    cdef rc_arithmetic arithmetic = ARITHMETICS[dtype]
    if not rc_can_multiply(table, arithmetic):
        raise InputError(f"dtype: found {shown(dtype)}, which {table.name.decode()} kernels do not have")
    return arithmetic


cdef rc_arithmetic attention_arithmetic(const rc_kernels *table, rc_arithmetic products, size_t d) noexcept:
    """What attention is computed in between products of narrowed rows: bfloat16 where this CPU is fast at it and
    heads are whole words."""
    cdef bint narrow = rc_narrows_rows(products) and rc_can_multiply(table, RC_BF16) and d % 2 == 0
    return RC_BF16 if narrow else RC_FP32


cdef object checked_factors(object smooth, Py_ssize_t k):
    """`smooth` if it is None or k positive float32."""
    if smooth is None:
        return None
    checked_array(smooth, "smooth", np.float32, (k,))
    if not (np.isfinite(smooth) & (smooth > 0)).all():
        raise InputError("smooth: found values that are not finite or not positive, expected factors")
    return smooth


cdef const float *floats(object array) except? NULL:
    """Address of a checked array's first value; NULL for an empty one."""
    cdef const float[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


cdef float *writable_floats(object array) except? NULL:
    cdef float[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


cdef const int64_t *integers(object array) except? NULL:
    cdef const int64_t[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


cdef object checked_starts(object starts_s, Py_ssize_t tokens):
    """Offsets of the sequences in the packed tokens: int64 (S + 1), from 0 to T, never falling."""
    checked_array(starts_s, "seq_starts", np.int64, (None,))
    # Compared, not subtracted: the difference of two hostile offsets can wrap around to a positive one.
    if (not len(starts_s) or starts_s[0] != 0 or starts_s[len(starts_s) - 1] != tokens
            or (starts_s[1:] < starts_s[:len(starts_s) - 1]).any()):
        raise InputError(f"seq_starts: found {shown(starts_s.tolist())}, "
                         f"expected offsets that rise from 0 to {tokens}")
    return starts_s


cdef object checked_indices(object indices_t, str name, Py_ssize_t tokens, Py_ssize_t limit):
    checked_array(indices_t, name, np.int64, (tokens,))
    if tokens and (indices_t.min() < 0 or indices_t.max() >= limit):
        worst = indices_t.min() if indices_t.min() < 0 else indices_t.max()
        raise InputError(f"{name}: found {worst}, expected 0 to {limit - 1}")
    return indices_t
