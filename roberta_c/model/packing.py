"""Matrices of weight files → packed linear layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..checkpoint import tensor_loading
from ..checkpoint.tensor_view import StoredTensor
from ..kernels import Kernels, PackedLinear
from ..kernels.memory import aligned_empty


class Stack(NamedTuple):
    """Matrices (n, k) that become one packed layer: weights, in a file or as float32, and biases (n).

    smooth: smoothing factors (k), or None.
    """

    weights: Sequence[StoredTensor | np.ndarray]
    biases: Sequence[np.ndarray]
    smooth: np.ndarray | None = None


def pack(
    kernels: Kernels, stacks: Sequence[Stack], num_threads: int, dtype: str, allow_nonfinite: bool
) -> list[PackedLinear]:
    """The packed layers, in one piece of memory, so that the system can give huge pages.

    Rows are read from the file as they are packed, but for matrices that have strides in their file: these
    are read before, all of them. The bits are the same for any number of threads. Raises ModelFileError for a
    file that has changed since it was opened, and without `allow_nonfinite` for a value that is NaN or
    infinite.
    """
    threads = _threads([weight for stack in stacks for weight in stack.weights], num_threads)
    inputs = [
        (_in_c_order(weights, threads, allow_nonfinite), biases, smooth) for weights, biases, smooth in stacks
    ]
    return kernels.pack_linears(inputs, threads, dtype, allow_nonfinite)


def column_sizes(kernels: Kernels, stack: Stack, num_threads: int, allow_nonfinite: bool) -> np.ndarray:
    """The largest absolute value of each column of a stack's matrices, float32 (k).

    Reads and raises as `pack`, but leaves NaN and infinity to `pack`, where it can.
    """
    threads = _threads(stack.weights, num_threads)
    return kernels.column_sizes(_in_c_order(stack.weights, threads, allow_nonfinite), threads)


def _threads(weights: Sequence[StoredTensor | np.ndarray], num_threads: int) -> int:
    size = sum(4 * math.prod(weight.shape) for weight in weights)
    return min(num_threads, 1 + size // tensor_loading.THREAD_BYTES)


def _in_c_order(
    weights: Sequence[StoredTensor | np.ndarray], threads: int, allow_nonfinite: bool
) -> list[StoredTensor | np.ndarray]:
    """The matrices as the kernels take them: those that have strides in their file are read, all of them."""
    strided = [
        weight for weight in weights if isinstance(weight, StoredTensor) and weight.strides is not None
    ]
    arrays = [aligned_empty(tensor.shape) for tensor in strided]
    tensor_loading.load_float32(strided, arrays, threads, allow_nonfinite)
    read = {id(tensor): array for tensor, array in zip(strided, arrays, strict=True)}
    return [read.get(id(weight), weight) for weight in weights]
