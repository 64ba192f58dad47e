"""The safetensors format: 8 bytes of header length, a JSON header, then the tensors' data without gaps.

The rules are those of the format's specification (huggingface/safetensors, README): the first tensor begins
at offset 0 of the data, each other one at the end of the one before it, and the last one ends with the file.
The header may have at most 8 MiB; the reference implementation allows 100 MB, which is too much memory for an
unchecked file.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import ModelFileError, mismatch, shown
from ..files.json_object import MAX_JSON_BYTES, parse_object
from ..files.tensor_names import check_tensor_count, check_tensor_name
from .tensor_view import StoredTensor, shape_mismatch
from .weight_file import WeightFile

# The header's name of a dtype → the name in this package, and the number of bits of an element.
_DTYPES = {
    "F64": ("float64", 64),
    "F32": ("float32", 32),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "I8": ("int8", 8),
    "U8": ("uint8", 8),
    "BOOL": ("bool", 8),
    # Such tensors may be in a file, but reading them is an error: no encoder has weights of these dtypes.
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "C64": ("complex64", 64),
    "F8_E4M3": ("float8_e4m3", 8),
    "F8_E5M2": ("float8_e5m2", 8),
}
DTYPE_CODES = {dtype: code for code, (dtype, _) in _DTYPES.items()}
_LENGTH_BYTES = 8


def read_safetensors(file: WeightFile) -> dict[str, StoredTensor]:
    """Every tensor of `file`, in the header's order. Reads the header only.

    Raises ModelFileError unless the header accounts for every byte of the file.
    """
    header_bytes = int.from_bytes(file.read(0, _LENGTH_BYTES, "the header length"), "little")
    if header_bytes > MAX_JSON_BYTES:
        place = f"{file.path}: safetensors header"
        raise ModelFileError(mismatch(place, f"{header_bytes} bytes", f"at most {MAX_JSON_BYTES}"))
    header = parse_object(
        file.read(_LENGTH_BYTES, header_bytes, "the safetensors header"), f"{file.path}: safetensors header"
    )
    _check_metadata(file, header.pop("__metadata__", {}))
    check_tensor_count(len(header), file.path)

    data_start = _LENGTH_BYTES + header_bytes
    tensors, ranges = {}, []
    for name, entry in header.items():
        tensor, begin, end = _tensor(file, name, entry, data_start)
        tensors[name] = tensor
        ranges.append((begin, end, name))
    _check_ranges(file, sorted(ranges), file.size - data_start)
    file.check_unchanged()
    return tensors


def _check_metadata(file: WeightFile, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        place = f"{file.path}: safetensors __metadata__"
        raise ModelFileError(mismatch(place, shown(metadata), "an object of strings"))


def _tensor(file: WeightFile, name: str, entry: Any, data_start: int) -> tuple[StoredTensor, int, int]:
    """The tensor that one header entry describes, and its bytes [begin, end) of the data section."""
    check_tensor_name(name, file.path)
    place = f"{file.path}: tensor {shown(name)}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        found = list(entry) if isinstance(entry, dict) else entry
        raise ModelFileError(mismatch(place, shown(found), "exactly dtype, shape and data_offsets"))
    code, sizes, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or not code.isascii() or not code.isprintable() or not 0 < len(code) <= 32:
        raise ModelFileError(mismatch(f"{place}: dtype", shown(code), "a short name such as F32"))
    if not _are_integers(sizes):
        raise ModelFileError(mismatch(f"{place}: shape", shown(sizes), "a list of integers"))
    if not _are_integers(offsets) or len(offsets) != 2:
        raise ModelFileError(mismatch(f"{place}: data_offsets", shown(offsets), "two integers"))
    shape = tuple(sizes)
    problem = shape_mismatch(shape)
    if problem is not None:
        raise ModelFileError(mismatch(place, *problem))
    begin, end = offsets
    if not 0 <= begin <= end:
        raise ModelFileError(mismatch(f"{place}: data_offsets", shown(offsets), "0 <= begin <= end"))
    dtype, bits = _DTYPES.get(code, (code, 0))
    if bits and math.prod(shape) * bits != (end - begin) * 8:
        expected = f"{math.prod(shape) * bits // 8} for shape {shape} and dtype {dtype}"
        raise ModelFileError(mismatch(f"{place}: data_offsets", f"{end - begin} bytes of data", expected))
    return StoredTensor(file, name, dtype, shape, None, data_start + begin), begin, end


def _check_ranges(file: WeightFile, ranges: list[tuple[int, int, str]], data_bytes: int) -> None:
    """Check that the sorted ranges cover the data section without gaps and overlaps."""
    position = 0
    for begin, end, name in ranges:
        if begin != position:
            kind = "an overlap with the tensor before it" if begin < position else "a gap before it"
            place, found = (
                f"{file.path}: tensor {shown(name)}",
                f"{kind}: a start at byte {begin} of the data",
            )
            raise ModelFileError(mismatch(place, found, f"byte {position}"))
        position = end
    if position > data_bytes:
        expected = f"the {position} bytes of the tensors"
        raise ModelFileError(mismatch(f"{file.path}: truncated", f"{data_bytes} bytes of data", expected))
    if position < data_bytes:
        found = f"{data_bytes - position} bytes after the last tensor"
        raise ModelFileError(mismatch(file.path, found, "the end of the file"))


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)
