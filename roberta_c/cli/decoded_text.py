"""The text of a binary stream in any encoding, a chunk or a line at a time, with the place of a bad byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import InputError, mismatch, shown

# A file with a longer line is taken for something other than text.
MAX_LINE_BYTES = 1 << 27
_CHUNK_BYTES = 1 << 16


def check_encoding(name: str) -> str:
    """The codec's own name of an encoding. Raises InputError for a name that Python does not know."""
    try:
        "".encode(name)  # some codecs are not between text and bytes
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        raise InputError(mismatch("--encoding", shown(name), "an encoding such as utf-8 or cp1252")) from None


def decoded_lines(file: BinaryIO, encoding: str, name: str) -> Iterator[str]:
    r"""The lines of `file` with their ends, divided after \n only; without a byte order mark at the start.

    Raises InputError for bytes that are not text in `encoding`: after the complete lines before them.
    """
    number, begun = 1, ""
    for text in _decoded(file, encoding, name):
        if isinstance(text, _BadByte):
            place = f"{name}: line {number}"
            found = f"the byte 0x{text.value:02x} at position {text.position} of the file"
            raise InputError(mismatch(place, found, f"{encoding} (--encoding names another)"))
        begun += text
        if "\n" in text:
            *lines, begun = begun.split("\n")
            for line in lines:
                number += 1
                yield f"{line}\n"
        if len(begun) > MAX_LINE_BYTES:
            raise InputError(mismatch(f"{name}: line {number}", f"more than {MAX_LINE_BYTES} bytes", "text"))
    if begun:
        yield begun


class _BadByte:
    """The first byte that an encoding does not allow: its value and its position in the file."""

    def __init__(self, value: int, position: int) -> None:
        self.value, self.position = value, position


def _decoded(file: BinaryIO, encoding: str, name: str) -> Iterator[str | _BadByte]:
    """The text of `file` in chunks; if a byte is bad, the text before it and then the bad byte."""
    decoder = codecs.getincrementaldecoder(encoding)()
    position, is_start = 0, True  # position: of the next byte to be read
    while True:
        data = _read(file, name)
        state = decoder.getstate()
        waiting = len(state[0])  # bytes that the decoder has read and not decoded
        bad = None
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            bad = _BadByte(error.object[error.start], position - waiting + error.start)
            decoder.setstate(state)
            text = decoder.decode(data[: max(0, error.start - waiting)])
        except UnicodeError as error:  # without a position: UTF-16 without a byte order mark
            found = f"bytes that cannot be decoded ({error})"
            raise InputError(mismatch(name, found, f"{encoding} (--encoding names another)")) from None
        if is_start and text:
            text, is_start = text.removeprefix("\ufeff"), False
        if text:
            yield text
        if bad is not None:
            yield bad
        if bad is not None or not data:
            return
        position += len(data)


def _read(file: BinaryIO, name: str) -> bytes:
    """The bytes that are there, as soon as there are any; b"" at the end."""
    try:
        read = getattr(file, "read1", file.read)
        data: bytes = read(_CHUNK_BYTES)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from error
    return data
