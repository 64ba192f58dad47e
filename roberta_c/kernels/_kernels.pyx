"""The only door to csrc/: checks arguments, opens threads, turns a status into an exception.

Shape letters as in csrc/roberta_c.h: T packed tokens, S sequences, H hidden, F feed-forward, A heads,
D head size, V vocabulary. All arrays are float32 and C-contiguous unless said. Every kernel gives the same
bits for any `num_threads`, and for a row whatever rows stand beside it.
"""

import contextlib
import math
import mmap
import os
import threading

import numpy as np

from cython.parallel cimport parallel, threadid
from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from posix.unistd cimport pread

from ..errors import InputError, ModelFileError, ResourceError, shown
from ..machine import threads


cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    /* Asked inside the region: OpenMP may grant fewer threads than num_threads, and a barrier that
       waits for threads that never came would wait for ever. */
    #define rc_team_size() ((size_t)omp_get_num_threads())
    #define RC_HAS_OPENMP 1
    #else
    #define rc_team_size() ((size_t)1)
    #define RC_HAS_OPENMP 0
    #endif
    /* Assigned through a pointer: Cython would make a variable that a region assigns private to each thread. */
    static inline void rc_set_flag(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }
    """
    size_t rc_team_size() noexcept nogil
    void rc_set_flag(int *) noexcept nogil
    const bint RC_HAS_OPENMP


cdef dict ACTIVATIONS = {
    "none": RC_NO_ACTIVATION,
    "gelu": RC_GELU,
    "gelu_new": RC_GELU_NEW,
    "relu": RC_RELU,
    "tanh": RC_TANH,
}
cdef dict TABLE_DTYPES = {"float32": RC_FLOAT32, "float16": RC_FLOAT16, "bfloat16": RC_BFLOAT16}

# How linear layers may be asked to multiply. "bfloat16" and "int8" are what this CPU does best; the others, one
# way of it, for tests: "bfloat16 weights" leaves rows float32, "int8 weights" multiplies in float32.
cdef dict ARITHMETICS = {
    "float32": RC_FP32,
    "bfloat16": None,
    "int8": None,
    "bfloat16 weights": RC_BF16_WEIGHTS,
    "int8 weights": RC_INT8_WEIGHTS,
    "int8 pairs": RC_INT8_PAIRS,
}

HAS_OPENMP = bool(RC_HAS_OPENMP)


# ---- which kernels -------------------------------------------------------------------------------------

def known_isas() -> tuple[str, ...]:
    """Every instruction set this build knows, best first."""
    return tuple(rc_isa_name(i).decode() for i in range(rc_isa_count() - 1))


def available_isas() -> tuple[str, ...]:
    """Those of `known_isas()` that this CPU can run. `Kernels("reference")`, the slow oracle, always can."""
    return tuple(rc_isa_name(i).decode() for i in range(rc_isa_count() - 1) if rc_isa_available(i))


def cpu_features() -> dict[str, bool]:
    """Which of the features that tell instruction sets apart this CPU has; empty where nothing can ask for them."""
    return {rc_cpu_feature_name(i).decode(): rc_cpu_has_feature(i) for i in range(rc_cpu_feature_count())}


cdef int check(rc_status status, str argument) except -1:
    """The one place where a C status becomes an exception."""
    if status == RC_OK:
        return 0
    raised = InputError if status == RC_UNKNOWN_ISA else ResourceError
    raise raised(f"{argument} {rc_status_message(status).decode()}")


include "arguments.pxi"       # checked_…: an argument, or InputError; addresses of checked arrays


# ---- threads -------------------------------------------------------------------------------------------

# Every region ends with a wait of our own, which yields. OpenMP's spins for milliseconds: where another process
# has a core, the thread that is awaited may be the one that is kept waiting.

cdef bint team_opened = False
cdef bint child_of_team = False


def _after_fork_in_child() -> None:
    # libgomp's pool does not survive fork: a region in the child would wait for threads that are gone.
    global child_of_team
    child_of_team = team_opened


os.register_at_fork(after_in_child=_after_fork_in_child)


_largest_team = threading.local()  # OpenMP keeps a team for each calling thread


def _try_threads(int count) -> None:
    """Starts and ends so many threads: where libgomp cannot start one, it ends the whole process."""
    release, started = threading.Event(), []
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        raise ResourceError(f"num_threads: found room for {len(started) + 1} threads, expected {count + 1}; "
                            "a limit of this process or its container") from None
    finally:
        release.set()
        for thread in started:
            thread.join()


cdef int team_for(object num_threads) except -1:
    """The threads to open: as asked, but one in a process forked after its parent opened a team."""
    global team_opened
    if isinstance(num_threads, bool) or not isinstance(num_threads, int) or not 1 <= num_threads <= threads.MAX_THREADS:
        raise InputError(f"num_threads: found {shown(num_threads)}, expected 1 to {threads.MAX_THREADS}")
    if not RC_HAS_OPENMP or child_of_team:
        return 1
    if num_threads > 1:
        team_opened = True
        if num_threads > getattr(_largest_team, "size", 1):
            _try_threads(num_threads - 1)
            _largest_team.size = num_threads
    return num_threads


include "packed.pxi"  # PackedLinear, Norm, EmbeddingTables, PackedLayer
include "memory.pxi"          # arrays and Workspace; distances between rows, rows copied and read


# ---- the kernels ---------------------------------------------------------------------------------------

cdef enum:
    UNITS_PER_MATRIX = 8  # when packing, so that threads end together


cdef class Kernels:
    """The kernel table of one instruction set; packed weights belong to the table that packed them.

    `isa=None` takes ROBERTA_C_ISA if set, else the best this CPU has. InputError for a name that is
    unknown or that the CPU lacks.
    """
    cdef const rc_kernels *table
    cdef readonly str isa

    def __cinit__(self, isa=None):
        argument = "isa"
        if isa is None:
            isa = os.environ.get("ROBERTA_C_ISA") or available_isas()[0]
            argument = "ROBERTA_C_ISA"
        # C would take a name for ended at its first NUL.
        encoded = isa.encode("ascii", "replace") if isinstance(isa, str) and "\0" not in isa else b""
        check(rc_select_kernels(encoded, &self.table),
              f"{argument}: found {shown(isa)}, expected one of {', '.join(available_isas())}: it")
        self.isa = isa

    def __reduce__(self):
        return Kernels, (self.isa,)

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of the register tile (MR, NR)."""
        return self.table.mr, self.table.nr

    def pack_linear(self, weights, biases=None, num_threads=1, dtype="float32", smooth=None) -> PackedLinear:
        """Packs linear layers of one shape (n, k), stacked; `biases` float32 (n) each, or None for none.

        dtype: what the product is computed in. "bfloat16": weights are rounded to it and, where this CPU
        multiplies it at full rate, so are `linear`'s rows; sums are float32. "int8": weights become whole numbers
        from -127 to 127 times a scale for each output, rows 255 whole numbers around zero times a scale each; sums
        are exact. `smooth`, float32 (k), multiplies rows and divides weights before they are rounded to int8 (Xiao
        et al. 2022).
        """
        return self.pack_linears([(weights, biases, smooth)], num_threads, dtype)[0]

    def pack_linears(self, stacks, num_threads=1, dtype="float32") -> list:
        """Packs several `(weights, biases, smooth)`, as `pack_linear` does each, in one parallel region and one
        piece of memory, so that the system can give large pages."""
        shapes, sources = [], []
        cdef rc_arithmetic arithmetic = checked_arithmetic(dtype, self.table)
        cdef Py_ssize_t nr = self.table.nr, n, k, rows, total = 0
        for weights, biases, smooth in stacks:
            if not len(weights):
                raise InputError("weights: found none, expected at least one matrix")
            checked_array(weights[0], "weight", np.float32, (None, None))
            n, k = weights[0].shape
            if n < 1 or k < 1:
                raise InputError(f"weight: found shape {(n, k)}, expected positive sizes")
            if rc_is_int8(arithmetic) and k > RC_LONGEST_INT8:
                raise InputError(f"weight: found shape {(n, k)}, expected at most {RC_LONGEST_INT8} columns in int8")
            checked_factors(smooth, k)
            for weight in weights:
                sources.append((checked_array(weight, "weight", np.float32, (n, k)), smooth, total))
                total += (n + nr - 1) // nr * nr * rc_panel_rows(arithmetic, k)
            shapes.append((len(weights), n, k))
        # A slab starts a line; so does every panel whose columns fill whole lines.
        slab = large_empty(total)
        cdef size_t[:, ::1] jobs = np.zeros((len(sources), 5), np.uintp)
        cdef size_t job, unit, units = len(sources) * UNITS_PER_MATRIX
        for job, (weight, smooth, begin) in enumerate(sources):
            jobs[job, 0], jobs[job, 1] = <size_t>floats(weight), <size_t>writable_floats(slab[begin:])
            jobs[job, 2], jobs[job, 3] = weight.shape
            jobs[job, 4] = 0 if smooth is None else <size_t>floats(smooth)
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            unit = rc_next_unit(&meeting)
            while unit < units:
                job = unit // UNITS_PER_MATRIX
                self.table.pack_linear(arithmetic, <const float *>jobs[job, 0], <const float *>jobs[job, 4],
                                       jobs[job, 2], jobs[job, 3], <rc_word *>jobs[job, 1],
                                       unit % UNITS_PER_MATRIX, UNITS_PER_MATRIX)
                unit = rc_next_unit(&meeting)
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        packed, begin = [], 0
        for (sections, n, k), (_, biases, smooth) in zip(shapes, stacks):
            rows = rc_panel_rows(arithmetic, k)
            panels = slab[begin:begin + sections * ((n + nr - 1) // nr) * rows * nr].reshape(-1, rows, nr)
            begin += panels.size
            bias = None
            if biases is not None:
                bias = np.concatenate([checked_array(b, "bias", np.float32, (n,)) for b in biases])
                checked_array(bias, "biases", np.float32, (sections * n,))
            packed.append(PackedLinear(self, panels, bias, sections, n, k, dtype,
                                       smooth if rc_is_int8(arithmetic) else None))
        return packed

    def narrow(self, x, PackedLinear packed not None, num_threads=1) -> NarrowedRows:
        """The rows of x, float32 (M, k), as `packed` reads them, which is not float32: what `linear` does first."""
        self.check_packed(packed)
        checked_array(x, "x", np.float32, (None, packed.k))
        if not rc_narrows_rows(packed.c.arithmetic):
            raise InputError(f"packed: found {packed.dtype} weights, which read rows as they are")
        cdef size_t m = x.shape[0]
        cdef NarrowedRows narrowed = NarrowedRows(packed, m)
        if m == 0:
            return narrowed
        cdef const float *x_mk = floats(x)
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            self.table.narrow(x_mk, packed.c.k, m, packed.c.k, &narrowed.c, threadid(), rc_team_size())
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return narrowed

    def linear(self, x, PackedLinear packed not None, activation="none", residual=None, num_threads=1,
               out=None) -> np.ndarray:
        """activation(x W^T + b), or residual + x W^T + b: x (M, k), residual and result (M, sections * n).

        x may be what `narrow` made of it for these weights, or for others of their k, dtype and smooth. GELU of
        products of rounded rows is itself right to 3.5e-5. `out` receives the result where given; it may be the
        residual, not x.
        """
        self.check_packed(packed)
        cdef rc_rows rows
        cdef NarrowedRows narrowed
        given = x
        if not isinstance(x, NarrowedRows) and rc_narrows_rows(packed.c.arithmetic):
            x = self.narrow(x, packed, num_threads)
        if isinstance(x, NarrowedRows):
            narrowed = x
            if not (narrowed.packed.kernels is self and narrowed.packed.k == packed.k
                    and narrowed.c.arithmetic == packed.c.arithmetic and narrowed.packed.smooth is packed.smooth):
                raise InputError("x: found rows made for other weights, expected them to be made for such as these")
            x = narrowed.rows
            rows.rows, rows.ld, rows.scale_m = narrowed.c.rows, narrowed.c.ld, narrowed.c.scale_m
        else:
            checked_array(x, "x", np.float32, (None, packed.k))
            rows.rows, rows.ld, rows.scale_m = floats(x), packed.c.k, NULL
        cdef size_t m = x.shape[0], n = packed.sections * packed.n
        if out is None:
            out = aligned_empty((m, n))
        elif (not checked_array(out, "out", np.float32, (m, n)).flags.writeable or np.may_share_memory(out, x)
              or np.may_share_memory(out, given)):
            raise InputError("out: found a read-only array or x itself, expected a writable array beside x")
        cdef rc_epilogue epilogue
        epilogue.activation = checked_activation(activation)
        epilogue.residual_mn, epilogue.ld_residual, epilogue.then = NULL, n, NULL
        epilogue.narrow.rows = NULL
        if residual is not None:
            if activation != "none":
                raise InputError("residual: found one beside an activation, expected either")
            epilogue.residual_mn = floats(checked_array(residual, "residual", np.float32, (m, n)))
            if np.may_share_memory(out, residual) and out.ctypes.data != residual.ctypes.data:
                raise InputError("residual: found it to overlap out, expected the same array or another")
        if m == 0:
            return out
        cdef float *y_mn = writable_floats(out)
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            self.table.linear(&packed.c, &rows, m, &epilogue, y_mn, n, &meeting, threadid(), rc_team_size())
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return out

    cdef int check_packed(self, PackedLinear packed) except -1:
        if packed.kernels is not self:
            raise InputError(f"packed: found weights packed for {packed.kernels.isa} kernels, expected this one's")
        return 0

    def attention(self, qkv, seq_starts, Py_ssize_t heads, num_threads=1, dtype="float32") -> np.ndarray:
        """softmax(Q K^T / sqrt(D)) V within each sequence: qkv (T, 3H), seq_starts int64 (S + 1) -> (T, H).

        dtype: as of the layer's weights; with "bfloat16" or "int8", where this CPU multiplies bfloat16 at full
        rate and D is even, queries, keys, probabilities and values are rounded to bfloat16.
        """
        checked_array(qkv, "qkv", np.float32, (None, None))
        cdef size_t t = qkv.shape[0], h = qkv.shape[1] // 3, s
        if qkv.shape[1] % 3 or heads < 1 or h % heads or h == 0:
            raise InputError(f"qkv: found shape {qkv.shape} for {heads} heads, expected (any, 3 * heads * size)")
        checked_starts(seq_starts, t)
        s = len(seq_starts) - 1
        out = aligned_empty((t, h))
        if t == 0:
            return out
        cdef size_t per_thread = 0
        check(rc_attention_scratch(self.table, np.diff(seq_starts).max(), h // heads, &per_thread), "qkv")
        per_thread = whole_lines(per_thread)
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        scratch = aligned_empty((team * per_thread,))
        cdef float *scratch_floats = writable_floats(scratch)
        cdef rc_attention what
        what.arithmetic, what.qkv_t3h, what.ld_qkv = RC_FP32, floats(qkv), 3 * h
        what.starts_s, what.s = integers(seq_starts), s
        what.heads, what.h, what.first_tokens_only = heads, h, False
        what.context_th, what.ld_context = writable_floats(out), h
        what.narrow.rows = NULL
        cdef const float *qkv_t3h = floats(qkv)
        cdef rc_narrow narrow
        narrow.rows, narrow.arithmetic, narrow.ld = NULL, RC_BF16, 3 * h // 2
        if attention_arithmetic(self.table, checked_arithmetic(dtype, self.table), h // heads) == RC_BF16:
            narrowed = aligned_empty((t, narrow.ld))
            narrow.rows = <rc_word *>writable_floats(narrowed)
            what.arithmetic, what.qkv_t3h, what.ld_qkv = RC_BF16, narrow.rows, narrow.ld
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            if narrow.rows != NULL:
                self.table.narrow(qkv_t3h, 3 * h, t, 3 * h, &narrow, threadid(), rc_team_size())
                rc_team_wait(&meeting, rc_team_size())
            self.table.attention(&what, scratch_floats + threadid() * per_thread, &meeting, threadid(),
                                 rc_team_size())
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return out

    def layer_norm(self, x, Norm norm not None, num_threads=1) -> np.ndarray:
        """(x - mean) / sqrt(var + eps) * weight + bias over the rows of x (T, H)."""
        cdef size_t h = len(norm.weight)
        checked_array(x, "x", np.float32, (None, h))
        cdef size_t t = x.shape[0]
        out = aligned_empty(x.shape)
        if out.size == 0:
            return out
        cdef const float *x_th = floats(x)
        cdef float *y_th = writable_floats(out)
        cdef rc_narrow none
        none.rows = NULL
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            self.table.layer_norm(&norm.c, x_th, h, t, h, y_th, h, &none, threadid(), rc_team_size())
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return out

    def activate(self, x, activation, num_threads=1) -> np.ndarray:
        """activation(x), elementwise; x of any shape."""
        checked_any_shape(x, "x")
        cdef rc_activation chosen = checked_activation(activation)
        out = aligned_empty(x.shape)
        cdef size_t n = out.size
        if n == 0:
            return out
        cdef const float *x_n = floats(x)
        cdef float *y_n = writable_floats(out)
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            self.table.activate(chosen, x_n, n, y_n, threadid(), rc_team_size())
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return out

    def exponentiate(self, x) -> np.ndarray:
        """exp(x) as the softmax uses it: results below the smallest normal float32 are held there."""
        cdef uint64_t state
        checked_any_shape(x, "x")
        out = aligned_empty(x.shape)
        cdef size_t n = out.size
        if n:
            state = rc_float_state_enter()
            self.table.exponentiate(floats(x), n, writable_floats(out))
            rc_float_state_leave(state)
        return out

    def embed(self, EmbeddingTables tables not None, ids, positions, types=None, num_threads=1) -> np.ndarray:
        """layer_norm(word[ids] + token_type[types] + position[positions]): int64 (T) each -> (T, H)."""
        cdef size_t t = np.size(ids)
        checked_indices(ids, "input_ids", t, len(tables.word))
        checked_indices(positions, "position_ids", t, len(tables.position))
        cdef const int64_t *types_t = NULL
        if types is not None:
            types_t = integers(checked_indices(types, "token_type_ids", t, len(tables.token_type)))
        out = aligned_empty((t, tables.c.h))
        if t == 0:
            return out
        cdef const int64_t *ids_t = integers(ids)
        cdef const int64_t *positions_t = integers(positions)
        cdef float *x_th = writable_floats(out)
        cdef rc_embeddings source = tables.c
        cdef const int64_t *rows_t = ids_t
        cdef size_t row_bytes = tables.word.strides[0]
        cdef int64_t first_byte = 0
        cdef int descriptor = -1
        cdef uint8_t[::1] gathered
        if tables.rows_from is not None:
            file, first_byte = tables.rows_from
            descriptor = file.descriptor
            file.check_still_open()
            gathered = aligned_empty(((t * row_bytes + 3) // 4,)).view(np.uint8)
            in_order = np.arange(t, dtype=np.int64)
            rows_t, source.word_vh = integers(in_order), &gathered[0]
        cdef uint8_t *to = <uint8_t *>source.word_vh
        cdef int team = team_for(num_threads)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        cdef int failed = 0
        cdef size_t ith, nth, token
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            ith, nth = threadid(), rc_team_size()
            if descriptor >= 0:
                for token in range(t * ith // nth, t * (ith + 1) // nth):
                    if not read_whole(descriptor, to + token * row_bytes, row_bytes,
                                      first_byte + ids_t[token] * <int64_t>row_bytes):
                        rc_set_flag(&failed)
                        memset(to + token * row_bytes, 0, row_bytes)
                rc_team_wait(&meeting, nth)
            self.table.embed(&source, rows_t, positions_t, types_t, t, x_th, ith, nth)
            rc_float_state_leave(state)
            rc_team_wait(&meeting, nth)
        if failed:
            raise ModelFileError(f"{file.path}: became shorter, or cannot be read any more, since it was opened")
        return out

    def encoder_layer(self, PackedLayer layer not None, x, seq_starts, Workspace workspace not None,
                      num_threads=1) -> None:
        """Runs one layer over packed tokens, in place: x (T, H) writable, seq_starts int64 (S + 1)."""
        checked_array(x, "x", np.float32, (None, layer.c.qkv.k))
        if not x.flags.writeable:
            raise InputError("x: found a read-only array, expected a writable one: it receives the result")
        x[...] = self.encoder([layer], x, seq_starts, workspace, num_threads=num_threads)

    def encoder(self, list layers not None, x, seq_starts, Workspace workspace not None, first_tokens_only=False,
                states=None, num_threads=1) -> np.ndarray:
        """Runs layers one after the other over packed tokens, in one parallel region: x (T, H) -> (T, H).

        seq_starts: int64 (S + 1). With `first_tokens_only` the result is (S, H), each sequence's first token:
        the same bits, without the rest of the last layer. `states`, float32 (layers, T, H), receives what
        every layer gives.
        """
        layers = list(layers)  # ours: another thread may change the caller's while kernels run
        cdef PackedLayer layer
        cdef size_t count = len(layers), h, f = 0, t, s, d = 1, rows, per_thread = 0, index
        if count == 0 or not all(isinstance(one, PackedLayer) for one in layers):
            raise InputError("layers: found none or other things, expected a list of PackedLayer")
        cdef uint8_t[::1] memory = np.zeros(count * sizeof(rc_encoder_layer), np.uint8)
        cdef rc_encoder_layer *chain = <rc_encoder_layer *>&memory[0]  # the layers, each knowing the next
        h = (<PackedLayer>layers[0]).c.qkv.k
        for index, layer in enumerate(layers):
            if layer.qkv.kernels is not self:
                raise InputError(f"layer: found weights packed for {layer.qkv.kernels.isa} kernels, "
                                 "expected this one's")
            if layer.c.qkv.arithmetic != (<PackedLayer>layers[0]).c.qkv.arithmetic:
                raise InputError(f"layer: found {layer.qkv.dtype} weights, expected "
                                 f"{(<PackedLayer>layers[0]).qkv.dtype} as the first's")
            if layer.c.qkv.k != h:
                raise InputError(f"layer: found hidden size {layer.c.qkv.k}, expected {h} as the first's")
            chain[index] = layer.c
            chain[index].then = &chain[index + 1].qkv if index + 1 < count else NULL
            f, d = max(f, layer.c.up.n), max(d, h // layer.c.heads)
        checked_array(x, "x", np.float32, (None, h))
        t = x.shape[0]
        checked_starts(seq_starts, t)
        s = len(seq_starts) - 1
        cdef bint only_first = bool(first_tokens_only)
        cdef float *states_lth = NULL
        if states is not None:
            if not checked_array(states, "states", np.float32, (count, t, h)).flags.writeable:
                raise InputError("states: found a read-only array, expected a writable one: it receives the result")
            states_lth = writable_floats(states)
        if only_first and (states is not None or (seq_starts[1:] == seq_starts[:s]).any()):
            raise InputError("first_tokens_only: found states or empty sequences beside it, expected neither")
        rows = s if only_first else t
        out = aligned_empty((rows, h))
        if t == 0:
            return out
        check(rc_attention_scratch(self.table, np.diff(seq_starts).max(), d, &per_thread), "x")
        per_thread = whole_lines(per_thread)
        cdef int team = team_for(num_threads)
        cdef rc_workspace parts
        cdef size_t ld = row_distance(h)
        cdef bint narrow = rc_narrows_rows(chain[0].qkv.arithmetic)
        cdef float *x_th = laid_out(workspace, &parts, &chain[0].qkv, t, f, team, per_thread)
        cdef const float *given_th = floats(x)
        cdef float *out_th = writable_floats(out)
        cdef const int64_t *starts_s = integers(seq_starts)
        cdef uint64_t state
        cdef rc_team meeting
        rc_team_init(&meeting)
        cdef size_t ith, nth, one
        with nogil, parallel(num_threads=team):
            state = rc_float_state_enter()
            ith, nth = threadid(), rc_team_size()
            copy_rows(given_th, h, x_th, ld, t, h, ith, nth)
            if narrow:
                self.table.narrow(given_th, h, t, h, &parts.narrow_x, ith, nth)
            rc_team_wait(&meeting, nth)
            for one in range(count):
                self.table.encoder_layer(&chain[one], starts_s, s,
                                         only_first and one + 1 == count, x_th, ld, &parts, &meeting, ith, nth)
                if states_lth != NULL:
                    copy_rows(x_th, ld, states_lth + one * t * h, h, t, h, ith, nth)
            copy_rows(x_th, ld, out_th, h, rows, h, ith, nth)
            rc_float_state_leave(state)
            rc_team_wait(&meeting, rc_team_size())
        return out
