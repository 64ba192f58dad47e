# The parts of a model in the form that kernels read: packed weights, norms, embedding tables. Included by
# _kernels.pyx. All arrays are float32 and C-contiguous unless said.

cdef class PackedLinear:
    """y = x W^T + b with W packed for one `Kernels`: `sections` matrices of (n, k), stacked.

    Made by `Kernels.pack_linear`. `section(i)` is one of them alone, sharing the memory.
    """
    cdef rc_linear c
    cdef readonly Kernels kernels
    cdef readonly object panels, bias, smooth
    cdef readonly Py_ssize_t sections, n, k
    cdef readonly str dtype

    def __cinit__(self, Kernels kernels not None, panels, bias, Py_ssize_t sections, Py_ssize_t n, Py_ssize_t k,
                  str dtype="float32", smooth=None):
        rows, columns = kernels.tile
        if sections < 1 or n < 1 or k < 1:
            raise InputError(mismatch("packed", f"{sections} sections of {(n, k)}", "positive sizes"))
        self.c.arithmetic = checked_arithmetic(dtype, &kernels.table)
        checked_array(panels, "panels", np.float32,
                      (sections * ((n + columns - 1) // columns), rc_panel_rows(self.c.arithmetic, k), columns))
        if bias is not None:
            checked_array(bias, "bias", np.float32, (sections * n,))
        self.kernels, self.panels, self.bias = kernels, panels, bias
        self.sections, self.n, self.k, self.dtype = sections, n, k, dtype
        self.c.panels_pkn = floats(panels)
        if bias is not None:
            self.c.bias_n = floats(bias)
        self.smooth = checked_smooth(smooth, k)
        if smooth is not None:
            self.c.smooth_k = floats(smooth)
        self.c.sections, self.c.n, self.c.k = sections, n, k

    def section(self, Py_ssize_t index) -> PackedLinear:
        """The index-th of the stacked matrices as a linear layer of its own. InputError out of range."""
        if not 0 <= index < self.sections:
            raise InputError(mismatch("section", index, f"0 to {self.sections - 1}"))
        cdef Py_ssize_t panels = len(self.panels) // self.sections
        bias = None if self.bias is None else self.bias[index * self.n:(index + 1) * self.n]
        return PackedLinear(self.kernels, self.panels[index * panels:(index + 1) * panels], bias, 1, self.n,
                            self.k, self.dtype, self.smooth)

    @property
    def nbytes(self) -> int:
        """Bytes of packed weights and bias."""
        return self.panels.nbytes + (0 if self.bias is None else self.bias.nbytes)


cdef class ConvertedRows:
    """Activation rows in the format that a `PackedLinear` reads: made by `Kernels.convert_rows`.

    rows: float32 (M, words), whose bits are two bfloat16 or four uint8, or whose values are integers.
    quantizations: for int8, float32 (M, 2): a row's scale and, as the bits of an int32, its zero point, with
    x ≈ scale * (q - zero_point).
    """
    cdef readonly PackedLinear packed
    cdef readonly object rows, quantizations
    cdef rc_output_rows c

    def __cinit__(self, PackedLinear packed not None, Py_ssize_t count):
        cdef rc_arithmetic arithmetic = packed.c.arithmetic
        if count < 0:
            raise InputError(mismatch("count", count, "at least 0"))
        self.packed, self.c.format = packed, rc_operands_of(arithmetic).row_format
        self.c.smooth_k, self.c.ld = packed.c.smooth_k, rc_row_words(arithmetic, packed.c.k)
        self.rows, self.quantizations = aligned_empty((count, self.c.ld)), aligned_empty((count, 2))
        self.c.rows = <rc_word *>writable_floats(self.rows)
        self.c.quantization_m = <rc_quantization *>writable_floats(self.quantizations)


cdef class Norm:
    """LayerNorm's weight and bias, float32 (H), and its eps."""
    cdef rc_norm c
    cdef readonly object weight, bias
    cdef readonly double eps

    def __cinit__(self, weight, bias, double eps):
        self.weight = checked_array(weight, "LayerNorm weight", np.float32, (None,))
        self.bias = checked_array(bias, "LayerNorm bias", np.float32, weight.shape)
        self.eps = eps
        self.c.weight_h, self.c.bias_h, self.c.eps = floats(weight), floats(bias), eps


cdef class EmbeddingTables:
    """Word, position and token-type embeddings and their LayerNorm.

    `word` (V, H) is read where it is, in the checkpoint's own type and at any alignment: float32, float16, or
    bfloat16 as uint16 with `word_dtype="bfloat16"`. It is an array, or the StoredRows of an open file, from which
    every call reads the rows that it needs. `position` (P, H) and `token_type` (G, H) are float32.
    """
    cdef rc_embeddings c
    cdef readonly object word, position, token_type
    cdef readonly str word_dtype
    cdef readonly Norm norm

    def __cinit__(self, word, str word_dtype, position, token_type, Norm norm not None):
        checked_name(word_dtype, "word_dtype", tuple(TABLE_DTYPES))
        stored = np.uint16 if word_dtype == "bfloat16" else np.dtype(word_dtype)
        hidden = len(norm.weight)
        cdef const uint8_t[::1] rows
        self.word = word
        if isinstance(word, StoredRows):
            if word.shape[1:] != (hidden,) or word.dtype != stored:
                raise InputError(mismatch("word embeddings", f"{word.dtype} of shape {word.shape}",
                                          f"{stored} of shape (any, {hidden})"))
        else:
            rows = checked_array(word, "word embeddings", stored, (None, hidden),
                                 any_alignment=True).reshape(-1).view(np.uint8)
            self.c.word_vh = <const void *>&rows[0] if rows.shape[0] else NULL
        self.position = checked_array(position, "position embeddings", np.float32, (None, hidden))
        self.token_type = checked_array(token_type, "token type embeddings", np.float32, (None, hidden))
        if not len(token_type):  # row 0 is added where no types are given
            raise InputError(mismatch("token type embeddings", f"shape {token_type.shape}", "at least one row"))
        self.word_dtype, self.norm = word_dtype, norm
        self.c.word_dtype = TABLE_DTYPES[word_dtype]
        self.c.position_ph, self.c.token_type_gh = floats(position), floats(token_type)
        self.c.norm, self.c.h = norm.c, hidden

    @property
    def stored_rows(self):
        """The word table as StoredRows, None if it is an array."""
        return self.word if isinstance(self.word, StoredRows) else None


cdef class PackedLayer:
    """One encoder layer's weights: qkv (3 sections of (H, H)), attention output (H, H), LayerNorm,
    up (F, H), down (H, F), LayerNorm. Raises InputError where shapes or kernels do not fit together."""
    cdef rc_encoder_layer c
    cdef readonly PackedLinear qkv, attention_output, up, down
    cdef readonly Norm attention_norm, output_norm
    cdef readonly Py_ssize_t heads
    cdef readonly str activation

    def __cinit__(self, PackedLinear qkv not None, PackedLinear attention_output not None,
                  Norm attention_norm not None, PackedLinear up not None, PackedLinear down not None,
                  Norm output_norm not None, Py_ssize_t heads, str activation):
        cdef Py_ssize_t h = qkv.k, f = up.n
        found = [(p.sections, p.n, p.k) for p in (qkv, attention_output, up, down)]
        expected = [(3, h, h), (1, h, h), (1, f, h), (1, h, f)]
        if found != expected:
            raise InputError(mismatch("encoder layer", f"(sections, n, k) {found}", expected))
        if len(attention_norm.weight) != h or len(output_norm.weight) != h:
            norms = f"LayerNorms of {len(attention_norm.weight)} and {len(output_norm.weight)}"
            raise InputError(mismatch("encoder layer", norms, h))
        if heads < 1 or h % heads:
            raise InputError(mismatch("heads", heads, f"a divisor of {h}"))
        if any(p.dtype != qkv.dtype for p in (attention_output, up, down)):
            raise InputError(mismatch("encoder layer", "parts of different dtypes", "one dtype"))
        if any(p.kernels is not qkv.kernels for p in (attention_output, up, down)):
            raise InputError(mismatch("encoder layer", "parts packed by different Kernels", "one Kernels"))
        self.qkv, self.attention_output, self.up, self.down = qkv, attention_output, up, down
        self.attention_norm, self.output_norm = attention_norm, output_norm
        self.heads, self.activation = heads, activation
        self.c.qkv, self.c.attention_output, self.c.up, self.c.down = (qkv.c, attention_output.c, up.c, down.c)
        self.c.attention_norm, self.c.output_norm = attention_norm.c, output_norm.c
        self.c.heads, self.c.activation = heads, checked_activation(activation)
        self.c.attention_arithmetic = rc_attention_arithmetic(&qkv.kernels.table, self.c.qkv.arithmetic, h // heads)
