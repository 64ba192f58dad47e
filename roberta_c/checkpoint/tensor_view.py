"""Where a tensor's elements lie in a file, the checks on that, and the numpy array made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ModelFileError, shown
from .mapped_file import MappedFile

MAX_RANK = 8
MAX_BYTES = 1 << 62  # so that no product of sizes can overflow a 64-bit integer anywhere downstream

# Files are little-endian. numpy has no bfloat16: its bits are given as they are.
NUMPY_DTYPES: dict[str, np.dtype] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "int64": np.dtype("<i8"),
    "int32": np.dtype("<i4"),
    "int16": np.dtype("<i2"),
    "int8": np.dtype("i1"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of one file. `offset` is in bytes; `strides` are in elements, None meaning C order.

    Whoever makes one has checked (`extent_problem`, `name_problem`) that all of it lies inside the file.
    """

    file: MappedFile
    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    offset: int

    def array(self) -> np.ndarray:
        """The elements: aligned, C order, read-only; no copy where the file's bytes allow that.

        Equal stretches of a file share one array's memory, copied or not. Raises ModelFileError for a dtype
        that numpy cannot hold, or if the file was changed since it was opened.
        """
        dtype = NUMPY_DTYPES.get(self.dtype)
        if dtype is None:
            raise ModelFileError(
                f"{self.file.path}: tensor {shown(self.name)} has dtype {shown(self.dtype)}, "
                f"expected one of {', '.join(NUMPY_DTYPES)}"
            )
        self.file.check_unchanged()
        count = math.prod(self.shape)
        if count == 0:
            empty = np.empty(self.shape, dtype)
            empty.flags.writeable = False
            return empty
        if self.strides is None:
            flat = self.file.view(dtype, count, self.offset)
            if not flat.flags.aligned:
                flat = self._copy_of(flat, (self.offset, self.dtype, count))
            return flat.reshape(self.shape)

        strides = [stride * dtype.itemsize for stride in self.strides]
        span = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        flat = self.file.view(dtype, span, self.offset)
        strided = np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False)
        return self._copy_of(strided, (self.offset, self.dtype, self.shape, self.strides))

    def _copy_of(self, array: np.ndarray, key: object) -> np.ndarray:
        copy = self.file.copies.get(key)
        if copy is None:
            copy = np.empty(array.shape, array.dtype)
            np.copyto(copy, array)
            copy.flags.writeable = False
            self.file.copies[key] = copy
        return copy


def shape_problem(shape: tuple[int, ...]) -> str | None:
    """What is wrong with a shape (any integers), or None."""
    if len(shape) > MAX_RANK:
        return f"has {len(shape)} dimensions, expected at most {MAX_RANK}"
    if any(size < 0 for size in shape):
        return f"has the negative size {min(shape)}"
    if math.prod(size for size in shape if size) * 8 >= MAX_BYTES:
        return f"has the shape {shown(shape)}, more elements than any file holds"
    return None


def extent_problem(
    shape: tuple[int, ...], strides: tuple[int, ...], first: int, available: int
) -> str | None:
    """What is wrong with a view of `available` elements that starts at element `first`, or None.

    Besides lying inside its storage, a view may not have more elements than the storage: a stride of zero
    could otherwise blow up one stored number to any size.
    """
    problem = shape_problem(shape)
    if problem is not None:
        return problem
    if len(strides) != len(shape):
        return f"has {len(shape)} dimensions but {len(strides)} strides"
    if first < 0 or any(stride < 0 for stride in strides):
        return f"has a negative offset or stride ({shown(first)}, {shown(strides)})"
    if 0 in shape:
        if first > available:
            return f"starts at element {shown(first)} of a storage of {available}"
        return None
    last = first + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= available:
        return f"reaches element {shown(last)} of a storage of {available}"
    if math.prod(shape) > available:
        return f"has {math.prod(shape)} elements but its storage only {available}"
    return None


def is_c_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether these strides (in elements) are those of a C-contiguous array; sizes of 1 may have any."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
