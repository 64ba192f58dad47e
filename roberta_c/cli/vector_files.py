"""Vectors into NumPy's files: .npy, and .npz with the texts beside them.

Memory does not grow with the number of vectors. NumPy itself is not needed.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable
from io import BufferedWriter, RawIOBase
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

from ..errors import InputError, mismatch

if TYPE_CHECKING:
    import numpy as np

# Fixed, so that the header of all rows has the place of the one that was written before them.
_HEADER_BYTES = 128
_MOST_TEXT_BYTES = 1 << 32
_CHUNK_BYTES = 1 << 20


@runtime_checkable
class VectorForm(Protocol):
    """What a file of vectors needs to know before the first. dtype: as NumPy writes it, such as "<f4"."""

    @property
    def width(self) -> int:
        """How many numbers a vector has."""

    @property
    def dtype(self) -> str:
        """The type of its numbers."""


def write_npy(file: RawIOBase, vectors: Iterable[np.ndarray], form: VectorForm) -> None:
    """Write the vectors (D) as one array (n, D), whose n is known when all are written."""
    with BufferedWriter(file, _CHUNK_BYTES) as buffer:
        buffer.write(_header(form, 0))
        rows = _write_rows(buffer, vectors)
        buffer.seek(0)
        buffer.write(_header(form, rows))


def write_npz(
    file: RawIOBase, texts: Iterable[tuple[str, np.ndarray]], form: VectorForm, folder: str, name: str
) -> None:
    """Write texts and their vectors as the arrays `vectors` (n, D) and `texts` (n).

    The vectors wait in an unnamed file in `folder` until n is known. Raises InputError, which calls the file
    `name`, if the texts need too much, as NumPy gives each the room of the longest, or if one ends with NUL,
    which NumPy drops.
    """
    expected = "the format npy, jsonl or parquet"
    listed: list[str] = []

    def vectors() -> Iterable[np.ndarray]:
        for text, vector in texts:
            if text.endswith("\0"):
                raise InputError(
                    mismatch(name, f"a text that ends with NUL, text {len(listed) + 1}", expected)
                )
            listed.append(text)
            yield vector

    with BufferedWriter(file, _CHUNK_BYTES) as buffer, tempfile.TemporaryFile(dir=folder or ".") as waiting:
        rows = _write_rows(waiting, vectors())
        longest = max(map(len, listed), default=0) or 1
        if 4 * longest * rows > _MOST_TEXT_BYTES:
            found = f"{rows} texts with one of {longest} characters, whose room NumPy gives each"
            raise InputError(mismatch(name, found, f"shorter texts, or {expected}"))
        waiting.seek(0)
        with zipfile.ZipFile(buffer, "w") as archive:
            with archive.open("vectors.npy", "w", force_zip64=True) as member:
                member.write(_header(form, rows))
                while chunk := waiting.read(_CHUNK_BYTES):
                    member.write(chunk)
            of_texts = zipfile.ZipInfo("texts.npy")
            of_texts.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(of_texts, "w", force_zip64=True) as member:
                member.write(_npy_header(f"<U{longest}", f"({rows},)"))
                for text in listed:
                    member.write(text.encode("utf-32-le").ljust(4 * longest, b"\0"))


def _write_rows(file: BinaryIO | BufferedWriter | Any, vectors: Iterable[np.ndarray]) -> int:
    rows = 0
    for vector in vectors:
        file.write(vector.tobytes())
        rows += 1
    return rows


def _header(form: VectorForm, rows: int) -> bytes:
    return _npy_header(form.dtype, f"({rows}, {form.width})")


def _npy_header(dtype: str, shape: str) -> bytes:
    """What stands before the numbers in version 1.0 of the format."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    length = _HEADER_BYTES - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + f"{text:{length - 1}}\n".encode("latin-1")
