"""The only module that calls csrc/: checks arguments, opens threads, turns a status into an exception.

Shape letters as in csrc/roberta_c.h: T packed tokens, S sequences, R wanted rows, H hidden, F feed-forward,
A heads, D head size, L layers, V vocabulary. All arrays are float32 and C-contiguous unless said. Every kernel
gives the same bits for any `num_threads`, and for a row whatever the other rows are.
"""

import logging
import math
import os
import threading

import numpy as np

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from posix.unistd cimport pread

from ..checkpoint import tensor_loading, tensor_view
from ..checkpoint.stored_rows import StoredRows
from ..checkpoint.tensor_view import StoredTensor
from ..errors import InputError, ModelFileError, ResourceError, mismatch, shown
from ..machine import threads
from .arguments import checked_array, checked_floats, checked_indices, checked_name, checked_output
from .arguments import checked_rows_wanted, checked_smooth, checked_starts
from .memory import aligned_empty, large_empty

logger = logging.getLogger(__name__)


cdef dict ACTIVATIONS = {
    "none": RC_NO_ACTIVATION,
    "gelu": RC_GELU,
    "gelu_new": RC_GELU_NEW,
    "relu": RC_RELU,
    "tanh": RC_TANH,
}
cdef dict POOLINGS = {  # by sentence-transformers' names
    "cls": RC_POOL_FIRST,
    "lasttoken": RC_POOL_LAST,
    "mean": RC_POOL_MEAN,
    "mean_sqrt_len_tokens": RC_POOL_MEAN_SQRT,
    "weightedmean": RC_POOL_WEIGHTED_MEAN,
    "max": RC_POOL_MAX,
}
cdef dict TABLE_DTYPES = {"float32": RC_FLOAT32, "float16": RC_FLOAT16, "bfloat16": RC_BFLOAT16}
cdef dict FILE_DTYPES = {**TABLE_DTYPES, "float64": RC_FLOAT64}

# Names of arithmetics. "bfloat16" and "int8" stand for the fastest that this CPU has. For tests: "bfloat16 weights"
# (rows stay float32), "int8 weights" (multiplied in float32), "int8 pairs" (AVX2).
cdef dict ARITHMETICS = {
    "float32": RC_FP32,
    "bfloat16": None,
    "int8": None,
    "bfloat16 weights": RC_BF16_WEIGHTS,
    "int8 weights": RC_INT8_WEIGHTS,
    "int8 pairs": RC_INT8_PAIRS,
}


LAYOUT_VERSION = RC_LAYOUT_VERSION


# ---- which kernels -------------------------------------------------------------------------------------

def known_isas() -> tuple[str, ...]:
    """Every instruction set this build knows, best first."""
    return tuple(rc_isa_name(i).decode() for i in range(rc_isa_count() - 1))


def available_isas() -> tuple[str, ...]:
    """Those of `known_isas()` that this CPU can run. `Kernels("reference")`, the slow oracle, always can."""
    return tuple(rc_isa_name(i).decode() for i in range(rc_isa_count() - 1) if rc_isa_available(i))


def cpu_features() -> dict[str, bool]:
    """CPU features that tell instruction sets apart, and whether this CPU has them; empty where the compiler
    cannot ask for them."""
    return {rc_cpu_feature_name(i).decode(): rc_cpu_has_feature(i) for i in range(rc_cpu_feature_count())}


cdef int check(rc_status status, str argument) except -1:
    """The one place where a C status becomes an exception."""
    if status == RC_OK:
        return 0
    raised = InputError if status == RC_UNKNOWN_ISA else ResourceError
    raise raised(f"{argument} {rc_status_message(status).decode()}")


cdef rc_activation checked_activation(object name) except *:
    return ACTIVATIONS[checked_name(name, "activation", tuple(ACTIVATIONS))]


cdef object checked_poolings(object names):
    """The values of rc_pooling of a tuple of names."""
    if not isinstance(names, tuple) or not names:
        raise InputError(mismatch("pooling", shown(names), "a tuple of names"))
    values = [POOLINGS[checked_name(name, "pooling", tuple(POOLINGS))] for name in names]
    return np.array(values, dtype=np.intc)


cdef rc_arithmetic checked_arithmetic(object dtype, const rc_kernels *table) except *:
    """The arithmetic of that name that these kernels have on this CPU."""
    checked_name(dtype, "dtype", tuple(ARITHMETICS))
    if dtype == "bfloat16":
        return rc_bfloat16_arithmetic(table)
    if dtype == "int8":
        return rc_int8_arithmetic(table)
    cdef rc_arithmetic arithmetic = ARITHMETICS[dtype]
    if not rc_can_multiply(table, arithmetic):
        raise InputError(mismatch("dtype", shown(dtype), f"one that {table.name.decode()} kernels have"))
    return arithmetic


# ---- addresses of checked arrays; NULL for an empty one ------------------------------------------------

cdef const float *floats(object array) except? NULL:
    cdef const float[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


cdef float *writable_floats(object array) except? NULL:
    cdef float[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


cdef const int64_t *integers(object array) except? NULL:
    cdef const int64_t[::1] flat = array.reshape(-1)
    return &flat[0] if flat.shape[0] else NULL


include "region.pxi"     # run_team: the one way to open threads
include "packed.pxi"     # PackedLinear, ConvertedRows, Norm, EmbeddingTables, PackedLayer
include "workspace.pxi"  # Workspace and the layout of intermediates
include "shares.pxi"     # the part of each kernel that one thread runs
include "packing.pxi"    # matrices, in memory or in a file -> PackedLinear
include "digests.pxi"    # digests of bytes


cdef class Kernels:
    """The kernel table of one instruction set; packed weights belong to the table that packed them.

    `isa=None` takes ROBERTA_C_ISA if set, else the best this CPU has. InputError for a name that is
    unknown or that the CPU lacks. Arrays given to a method must not change while it runs.
    """
    cdef rc_kernels table
    cdef readonly str isa

    def __cinit__(self, isa=None):
        argument = "isa"
        if isa is None:
            isa = os.environ.get("ROBERTA_C_ISA") or available_isas()[0]
            argument = "ROBERTA_C_ISA"
        # A C string ends at its first NUL, so a name with one must not reach C.
        encoded = isa.encode("ascii", "replace") if isinstance(isa, str) and "\0" not in isa else b""
        cdef rc_status status = rc_select_kernels(encoded, &self.table)
        # Only on failure: asking whether AMX is there makes Linux grant it, to all of the process.
        if status != RC_OK:  # "isa: found 'x', expected one of a, b: it is not available on this CPU"
            check(status, mismatch(argument, shown(isa), f"one of {', '.join(available_isas())}: it"))
        self.isa = isa

    def __reduce__(self):
        return Kernels, (self.isa,)

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of the register tile (MR, NR)."""
        return self.table.mr, self.table.nr

    # ---- weights ---------------------------------------------------------------------------------------

    def pack_linear(self, weights, biases=None, num_threads=1, dtype="float32", smooth=None) -> PackedLinear:
        """Packs linear layers of one shape, stacked as sections: weights, a list of float32 (n, k); biases, a list of
        float32 (n), or None.

        dtype: what the product is computed in. "bfloat16": weights are rounded to it and, where this CPU
        multiplies it at full rate, so are `linear`'s rows; sums are float32. "int8": w ≈ scale * q with one scale
        for each output and q from -127 to 127; rows x ≈ scale * (q - zero_point) with a scale and a zero point for
        each row and q from 0 to 255; sums are exact. `smooth`, float32 (k), s: before quantization, activation
        column k is multiplied by s[k] and weight column k divided by it (SmoothQuant, Xiao et al. 2022).
        """
        return self.pack_linears([(weights, biases, smooth)], num_threads, dtype)[0]

    def pack_linears(self, stacks, num_threads=1, dtype="float32", allow_nonfinite=True) -> list:
        """Packs several `(weights, biases, smooth)`, as `pack_linear` does each, in one parallel region and one
        piece of memory, so that the system can give huge pages.

        A weight is an array or a StoredTensor in C order of a type in FLOAT_DTYPES, whose rows are read from its file
        as they are packed: no complete matrix is in memory beside its packed form. Raises ModelFileError if the file
        has changed since it was opened, and without `allow_nonfinite` for a weight that is NaN or infinite.
        """
        return packed_stacks(self, stacks, num_threads, dtype, allow_nonfinite)

    def column_sizes(self, weights, num_threads=1) -> np.ndarray:
        """The largest absolute value of each column, float32 (k), over all rows of the matrices (n, k), which are
        given and read as for `pack_linears`; NaN for a column with NaN. Raises ModelFileError if a file has changed
        since it was opened."""
        return sizes_of_columns(self, weights, num_threads)

    def panel_shape(self, n, k, dtype="float32") -> tuple[int, int, int]:
        """The shape of the packed form of one matrix (n, k): (ceil(n / NR), rows of a panel, NR)."""
        cdef Py_ssize_t nr = self.table.nr, columns = n, depth = k
        if columns < 1 or depth < 1:
            raise InputError(mismatch("weight", f"shape {(n, k)}", "positive sizes"))
        cdef rc_arithmetic arithmetic = checked_arithmetic(dtype, &self.table)
        if rc_is_int8(arithmetic) and depth > RC_LONGEST_INT8:
            raise InputError(mismatch("weight", f"shape {(n, k)}", f"at most {RC_LONGEST_INT8} columns in int8"))
        return (columns + nr - 1) // nr, rc_panel_rows(arithmetic, depth), nr

    def layout(self, dtype="float32") -> str:
        """What the bits of packed weights depend on beside the weights: the version of their layout, the kernels, the
        columns of a panel, and the arithmetic that `dtype` stands for on this CPU."""
        cdef int arithmetic = checked_arithmetic(dtype, &self.table)
        return f"version {LAYOUT_VERSION}, {self.isa}, {self.table.nr} columns, arithmetic {arithmetic}"

    cdef int check_packed(self, PackedLinear packed) except -1:
        if packed.kernels is not self:
            raise InputError(mismatch("packed", f"weights packed by another Kernels object ({packed.kernels.isa})",
                                      "weights packed by this one"))
        return 0

    # ---- single kernels --------------------------------------------------------------------------------

    def convert_rows(self, x, PackedLinear packed not None, num_threads=1) -> ConvertedRows:
        """The rows of x, float32 (M, k), in the format that `packed` reads; `linear` does this first where it gets
        float32. InputError for weights that read float32 rows."""
        self.check_packed(packed)
        checked_array(x, "x", np.float32, (None, packed.k))
        if not rc_converts_rows(packed.c.arithmetic):
            raise InputError(mismatch("packed", f"{packed.dtype} weights, which read float32 rows",
                                      "bfloat16 or int8 ones"))
        cdef conversion work
        cdef ConvertedRows converted = ConvertedRows(packed, len(x))
        work.kernels, work.x_mk, work.m, work.k = &self.table, floats(x), len(x), packed.k
        work.to = &converted.c
        if work.m:
            run_team(convert_share, &work, checked_thread_count(num_threads))
        return converted

    def linear(self, x, PackedLinear packed not None, activation="none", residual=None, num_threads=1,
               out=None) -> np.ndarray:
        """activation(x W^T + b), or residual + x W^T + b: x (M, k), residual and result (M, sections * n).

        x may be what `convert_rows` made of it for these weights, or for others of the same k, dtype and smooth.
        GELU of products of converted rows has an error of up to 3.5e-5. `out` receives the result where given; it
        may be the residual; it may not share memory with x.
        """
        self.check_packed(packed)
        cdef linear_product work
        cdef ConvertedRows converted
        work.kernels, work.w = &self.table, &packed.c
        memset(&work.epilogue, 0, sizeof(work.epilogue))
        given = x
        if not isinstance(x, ConvertedRows) and rc_converts_rows(packed.c.arithmetic):
            x = self.convert_rows(x, packed, num_threads)
        if isinstance(x, ConvertedRows):
            converted = x
            if not (converted.packed.kernels is self and converted.packed.k == packed.k
                    and converted.packed.c.arithmetic == packed.c.arithmetic
                    and converted.packed.smooth is packed.smooth):
                raise InputError(mismatch("x", "rows converted for other weights", "rows converted for these"))
            x = converted.rows
            work.x.rows, work.x.ld, work.x.quantization_m = (converted.c.rows, converted.c.ld,
                                                             converted.c.quantization_m)
        else:
            checked_array(x, "x", np.float32, (None, packed.k))
            work.x.rows, work.x.ld, work.x.quantization_m = floats(x), packed.c.k, NULL
        cdef size_t m = x.shape[0], n = packed.sections * packed.n
        if out is None:
            out = aligned_empty((m, n))
        elif np.may_share_memory(checked_output(out, "out", (m, n)), x) or np.may_share_memory(out, given):
            raise InputError(mismatch("out", "an array that shares memory with x", "an array of its own"))
        work.epilogue.activation = checked_activation(activation)
        if residual is not None:
            if activation != "none":
                raise InputError(mismatch("residual", "an activation beside it", "only one of the two"))
            work.epilogue.residual_mn = floats(checked_array(residual, "residual", np.float32, (m, n)))
            work.epilogue.ld_residual = n
            if np.may_share_memory(out, residual) and out.ctypes.data != residual.ctypes.data:
                found = "an array that overlaps out in part"
                raise InputError(mismatch("residual", found, "out itself or an array apart from it"))
        work.m, work.y_mn = m, writable_floats(out)
        if m:
            run_team(linear_share, &work, checked_thread_count(num_threads))
        return out

    def attention(self, qkv, seq_starts, Py_ssize_t heads, num_threads=1, dtype="float32") -> np.ndarray:
        """softmax(Q K^T / sqrt(D)) V within each sequence: qkv (T, 3H), seq_starts int64 (S + 1) -> (T, H).

        dtype: that of the layer whose attention this is. With "bfloat16" or "int8", where this CPU multiplies bfloat16
        at full rate and D is even, queries, keys, probabilities and values are rounded to bfloat16.
        """
        checked_array(qkv, "qkv", np.float32, (None, None))
        cdef size_t t = qkv.shape[0], h = qkv.shape[1] // 3
        if qkv.shape[1] % 3 or heads < 1 or h % heads or h == 0:
            raise InputError(mismatch("qkv", f"shape {qkv.shape} for {heads} heads", "(any, 3 * heads * size)"))
        checked_starts(seq_starts, t)
        out = aligned_empty((t, h))
        if t == 0:
            return out
        cdef attention_call work
        memset(&work, 0, sizeof(work))
        cdef int thread_count = checked_thread_count(num_threads)
        check(rc_attention_scratch(&self.table, np.diff(seq_starts).max(), h // heads, &work.scratch_per_thread),
              "qkv")
        work.scratch_per_thread = full_lines(work.scratch_per_thread)
        scratch = aligned_empty((thread_count * work.scratch_per_thread,))
        work.kernels, work.scratch, work.qkv_t3h = &self.table, writable_floats(scratch), floats(qkv)
        set_sequences(&work.sequences, seq_starts)
        work.attention.sequences = &work.sequences
        work.attention.heads, work.attention.h = heads, h
        work.attention.context_th, work.attention.ld_context = writable_floats(out), h
        work.attention.arithmetic = rc_attention_arithmetic(&self.table, checked_arithmetic(dtype, &self.table),
                                                            h // heads)
        work.attention.qkv_t3h, work.attention.ld_qkv = work.qkv_t3h, 3 * h
        if work.attention.arithmetic == RC_BF16:
            work.rows.format, work.rows.ld = rc_operands_of(RC_BF16).row_format, 3 * h // 2
            converted = aligned_empty((t, work.rows.ld))
            work.rows.rows = writable_floats(converted)
            work.attention.qkv_t3h, work.attention.ld_qkv = work.rows.rows, work.rows.ld
        run_team(attention_share, &work, thread_count)
        return out

    def layer_norm(self, x, Norm norm not None, num_threads=1) -> np.ndarray:
        """(x - mean) / sqrt(var + eps) * weight + bias over the rows of x (T, H)."""
        cdef normalization work
        checked_array(x, "x", np.float32, (None, len(norm.weight)))
        out = aligned_empty(x.shape)
        work.kernels, work.norm = &self.table, &norm.c
        work.x_th, work.y_th = floats(x), writable_floats(out)
        work.t, work.h = x.shape
        if out.size:
            run_team(layer_norm_share, &work, checked_thread_count(num_threads))
        return out

    def activate(self, x, activation, num_threads=1) -> np.ndarray:
        """activation(x), elementwise; x of any shape."""
        cdef activation_call work
        checked_floats(x, "x")
        work.kernels, work.function = &self.table, checked_activation(activation)
        out = aligned_empty(x.shape)
        work.x_n, work.y_n, work.n = floats(x), writable_floats(out), out.size
        if work.n:
            run_team(activate_share, &work, checked_thread_count(num_threads))
        return out

    def exponentiate(self, x) -> np.ndarray:
        """exp(x) as the softmax uses it: at least the smallest normal float32."""
        return self.exponentials(x, short=False)

    def exp2_short(self, x) -> np.ndarray:
        """2^x for x <= 0 with a relative error of 3e-6, as the softmax uses it whose weights are rounded to bfloat16:
        at least the smallest normal float32."""
        return self.exponentials(x, short=True)

    cdef object exponentials(self, x, bint short):
        checked_floats(x, "x")
        out = aligned_empty(x.shape)
        cdef size_t n = out.size
        cdef uint64_t state
        if n:
            state = rc_float_state_enter()
            (self.table.exp2_short if short else self.table.exponentiate)(floats(x), n, writable_floats(out))
            rc_float_state_leave(state)
        return out

    def embed(self, EmbeddingTables tables not None, ids, positions, types=None, num_threads=1) -> np.ndarray:
        """layer_norm(word[ids] + token_type[types] + position[positions]): int64 (T) each -> (T, H).

        types None: all 0. ModelFileError where the tables' file cannot be read any more.
        """
        cdef embedding_call work
        memory = self.set_lookup(&work.source, tables, ids, positions, types)
        out = aligned_empty((work.source.t, tables.c.h))
        work.x_th = writable_floats(out)
        if work.source.t:
            run_team(embed_alone_share, &work, checked_thread_count(num_threads))
        check_rows_read(&work.source, tables)
        return out

    def pool(self, x, seq_starts, pooling, skipped=0, num_threads=1) -> np.ndarray:
        """The rows x (T, H) of each sequence as one row, for each name in the tuple `pooling`: (S, count * H).

        pooling: "cls" and "lasttoken" (the first and last row), "mean", "mean_sqrt_len_tokens" (sum / sqrt(T)),
        "weightedmean" (weights 1 … T), "max". skipped: how many rows at the beginning of each sequence are left
        out; where none is left, "cls" and "lasttoken" are those of all rows, and the others 0.
        """
        cdef pooling_call work
        checked_array(x, "x", np.float32, (None, None))
        checked_starts(seq_starts, x.shape[0])
        memory = self.set_pooling(&work, pooling, skipped, seq_starts, x.shape[1])
        work.x_th, work.ldx = floats(x), x.shape[1]
        out = aligned_empty((len(seq_starts) - 1, work.count * work.h))
        work.y_sh = writable_floats(out)
        if out.size:
            run_team(pool_share, &work, checked_thread_count(num_threads))
        return out

    cdef object set_pooling(self, pooling_call *work, pooling, skipped, seq_starts, size_t h):
        """Checks names and count and fills `work`, but for the rows; returns an array that must outlive the call."""
        if isinstance(skipped, bool) or not isinstance(skipped, int) or not 0 <= skipped < 2**31:
            raise InputError(mismatch("skipped", shown(skipped), "an integer from 0 to 2147483647"))
        values = checked_poolings(pooling)
        cdef int[::1] view = values
        work.kernels, work.poolings, work.count = &self.table, <rc_pooling *>&view[0], len(values)
        work.starts_s, work.s, work.h, work.skipped = integers(seq_starts), len(seq_starts) - 1, h, skipped
        return values

    cdef tuple set_lookup(self, lookup *source, EmbeddingTables tables, ids, positions, types):
        """Checks ids and fills `source`; returns the arrays that it points to, which must outlive the call."""
        cdef size_t t = np.size(ids)
        memset(source, 0, sizeof(lookup))
        source.kernels, source.tables, source.t, source.descriptor = &self.table, tables.c, t, -1
        source.ids_t = integers(checked_indices(ids, "input_ids", t, len(tables.word)))
        source.positions_t = integers(checked_indices(positions, "position_ids", t, len(tables.position)))
        if types is not None:
            source.types_t = integers(checked_indices(types, "token_type_ids", t, len(tables.token_type)))
        stored = tables.stored_rows
        if stored is None or t == 0:
            return ids, positions, types
        stored.file.check_still_open()
        source.descriptor, source.first_byte = stored.file.descriptor, stored.first_byte
        source.row_bytes = stored.dtype.itemsize * tables.c.h
        rows = aligned_empty(((t * source.row_bytes + 3) // 4,))
        in_order = np.arange(t, dtype=np.int64)
        source.rows, source.in_order_t = <uint8_t *>writable_floats(rows), integers(in_order)
        source.tables.word_vh = source.rows
        return ids, positions, types, rows, in_order

    # ---- the encoder -----------------------------------------------------------------------------------

    def encoder_layer(self, PackedLayer layer not None, x, seq_starts, Workspace workspace not None,
                      num_threads=1) -> None:
        """Runs one layer over packed tokens, in place: x (T, H) writable, seq_starts int64 (S + 1)."""
        checked_output(x, "x", (None, layer.c.qkv.k))
        x[...] = self.encoder([layer], x, seq_starts, workspace, num_threads=num_threads)

    def encoder(self, list layers not None, x, seq_starts, Workspace workspace not None, rows_wanted=None,
                states=None, num_threads=1) -> np.ndarray:
        """Runs layers one after the other over packed tokens, in one parallel region: x (T, H) -> (R, H).

        seq_starts: int64 (S + 1). rows_wanted: int64 (R), ascending indices of the tokens whose rows of the last
        layer are wanted; None: all, R = T. Their bits are those of the full computation. `states`, float32
        (L + 1, T, H), receives x and every layer's output; with all rows only.
        """
        cdef encoder_call work
        memset(&work, 0, sizeof(work))
        work.given_th = floats(checked_array(x, "x", np.float32, (None, None)))
        if isinstance(states, np.ndarray) and np.may_share_memory(states, x):
            raise InputError(mismatch("states", "an array that shares memory with x", "an array of its own"))
        return self.run_encoder(&work, "x", layers, x.shape, seq_starts, workspace, rows_wanted, states, num_threads)

    def encode(self, EmbeddingTables tables not None, list layers not None, ids, positions, types, seq_starts,
               Workspace workspace not None, rows_wanted=None, states=None, num_threads=1, pooling=None,
               skipped=0) -> np.ndarray:
        """`embed`, then `encoder`, in one parallel region: int64 (T) ids, positions and types -> (R, H).

        pooling, skipped: with names, the rows are pooled in the same region, as `pool` does: (S, count * H).
        """
        cdef encoder_call work
        memset(&work, 0, sizeof(work))
        memory = self.set_lookup(&work.source, tables, ids, positions, types)
        if pooling is not None:
            checked_starts(seq_starts, work.source.t)
            poolings = self.set_pooling(&work.pooling, pooling, skipped, seq_starts, tables.c.h)
        out = self.run_encoder(&work, "embeddings", layers, (work.source.t, tables.c.h), seq_starts, workspace,
                               rows_wanted, states, num_threads)
        check_rows_read(&work.source, tables)
        return out

    cdef object run_encoder(self, encoder_call *work, str name, list layers, tuple shape, seq_starts,
                            Workspace workspace, rows_wanted, states, num_threads):
        """Checks the rest of an encoder call, whose input, called `name` and of this shape, is set, and runs it."""
        layers = list(layers)  # a copy: another thread may change the caller's while kernels run
        cdef size_t f = 0, d = 1, t, h, scratch = 0
        memory = self.link_layers(work, layers, &f, &d)
        t, h = shape
        if h != work.layers[0].qkv.k:
            raise InputError(mismatch(name, f"shape {shape}", f"(any, {work.layers[0].qkv.k})"))
        checked_starts(seq_starts, t)
        set_sequences(&work.sequences, seq_starts)
        work.last_sequences = work.sequences
        if rows_wanted is not None:
            checked_rows_wanted(rows_wanted, t)
            wanted_starts = np.searchsorted(rows_wanted, seq_starts).astype(np.int64)
            work.last_sequences.wanted_r = integers(rows_wanted)
            work.last_sequences.wanted_starts_s = integers(wanted_starts)
        if states is not None:
            work.states_lth = writable_floats(checked_output(states, "states", (len(layers) + 1, t, h)))
            if rows_wanted is not None:
                raise InputError(mismatch("rows_wanted", "states beside it", "only one of the two"))
        if work.pooling.count and (rows_wanted is not None or states is not None):
            raise InputError(mismatch("pooling", "rows_wanted or states beside it", "only one of them"))
        if work.pooling.count:
            out = aligned_empty((len(seq_starts) - 1, work.pooling.count * h))
        else:
            out = aligned_empty((t if rows_wanted is None else len(rows_wanted), h))
        if not len(out):
            return out
        check(rc_attention_scratch(&self.table, np.diff(seq_starts).max(), d, &scratch), "x")
        cdef int thread_count = checked_thread_count(num_threads)
        work.kernels, work.t, work.h, work.out_rh = &self.table, t, h, writable_floats(out)
        work.x_th = lay_out(workspace, &work.workspace, &work.layers[0].qkv, t, f, thread_count, full_lines(scratch))
        work.pooling.x_th, work.pooling.ldx, work.pooling.y_sh = work.x_th, work.workspace.ld_hidden, work.out_rh
        arena = workspace.arena  # keeps the memory alive if a concurrent call replaces it
        run_team(encoder_share, work, thread_count)
        return out

    cdef object link_layers(self, encoder_call *work, list layers, size_t *f, size_t *d):
        """Copies the layers into one array and links each to the next one's qkv. Sets work.layers, work.count, and f
        and d to the largest F and D. Returns the array, which must outlive the call."""
        cdef PackedLayer layer
        cdef size_t index, count = len(layers)
        if count == 0 or not all(isinstance(one, PackedLayer) for one in layers):
            raise InputError(mismatch("layers", shown(layers), "a list of at least one PackedLayer"))
        memory = np.zeros(count * sizeof(rc_encoder_layer), np.uint8)
        cdef uint8_t[::1] view = memory
        cdef rc_encoder_layer *linked = <rc_encoder_layer *>&view[0]
        first = layers[0]
        for index, layer in enumerate(layers):
            if layer.qkv.kernels is not self:
                raise InputError(mismatch("layer",
                                          f"weights packed by another Kernels object ({layer.qkv.kernels.isa})",
                                          "weights packed by this one"))
            if layer.c.qkv.arithmetic != (<PackedLayer>first).c.qkv.arithmetic:
                raise InputError(mismatch("layer", f"{layer.qkv.dtype} weights",
                                          f"{first.qkv.dtype} as the first's"))
            if layer.qkv.k != first.qkv.k:
                raise InputError(mismatch("layer", f"hidden size {layer.qkv.k}",
                                          f"{first.qkv.k} as the first's"))
            linked[index] = layer.c
            linked[index].next_linear = &linked[index + 1].qkv if index + 1 < count else NULL
            f[0], d[0] = max(f[0], layer.c.up.n), max(d[0], layer.c.qkv.k // layer.c.heads)
        work.layers, work.count = linked, count
        return memory


cdef int set_sequences(rc_sequences *sequences, seq_starts) except -1:
    """All rows of the sequences that begin at these checked offsets."""
    sequences.s, sequences.starts_s = len(seq_starts) - 1, integers(seq_starts)
    sequences.wanted_r, sequences.wanted_starts_s = NULL, sequences.starts_s
    return 0


cdef int check_rows_read(const lookup *source, EmbeddingTables tables) except -1:
    """ModelFileError if a row of the word table could not be read."""
    if source.failed:
        raise ModelFileError(f"{tables.word.file.path}: became shorter, or cannot be read any more, since it was opened")
    return 0
