"""Tensors of files → float32 values, by several threads, and checked for NaN and infinity.

A piece of a tensor is read, converted and checked before the next one, while it is in the cache. Matrices of
layers are read by the kernels, as they are packed (kernels/packing.pxi).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn, TypeVar

import numpy as np

from ..errors import ModelFileError, mismatch, shown
from .finite import all_finite
from .tensor_view import NUMPY_DTYPES, StoredTensor

PIECE_BYTES = 512 << 10  # a quarter of a second-level cache
# A thread is started for at least so many bytes: they take a millisecond, and to start it a tenth.
THREAD_BYTES = 4 << 20

Job = TypeVar("Job")


def load_float32(
    tensors: Sequence[StoredTensor],
    outs: Sequence[np.ndarray],
    num_threads: int = 1,
    allow_nonfinite: bool = False,
) -> None:
    """Fill each of `outs`, float32 in C order and of its tensor's shape. The tensors' dtypes are floats.

    Raises ModelFileError for a file that has changed since it was opened; without `allow_nonfinite` also for
    a value that is NaN or infinite, or too large for float32.
    """
    jobs = []
    for tensor, out in zip(tensors, outs, strict=True):
        values = out.reshape(-1)
        step = PIECE_BYTES // 4 if tensor.strides is None else max(1, values.size)
        jobs += [(tensor, first, values[first : first + step]) for first in range(0, values.size, step)]
    _in_threads(
        jobs,
        lambda job: _load_piece(*job, allow_nonfinite),
        min(num_threads, 1 + sum(out.nbytes for out in outs) // THREAD_BYTES),
    )
    check_unchanged(tensors)


def _load_piece(tensor: StoredTensor, first: int, out: np.ndarray, allow_nonfinite: bool) -> None:
    """Fill `out`, float32 (n), with elements in C order from element `first`; with strides: with all.

    float16 and bfloat16 are converted exactly, float64 is rounded. Raises as `load_float32`, but for a change
    of the file that does not make it shorter: see `check_unchanged`.
    """
    if tensor.dtype == "float32":
        tensor.read_elements(first, out)
    else:
        values = np.empty(out.size, NUMPY_DTYPES[tensor.dtype])
        tensor.read_elements(first, values)
        if tensor.dtype == "bfloat16":
            # The bits of a bfloat16 are the upper 16 bits of the float32 of the same value.
            np.left_shift(values, 16, out=out.view(np.uint32), dtype=np.uint32)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                np.copyto(out, values, casting="same_kind")
    if not allow_nonfinite and not all_finite(out, "float32"):
        index = int(np.flatnonzero(~np.isfinite(out))[0])
        place = tuple(int(one) for one in np.unravel_index(first + index, tensor.shape))
        raise nonfinite_value(tensor, place, out[index])


def check_unchanged(tensors: Iterable[StoredTensor]) -> None:
    """After reads: ModelFileError if a file of these tensors has changed since it was opened."""
    for file in {id(tensor.file): tensor.file for tensor in tensors}.values():
        file.check_unchanged()


def pieces(tensor: StoredTensor) -> Iterator[np.ndarray]:
    """All elements in C order and the tensor's own dtype, in small arrays; in one array if it has strides.

    Raises ModelFileError for a file that has changed since it was opened.
    """
    if tensor.strides is not None:
        yield tensor.array()
        return
    dtype, count = NUMPY_DTYPES[tensor.dtype], math.prod(tensor.shape)
    step = PIECE_BYTES // dtype.itemsize
    for first in range(0, count, step):
        values = np.empty(min(step, count - first), dtype)
        tensor.read_elements(first, values)
        tensor.file.check_unchanged()
        yield values


def _in_threads(jobs: Iterable[Job], run: Callable[[Job], None], num_threads: int) -> None:
    """Call `run` for each job, in `num_threads` threads or in fewer, if the system has no room for them.

    Raises the first exception of any job; no other job begins after it.
    """
    waiting = deque(jobs)
    errors: list[BaseException] = []

    def work() -> None:
        while not errors:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            try:
                run(job)
            except BaseException as error:  # raised again below, whichever thread has met it
                errors.append(error)

    helpers = []
    for _ in range(min(num_threads, len(waiting)) - 1):
        helper = threading.Thread(target=work)
        try:
            helper.start()
        except RuntimeError:
            break
        helpers.append(helper)
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def raise_nonfinite(tensor: StoredTensor) -> NoReturn:
    """Raise ModelFileError about the first value that is NaN or infinite of a tensor without strides."""
    count = math.prod(tensor.shape)
    step = PIECE_BYTES // 4
    values = np.empty(min(step, count), np.float32)
    for first in range(0, count, step):
        _load_piece(tensor, first, values[: count - first], allow_nonfinite=False)
    tensor.file.check_unchanged()
    raise ModelFileError(f"{tensor.file.path}: tensor {shown(tensor.name)}: changes while it is read")


def nonfinite_value(tensor: StoredTensor, place: tuple[int, ...], value: np.floating) -> ModelFileError:
    """The error about a value of a tensor that is NaN or infinite. place: its index."""
    where = f"{tensor.file.path}: tensor {shown(tensor.name)}: [{', '.join(map(str, place))}]"
    return ModelFileError(mismatch(where, value, "a finite number (allow_nonfinite=True loads such weights)"))
