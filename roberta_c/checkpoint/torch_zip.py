"""The zip archive that torch.save writes since torch 1.6: one pickle, and one entry for each storage.

`<prefix>/data.pkl` describes the state dict. `<prefix>/data/<key>` holds a storage's bytes, uncompressed.
`byteorder` and `version` are short texts. Older files lack `byteorder`, and are little-endian.
"""

from __future__ import annotations

import logging
import zlib

from ..errors import ModelFileError, mismatch, shown
from .pickle_reader import MAX_PICKLE_BYTES, ZIP_STORAGE_FIELDS, PickleReader
from .state_dict import named_tensors
from .tensor_view import StoredTensor
from .weight_file import WeightFile
from .zip_directory import ZipEntry, read_directory

logger = logging.getLogger(__name__)

_VERSIONS = frozenset(str(version) for version in range(1, 11))  # those that torch 2.13 reads
_MAX_TEXT_BYTES = 64
# Entries that do not concern tensors.
_IGNORABLE = frozenset(
    ("version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")
)


def read_torch_zip(file: WeightFile) -> dict[str, StoredTensor]:
    """Every tensor of the archive, in the state dict's order. Reads headers and data.pkl only.

    Raises ModelFileError for an archive that torch.save did not write or that is damaged, UnsafeFileError if
    its pickle holds anything but tensors.
    """
    entries = _without_prefix(read_directory(file), file)
    if "constants.pkl" in entries:
        raise ModelFileError(mismatch(file.path, "a TorchScript archive (a program)", "a state dict"))
    compressed = next((entry.name for entry in entries.values() if not entry.is_stored), None)
    if compressed is not None:
        place = f"{file.path}: zip entry {shown(compressed)}"
        raise ModelFileError(mismatch(place, "a compressed entry", "an uncompressed one"))
    if "data.pkl" not in entries:
        raise ModelFileError(mismatch(file.path, "a zip archive without data.pkl", "one from torch.save"))
    byteorder = _text(file, entries, "byteorder", "little")
    if byteorder != "little":
        raise ModelFileError(mismatch(f"{file.path}: byte order", shown(byteorder), "'little'"))
    version = _text(file, entries, "version", "3")
    if version not in _VERSIONS:
        raise ModelFileError(mismatch(f"{file.path}: file format version", shown(version), "1 to 10"))

    reader = PickleReader(
        _pickle_bytes(file, entries["data.pkl"]), f"{file.path}: data.pkl", ZIP_STORAGE_FIELDS
    )
    root = reader.read()
    if reader.position != entries["data.pkl"].size:
        place, found = f"{file.path}: data.pkl", "bytes after the pickle"
        raise ModelFileError(mismatch(place, found, "the end of the entry"))
    offsets = {}
    for key, storage in reader.storages.items():
        entry = entries.get(f"data/{key}")
        if entry is None:
            expected = "one, because data.pkl refers to it"
            raise ModelFileError(mismatch(file.path, f"no storage {shown(key)}", expected))
        if entry.size != storage.size_bytes:
            place, found = f"{file.path}: storage {shown(key)}", f"{entry.size} bytes"
            expected = f"{storage.size_bytes} ({storage.count} x {storage.dtype})"
            raise ModelFileError(mismatch(place, found, expected))
        offsets[storage] = entry.offset
    _report_unused(file, entries, reader)
    tensors = named_tensors(root, file, offsets)
    file.check_unchanged()
    return tensors


def _without_prefix(entries: dict[str, ZipEntry], file: WeightFile) -> dict[str, ZipEntry]:
    """The entries by their names inside the archive's one top folder."""
    shorter = {}
    prefixes = set()
    for name, entry in entries.items():
        prefix, slash, rest = name.partition("/")
        prefixes.add(prefix)
        if not slash or len(prefixes) > 1:
            found = f"the zip entry {shown(name)} outside of the folder of the others"
            raise ModelFileError(mismatch(file.path, found, "an archive from torch.save"))
        shorter[rest] = entry
    return shorter


def _text(file: WeightFile, entries: dict[str, ZipEntry], name: str, default: str) -> str:
    entry = entries.get(name)
    if entry is None:
        return default
    if entry.size > _MAX_TEXT_BYTES:
        place, found = f"{file.path}: zip entry {name}", f"{entry.size} bytes"
        raise ModelFileError(mismatch(place, found, f"a text of at most {_MAX_TEXT_BYTES}"))
    return file.read(entry.offset, entry.size, f"zip entry {name}").decode("ascii", "replace").strip()


def _pickle_bytes(file: WeightFile, entry: ZipEntry) -> bytes:
    if entry.size > MAX_PICKLE_BYTES:
        place = f"{file.path}: data.pkl"
        raise ModelFileError(mismatch(place, f"{entry.size} bytes", f"at most {MAX_PICKLE_BYTES}"))
    data = file.read(entry.offset, entry.size, "data.pkl")
    # With torch.serialization.set_crc32_options(False), torch writes 0 instead of a checksum.
    if entry.crc and zlib.crc32(data) != entry.crc:
        place, found = f"{file.path}: data.pkl: damaged", f"CRC {zlib.crc32(data):08x}"
        raise ModelFileError(mismatch(place, found, f"{entry.crc:08x}"))
    return data


def _report_unused(file: WeightFile, entries: dict[str, ZipEntry], reader: PickleReader) -> None:
    used = {f"data/{key}" for key in reader.storages} | _IGNORABLE | {"data.pkl"}
    unused = [name for name in entries if name not in used]
    if unused:
        logger.warning("%s: ignored %d zip entries, such as %s", file.path, len(unused), shown(unused[0]))
