"""The location of a tensor's elements in a file, the checks of it, and the numpy array of these elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import ModelFileError, mismatch, shown
from .mapped_file import MappedFile

MAX_RANK = 8
MAX_BYTES = 1 << 62  # no later product of sizes overflows a 64-bit integer

# Files are little-endian. numpy has no bfloat16: its bits are read as uint16.
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
    """One tensor of one file. `offset` is in bytes, `strides` are in elements; None: C order.

    The reader that creates one has checked its name, and that all its elements are inside the file.
    """

    file: MappedFile
    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    offset: int

    def array(self) -> np.ndarray:
        """The elements as a read-only, aligned array in C order.

        It is a view of the file if the file holds the elements so, else a copy.

        Tensors with the same location in a file share their memory, even if it is a copy. Raises
        ModelFileError for a dtype that numpy lacks, or if the file was changed after it was opened.
        """
        dtype = NUMPY_DTYPES.get(self.dtype)
        if dtype is None:
            place = f"{self.file.path}: tensor {shown(self.name)}: dtype"
            raise ModelFileError(mismatch(place, shown(self.dtype), f"one of {', '.join(NUMPY_DTYPES)}"))
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


Mismatch: TypeAlias = tuple[str, str]  # found and expected, for errors.mismatch


def shape_mismatch(shape: tuple[int, ...]) -> Mismatch | None:
    """Why a shape (any integers) cannot be that of a tensor; None: it can."""
    if len(shape) > MAX_RANK:
        return f"{len(shape)} dimensions", f"at most {MAX_RANK}"
    if any(size < 0 for size in shape):
        return f"the negative size {shown(min(shape))}", "sizes of 0 or more"
    if math.prod(size for size in shape if size) * 8 >= MAX_BYTES:
        return f"the shape {shown(shape)}", "fewer elements: no file holds so many"
    return None


def extent_mismatch(
    shape: tuple[int, ...], strides: tuple[int, ...], first: int, available: int
) -> Mismatch | None:
    """Why a view from element `first` does not fit a storage of `available` elements; None: it fits.

    All its elements must be inside the storage, and it may not have more elements than the storage: with a
    stride of zero, one stored number could otherwise become a tensor of any size.
    """
    problem = shape_mismatch(shape)
    if problem is not None:
        return problem
    if len(strides) != len(shape):
        return f"{len(strides)} strides", f"{len(shape)}, one for each dimension"
    if first < 0 or any(stride < 0 for stride in strides):
        return f"the offset {shown(first)} and strides {shown(strides)}", "no negative ones"
    if any(stride >= MAX_BYTES for stride in strides):  # with size 1, too
        return f"the strides {shown(strides)}", "smaller ones: no file is so large"
    storage = f"the {available} elements of its storage"
    if 0 in shape:
        if first > available:
            return f"a start at element {shown(first)}", storage
        return None
    last = first + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= available:
        return f"a last element {shown(last)}", f"one of {storage}"
    if math.prod(shape) > available:
        return f"{math.prod(shape)} elements", f"at most {storage}"
    return None


def is_c_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether `strides` (in elements) are those of C order. A dimension of size 1 may have any stride."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
