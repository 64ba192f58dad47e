"""Scores of two texts from bge-m3's representations of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown

# The weights of a text's tokens: {token id as str: weight}.
LexicalWeights = dict[str, float]


def finite_number(value: Any, name: str) -> float:
    """A caller's number. Raises InputError, which calls it `name`, for anything else, and for NaN."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else np.nan
    except OverflowError:  # an integer of hundreds of digits
        number = np.inf
    if not np.isfinite(number):
        raise InputError(mismatch(name, shown(value), "a number"))
    return number


def checked_weights(weights: Any, name: str) -> LexicalWeights:
    """A caller's weights of a text's tokens. Raises InputError, which calls them `name`."""
    if not isinstance(weights, Mapping):
        raise InputError(mismatch(name, shown(weights), "a dict of token ids and weights"))
    return {token: finite_number(weight, f"{name}[{shown(token)}]") for token, weight in weights.items()}


def lexical_matching_score(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The sum over the tokens of both texts of the products of their weights."""
    return float(sum(weight * other[token] for token, weight in one.items() if token in other))


def colbert_score(query_mh: np.ndarray, passage_nh: np.ndarray) -> float:
    """mean_i max_j query_i · passage_j (Khattab and Zaharia 2020, divided by the query's length)."""
    return float((query_mh @ passage_nh.T).max(axis=1).mean(dtype=np.float64))


def mixed_scores(
    dense_s: np.ndarray, sparse_s: np.ndarray, colbert_s: np.ndarray, weights: Sequence[float]
) -> dict[str, list[float]]:
    """The scores of S pairs, float64 (S), and their means with the weights of dense, sparse and colbert."""
    of_dense, of_sparse, of_colbert = weights
    with np.errstate(divide="ignore", invalid="ignore"):  # weights may add up to 0: the mean is not a number
        two_s = (sparse_s * of_sparse + dense_s * of_dense) / np.float64(of_sparse + of_dense)
        three_s = (colbert_s * of_colbert + sparse_s * of_sparse + dense_s * of_dense) / np.float64(
            sum(weights)
        )
    return {
        "colbert": colbert_s.tolist(),
        "sparse": sparse_s.tolist(),
        "dense": dense_s.tolist(),
        "sparse+dense": two_s.tolist(),
        "colbert+sparse+dense": three_s.tolist(),
    }
