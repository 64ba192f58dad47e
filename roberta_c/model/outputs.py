"""What a model returns, under transformers' names: fields by attribute, by key or by index."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, KeysView, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import InputError, mismatch, shown

# For padded input one array (S, width, …), for ragged input a list of S arrays (len, …).
PerToken = np.ndarray | list[np.ndarray]
# L + 1 of (S, width, H) each, or of lists of (len, H); the first are the embeddings.
HiddenStates = tuple[PerToken, ...]
# L of (S, A, width, width) each, or of lists of (A, len, len): a row of weights for each token.
Attentions = tuple[PerToken, ...]


class LayerOutputs(NamedTuple):
    """What a call asked of all layers; None: not asked for."""

    hidden_states: HiddenStates | None
    attentions: Attentions | None


@dataclass(eq=False)
class ModelOutput(Mapping[str, Any]):
    """A mapping of the fields that are not None. An index or a slice counts these fields alone."""

    loss: ClassVar[None] = None  # computed from labels, which belong to training

    def _names(self) -> list[str]:
        return [field.name for field in fields(self) if getattr(self, field.name) is not None]

    def keys(self) -> KeysView[str]:
        """The names, as a dict's: their printed form does not show the arrays."""
        return dict.fromkeys(self._names()).keys()

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are not None, in order."""
        return tuple(self.values())

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            if key not in self._names():
                raise KeyError(key)
            return getattr(self, key)
        if isinstance(key, slice):
            return self.to_tuple()[key]
        if isinstance(key, numbers.Integral) and not isinstance(key, bool):
            return self.to_tuple()[int(key)]
        raise InputError(mismatch("output[…]", shown(key), "a field name, an index or a slice"))

    def __contains__(self, key: object) -> bool:
        return key in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


@dataclass(eq=False)
class BaseModelOutputWithPooling(ModelOutput):
    """last_hidden_state: (S, width, H), or a list of (len, H); pooler_output: (S, H), None without pooler."""

    last_hidden_state: PerToken
    pooler_output: np.ndarray | None = None
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass(eq=False)
class SequenceClassifierOutput(ModelOutput):
    """logits: float32 (S, C)."""

    logits: np.ndarray
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass(eq=False)
class TokenClassifierOutput(ModelOutput):
    """logits: float32 (S, width, C), 0 at padding; for ragged input a list of (len, C)."""

    logits: PerToken
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass(eq=False)
class MaskedLMOutput(ModelOutput):
    """logits: float32 (S, width, V), 0 at padding; for ragged input a list of (len, V)."""

    logits: PerToken
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass(eq=False)
class QuestionAnsweringModelOutput(ModelOutput):
    """start_logits, end_logits: float32 (S, width), PADDING_LOGIT at padding; for ragged input lists."""

    start_logits: PerToken
    end_logits: PerToken
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None


@dataclass(eq=False)
class MultipleChoiceModelOutput(ModelOutput):
    """logits: float32 (S, choices)."""

    logits: np.ndarray
    hidden_states: HiddenStates | None = None
    attentions: Attentions | None = None
