"""Strict readers of tokenizer files, and a guard that converts the errors of the tokenizers library.

Files are untrusted: whatever is wrong with one raises a TokenizerFileError that names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RobertaCError, TokenizerFileError, mismatch, shown
from ..files.json_object import parse_object

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


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file that is not empty, no Git LFS pointer and no web page."""
    try:
        if not path.is_file():
            found = "a directory or special file" if path.exists() else "nothing"
            raise TokenizerFileError(mismatch(path, found, "a file"))
        data = path.read_bytes()
    except TokenizerFileError:
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


def read_text(path: Path) -> str:
    """The file as UTF-8 text."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerFileError(mismatch(path, f"no UTF-8 at byte {error.start}", "UTF-8 text")) from error


def parse_json_object(text: str, path: Path) -> dict[str, Any]:
    """`text`, which was read from the file `path`, as a JSON object.

    Its limit is MAX_FILE_BYTES: a vocabulary of 250,000 pieces exceeds the limits of other JSON files.
    """
    return parse_object(text.encode("utf-8"), path, TokenizerFileError, MAX_FILE_BYTES, None)


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object that the file holds."""
    return parse_object(read_bytes(path), path, TokenizerFileError, MAX_FILE_BYTES, None)


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
