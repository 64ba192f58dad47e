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

    Rows are read from the file as they are packed; a matrix that has strides in its file is read before. The
    bits are the same for any number of threads. Raises ModelFileError for a file that has changed since it
    was opened, and without `allow_nonfinite` for a value that is NaN or infinite.
    """
    size = sum(4 * len(stack.weights) * math.prod(stack.weights[0].shape) for stack in stacks)
    threads = min(num_threads, 1 + size // tensor_loading.THREAD_BYTES)
    ready = [
        ([_in_c_order(weight, allow_nonfinite) for weight in weights], biases, smooth)
        for weights, biases, smooth in stacks
    ]
    packed = kernels.pack_linears(ready, threads, dtype, allow_nonfinite)
    tensor_loading.check_unchanged(
        weight for stack in stacks for weight in stack.weights if isinstance(weight, StoredTensor)
    )
    return packed


def _in_c_order(weight: StoredTensor | np.ndarray, allow_nonfinite: bool) -> StoredTensor | np.ndarray:
    if isinstance(weight, np.ndarray) or weight.strides is None:
        return weight
    array = aligned_empty(weight.shape)
    tensor_loading.load_float32([weight], [array], allow_nonfinite=allow_nonfinite)
    return array
