"""Embeddings in less memory: 8-bit integers, or one bit a number, as sentence-transformers computes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from .vector_rows import as_array, as_rows, row_blocks

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
# Fewer embeddings than this give ranges that are too narrow for others.
_FEW = 100


def quantize_embeddings(
    embeddings: Any,
    precision: str,
    ranges: Any = None,
    calibration_embeddings: Any = None,
) -> Any:
    """Embeddings (n, D) of floats in `precision`; a list of matrices (tokens, D) as a list of these.

    float32: rounded to it. int8, uint8: (n, D), where 256 steps of each column's range are numbered. binary,
    ubinary: (n, ceil(D / 8)) as int8 or uint8, one bit for each number, 1 above zero.
    ranges: (2, D), the least and the greatest value of each column, for int8 and uint8; None: those of
    `calibration_embeddings` (m, D), or else of `embeddings`. Raises InputError, also for NaN and infinities.
    """
    check_precision(precision)
    if isinstance(embeddings, (list, tuple)):
        if not embeddings:
            return []
        arrays = [_floats(one, f"embeddings[{index}]") for index, one in enumerate(embeddings)]
        if arrays[0].ndim == 2:
            for index, array in enumerate(arrays):
                _check_finite(array, f"embeddings[{index}]")
            return _quantize_matrices(arrays, precision, ranges, calibration_embeddings)
        if len({array.shape for array in arrays}) > 1:
            raise InputError(mismatch("embeddings", "vectors of different widths", "vectors of one width"))
        embeddings = np.stack(arrays)
    floats = _floats(embeddings, "embeddings")
    if not floats.ndim:
        raise InputError(mismatch("embeddings", shown(embeddings), "an array (n, width)"))
    _check_finite(floats, "embeddings")
    if precision == "float32":
        return floats.astype(np.float32)
    if precision in ("binary", "ubinary"):
        bits = _by_rows(floats, -(-floats.shape[-1] // 8), lambda rows_nd: np.packbits(rows_nd > 0, axis=-1))
        # Bytes 0 to 255 become -128 to 127: the first bit flipped, and read as a signed integer.
        return bits if precision == "ubinary" else np.bitwise_xor(bits, 0x80, out=bits).view(np.int8)
    if floats.ndim == 2 and not len(floats):
        return np.zeros(floats.shape, precision)
    if ranges is None:
        ranges = _ranges_of(floats, precision, calibration_embeddings)
    least_d, step_d = _steps(ranges, floats.shape[-1])
    numbers = _by_rows(
        floats, floats.shape[-1], lambda rows_nd: np.clip(np.floor((rows_nd - least_d) / step_d), 0, 255)
    )
    return numbers if precision == "uint8" else np.subtract(numbers, 128, out=numbers).view(np.int8)


def _by_rows(floats: np.ndarray, width: int, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """uint8 (…, width) from compute(rows (n, D)), some rows of (…, D) at a time."""
    numbers = np.empty((*floats.shape[:-1], width), np.uint8)
    rows_nd, numbers_nw = as_rows(floats), as_rows(numbers)
    for rows in row_blocks(*rows_nd.shape):
        numbers_nw[rows] = compute(rows_nd[rows])
    return numbers


def check_precision(precision: Any) -> None:
    """Raise InputError unless `precision` is one of PRECISIONS."""
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise InputError(mismatch("precision", shown(precision), f"one of {', '.join(PRECISIONS)}"))


def check_precision_of_iterator(precision: str | None) -> None:
    """Raise InputError for a precision that needs the ranges of all vectors."""
    if precision in ("int8", "uint8"):
        expected = "quantize_embeddings(vectors, precision, ranges): an iterator's ranges are unknown"
        raise InputError(mismatch("precision of an iterator", repr(precision), expected))


def _quantize_matrices(
    matrices: list[np.ndarray], precision: str, ranges: Any, calibration_embeddings: Any
) -> list[Any]:
    """Each matrix quantized; int8 and uint8 have one range for all."""
    if precision in ("int8", "uint8") and ranges is None:
        widths = {matrix.shape[1:] for matrix in matrices}
        if len(widths) > 1:
            raise InputError(mismatch("embeddings", "matrices of different widths", "matrices of one width"))
        every = np.concatenate(matrices)
        if len(every) or calibration_embeddings is not None:
            ranges = _ranges_of(every, precision, calibration_embeddings)
    return [quantize_embeddings(matrix, precision, ranges) for matrix in matrices]


def _ranges_of(floats: np.ndarray, precision: str, calibration_embeddings: Any) -> np.ndarray:
    """The least and greatest value of each column: (2, D)."""
    if calibration_embeddings is None:
        expected = "ranges= or calibration_embeddings= of many embeddings"
        if floats.ndim == 1 or len(floats) == 1:
            raise InputError(mismatch(f"embeddings for {precision}", "one embedding", expected))
        if len(floats) < _FEW:
            logger.warning("%s: ranges of only %d embeddings, expected %s", precision, len(floats), expected)
        calibration_embeddings = floats
    calibration = _floats(calibration_embeddings, "calibration_embeddings")
    if calibration.ndim != 2 or not len(calibration):
        found = f"shape {calibration.shape}"
        raise InputError(mismatch("calibration_embeddings", found, "(embeddings, width)"))
    _check_finite(calibration, "calibration_embeddings")
    return np.stack((calibration.min(axis=0), calibration.max(axis=0)))


def _steps(ranges: Any, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The least value and the step of each column, float32 (D) each; the step of a constant column is 1."""
    ranges_2d = _floats(ranges, "ranges").astype(np.float32)
    if ranges_2d.shape != (2, width):
        found = f"shape {ranges_2d.shape}"
        raise InputError(mismatch("ranges", found, f"(2, {width}): least and greatest values"))
    _check_finite(ranges_2d, "ranges")
    step_d = (ranges_2d[1] - ranges_2d[0]) / 255
    return ranges_2d[0], np.where(step_d == 0, np.float32(1), step_d)


def _check_finite(floats: np.ndarray, name: str) -> None:
    """Raise InputError if a number is NaN or infinite, of which no step or bit would be right."""
    rows_nd = as_rows(floats)
    for rows in row_blocks(*rows_nd.shape):
        if not np.isfinite(rows_nd[rows]).all():
            raise InputError(mismatch(name, "numbers that are NaN or infinite", "finite ones"))


def _floats(x: Any, name: str) -> np.ndarray:
    """`x`, or torch's tensor of floats, as an array. Raises InputError for other than floats."""
    array = as_array(x, name)
    if array.dtype.kind != "f":
        raise InputError(mismatch(name, f"dtype {array.dtype}", "floats"))
    return array
