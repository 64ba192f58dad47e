"""How alike two embeddings are: cosine, dot product, and negative Euclidean and Manhattan distance."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown

Similarity = Callable[[Any, Any], np.ndarray]
# Floats of an intermediate of `manhattan_sim`.
_BLOCK = 1 << 22


class SimilarityFunction(Enum):
    """The similarities by name, as in sentence-transformers."""

    COSINE = "cosine"
    DOT_PRODUCT = "dot"
    DOT = "dot"
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"

    @staticmethod
    def possible_values() -> list[str]:
        """The names."""
        return [one.value for one in SimilarityFunction]

    @staticmethod
    def to_similarity_fn(similarity_function: Any) -> Similarity:
        """The function of all pairs with that name. Raises InputError."""
        return ALL_PAIRS[similarity_name(similarity_function, "similarity_function")]

    @staticmethod
    def to_similarity_pairwise_fn(similarity_function: Any) -> Similarity:
        """The function of one pair after the other with that name. Raises InputError."""
        return PAIRWISE[similarity_name(similarity_function, "similarity_function")]


def similarity_name(value: Any, place: str = "similarity_fn_name") -> str:
    """The name that a str, or an Enum of this package or of sentence-transformers, means. InputError."""
    name = value.value if isinstance(value, Enum) else value
    if not isinstance(name, str) or name not in ALL_PAIRS:
        raise InputError(mismatch(place, shown(name), f"one of {', '.join(ALL_PAIRS)}"))
    return name


def cos_sim(a: Any, b: Any) -> np.ndarray:
    """The cosine of each row of a (n, D) and each of b (m, D), or of single vectors: float32 (n, m)."""
    a_nd, b_md = _matrices(a, b)
    cosines: np.ndarray = normalized(a_nd) @ normalized(b_md).T
    return cosines


def dot_score(a: Any, b: Any) -> np.ndarray:
    """The dot product of each row of a (n, D) and each of b (m, D): float32 (n, m)."""
    a_nd, b_md = _matrices(a, b)
    products: np.ndarray = a_nd @ b_md.T
    return products


def euclidean_sim(a: Any, b: Any) -> np.ndarray:
    """-|a_i - b_j| for each row of a (n, D) and each of b (m, D): float32 (n, m)."""
    a_nd, b_md = (one.astype(np.float64) for one in _matrices(a, b))
    squares = (a_nd**2).sum(axis=1)[:, None] + (b_md**2).sum(axis=1) - 2 * (a_nd @ b_md.T)
    distances: np.ndarray = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
    return -distances


def manhattan_sim(a: Any, b: Any) -> np.ndarray:
    """-sum |a_i - b_j| for each row of a (n, D) and each of b (m, D): float32 (n, m)."""
    a_nd, b_md = _matrices(a, b)
    distances = np.empty((len(a_nd), len(b_md)), np.float32)
    rows = max(1, _BLOCK // max(1, b_md.size))
    for first in range(0, len(a_nd), rows):
        block = slice(first, first + rows)
        np.abs(a_nd[block, None] - b_md).sum(axis=2, out=distances[block])
    return -distances


def pairwise_cos_sim(a: Any, b: Any) -> np.ndarray:
    """The cosine of a's and b's rows at equal places, (n, D) each: float32 (n)."""
    a_nd, b_nd = _pairs(a, b)
    cosines: np.ndarray = (normalized(a_nd) * normalized(b_nd)).sum(axis=-1)
    return cosines


def pairwise_dot_score(a: Any, b: Any) -> np.ndarray:
    """The dot product of a's and b's rows at equal places, (n, D) each: float32 (n)."""
    a_nd, b_nd = _pairs(a, b)
    products: np.ndarray = (a_nd * b_nd).sum(axis=-1)
    return products


def pairwise_euclidean_sim(a: Any, b: Any) -> np.ndarray:
    """-|a_i - b_i| of a's and b's rows at equal places, (n, D) each: float32 (n)."""
    a_nd, b_nd = _pairs(a, b)
    distances: np.ndarray = np.sqrt(((a_nd - b_nd) ** 2).sum(axis=-1))
    return -distances


def pairwise_manhattan_sim(a: Any, b: Any) -> np.ndarray:
    """-sum |a_i - b_i| of a's and b's rows at equal places, (n, D) each: float32 (n)."""
    a_nd, b_nd = _pairs(a, b)
    distances: np.ndarray = np.abs(a_nd - b_nd).sum(axis=-1)
    return -distances


ALL_PAIRS: dict[str, Similarity] = {
    "cosine": cos_sim,
    "dot": dot_score,
    "euclidean": euclidean_sim,
    "manhattan": manhattan_sim,
}
PAIRWISE: dict[str, Similarity] = {
    "cosine": pairwise_cos_sim,
    "dot": pairwise_dot_score,
    "euclidean": pairwise_euclidean_sim,
    "manhattan": pairwise_manhattan_sim,
}


def normalized(x: np.ndarray) -> np.ndarray:
    """Each row of float32 (…, D) divided by its length, or by 1e-12 where that is more: float32.

    The length is summed in float64, over the row alone, so that its bits do not depend on the other rows.
    """
    lengths = np.sqrt(np.square(x, dtype=np.float64).sum(axis=-1, keepdims=True))
    unit: np.ndarray = (x / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def _matrices(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as matrices, a single vector as a matrix of one row. Raises InputError."""
    a_nd, b_md = (np.atleast_2d(_floats(x, f"embeddings{n}")) for n, x in ((1, a), (2, b)))
    for number, x in ((1, a_nd), (2, b_md)):
        if x.ndim != 2:
            raise InputError(mismatch(f"embeddings{number}", f"shape {x.shape}", "(n, width) or (width,)"))
    if a_nd.shape[1] != b_md.shape[1]:
        found = f"width {b_md.shape[1]}"
        raise InputError(mismatch("embeddings2", found, f"{a_nd.shape[1]}, that of embeddings1"))
    return a_nd, b_md


def _pairs(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays (n, D) of one shape, or as vectors (D). Raises InputError."""
    a_nd, b_nd = _floats(a, "embeddings1"), _floats(b, "embeddings2")
    if a_nd.shape != b_nd.shape:
        found = f"shape {b_nd.shape}"
        raise InputError(mismatch("embeddings2", found, f"{a_nd.shape}, that of embeddings1"))
    return a_nd, b_nd


def _floats(x: Any, name: str) -> np.ndarray:
    """`x`, an array, a list of vectors or torch's tensor, as float32. Raises InputError."""
    try:
        array = np.asarray(x)
    except Exception:  # vectors of different widths, or any error of a foreign tensor
        raise InputError(mismatch(name, shown(x), "an array, or vectors of one width")) from None
    if array.dtype.kind not in "fiu" or not array.ndim:
        raise InputError(mismatch(name, shown(x), "an array of numbers"))
    return array.astype(np.float32)
