"""Named arrays → packed layers: checks and packs each tensor that a model needs, reports the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..cache import HEAD, WeightCache, part_of
from ..checkpoint import FLOAT_DTYPES, names
from ..checkpoint.finite import all_finite
from ..checkpoint.tensor_view import NUMPY_DTYPES
from ..errors import ModelFileError, mismatch
from ..kernels import EmbeddingTables, Kernels, Norm, PackedLayer, PackedLinear
from ..kernels.memory import aligned_empty
from .packing import Stack, column_sizes, pack
from .smoothing import has_outliers, smoothing
from .stored_parameters import StoredParameters

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..checkpoint.stored_rows import StoredRows
    from ..config import RobertaConfig

logger = logging.getLogger(__name__)

# A word table of at least this many bytes stays in the file, and every call reads the rows that it needs; a
# smaller one is copied into memory.
READ_ROWS_FROM = 32 << 20


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of a checkpoint a model did not find or did not use; names as in the file."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    tied: tuple[tuple[str, str], ...] = ()
    """Pairs of a name and the name of the tensor whose memory it shares."""

    def __str__(self) -> str:
        tied = [f"{name} = {source}" for name, source in self.tied]
        rows = [("missing", self.missing), ("unexpected", self.unexpected), ("tied", tied)]
        return "\n".join(f"{title}: {', '.join(found) if found else 'none'}" for title, found in rows)


class _Wanted(NamedTuple):
    """A packed layer of these tensors, by canonical name.

    norm: what makes its input rows, for smoothing. part: of the model, as the cache has it.
    """

    weights: list[str]
    biases: list[str]
    norm: Norm | None
    part: str

    def entry(self, *kind: str) -> str:
        """The name of one of its arrays in the cache."""
        return " ".join((*kind, *self.weights, *self.biases))


class WeightSource:
    """The tensors of one checkpoint, taken by canonical name; remembers which were taken."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        config: RobertaConfig,
        kernels: Kernels,
        num_threads: int,
        dtype: str = "float32",
        allow_nonfinite: bool = False,
        cache: WeightCache | None = None,
    ) -> None:
        """cache: opened for the same checkpoint, kernels, dtype and allow_nonfinite; None: no cache."""
        self.cache = WeightCache() if cache is None else cache
        self.checkpoint = checkpoint
        self.config = config
        self.kernels = kernels
        self.num_threads = num_threads
        self.dtype = dtype  # the arithmetic of the encoder layers; embeddings and heads are float32
        self.allow_nonfinite = allow_nonfinite  # whether NaN and infinity are no error
        self.place = str(checkpoint.files[0])
        self.stored_names = names.canonical_names(checkpoint.tensors, self.place)
        self.missing: list[str] = []
        self.taken: set[str] = set()

    # ---- what is there -------------------------------------------------------------------------------

    def require(self, shapes: dict[str, names.Shape], what: str) -> None:
        """ModelFileError unless every tensor of `shapes` is there, with that shape and a float type."""
        absent = [name for name in shapes if name not in self.stored_names]
        if absent:
            listed = ", ".join(absent[:4]) + (f" and {len(absent) - 4} more" if len(absent) > 4 else "")
            heads = ", ".join(names.heads_present(self.stored_names)) or "none"
            raise ModelFileError(
                f"{self.place}: {what}: tensors not found: {listed}; heads found in the file: {heads}"
            )
        for name, shape in shapes.items():
            info = self.checkpoint.tensors[self.stored_names[name]]
            if info.shape != shape:
                raise ModelFileError(
                    mismatch(f"{info.file}: {info.name}", f"shape {info.shape}", f"{shape} by config.json")
                )
            if info.dtype not in FLOAT_DTYPES:
                expected = ", ".join(FLOAT_DTYPES)
                raise ModelFileError(
                    mismatch(f"{info.file}: {info.name}", f"dtype {info.dtype}", f"one of {expected}")
                )

    def has_all(self, shapes: dict[str, names.Shape]) -> bool:
        """Whether all tensors of an optional part are there; absent ones are reported as missing."""
        absent = [name for name in shapes if name not in self.stored_names]
        self.missing += absent
        return not absent

    def float32(self, name: str) -> np.ndarray:
        """The tensor as float32. Raises ModelFileError for NaN and infinity, if not allowed."""
        self.taken.add(name)
        shape = self.checkpoint.tensors[self.stored_names[name]].shape
        return self._cached(f"float32 {name}", shape, name, lambda: self._read_float32(name))

    def _read_float32(self, name: str) -> np.ndarray:
        stored = self.stored_names[name]
        array = aligned_empty(self.checkpoint.tensors[stored].shape)
        self.checkpoint.load({stored: array}, self.num_threads, self.allow_nonfinite)
        return array

    def _cached(
        self,
        entry: str,
        shape: names.Shape,
        tensor: str,
        read: Callable[[], np.ndarray],
        dtype: str = "float32",
    ) -> np.ndarray:
        """An array from the cache, else what `read` gives, which is kept for it. tensor: its source."""
        found = self.cache.array(entry, shape, part_of(tensor), dtype)
        if found is None:
            found = read()
            self.cache.keep(entry, found, part_of(tensor))
        return found

    # ---- packed parts --------------------------------------------------------------------------------

    def linear(self, *prefixes: str) -> PackedLinear:
        """One packed linear layer of one or several stacked `<prefix>.weight` and `<prefix>.bias`."""
        return self.linears([(prefixes, None)])[0]

    def linears(
        self, stacks: Sequence[tuple[Sequence[str], Norm | None]], dtype: str = "float32"
    ) -> list[PackedLinear]:
        """Several packed linear layers, in one piece of memory (larger pages).

        stacks: for each, the prefixes of its stacked matrices, and the LayerNorm that makes its input rows,
        from which smoothing factors are computed, or None for no smoothing.
        """
        wanted = []
        for prefixes, norm in stacks:
            weights, biases = ([f"{prefix}.{part}" for prefix in prefixes] for part in ("weight", "bias"))
            wanted.append(_Wanted(weights, biases, norm, part_of(weights[0])))
        return self._linears(wanted, dtype)

    def _linears(self, wanted: Sequence[_Wanted], dtype: str) -> list[PackedLinear]:
        for stack in wanted:
            self.taken.update(stack.weights, stack.biases)
        cached = [self._cached_linear(stack, dtype) for stack in wanted if self.cache.is_used]
        found = [packed for packed in cached if packed is not None]
        if len(found) == len(wanted):
            return found
        made = pack(
            self.kernels,
            [self._stack(stack) for stack in wanted],
            self.num_threads,
            dtype,
            self.allow_nonfinite,
        )
        for stack, packed in zip(wanted, made, strict=True):
            self.cache.keep(stack.entry("panels", dtype), packed.panels, stack.part)
            assert packed.bias is not None  # of _stack
            self.cache.keep(stack.entry("bias"), packed.bias, stack.part)
            if stack.norm is not None:
                smooth = np.empty(0, np.float32) if packed.smooth is None else packed.smooth
                self.cache.keep(stack.entry("smooth"), smooth, stack.part)
        return made

    def _cached_linear(self, wanted: _Wanted, dtype: str) -> PackedLinear | None:
        """A packed layer from the cache; None if it is not there."""
        weights, part = wanted.weights, wanted.part
        n, k = self.checkpoint.tensors[self.stored_names[weights[0]]].shape
        panels, rows, columns = self.kernels.panel_shape(n, k, dtype)
        found = self.cache.array(wanted.entry("panels", dtype), (len(weights) * panels, rows, columns), part)
        bias = self.cache.array(wanted.entry("bias"), (len(weights) * n,), part)
        smooth = None if wanted.norm is None else self.cache.array(wanted.entry("smooth"), None, part)
        if found is None or bias is None or (wanted.norm is not None and smooth is None):
            return None
        if smooth is not None and smooth.shape not in ((0,), (k,)):
            return None
        if smooth is not None and not smooth.size:
            smooth = None
        return PackedLinear(self.kernels, found, bias, len(weights), n, k, dtype, smooth)

    def _stack(self, wanted: _Wanted) -> Stack:
        stored = [self.checkpoint.stored(self.stored_names[name]) for name in wanted.weights]
        stack = Stack(stored, [self._read_float32(name) for name in wanted.biases])
        if wanted.norm is None or not has_outliers(wanted.norm):
            return stack
        sizes = column_sizes(self.kernels, stack, self.num_threads, self.allow_nonfinite)
        return stack._replace(smooth=smoothing(wanted.norm, sizes))

    def lm_decoder(self) -> PackedLinear:
        """The decoder of the masked-language-modelling head: by default the word embeddings, packed again."""
        tied = self.config.tie_word_embeddings
        weight, bias = names.decoder_names(tied, self.stored_names)
        # The copies of tied tensors, and lm_head.bias where the decoder has a bias of its own, are in
        # published files: they are not reported as unexpected.
        unused = {*(names.TIED if tied else ()), names.TIED["lm_head.decoder.bias"]}
        self.taken |= unused & self.stored_names.keys()
        return self._linears([_Wanted([weight], [bias], None, HEAD)], "float32")[0]

    def norm(self, prefix: str) -> Norm:
        """A LayerNorm from `<prefix>.weight` and `<prefix>.bias`."""
        weight, bias = (self.float32(f"{prefix}.{part}") for part in ("weight", "bias"))
        return Norm(weight, bias, self.config.layer_norm_eps)

    def embeddings(self) -> EmbeddingTables:
        """The embedding tables: words in the file's own type, all others in float32."""
        word_name = names.EMBEDDINGS["word"]
        word_dtype, word = self._word_table(word_name, self.stored_names[word_name])
        return EmbeddingTables(
            word,
            word_dtype,
            self.float32(names.EMBEDDINGS["position"]),
            self.float32(names.EMBEDDINGS["token_type"]),
            self.norm(names.EMBEDDINGS["norm_weight"].removesuffix(".weight")),
        )

    def _word_table(self, name: str, stored_name: str) -> tuple[str, np.ndarray | StoredRows]:
        """The table's dtype, and the table or, if it is large, its rows in the file."""
        self.taken.add(name)
        dtype = self.checkpoint.tensors[stored_name].dtype
        if dtype == "float64":  # the embedding kernel does not read it; no published checkpoint has it
            return "float32", self.float32(name)
        rows = self.checkpoint.rows(stored_name)
        if rows is not None and rows.nbytes >= READ_ROWS_FROM:
            return dtype, rows

        def read() -> np.ndarray:
            table = self.checkpoint.read(stored_name)
            if not self.allow_nonfinite and not all_finite(table, dtype):
                self._read_float32(name)  # names the value
            return table

        shape = self.checkpoint.tensors[stored_name].shape
        return dtype, self._cached(f"rows {name}", shape, name, read, NUMPY_DTYPES[dtype].name)

    def layer(self, index: int) -> PackedLayer:
        """Encoder layer `index`, query, key and value as one product."""

        def prefix(part: str) -> str:
            return names.layer_name(index, f"{part}_weight").removesuffix(".weight")

        attention_norm = self.norm(prefix("attention_norm"))
        # The LayerNorm whose output qkv reads: the end of the layer before, or that of the embeddings.
        norm_before = (
            names.layer_name(index - 1, "output_norm_weight") if index else names.EMBEDDINGS["norm_weight"]
        )
        smooths = self.dtype == "int8"
        qkv, attention_output, up, down = self.linears(
            [
                (
                    (prefix("query"), prefix("key"), prefix("value")),
                    self.norm(norm_before.removesuffix(".weight")) if smooths else None,
                ),
                ((prefix("attention_output"),), None),
                ((prefix("up"),), attention_norm if smooths else None),
                ((prefix("down"),), None),
            ],
            self.dtype,
        )
        return PackedLayer(
            qkv,
            attention_output,
            attention_norm,
            up,
            down,
            self.norm(prefix("output_norm")),
            self.config.num_attention_heads,
            self.config.activation,
        )

    # ---- the rest ------------------------------------------------------------------------------------

    def report(self) -> LoadReport:
        """The tensors that the model did not find or did not use; unused ones are logged in one line."""
        tied = tuple(
            (self.stored_names.get(name, name), self.stored_names[source])
            for name, source in names.TIED.items()
            if name in self.stored_names
            and source in self.stored_names
            and self.checkpoint.same_values(self.stored_names[name], self.stored_names[source])
        )
        tied_names = {name for name, _ in tied}
        unexpected = tuple(
            stored
            for name, stored in self.stored_names.items()
            if name not in self.taken and name not in names.BUFFERS and stored not in tied_names
        )
        # An unused pooler is normal: checkpoints that were fine-tuned for classification contain one.
        unusual = [name for name in unexpected if names.canonical_name(name) not in names.POOLER.values()]
        if unexpected:
            logger.log(
                logging.WARNING if unusual else logging.INFO,
                "%s: %d tensors not used by this model: %s",
                self.place,
                len(unexpected),
                ", ".join(unexpected[:8]) + (", …" if len(unexpected) > 8 else ""),
            )
        return LoadReport(tuple(self.missing), unexpected, tied)

    def parameters(self, has_head: bool) -> StoredParameters:
        """The tensors that the model took, those of the encoder first; without a head, these alone."""
        used = [
            name
            for name in (*names.encoder_shapes(self.config), *names.pooler_shapes(self.config))
            if name in self.taken
        ]
        if has_head:
            used += sorted(self.taken.difference(used))
        tied = self.config.tie_word_embeddings
        return StoredParameters(self.checkpoint, used, self.stored_names, has_head=has_head, tied=tied)
