"""Tokenizer files read strictly, and the guard around what the tokenizers library raises.

Everything here takes files as untrusted: whatever is wrong with one ends as a TokenizerFileError
that names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import RobertaCError, TokenizerFileError, shown
from ..files.json_object import parse_object

TOKENIZER_JSON = "tokenizer.json"
VOCAB = "vocab.json"
MERGES = "merges.txt"
SENTENCEPIECE = "sentencepiece.bpe.model"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"
MODEL_CONFIG = "config.json"
# The largest published ones (250,000 pieces with their merges) are some 20 MB.
MAX_FILE_BYTES = 1 << 30


def read_bytes(path: Path) -> bytes:
    """The whole of a regular, non-empty file that is what its name says (no LFS pointer, no web page)."""
    try:
        if not path.is_file():
            found = "a directory or special file" if path.exists() else "nothing"
            raise TokenizerFileError(f"{path}: expected a file, found {found}")
        data = path.read_bytes()
    except TokenizerFileError:
        raise
    except OSError as error:
        raise TokenizerFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise TokenizerFileError(f"{path}: the file is empty")
    start = data[:64].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise TokenizerFileError(f"{path}: found a Git LFS pointer, expected the file it points to")
    if start.startswith((b"<!doctype html", b"<html")):
        raise TokenizerFileError(f"{path}: found an HTML page, expected a tokenizer file")
    return data


def read_text(path: Path) -> str:
    """The file as UTF-8 text."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerFileError(f"{path}: not UTF-8 at byte {error.start}") from error


def parse_json_object(text: str, path: Path) -> dict[str, Any]:
    """`text` as a JSON object; a vocabulary of 250,000 pieces is large, and fits its file's own size."""
    return parse_object(text.encode("utf-8"), path, TokenizerFileError, MAX_FILE_BYTES, None)


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object that the file holds."""
    return parse_object(read_bytes(path), path, TokenizerFileError, MAX_FILE_BYTES, None)


def is_panic(error: BaseException) -> bool:
    """Whether `error` is a Rust panic: pyo3 derives its class from BaseException and exports no name."""
    return type(error).__name__ == "PanicException"


@contextmanager
def library_errors(path: Path) -> Iterator[None]:
    """Turn what the tokenizers library raises over the file, panics included, into TokenizerFileError."""
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
