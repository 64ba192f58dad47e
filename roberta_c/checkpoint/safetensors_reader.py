"""safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes without a gap.

The rules are those of the format's specification (huggingface/safetensors, README): offsets begin at 0,
each tensor begins where the one before it ends, and the last one ends with the file. The header limit is
our own 8 MiB, below the reference's 100 MB, because nothing is trusted before it has been checked.
"""

from __future__ import annotations

import math
from typing import Any

from ..errors import ModelFileError, shown
from ..files.json_object import MAX_JSON_BYTES, parse_object
from ..files.tensor_names import MAX_TENSORS, name_problem
from .mapped_file import MappedFile
from .tensor_view import StoredTensor, shape_problem

# The header's dtype: the name we give it, and its bits per element.
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
    # Listed, but reading them is an error: no encoder weights come in these.
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "C64": ("complex64", 64),
    "F8_E4M3": ("float8_e4m3", 8),
    "F8_E5M2": ("float8_e5m2", 8),
}
_LENGTH_BYTES = 8


def read_safetensors(file: MappedFile) -> dict[str, StoredTensor]:
    """Every tensor of `file`, in the header's order; reads the header only.

    Raises ModelFileError unless the header accounts for every byte of the file.
    """
    header_bytes = int.from_bytes(file.read(0, _LENGTH_BYTES, "the header length"), "little")
    if header_bytes > MAX_JSON_BYTES:
        raise ModelFileError(
            f"{file.path}: safetensors header of {header_bytes} bytes, expected at most {MAX_JSON_BYTES}"
        )
    header = parse_object(
        file.read(_LENGTH_BYTES, header_bytes, "the safetensors header"), f"{file.path}: safetensors header"
    )
    _check_metadata(file, header.pop("__metadata__", {}))
    if len(header) > MAX_TENSORS:
        raise ModelFileError(f"{file.path}: lists {len(header)} tensors, expected at most {MAX_TENSORS}")

    data_start = _LENGTH_BYTES + header_bytes
    tensors, ranges = {}, []
    for name, entry in header.items():
        tensor, begin, end = _tensor(file, name, entry, data_start)
        tensors[name] = tensor
        ranges.append((begin, end, name))
    _check_ranges(file, sorted(ranges), file.size - data_start)
    file.check_unchanged()
    return tensors


def _check_metadata(file: MappedFile, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFileError(f"{file.path}: safetensors __metadata__ is not an object of strings")


def _tensor(file: MappedFile, name: str, entry: Any, data_start: int) -> tuple[StoredTensor, int, int]:
    """The tensor that one header entry describes, and its range in the data section."""
    problem = name_problem(name)
    if problem is not None:
        raise ModelFileError(f"{file.path}: {problem}")
    where = f"{file.path}: tensor {shown(name)}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError(f"{where} is not described by exactly dtype, shape and data_offsets")
    code, sizes, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or not code.isascii() or not code.isprintable() or not 0 < len(code) <= 32:
        raise ModelFileError(f"{where} has the dtype {_found(code)}, expected a short name such as F32")
    if not _are_integers(sizes):
        raise ModelFileError(f"{where} has a shape that is not a list of integers")
    if not _are_integers(offsets) or len(offsets) != 2:
        raise ModelFileError(f"{where} has data_offsets that are not two integers")
    shape = tuple(sizes)
    problem = shape_problem(shape)
    if problem is not None:
        raise ModelFileError(f"{where} {problem}")
    begin, end = offsets
    if not 0 <= begin <= end:
        raise ModelFileError(f"{where} has the data range {begin} to {end}")
    dtype, bits = _DTYPES.get(code, (code, 0))
    if bits and math.prod(shape) * bits != (end - begin) * 8:
        raise ModelFileError(
            f"{where} of shape {shape} and dtype {dtype} needs {math.prod(shape) * bits // 8} bytes, "
            f"its data range has {end - begin}"
        )
    return StoredTensor(file, name, dtype, shape, None, data_start + begin), begin, end


def _check_ranges(file: MappedFile, ranges: list[tuple[int, int, str]], data_bytes: int) -> None:
    """The ranges, sorted, must cover the data section without gap or overlap; empty ones fit anywhere."""
    position = 0
    for begin, end, name in ranges:
        if begin != position:
            kind = "overlaps the tensor before it" if begin < position else "leaves a gap before it"
            raise ModelFileError(
                f"{file.path}: tensor {shown(name)} {kind}: it begins at byte {begin} of the data, "
                f"expected {position}"
            )
        position = end
    if position > data_bytes:
        raise ModelFileError(
            f"{file.path}: truncated: the tensors need {position} bytes of data, the file has {data_bytes}"
        )
    if position < data_bytes:
        raise ModelFileError(f"{file.path}: has {data_bytes - position} bytes after its last tensor")


def _are_integers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _found(value: Any) -> str:
    return shown(value) if isinstance(value, str) else type(value).__name__
