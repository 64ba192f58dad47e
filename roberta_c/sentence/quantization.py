"""Embeddings in less memory: 8-bit integers, or one bit a number, as sentence-transformers computes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..machine.memory import check_memory
from .vector_rows import BEYOND_FLOAT32, as_array, as_rows, check_rows, check_size, row_blocks

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
    `calibration_embeddings` (m, D), or else of `embeddings`. Raises InputError, also for NaN,
    infinities and numbers beyond float32's range; ResourceError without memory for the result.
    """
    check_precision(precision)
    if isinstance(embeddings, (list, tuple)):
        if not embeddings:
            return []
        arrays = [_floats(one, f"embeddings[{index}]") for index, one in enumerate(embeddings)]
        if arrays[0].ndim == 2:
            _check_memory_of(arrays, precision)
            for index, array in enumerate(arrays):
                if array.ndim != 2:
                    found = f"shape {array.shape}"
                    raise InputError(mismatch(f"embeddings[{index}]", found, "a matrix (tokens, width)"))
                _check_finite(array, f"embeddings[{index}]")
            return _quantize_matrices(arrays, precision, ranges, calibration_embeddings)
        if len({array.shape for array in arrays}) > 1:
            raise InputError(mismatch("embeddings", "vectors of different widths", "vectors of one width"))
        check_size((len(arrays), *arrays[0].shape), arrays[0].itemsize, "embeddings")
        embeddings = np.stack(arrays)
    floats = _floats(embeddings, "embeddings")
    if not floats.ndim:
        raise InputError(mismatch("embeddings", shown(embeddings), "an array (n, width)"))
    _check_memory_of([floats], precision)
    _check_finite(floats, "embeddings")
    if precision == "float32":
        with np.errstate(all="ignore"):  # the smallest numbers are 0 in float32
            return floats.astype(np.float32)
    if precision in ("binary", "ubinary"):
        bits = _by_rows(floats, -(-floats.shape[-1] // 8), lambda rows_nd: np.packbits(rows_nd > 0, axis=-1))
        # Bytes 0 to 255 become -128 to 127: the first bit flipped, and read as a signed integer.
        return bits if precision == "ubinary" else np.bitwise_xor(bits, 0x80, out=bits).view(np.int8)
    if floats.ndim == 2 and not len(floats):
        return np.zeros(floats.shape, precision)
    if ranges is None:
        ranges = _ranges_of(floats, precision, calibration_embeddings)
    numbers = _by_rows(floats, floats.shape[-1], _Steps(ranges, floats.shape[-1]))
    return numbers if precision == "uint8" else np.subtract(numbers, 128, out=numbers).view(np.int8)


def _by_rows(floats: np.ndarray, width: int, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """uint8 (…, width) from compute(rows (n, D)), some rows of (…, D) at a time."""
    numbers = np.empty((*floats.shape[:-1], width), np.uint8)
    rows_nd, numbers_nw = as_rows(floats), as_rows(numbers)
    with np.errstate(all="ignore"):
        for rows in row_blocks(*rows_nd.shape):
            numbers_nw[rows] = compute(rows_nd[rows])
    return numbers


def _check_memory_of(arrays: list[np.ndarray], precision: str) -> None:
    """Raise ResourceError unless memory has room for all arrays (…, D) in `precision`."""
    bits = {"float32": 32, "int8": 8, "uint8": 8}.get(precision, 1)
    size = sum(array.size for array in arrays) * bits // 8
    shapes = f"shape {arrays[0].shape}" if len(arrays) == 1 else f"{len(arrays)} arrays"
    check_memory(size, "embeddings", f"{shapes} as {precision}")


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
        tokens = sum(map(len, matrices))
        check_size((tokens, *matrices[0].shape[1:]), max(one.itemsize for one in matrices), "embeddings")
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


class _Steps:
    """Numbers 0 to 255 of floats (n, D): the step of each column's range in which they are, from its least
    value on. The step of a constant column is 1.

    Computed in float32, as sentence-transformers does, but in float64 for `wide_d`, the columns whose step
    float32 cannot hold.
    """

    def __init__(self, ranges: Any, width: int) -> None:
        """ranges: (2, D) of a caller. Raises InputError."""
        given = _floats(ranges, "ranges")
        if given.shape != (2, width):
            found = f"shape {given.shape}"
            raise InputError(mismatch("ranges", found, f"(2, {width}): least and greatest values"))
        _check_finite(given, "ranges")
        if (given[0] > given[1]).any():
            column = int(np.argmax(given[0] > given[1]))
            found = f"the least value {given[0, column]} above the greatest, {given[1, column]}"
            raise InputError(mismatch(f"ranges of column {column}", found, "least and greatest values"))
        with np.errstate(all="ignore"):
            ranges_2d = given.astype(np.float32)
            step_d = (ranges_2d[1] - ranges_2d[0]) / 255
            is_normal_d = np.isfinite(step_d) & (step_d >= np.finfo(np.float32).tiny)
        self.wide_d = np.flatnonzero(~is_normal_d & (ranges_2d[0] != ranges_2d[1]))
        self.least_d, self.step_d = ranges_2d[0], np.where(is_normal_d, step_d, np.float32(1))
        wide_2w = ranges_2d[:, self.wide_d].astype(np.float64)
        self.wide_least_w, self.wide_step_w = wide_2w[0], (wide_2w[1] - wide_2w[0]) / 255

    def __call__(self, rows_nd: np.ndarray) -> np.ndarray:
        steps_nd = (rows_nd - self.least_d) / self.step_d
        numbers_nd: np.ndarray = np.clip(np.floor(steps_nd, out=steps_nd), 0, 255, out=steps_nd)
        if len(self.wide_d):
            wide_nw = (rows_nd[:, self.wide_d] - self.wide_least_w) / self.wide_step_w
            numbers_nd[:, self.wide_d] = np.clip(np.floor(wide_nw), 0, 255)
        return numbers_nd


def _check_finite(floats: np.ndarray, name: str) -> None:
    """Raise InputError if a number is NaN or infinite, of which no step or bit would be right, or beyond
    float32's range; ResourceError if memory is too small for what is computed of a row."""
    check_rows(floats, name)
    rows_nd = as_rows(floats)
    for rows in row_blocks(*rows_nd.shape):
        with np.errstate(all="ignore"):
            is_right = np.isfinite(rows_nd[rows].astype(np.float32, copy=False)).all()
        if not is_right:
            if np.isfinite(rows_nd[rows]).all():
                raise InputError(mismatch(name, BEYOND_FLOAT32, "numbers within it"))
            raise InputError(mismatch(name, "numbers that are NaN or infinite", "finite ones"))


def _floats(x: Any, name: str) -> np.ndarray:
    """`x`, or torch's tensor of floats, as an array. Raises InputError for other than floats."""
    array = as_array(x, name)
    if array.dtype.kind != "f":
        raise InputError(mismatch(name, f"dtype {array.dtype}", "floats"))
    return array
