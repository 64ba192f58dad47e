"""A model's parameters under transformers' names: read again from its files, counted, written to a file."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..checkpoint import names
from ..checkpoint.safetensors_writer import write_safetensors

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint

FILE_NAME = "model.safetensors"


class StoredParameters:
    """The tensors of a checkpoint that a model uses: a kernel's packed copies are never read back.

    used: their canonical names (checkpoint/names.py), in the model's order. stored_names: canonical name →
    name in the file. has_head: whether the model has a head. tied: `tie_word_embeddings` of its config.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        used: Collection[str],
        stored_names: dict[str, str],
        *,
        has_head: bool,
        tied: bool,
    ) -> None:
        self.checkpoint = checkpoint
        self._names: dict[str, str] = {}
        for name in used:
            # The copy of a tied tensor is no parameter of its own; a file may hold the copy alone.
            own = names.TIED.get(name, name) if tied else name
            if own == name or own not in used:
                self._names[names.transformers_name(own, has_head)] = stored_names[name]
        has_decoder = tied and names.LM_HEAD["dense_weight"] in used
        self._tied = names.TIED if has_decoder else {}
        self._has_head = has_head

    @property
    def names(self) -> list[str]:
        """transformers' names, in the model's order."""
        return list(self._names)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        """(name, values): read-only, in the file's own type, bfloat16 as float32."""
        for name, stored in self._names.items():
            yield name, self._values(stored)

    def state_dict(self) -> dict[str, np.ndarray]:
        """All of them by name, and the copies that transformers lists of tied ones."""
        found = dict(self)
        return found | {
            copy: found[names.transformers_name(original, self._has_head)]
            for copy, original in self._tied.items()
        }

    def __getitem__(self, name: str) -> np.ndarray:
        """The values of the parameter of this name, or of a tied copy's."""
        if name not in self._names and name in self._tied:
            name = names.transformers_name(self._tied[name], self._has_head)
        return self._values(self._names[name])

    def count(self, exclude_embeddings: bool = False) -> int:
        """How many numbers; `exclude_embeddings` leaves out those of the embedding tables."""
        return sum(
            math.prod(self.checkpoint.tensors[stored].shape)
            for name, stored in self._names.items()
            if not (exclude_embeddings and name.endswith("_embeddings.weight"))
        )

    def write(self, folder: Path) -> None:
        """Writes them into `folder`/model.safetensors, bit for bit. Raises ModelFileError."""
        write_safetensors(
            folder / FILE_NAME,
            (
                (name, self.checkpoint.tensors[stored].dtype, self.checkpoint.stored(stored))
                for name, stored in self._names.items()
            ),
        )

    def _values(self, stored: str) -> np.ndarray:
        is_bfloat16 = self.checkpoint.tensors[stored].dtype == "bfloat16"
        return self.checkpoint.read_float32(stored) if is_bfloat16 else self.checkpoint.read(stored)
