"""A model's modules in their order: which compute rows of tokens, which pools them, which compute vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import InputError, ModelFileError, mismatch
from ..model.batch import PackedBatch
from .modules import TOKENS, VECTORS, Module, RowModule
from .pooling import Pooling
from .transformer import Transformer


class Chain:
    """Transformer → modules on tokens → Pooling → modules on vectors.

    Attributes: `encoder`; `on_tokens`; `pooling`; `on_vectors`; `dimension`, the width of the vectors.
    """

    def __init__(self, modules: Sequence[Any], files: Sequence[str] | None = None) -> None:
        """files: that of each module, for messages. ModelFileError with, InputError without them."""
        self._error = InputError if files is None else ModelFileError
        names = [f"modules[{index}]" for index in range(len(modules))] if files is None else files
        if not modules or not isinstance(modules[0], Transformer):
            found = type(modules[0]).__name__ if modules else "no modules"
            raise self._error(mismatch(names[0] if modules else "modules", found, "a Transformer first"))
        self.encoder: Transformer = modules[0]
        self.on_tokens: list[RowModule] = []
        self.on_vectors: list[RowModule] = []
        pooling: Pooling | None = None
        width = self.encoder.get_embedding_dimension()
        for name, module in zip(names[1:], modules[1:], strict=True):
            if isinstance(module, Pooling):
                if pooling is not None:
                    raise self._error(mismatch(name, "a second Pooling", "one"))
                if module.embedding_dimension != width:
                    expected = f"{width}, the width of a token's row"
                    setting = f"{name}: embedding_dimension"
                    raise self._error(mismatch(setting, module.embedding_dimension, expected))
                pooling, width = module, module.pooling_output_dimension
                continue
            if not isinstance(module, RowModule):
                expected = "a Transformer, then Pooling, Dense or Normalize"
                raise self._error(mismatch(name, type(module).__name__, expected))
            reads = TOKENS if pooling is None else VECTORS
            if module.module_input_name != reads:
                where = "before" if pooling is None else "behind"
                found = f"{module.module_input_name!r} {where} the Pooling"
                raise self._error(mismatch(f"{name}: module_input_name", found, repr(reads)))
            try:
                width = module.width(width)
            except InputError as error:
                raise self._error(f"{name}: {error}") from None
            (self.on_tokens if pooling is None else self.on_vectors).append(module)
        if pooling is None:
            raise self._error(mismatch(names[-1], "the end of the modules", "a Pooling before it"))
        self.pooling, self.dimension = pooling, width

    def vectors(self, ids: Sequence[Sequence[int]], prompt_tokens: int) -> np.ndarray:
        """The vectors of texts, as ragged ids: float32 (S, dimension). Raises InputError.

        prompt_tokens: how many tokens at the beginning of each text are not pooled.
        """
        model = self.encoder.auto_model
        batch = model.pack(ids)
        if not self.on_tokens:
            return self._behind_pooling(model.pooled(batch, self.pooling.modes, prompt_tokens))
        return self.outputs(batch, prompt_tokens)[1]

    def features(self, ids: Sequence[Sequence[int]], prompt_tokens: int) -> list[dict[str, Any]]:
        """The ids, rows of tokens (len, H) and vector (dimension) of each text. Raises InputError."""
        batch = self.encoder.auto_model.pack(ids)
        rows_td, vectors_sd = self.outputs(batch, prompt_tokens)
        return [
            {
                "input_ids": batch.token_ids_t[begin:end],
                "attention_mask": np.ones(end - begin, np.int64),
                TOKENS: rows_td[begin:end],
                VECTORS: vector_d,
            }
            for (begin, end), vector_d in zip(pairwise(batch.seq_starts_s.tolist()), vectors_sd, strict=True)
        ]

    def outputs(self, batch: PackedBatch, prompt_tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of all tokens behind the modules on tokens, (T, D), and the vectors, (S, dimension)."""
        model = self.encoder.auto_model
        rows_td, _ = model.encode(batch)
        for module in self.on_tokens:
            rows_td = module.rows(rows_td)
        rows_td = np.ascontiguousarray(rows_td, np.float32)
        pooled_sd = model.kernels.pool(
            rows_td, batch.seq_starts_s, self.pooling.modes, prompt_tokens, model.num_threads
        )
        return rows_td, self._behind_pooling(pooled_sd)

    def _behind_pooling(self, vectors_sd: np.ndarray) -> np.ndarray:
        for module in self.on_vectors:
            vectors_sd = module.rows(vectors_sd)
        return vectors_sd


def checked_modules(modules: Any) -> list[Module]:
    """A caller's modules as a list. Raises InputError."""
    if hasattr(modules, "values"):  # an OrderedDict of names
        modules = list(modules.values())
    if not isinstance(modules, (list, tuple)):
        raise InputError(mismatch("modules", type(modules).__name__, "a list of modules"))
    return list(modules)
