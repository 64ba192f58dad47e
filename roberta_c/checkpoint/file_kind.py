"""What a weight file is, by its first bytes alone: names and extensions lie, and so do ends of files."""

from __future__ import annotations

from ..errors import ModelFileError, shown
from .mapped_file import MappedFile

ZIP, LEGACY, SAFETENSORS, INDEX = "torch-zip", "torch-legacy", "safetensors", "index"

ZIP_MAGIC = b"PK\x03\x04"
# PROTO 2, LONG1 of ten bytes holding torch's magic number 0x1950a86a20f9469cfc6c, STOP.
LEGACY_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")

_PREFIX_BYTES = 512
_NOT_WEIGHTS = (
    (b"version https://git-lfs.github.com/spec/", "is a git-LFS pointer, not weights: fetch the file itself"),
    (b"<!doctype", "is an HTML page, not weights: the download went wrong"),
    (b"<html", "is an HTML page, not weights: the download went wrong"),
    (b"<?xml", "is an XML page, not weights: the download went wrong"),
    (b"pk\x05\x06", "is an empty zip archive, not weights"),
    (b"pk\x07\x08", "is one part of a split zip archive, not weights"),
    (b"\x89hdf\r\n", "is an HDF5 (TensorFlow) file, expected PyTorch or safetensors weights"),
    (b"gguf", "is a GGUF file, expected PyTorch or safetensors weights"),
    (b"\x1f\x8b", "is gzip-compressed, expected the weight file itself"),
    (b"\x80", "is a pickle, but not one that torch.save wrote"),
)


def detect(file: MappedFile) -> str:
    """ZIP, LEGACY, SAFETENSORS or INDEX (a JSON object); ModelFileError saying what else it is."""
    prefix = file.read(0, min(file.size, _PREFIX_BYTES), "the first bytes")
    if prefix.startswith(ZIP_MAGIC):
        return ZIP
    if prefix.startswith(LEGACY_MAGIC):
        return LEGACY
    # JSON text is not mistaken for this: eight printable bytes make a length far beyond any file.
    if prefix[8:9] == b"{" and int.from_bytes(prefix[:8], "little") < 1 << 48:
        return SAFETENSORS
    text = prefix.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"{"):
        return INDEX
    for signature, words in _NOT_WEIGHTS:
        if text.startswith(signature):
            raise ModelFileError(f"{file.path}: {words}")
    if prefix[257:262] == b"ustar":
        raise ModelFileError(
            f"{file.path}: is a tar archive (torch before 0.1.10, or packed weights), which is not read"
        )
    raise ModelFileError(
        f"{file.path}: is no weight file: begins with {shown(prefix[:16])}, expected a safetensors header, "
        "a torch zip archive or a torch legacy stream"
    )
