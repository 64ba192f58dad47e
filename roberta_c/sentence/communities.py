"""Groups of embeddings that are near one of their number, as sentence-transformers' util finds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..machine.memory import check_memory
from ..pipelines.options import check_count
from .progress import is_shown_for_many, with_progress_bar
from .similarity import normalized
from .vector_rows import as_vectors, check_finite, slices

# Cosines that are held at once: 16 MB.
_COSINES = 1 << 22


def community_detection(
    embeddings: Any,
    threshold: float = 0.75,
    min_community_size: int = 10,
    batch_size: int = 1024,
    show_progress_bar: bool = False,
) -> list[list[int]]:
    """Groups of rows of `embeddings` (n, D), largest first; no row is in two.

    A row is the centre of the rows whose cosine with it is at least `threshold`. Centres are taken from the
    one with the most rows; each has its own first, then the others that are in no group yet, the most similar
    first, if there are at least `min_community_size` of them, itself included.
    batch_size: the most rows whose cosines are computed at once. Whatever it is, cosines are equal to
    rounding: a group may depend on it only where a cosine is that near to `threshold` or to another.
    Raises InputError; ResourceError without memory for the embeddings divided by their lengths.
    """
    min_community_size = check_count("min_community_size", min_community_size, "an integer of at least 1")
    batch_size = check_count("batch_size", batch_size, "an integer of at least 1")
    least = _least_cosine(threshold)
    shows_bar = bool(is_shown_for_many(show_progress_bar, 0, 0))  # None: no bar
    rows_nd = as_vectors(embeddings, "embeddings")
    # One row's cosines with all others, and the sizes of all groups, are held beside the unit vectors.
    check_memory(4 * rows_nd.size + 32 * len(rows_nd), "embeddings", f"shape {rows_nd.shape}")
    check_finite(rows_nd, "embeddings")
    unit_nd = normalized(rows_nd)

    sizes = _sizes(unit_nd, least, batch_size)
    sizes_n = np.fromiter(with_progress_bar(sizes, len(unit_nd), shows_bar=shows_bar), np.int64)
    centres = np.argsort(-sizes_n, kind="stable")
    centres = centres[sizes_n[centres] >= min_community_size]

    communities: list[list[int]] = []
    is_taken_n = np.zeros(len(unit_nd), bool)
    for block in slices(len(centres), _COSINES // max(1, len(unit_nd))):
        # Cosines are computed again: those of all centres would not fit into memory.
        some = centres[block][~is_taken_n[centres[block]]]
        for centre, cosines_n in zip(some.tolist(), _cosines(unit_nd[some], unit_nd), strict=True):
            if is_taken_n[centre]:
                continue
            near = np.flatnonzero((cosines_n >= least) & ~is_taken_n)
            if len(near) < min_community_size:
                continue
            near = near[np.argsort(-cosines_n[near], kind="stable")]
            community = [centre, *near[near != centre].tolist()]
            is_taken_n[community] = True
            communities.append(community)
    return sorted(communities, key=len, reverse=True)


def _sizes(unit_nd: np.ndarray, least: np.float32, batch_size: int) -> Iterator[int]:
    """How many rows have a cosine of at least `least` with each row."""
    for rows in slices(len(unit_nd), min(batch_size, _COSINES // max(1, len(unit_nd)))):
        yield from (_cosines(unit_nd[rows], unit_nd) >= least).sum(axis=1).tolist()


def _cosines(some_kd: np.ndarray, unit_nd: np.ndarray) -> np.ndarray:
    """float32 (k, n) of unit vectors."""
    with np.errstate(all="ignore"):  # the smallest products are 0 in float32
        cosines_kn: np.ndarray = some_kd @ unit_nd.T
    return cosines_kn


def _least_cosine(threshold: Any) -> np.float32:
    """A caller's threshold. Raises InputError for what is no number, or no float can hold."""
    is_number = isinstance(threshold, (int, float, np.integer, np.floating))
    try:
        number = float(threshold) if is_number and not isinstance(threshold, bool) else np.nan
    except OverflowError:  # an integer of hundreds of digits
        number = np.nan
    if np.isnan(number):
        raise InputError(mismatch("threshold", shown(threshold), "a number"))
    with np.errstate(all="ignore"):
        return np.float32(number)
