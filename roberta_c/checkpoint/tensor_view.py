"""The location of a tensor's elements in a file, the checks of it, and the numpy array of these elements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..errors import ModelFileError, ResourceError, mismatch, shown
from .weight_file import WeightFile

MAX_RANK = 8
MAX_BYTES = 1 << 62  # no later product of sizes overflows a 64-bit integer
SPAN_BYTES = 4 << 20  # of a tensor with strides, what is read at a time

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

    file: WeightFile
    name: str
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    offset: int

    def array(self) -> np.ndarray:
        """The elements as a new, read-only array in C order.

        Raises ModelFileError for a dtype that numpy lacks, or if the file was changed after it was opened;
        ResourceError without memory.
        """
        dtype = NUMPY_DTYPES.get(self.dtype)
        if dtype is None:
            place = f"{self.file.path}: tensor {shown(self.name)}: dtype"
            raise ModelFileError(mismatch(place, shown(self.dtype), f"one of {', '.join(NUMPY_DTYPES)}"))
        array = self.empty(dtype)
        self.read_elements(0, array.reshape(-1))
        self.file.check_unchanged()
        array.flags.writeable = False
        return array

    def empty(self, dtype: np.dtype) -> np.ndarray:
        """An uninitialized array of the tensor's shape. Raises ResourceError without memory."""
        try:
            return np.empty(self.shape, dtype)
        except MemoryError:
            size = math.prod(self.shape) * dtype.itemsize
            place = f"{self.file.path}: tensor {shown(self.name)}: memory"
            raise ResourceError(mismatch(place, "too little free", f"{size:,} bytes")) from None

    def read_elements(self, first: int, out: np.ndarray) -> None:
        """Fill `out` (n), of the tensor's own dtype, with n elements in C order from element `first`.

        With strides: all elements. Raises ModelFileError if the file has become shorter.
        """
        if self.strides is None:
            self.file.read_into(out.view(np.uint8).data, self.offset + first * out.itemsize)
        elif out.size:
            self._gather(out.reshape(self.shape), self.offset, self.strides)

    def _gather(self, out: np.ndarray, offset: int, strides: tuple[int, ...]) -> None:
        """Fill `out` with elements that lie in the file from byte `offset` on, with these strides."""
        extents = [(size - 1) * stride for size, stride in zip(out.shape, strides, strict=True)]
        span = 1 + sum(extents)
        if span * out.itemsize > SPAN_BYTES:
            # Read one half of the longest dimension after the other, so that no large part is held twice.
            axis = extents.index(max(extents))
            low, high = np.split(out, [out.shape[axis] // 2], axis)
            self._gather(low, offset, strides)
            self._gather(high, offset + low.shape[axis] * strides[axis] * out.itemsize, strides)
            return
        flat = np.empty(span, out.dtype)
        self.file.read_into(flat.view(np.uint8).data, offset)
        steps = [stride * out.itemsize for stride in strides]
        np.copyto(out, np.lib.stride_tricks.as_strided(flat, out.shape, steps))


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
