"""Strict readers of tokenizer files, and a guard that converts the errors of the tokenizers library.

Files are untrusted: whatever is wrong with one raises a TokenizerFileError that names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ResourceError, RobertaCError, TokenizerFileError, mismatch, shown
from ..files.json_object import parse_object
from .memory import memory_bytes

TOKENIZER_JSON = "tokenizer.json"
VOCAB = "vocab.json"
MERGES = "merges.txt"
SENTENCEPIECE = "sentencepiece.bpe.model"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
MODEL_CONFIG = "config.json"
# The largest published tokenizer files (250,000 pieces with their merges) have about 20 MB.
MAX_FILE_BYTES = 1 << 30
# Files of more bytes are read only if there is memory for what the library may make of them: 64 bytes of
# memory for each byte of XLM-R's sentencepiece model, up to 360 for long tokens that have nothing in common.
_USUAL_BYTES = 1 << 25
_MEMORY_OF_BYTE = 360
# What the objects of a JSON file may take: a sum, and a multiple of the file's size.
_JSON_MEMORY, _JSON_MEMORY_OF_BYTE = 64 << 20, 20


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file that is not empty, no Git LFS pointer and no web page.

    Raises TokenizerFileError, and ResourceError for a file that is too large for the machine's memory.
    """
    try:
        if not path.is_file():
            found = "a directory or special file" if path.exists() else "nothing"
            raise TokenizerFileError(mismatch(path, found, "a file"))
        _check_size(path, path.stat().st_size)
        data = path.read_bytes()
    except RobertaCError:
        raise
    except OSError as error:
        raise TokenizerFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise TokenizerFileError(mismatch(path, "an empty file", "a tokenizer file"))
    start = data[:64].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise TokenizerFileError(mismatch(path, "a Git LFS pointer", "the file that it points to"))
    if start.startswith((b"<!doctype html", b"<html")):
        raise TokenizerFileError(mismatch(path, "an HTML page", "a tokenizer file"))
    return data


def _check_size(path: Path, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise TokenizerFileError(mismatch(path, f"{size} bytes", f"at most {MAX_FILE_BYTES}"))
    if size > _USUAL_BYTES and size * _MEMORY_OF_BYTE > (most := memory_bytes()):
        expected = f"at most {max(most // _MEMORY_OF_BYTE, _USUAL_BYTES)}, for {most >> 20} MiB of memory"
        raise ResourceError(mismatch(path, f"{size} bytes", expected))


def read_text(path: Path) -> str:
    """The file as UTF-8 text."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerFileError(mismatch(path, f"no UTF-8 at byte {error.start}", "UTF-8 text")) from error


def parse_json_object(text: str, path: Path) -> dict[str, Any]:
    """`text`, which was read from the file `path`, as a JSON object.

    Its limits are larger than those of other JSON files, for a vocabulary of 250,000 pieces.
    """
    return _parse_json(text.encode("utf-8"), path)


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object that the file holds."""
    return _parse_json(read_bytes(path), path)


def _parse_json(data: bytes, path: Path) -> dict[str, Any]:
    memory = _JSON_MEMORY + _JSON_MEMORY_OF_BYTE * len(data)
    return parse_object(data, path, TokenizerFileError, MAX_FILE_BYTES, memory)


def is_panic(error: BaseException) -> bool:
    """Whether `error` is a Rust panic. Its class derives from BaseException, and pyo3 does not export it."""
    return type(error).__name__ == "PanicException"


@contextmanager
def library_errors(path: Path) -> Iterator[None]:
    """Raise what the tokenizers library raises over the file, panics included, as TokenizerFileError."""
    try:
        yield
    except RobertaCError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise TokenizerFileError(
            f"{path}: the tokenizers library refuses it: {shown(str(error), 200)}"
        ) from error
