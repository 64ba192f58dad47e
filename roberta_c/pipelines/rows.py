"""What callers pass as texts: checked rows, and how many of them are read at a time.

The rows of a block are tokenized, sorted by length and computed together; one more block is read ahead and
tokenized meanwhile. Sizes of blocks are bounded, and so is memory, however long the input is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from ..errors import InputError, mismatch, shown

# The first block holds one batch, so that results come early. Sizes double up to this many batches.
BLOCK_BATCHES = 16
# A block ends early once it has this many characters.
BLOCK_CHARACTERS = 1 << 22

_Row = TypeVar("_Row", bound=tuple[Any, ...])


class TextRow(NamedTuple):
    """One text, or a pair of them."""

    text: str
    text_pair: str | None = None


class WordsRow(NamedTuple):
    """A text; words: those it was given as, or None."""

    text: str
    words: tuple[str, ...] | None


def as_row(value: Any, name: str) -> TextRow:
    """A caller's `value` as a row; `name` is what messages call it.

    value: a str; a dict of "text" and, for a pair, "text_pair"; or a pair as a list of two in a list, which
        transformers still accepts. A bare list of two is an error: it could mean two texts. An empty second
        text means no second text, as in transformers' pipeline.

    Raises InputError.
    """
    if isinstance(value, str):
        return TextRow(plain_text(value, name))
    if isinstance(value, dict):
        unknown = [key for key in value if key not in ("text", "text_pair")]
        if unknown or "text" not in value:
            raise InputError(
                mismatch(name, f"the keys {shown(list(value))}", "text and, for a pair, text_pair")
            )
        return _pair_row(value["text"], f"{name}['text']", value.get("text_pair"), f"{name}['text_pair']")
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and len(value[0]) == 2:
        return _pair_row(value[0][0], f"{name}[0][0]", value[0][1], f"{name}[0][1]")
    if isinstance(value, (list, tuple)):
        expected = 'str, or for a pair a dict {"text": …, "text_pair": …}'
        raise InputError(mismatch(name, f"a {type(value).__name__} of {len(value)}", expected))
    raise InputError(mismatch(name, _type_and_value(value), "str or a dict with text and text_pair"))


def _pair_row(text: Any, name: str, text_pair: Any, pair_name: str) -> TextRow:
    pair = None if text_pair is None else plain_text(text_pair, pair_name)
    return TextRow(plain_text(text, name), pair or None)


def plain_text(value: Any, name: str) -> str:
    """The characters of `value` as a plain str. Raises InputError unless it is a str that UTF-8 can encode.

    The methods of a subclass of str are never called.
    """
    if not isinstance(value, str):
        raise InputError(mismatch(name, _type_and_value(value), "str"))
    text = str.__str__(value)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        found = f"the lone surrogate U+{ord(text[error.start]):04X} at position {error.start}"
        raise InputError(mismatch(name, found, "text that UTF-8 can encode")) from None
    return text


def _type_and_value(value: Any) -> str:
    return "None" if value is None else f"{type(value).__name__} {shown(value, 40)}"


def characters(row: tuple[Any, ...]) -> int:
    """The characters of a row's texts and words."""
    return sum(
        len(part) if isinstance(part, str) else characters(part) if isinstance(part, tuple) else 0
        for part in row
    )


def blocks(rows: Iterable[_Row], batch_size: int, batches: int = BLOCK_BATCHES) -> Iterator[list[_Row]]:
    """The rows in lists that are read one at a time.

    The first list holds one batch; sizes double up to `batches` batches, but a list ends early once it has
    BLOCK_CHARACTERS. With a batch size of 1 each list holds one row. If `rows` raises an exception, the rows
    that came before are yielded first.
    """
    size, largest = batch_size, batch_size * (batches if batch_size > 1 else 1)
    source = iter(rows)
    end: Exception | None = None
    while end is None:
        block: list[_Row] = []
        length = 0
        while len(block) < size and length < BLOCK_CHARACTERS:
            try:
                row = next(source)
            except Exception as error:  # StopIteration at the end of the rows, or a failure
                end = error
                break
            block.append(row)
            length += characters(row)
        if block:
            yield block
        size = min(2 * size, largest)
    if not isinstance(end, StopIteration):
        raise end
