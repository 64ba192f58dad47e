"""torch.save's stream before torch 1.6: five pickles, then the storages one after the other.

The pickles: a magic number, the protocol version 1001, facts about the writer's machine, the state dict, and
the list of storage keys. Then for each key an int64 count of elements and the bytes. Nothing is aligned, so
most tensors are copied when they are read.
"""

from __future__ import annotations

from ..errors import ModelFileError, shown
from .file_kind import LEGACY_MAGIC
from .mapped_file import MappedFile
from .pickle_reader import LEGACY_STORAGE_FIELDS, MAX_PICKLE_BYTES, PickleReader
from .pickle_values import DictContainer, SequenceContainer, Storage, Value, kind_of
from .state_dict import named_tensors
from .tensor_view import StoredTensor

_PROTOCOL_VERSION = 1001
_COUNT_BYTES = 8


def read_torch_legacy(file: MappedFile) -> dict[str, StoredTensor]:
    """Every tensor of the stream, in the state dict's order; reads the pickles and the counts only.

    Raises ModelFileError unless the file is exactly the stream described above, UnsafeFileError if a pickle
    asks for anything but tensors.
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


def _check_protocol(value: Value, file: MappedFile) -> None:
    if type(value) is not int or value != _PROTOCOL_VERSION:
        found = shown(value) if type(value) is int else kind_of(value)
        raise ModelFileError(
            f"{file.path}: has legacy protocol version {found}, expected {_PROTOCOL_VERSION}"
        )


def _check_machine(value: Value, file: MappedFile) -> None:
    little = value.items.get("little_endian") if isinstance(value, DictContainer) else None
    if little is not True:
        found = "a big-endian machine" if little is False else "an unknown machine"
        raise ModelFileError(f"{file.path}: was written on {found}, expected a little-endian one")


def _storage_keys(value: Value, storages: dict[str, Storage], file: MappedFile) -> list[str]:
    items = value.items if isinstance(value, SequenceContainer) and value.kind == "list" else None
    if items is None:
        raise ModelFileError(f"{file.path}: has a {kind_of(value)} of storage keys, expected a list")
    keys = [key for key in items if type(key) is str]
    if len(keys) != len(items) or len(set(keys)) != len(keys) or set(keys) != storages.keys():
        raise ModelFileError(
            f"{file.path}: lists {len(items)} storage keys, "
            f"expected exactly the {len(storages)} storages that its tensors use"
        )
    return keys


def _storage_offsets(
    keys: list[str], storages: dict[str, Storage], file: MappedFile, position: int
) -> dict[Storage, int]:
    """At which byte the data of each storage begins; they must fill the rest of the file."""
    offsets = {}
    for key in keys:
        storage = storages[key]
        what = f"storage {shown(key)}"
        count = int.from_bytes(file.read(position, _COUNT_BYTES, what), "little", signed=True)
        if count != storage.count:
            raise ModelFileError(f"{file.path}: {what} has {count} elements, expected {storage.count}")
        position += _COUNT_BYTES
        offsets[storage] = position
        position += storage.size_bytes
        if position > file.size:
            raise ModelFileError(
                f"{file.path}: truncated: {what} would end at byte {position}, the file has {file.size}"
            )
    if position != file.size:
        raise ModelFileError(f"{file.path}: has {file.size - position} bytes after its last storage")
    return offsets
