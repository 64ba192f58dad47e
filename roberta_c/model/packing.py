"""Matrices of weight files → packed linear layers.

A piece of a matrix's rows is read, checked and packed before the next one, so that its values come from the
second-level cache, and no complete matrix is in memory beside its packed form.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..checkpoint import tensor_loading
from ..checkpoint.tensor_view import StoredTensor
from ..kernels import Kernels, PackedLinear
from ..kernels.memory import aligned_empty, large_empty


class Stack(NamedTuple):
    """Matrices (n, k) that become one packed layer: weights, in a file or as float32, and biases (n).

    smooth: smoothing factors (k), or None.
    """

    weights: Sequence[StoredTensor | np.ndarray]
    biases: Sequence[np.ndarray]
    smooth: np.ndarray | None = None


class _Piece(NamedTuple):
    """Rows [first, first + rows) of a matrix, and where their panels go."""

    weight: StoredTensor | np.ndarray
    first: int
    rows: int
    smooth: np.ndarray | None
    panels: np.ndarray


def pack(
    kernels: Kernels, stacks: Sequence[Stack], num_threads: int, dtype: str, allow_nonfinite: bool
) -> list[PackedLinear]:
    """The packed layers, in one piece of memory, so that the system can give huge pages.

    The bits are those of `Kernels.pack_linears`, for any number of threads. Raises ModelFileError for a file
    that has changed since it was opened, and without `allow_nonfinite` for a value that is NaN or infinite.
    """
    shapes = [kernels.panel_shape(*stack.weights[0].shape, dtype) for stack in stacks]
    sizes = [len(stack.weights) * math.prod(shape) for stack, shape in zip(stacks, shapes, strict=True)]
    slab = large_empty(sum(sizes))
    packed, pieces = [], []
    parts = np.split(slab, np.cumsum(sizes[:-1]))
    for stack, (_, rows, columns), part in zip(stacks, shapes, parts, strict=True):
        panels = part.reshape(-1, rows, columns)
        pieces += _pieces(stack, panels, columns)
        n, k = stack.weights[0].shape
        layout = len(stack.weights), n, k, dtype, stack.smooth if dtype == "int8" else None
        packed.append(PackedLinear(kernels, panels, np.concatenate(stack.biases), *layout))

    buffers = threading.local()

    def pack_piece(piece: _Piece) -> None:
        if isinstance(piece.weight, np.ndarray):
            rows = piece.weight[piece.first : piece.first + piece.rows]
        else:
            k = piece.weight.shape[1]
            size = piece.rows * k
            if len(getattr(buffers, "values", ())) < size:
                buffers.values = aligned_empty((size,))
            values = buffers.values[:size]
            tensor_loading.load_piece(piece.weight, piece.first * k, values)
            rows = values.reshape(piece.rows, k)
        is_finite = kernels.pack_rows(rows, piece.panels, dtype, piece.smooth)
        if not (is_finite or allow_nonfinite or isinstance(piece.weight, np.ndarray)):
            tensor_loading.raise_nonfinite(piece.weight, piece.first * k, values)

    threads = min(num_threads, 1 + slab.nbytes // tensor_loading.THREAD_BYTES)
    tensor_loading.in_threads(pieces, pack_piece, threads)
    tensor_loading.check_unchanged(
        weight for stack in stacks for weight in stack.weights if isinstance(weight, StoredTensor)
    )
    return packed


def _pieces(stack: Stack, panels: np.ndarray, columns: int) -> list[_Piece]:
    """The pieces of all matrices of a stack; one that has strides in its file is one piece."""
    n, k = stack.weights[0].shape
    step = max(1, tensor_loading.PIECE_BYTES // (4 * k * columns)) * columns
    found = []
    for weight, of_matrix in zip(stack.weights, np.split(panels, len(stack.weights)), strict=True):
        is_whole = isinstance(weight, StoredTensor) and weight.strides is not None
        for first in range(0, n, n if is_whole else step):
            count = n if is_whole else min(step, n - first)
            begin, end = first // columns, -(-(first + count) // columns)
            found.append(_Piece(weight, first, count, stack.smooth, of_matrix[begin:end]))
    return found
