"""Scores of two texts from bge-m3's representations of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from .bge_m3_outputs import LexicalWeights, M3Output
from .vector_rows import as_floats


class BGEM3Scores:
    """The scores of representations that `encode` has returned."""

    def compute_lexical_matching_score(self, lexical_weights_1: Any, lexical_weights_2: Any) -> Any:
        """The sum over shared tokens of the products of their weights: a float for two texts' weights, an
        array float64 (S1, S2) for two lists of them. Raises InputError."""
        given = {"lexical_weights_1": lexical_weights_1, "lexical_weights_2": lexical_weights_2}
        if all(isinstance(weights, Mapping) for weights in given.values()):
            return lexical_matching_score(*(checked_weights(value, name) for name, value in given.items()))
        if not all(isinstance(weights, list) for weights in given.values()):
            found = f"{type(lexical_weights_1).__name__} and {type(lexical_weights_2).__name__}"
            raise InputError(mismatch("lexical_weights", found, "two dicts, or two lists of dicts"))
        ones, others = (
            [checked_weights(weights, f"{name}[{index}]") for index, weights in enumerate(value)]
            for name, value in given.items()
        )
        scores = [lexical_matching_score(one, other) for one in ones for other in others]
        return np.array(scores, np.float64).reshape(len(ones), len(others))

    def colbert_score(self, q_reps: Any, p_reps: Any) -> np.float32:
        """The mean over a query's tokens of their largest product with a passage's: of (m, H) and (n, H).

        Raises InputError.
        """
        query_mh, passage_nh = as_floats(q_reps, "q_reps"), as_floats(p_reps, "p_reps")
        for name, rows in (("q_reps", query_mh), ("p_reps", passage_nh)):
            if rows.ndim != 2 or not len(rows) or rows.shape[1] != query_mh.shape[-1]:
                found, width = f"shape {rows.shape}", query_mh.shape[-1] if name == "p_reps" else "width"
                raise InputError(mismatch(name, found, f"(tokens, {width}), at least one token"))
        return np.float32(colbert_score(query_mh, passage_nh))


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


def pair_scores(query: M3Output, passage: M3Output) -> tuple[float, float, float]:
    """The dense, sparse and colbert score of two texts that have all three representations."""
    dense = np.multiply(query.dense_h, passage.dense_h, dtype=np.float64).sum()
    sparse = lexical_matching_score(query.lexical_weights, passage.lexical_weights)
    return float(dense), sparse, colbert_score(query.colbert_th, passage.colbert_th)


def checked_mode_weights(weights: Any) -> list[float]:
    """A caller's weights of dense, sparse and colbert scores; None: 1 each. Raises InputError."""
    if weights is None:
        return [1.0, 1.0, 1.0]
    try:
        first_ones = islice(weights, 4)  # a range may have any number of them
        numbers = [finite_number(weight, "weights_for_different_modes") for weight in first_ones]
    except (TypeError, InputError):  # TypeError: nothing to iterate over
        numbers = []
    if len(numbers) != 3:
        expected = "three numbers, for dense, sparse and colbert"
        raise InputError(mismatch("weights_for_different_modes", shown(weights), expected))
    return numbers
