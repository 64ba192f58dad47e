"""How alike two embeddings are: cosine, dot product, and negative Euclidean and Manhattan distance.

Rows are compared a block at a time, so that a call holds about 10 MB beside its arguments, as float32, and
its result.

Each function takes numbers within float32's range, of any dtype: others are an InputError. What is too large
for a float32 result is infinite, and what is too small is 0, without a warning. A result that memory cannot
hold is a ResourceError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..machine.memory import check_memory
from ..model.arrays import size_of
from .vector_rows import BLOCK, as_floats, as_matrix, as_rows, check_size, row_blocks, slices

Similarity = Callable[[Any, Any], np.ndarray]
# Rows of the first argument that are compared with each block of the second. Those of the second are
# normalized again for each such block of the first, so it is large.
_ROWS = 1 << 10


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


def similarity_name(value: Any, argument: str = "similarity_fn_name") -> str:
    """The name that a str, or an Enum of this package or of sentence-transformers, means. InputError."""
    name = value.value if isinstance(value, Enum) else value
    if not isinstance(name, str) or name not in ALL_PAIRS:
        raise InputError(mismatch(argument, shown(name), f"one of {', '.join(ALL_PAIRS)}"))
    return name


def cos_sim(a: Any, b: Any) -> np.ndarray:
    """The cosine of each row of a (n, D) and each of b (m, D), or of single vectors: float32 (n, m)."""
    return _all_pairs(a, b, normalized, lambda a_nd, b_md: a_nd @ b_md.T)


pytorch_cos_sim = cos_sim


def dot_score(a: Any, b: Any) -> np.ndarray:
    """The dot product of each row of a (n, D) and each of b (m, D): float32 (n, m)."""
    a_nd, b_md = _matrices(a, b)
    _check_result(a_nd, b_md)
    with np.errstate(all="ignore"):
        products: np.ndarray = a_nd @ b_md.T
        if all(np.isfinite(products[rows]).all() for rows in row_blocks(*products.shape)):
            return products
    del products
    # Products that are too large for float32 may have a sum that is not.
    return _all_pairs(a_nd, b_md, lambda x: x.astype(np.float64), lambda x_nd, y_md: x_nd @ y_md.T)


def euclidean_sim(a: Any, b: Any) -> np.ndarray:
    """-|a_i - b_j| for each row of a (n, D) and each of b (m, D): float32 (n, m)."""

    def distances(a_nd: np.ndarray, b_md: np.ndarray) -> np.ndarray:
        squares: np.ndarray = np.square(a_nd).sum(axis=1)[:, None] + np.square(b_md).sum(axis=1)
        squares -= 2 * (a_nd @ b_md.T)
        np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        return -squares

    return _all_pairs(a, b, lambda x: x.astype(np.float64), distances)


def manhattan_sim(a: Any, b: Any) -> np.ndarray:
    """-sum |a_i - b_j| for each row of a (n, D) and each of b (m, D): float32 (n, m)."""

    def distances(a_nd: np.ndarray, b_md: np.ndarray) -> np.ndarray:
        differences = a_nd[:, None] - b_md
        sums: np.ndarray = np.abs(differences, out=differences).sum(axis=2)
        return -sums

    return _all_pairs(a, b, lambda x: x, distances, holds_rows=True)


def pairwise_cos_sim(a: Any, b: Any) -> np.ndarray:
    """The cosine of a's and b's rows of equal index, (n, D) each: float32 (n)."""
    return _row_pairs(a, b, lambda a_nd, b_nd: (normalized(a_nd) * normalized(b_nd)).sum(axis=-1))


def pairwise_dot_score(a: Any, b: Any) -> np.ndarray:
    """The dot product of a's and b's rows of equal index, (n, D) each: float32 (n)."""
    return _row_pairs(a, b, lambda a_nd, b_nd: np.multiply(a_nd, b_nd, dtype=np.float64).sum(axis=-1))


def pairwise_euclidean_sim(a: Any, b: Any) -> np.ndarray:
    """-|a_i - b_i| of a's and b's rows of equal index, (n, D) each: float32 (n)."""

    def distances(a_nd: np.ndarray, b_nd: np.ndarray) -> np.ndarray:
        differences = np.subtract(a_nd, b_nd, dtype=np.float64)  # float32 could not hold all squares
        lengths: np.ndarray = np.sqrt(np.square(differences, out=differences).sum(axis=-1))
        return -lengths

    return _row_pairs(a, b, distances)


def pairwise_manhattan_sim(a: Any, b: Any) -> np.ndarray:
    """-sum |a_i - b_i| of a's and b's rows of equal index, (n, D) each: float32 (n)."""
    return _row_pairs(a, b, lambda a_nd, b_nd: -np.abs(a_nd - b_nd).sum(axis=-1))


def pairwise_angle_sim(x: Any, y: Any) -> np.ndarray:
    """AnglE's similarity |cos + sin| of x's and y's rows of equal index, (n, D) each: float32 (n).

    The halves of a row are the real and the imaginary parts of complex numbers; a middle number has no
    imaginary part. Source: Li and Li, AnglE-optimized Text Embeddings, 2023.
    """

    def compare(a_nd: np.ndarray, b_nd: np.ndarray) -> np.ndarray:
        a_nd, b_nd = normalized(a_nd), normalized(b_nd)
        width = a_nd.shape[1]
        real, imaginary = slice(0, width // 2), slice((width + 1) // 2, width)
        sines = (a_nd[:, imaginary] * b_nd[:, real] - a_nd[:, real] * b_nd[:, imaginary]).sum(axis=-1)
        similarities: np.ndarray = np.abs((a_nd * b_nd).sum(axis=-1) + sines)
        return similarities

    return _row_pairs(x, y, compare)


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
    unit = np.empty(x.shape, np.float32)
    x_nd, unit_nd = as_rows(x), as_rows(unit)
    with np.errstate(all="ignore"):  # the smallest quotients are 0 in float32
        for rows in row_blocks(*x_nd.shape):
            squares = np.square(x_nd[rows], dtype=np.float64, order="C")
            lengths = np.sqrt(squares.sum(axis=-1, keepdims=True))
            unit_nd[rows] = x_nd[rows] / np.maximum(lengths, 1e-12)
    return unit


def normalize_embeddings(embeddings: Any) -> np.ndarray:
    """Each row of `embeddings` (n, D), or a single vector (D), divided by its length: float32.

    Raises InputError, also for numbers beyond float32's range; ResourceError without memory for the result.
    """
    floats = as_floats(embeddings, "embeddings")
    if floats.size:
        check_size(floats.shape, 4, "embeddings")
    return normalized(floats)


def _all_pairs(
    a: Any,
    b: Any,
    prepare: Callable[[np.ndarray], np.ndarray],
    compare: Similarity,
    holds_rows: bool = False,
) -> np.ndarray:
    """float32 (n, m) from compare(prepare(rows of a), prepare(rows of b)), some rows of each at a time.

    holds_rows: whether `compare` computes an intermediate row for each pair. Raises InputError.
    """
    a_nd, b_md = _matrices(a, b)
    width = max(1, a_nd.shape[1])
    _check_result(a_nd, b_md)
    similarities = np.empty((len(a_nd), len(b_md)), np.float32)
    count = max(1, min(len(a_nd), _ROWS, 2 * BLOCK // width))
    others = min(BLOCK // width, BLOCK // (count * width if holds_rows else count))
    with np.errstate(all="ignore"):
        for rows in slices(len(a_nd), count):
            block = prepare(a_nd[rows])
            for columns in slices(len(b_md), others):
                similarities[rows, columns] = compare(block, prepare(b_md[columns]))
    return similarities


def _check_result(a_nd: np.ndarray, b_md: np.ndarray) -> None:
    """Raise ResourceError unless memory has room for float32 (n, m)."""
    size = 4 * size_of((len(a_nd), len(b_md)))
    check_memory(size, "embeddings1, embeddings2", f"shapes {a_nd.shape} and {b_md.shape}")


def _row_pairs(a: Any, b: Any, compare: Similarity) -> np.ndarray:
    """float32 (n), or a number of single vectors, from compare(rows of a, rows of b), some at a time.

    Raises InputError.
    """
    a_nd, b_nd = _pairs(a, b)
    check_memory(4 * size_of(a_nd.shape[:-1]), "embeddings1", f"shape {a_nd.shape}")
    similarities = np.zeros(math.prod(a_nd.shape[:-1]), np.float32)  # vectors without numbers are left at 0
    shape, a_nd, b_nd = a_nd.shape[:-1], as_rows(a_nd), as_rows(b_nd)
    with np.errstate(all="ignore"):
        for rows in row_blocks(*a_nd.shape):
            similarities[rows] = compare(a_nd[rows], b_nd[rows])
    found: np.ndarray = similarities.reshape(shape)[()]
    return found


def _matrices(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as matrices, a single vector as a matrix of one row. Raises InputError."""
    a_nd, b_md = as_matrix(a, "embeddings1"), as_matrix(b, "embeddings2")
    if a_nd.shape[1] != b_md.shape[1]:
        found = f"width {b_md.shape[1]}"
        raise InputError(mismatch("embeddings2", found, f"{a_nd.shape[1]}, that of embeddings1"))
    return a_nd, b_md


def _pairs(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays (n, D) of one shape, or as vectors (D). Raises InputError."""
    a_nd, b_nd = as_floats(a, "embeddings1"), as_floats(b, "embeddings2")
    if a_nd.shape != b_nd.shape:
        found = f"shape {b_nd.shape}"
        raise InputError(mismatch("embeddings2", found, f"{a_nd.shape}, that of embeddings1"))
    return a_nd, b_nd
