"""The legacy format, which torch.save wrote before torch 1.6: five pickles, then the storages.

The pickles are a magic number, the protocol version 1001, facts about the machine that wrote the file, the
state dict, and the list of storage keys. For each key follow an int64 count of elements and their bytes.
Storages are not aligned, so most tensors are copied when they are read.
"""

from __future__ import annotations

from ..errors import ModelFileError, mismatch, shown
from .file_kind import LEGACY_MAGIC
from .pickle_reader import LEGACY_STORAGE_FIELDS, MAX_PICKLE_BYTES, PickleReader
from .pickle_values import DictContainer, SequenceContainer, Storage, Value, kind_of
from .state_dict import named_tensors
from .tensor_view import StoredTensor
from .weight_file import WeightFile

_PROTOCOL_VERSION = 1001
_COUNT_BYTES = 8


def read_torch_legacy(file: WeightFile) -> dict[str, StoredTensor]:
    """Every tensor of the file, in the state dict's order. Reads the pickles and the counts only.

    Raises ModelFileError for any file that differs from the format above, UnsafeFileError if a pickle holds
    anything but tensors.
    """
    start = len(LEGACY_MAGIC)
    data = file.read(start, min(file.size - start, MAX_PICKLE_BYTES), "the pickles")
    reader = PickleReader(data, f"{file.path}", LEGACY_STORAGE_FIELDS)
    _check_protocol(reader.read(), file)
    _check_machine(reader.read(), file)
    root = reader.read()
    keys = _storage_keys(reader.read(), reader.storages, file)
    offsets = _storage_offsets(keys, reader.storages, file, start + reader.position)
    tensors = named_tensors(root, file, offsets)
    file.check_unchanged()
    return tensors


def _check_protocol(value: Value, file: WeightFile) -> None:
    if type(value) is not int or value != _PROTOCOL_VERSION:
        found = shown(value) if type(value) is int else kind_of(value)
        raise ModelFileError(mismatch(f"{file.path}: legacy protocol version", found, f"{_PROTOCOL_VERSION}"))


def _check_machine(value: Value, file: WeightFile) -> None:
    little = value.items.get("little_endian") if isinstance(value, DictContainer) else None
    if little is not True:
        found = "a big-endian machine" if little is False else "an unknown machine"
        raise ModelFileError(mismatch(f"{file.path}: written on", found, "a little-endian machine"))


def _storage_keys(value: Value, storages: dict[str, Storage], file: WeightFile) -> list[str]:
    items = value.items if isinstance(value, SequenceContainer) and value.kind == "list" else None
    if items is None:
        raise ModelFileError(mismatch(f"{file.path}: storage keys", f"a {kind_of(value)}", "a list"))
    keys = [key for key in items if type(key) is str]
    if len(keys) != len(items) or len(set(keys)) != len(keys) or set(keys) != storages.keys():
        expected = f"exactly those of the {len(storages)} storages that the tensors use"
        raise ModelFileError(mismatch(f"{file.path}: storage keys", f"{len(items)} keys", expected))
    return keys


def _storage_offsets(
    keys: list[str], storages: dict[str, Storage], file: WeightFile, position: int
) -> dict[Storage, int]:
    """The byte at which the data of each storage begins. The storages must fill the file to its end."""
    offsets = {}
    for key in keys:
        storage = storages[key]
        what = f"storage {shown(key)}"
        count = int.from_bytes(file.read(position, _COUNT_BYTES, what), "little", signed=True)
        if count != storage.count:
            raise ModelFileError(mismatch(f"{file.path}: {what}", f"{count} elements", f"{storage.count}"))
        position += _COUNT_BYTES
        offsets[storage] = position
        position += storage.size_bytes
        if position > file.size:
            place, found = f"{file.path}: truncated: {what}", f"a file of {file.size} bytes"
            raise ModelFileError(mismatch(place, found, f"data to byte {position}"))
    if position != file.size:
        found = f"{file.size - position} bytes after the last storage"
        raise ModelFileError(mismatch(file.path, found, "the end of the file"))
    return offsets
