"""What a model returns, under transformers' names: fields by attribute, by key or by index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown

# A padded array (S, width, H) for padded input, a list of S arrays (len, H) for ragged input.
Hidden = np.ndarray | list[np.ndarray]


@dataclass
class ModelOutput:
    """A field that is None counts as absent: in iteration, in `keys()` and for indices."""

    def keys(self) -> tuple[str, ...]:
        """Names of the fields that are not None, in order."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are not None, in order."""
        return tuple(getattr(self, name) for name in self.keys())

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            if key not in self.keys():
                raise KeyError(key)
            return getattr(self, key)
        if isinstance(key, (int, slice)):
            return self.to_tuple()[key]
        raise InputError(mismatch("output[…]", shown(key), "a field name, an index or a slice"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.keys())


@dataclass
class BaseModelOutputWithPooling(ModelOutput):
    """last_hidden_state: (S, width, H); pooler_output: (S, H), None without pooler weights;
    hidden_states: L + 1 of last_hidden_state's form, embeddings first."""

    last_hidden_state: Hidden
    pooler_output: np.ndarray | None = None
    hidden_states: tuple[Hidden, ...] | None = None


@dataclass
class SequenceClassifierOutput(ModelOutput):
    """logits: float32 (S, C); hidden_states as in the base model's output."""

    logits: np.ndarray
    hidden_states: tuple[Hidden, ...] | None = None
