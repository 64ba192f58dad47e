"""The format of a weight file, by its first bytes alone: names, extensions and ends of files can mislead."""

from __future__ import annotations

from ..errors import ModelFileError, mismatch, shown
from .weight_file import WeightFile

ZIP, LEGACY, SAFETENSORS, INDEX = "torch-zip", "torch-legacy", "safetensors", "index"

ZIP_MAGIC = b"PK\x03\x04"
# A pickle of torch's magic number 0x1950a86a20f9469cfc6c: PROTO 2, LONG1 with ten bytes, STOP.
LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")

_PREFIX_BYTES = 512
_FAILED_DOWNLOAD = "weights: the download went wrong"
_WEIGHTS = "PyTorch or safetensors weights"
# First bytes in lower case, what was found, what was expected.
_NOT_WEIGHTS = (
    (b"version https://git-lfs.github.com/spec/", "a git-LFS pointer", "weights: fetch the file itself"),
    (b"<!doctype", "an HTML page", _FAILED_DOWNLOAD),
    (b"<html", "an HTML page", _FAILED_DOWNLOAD),
    (b"<?xml", "an XML page", _FAILED_DOWNLOAD),
    (b"pk\x05\x06", "an empty zip archive", _WEIGHTS),
    (b"pk\x07\x08", "one part of a split zip archive", _WEIGHTS),
    (b"\x89hdf\r\n", "an HDF5 (TensorFlow) file", _WEIGHTS),
    (b"gguf", "a GGUF file", _WEIGHTS),
    (b"\x1f\x8b", "a gzip-compressed file", "the uncompressed weight file"),
    (b"\x80", "a pickle that torch.save did not write", _WEIGHTS),
)


def detect(file: WeightFile) -> str:
    """ZIP, LEGACY, SAFETENSORS or INDEX (a JSON object). For anything else ModelFileError, which names it."""
    prefix = file.read(0, min(file.size, _PREFIX_BYTES), "the first bytes")
    if prefix.startswith(ZIP_MAGIC):
        return ZIP
    if prefix.startswith(LEGACY_MAGIC):
        return LEGACY
    # JSON text never passes this check: eight printable bytes, read as an integer, are far above 2**48.
    if prefix[8:9] == b"{" and int.from_bytes(prefix[:8], "little") < 1 << 48:
        return SAFETENSORS
    text = prefix.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"{"):
        return INDEX
    for signature, found, expected in _NOT_WEIGHTS:
        if text.startswith(signature):
            raise ModelFileError(mismatch(file.path, found, expected))
    expected = "a safetensors header, a torch zip archive or a torch legacy stream"
    if prefix[257:262] == b"ustar":
        found = "a tar archive (torch before 0.1.10, or packed weights)"
        raise ModelFileError(mismatch(file.path, found, expected))
    raise ModelFileError(mismatch(file.path, f"a file that begins with {shown(prefix[:16])}", expected))
