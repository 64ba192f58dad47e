"""The representations that bge-m3 makes of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# The weights of a text's tokens: {token id as str: weight}.
LexicalWeights = dict[str, float]


class Wanted(NamedTuple):
    """Which representations are computed."""

    dense: bool
    sparse: bool
    colbert: bool


class M3Output(NamedTuple):
    """The representations of one text; None for those that are not wanted.

    dense_h, colbert_th: float32 (H) and (t - 1, colbert_dim). lexical_weights: LexicalWeights.
    """

    dense_h: Any
    lexical_weights: Any
    colbert_th: Any


def largest_positive_weights(ids_t: np.ndarray, weights_t: np.ndarray, unused: set[int]) -> LexicalWeights:
    """The largest weight of each id, in the order of the text, without those that relu makes 0."""
    largest: LexicalWeights = {}
    for token_id, weight in zip(ids_t.tolist(), weights_t.tolist(), strict=True):
        if weight > 0 and token_id not in unused and weight > largest.get(str(token_id), 0.0):
            largest[str(token_id)] = weight
    return largest


def unshared(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays, with copies in place of those that came before: equal texts have been computed once, and a
    caller may change what it gets."""
    before: set[int] = set()
    own = []
    for array in arrays:
        own.append(array.copy() if id(array) in before else array)
        before.add(id(array))
    return own
