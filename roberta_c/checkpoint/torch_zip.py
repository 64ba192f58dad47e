"""torch.save's zip archive (torch 1.6 and later): one pickle, and every storage as an entry of its own.

`<prefix>/data.pkl` describes the state dict, `<prefix>/data/<key>` holds a storage's bytes, uncompressed and
aligned, so that tensors are views of the mapped file. `byteorder` and `version` are short texts; older files
lack the former (and are little-endian).
"""

from __future__ import annotations

import logging
import zlib

from ..errors import ModelFileError, shown
from .mapped_file import MappedFile
from .pickle_reader import MAX_PICKLE_BYTES, ZIP_STORAGE_FIELDS, PickleReader
from .state_dict import named_tensors
from .tensor_view import StoredTensor
from .zip_directory import ZipEntry, read_directory

logger = logging.getLogger(__name__)

_VERSIONS = frozenset(str(version) for version in range(1, 11))  # those that torch 2.13 reads
_MAX_TEXT_BYTES = 64
# Entries that hold nothing about tensors.
_IGNORABLE = frozenset(
    ("version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")
)


def read_torch_zip(file: MappedFile) -> dict[str, StoredTensor]:
    """Every tensor of the archive, in the state dict's order; reads headers and data.pkl only.

    Raises ModelFileError for an archive that torch.save did not write or that is damaged, UnsafeFileError if
    its pickle asks for anything but tensors.
    """
    entries = _without_prefix(read_directory(file), file)
    if "constants.pkl" in entries:
        raise ModelFileError(f"{file.path}: is a TorchScript archive (a program), expected a state dict")
    compressed = next((entry.name for entry in entries.values() if not entry.is_stored), None)
    if compressed is not None:
        raise ModelFileError(f"{file.path}: zip entry {shown(compressed)} is compressed, expected it stored")
    if "data.pkl" not in entries:
        raise ModelFileError(f"{file.path}: is a zip archive without data.pkl, expected one from torch.save")
    byteorder = _text(file, entries, "byteorder", "little")
    if byteorder != "little":
        raise ModelFileError(f"{file.path}: has byte order {shown(byteorder)}, expected 'little'")
    version = _text(file, entries, "version", "3")
    if version not in _VERSIONS:
        raise ModelFileError(f"{file.path}: has file format version {shown(version)}, expected 1 to 10")

    reader = PickleReader(
        _pickle_bytes(file, entries["data.pkl"]), f"{file.path}: data.pkl", ZIP_STORAGE_FIELDS
    )
    root = reader.read()
    if reader.position != entries["data.pkl"].size:
        raise ModelFileError(f"{file.path}: data.pkl has bytes after its pickle")
    offsets = {}
    for key, storage in reader.storages.items():
        entry = entries.get(f"data/{key}")
        if entry is None:
            raise ModelFileError(f"{file.path}: lacks the storage {shown(key)} that data.pkl refers to")
        if entry.size != storage.size_bytes:
            raise ModelFileError(
                f"{file.path}: storage {shown(key)} has {entry.size} bytes, "
                f"expected {storage.size_bytes} ({storage.count} x {storage.dtype})"
            )
        offsets[storage] = entry.offset
    _report_unused(file, entries, reader)
    tensors = named_tensors(root, file, offsets)
    file.check_unchanged()
    return tensors


def _without_prefix(entries: dict[str, ZipEntry], file: MappedFile) -> dict[str, ZipEntry]:
    """The entries by their names below the one folder that holds them all."""
    shorter = {}
    prefixes = set()
    for name, entry in entries.items():
        prefix, slash, rest = name.partition("/")
        prefixes.add(prefix)
        if not slash or len(prefixes) > 1:
            raise ModelFileError(
                f"{file.path}: zip entry {shown(name)} is not in one folder with the others, "
                "expected an archive from torch.save"
            )
        shorter[rest] = entry
    return shorter


def _text(file: MappedFile, entries: dict[str, ZipEntry], name: str, default: str) -> str:
    entry = entries.get(name)
    if entry is None:
        return default
    if entry.size > _MAX_TEXT_BYTES:
        raise ModelFileError(f"{file.path}: zip entry {name} has {entry.size} bytes, expected a short text")
    return file.read(entry.offset, entry.size, f"zip entry {name}").decode("ascii", "replace").strip()


def _pickle_bytes(file: MappedFile, entry: ZipEntry) -> bytes:
    if entry.size > MAX_PICKLE_BYTES:
        raise ModelFileError(
            f"{file.path}: data.pkl has {entry.size} bytes, expected at most {MAX_PICKLE_BYTES}"
        )
    data = file.read(entry.offset, entry.size, "data.pkl")
    # torch can be told to compute no checksums (set_crc32_options) and then writes 0.
    if entry.crc and zlib.crc32(data) != entry.crc:
        raise ModelFileError(f"{file.path}: data.pkl is damaged: its checksum does not match")
    return data


def _report_unused(file: MappedFile, entries: dict[str, ZipEntry], reader: PickleReader) -> None:
    used = {f"data/{key}" for key in reader.storages} | _IGNORABLE | {"data.pkl"}
    unused = [name for name in entries if name not in used]
    if unused:
        logger.warning("%s: ignored %d zip entries, such as %s", file.path, len(unused), shown(unused[0]))
