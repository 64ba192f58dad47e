"""Texts as a pipeline takes them: checked rows, in windows, encoded, and dealt into batches by length.

A window is what is read ahead: texts are tokenized, sorted and answered within it, so that memory stays
bounded however long the input is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import InputError, shown

# A window starts as one batch, so that the first answers come soon, and doubles up to this many.
WINDOW_BATCHES = 16
# Texts of many pages fill a window early.
WINDOW_CHARACTERS = 1 << 22
# And a batch: what the model holds per token is some kilobytes.
BATCH_TOKENS = 1 << 14
# A text of more characters than either is encoded by its beginning: tokenizing all of a book for its first
# page would take seconds and gigabytes.
CHARACTERS_PER_TOKEN = 16
LONG_TEXT = 1 << 13


class TextRow(NamedTuple):
    """One text, or a pair of them."""

    text: str
    text_pair: str | None = None


class EncodedRow(NamedTuple):
    """A row's token ids, and whether they had to be truncated to fit."""

    ids: list[int]
    truncated: bool


def as_row(value: Any, name: str) -> TextRow:
    """The row that a caller's `value`, called `name`, stands for.

    A str; a dict of "text" and, for a pair, "text_pair"; or, as transformers still takes it, a pair as a
    list in a list. A bare list of two is an error: it could mean two texts. An empty second text is none, as
    transformers' pipeline has it. Raises InputError.
    """
    if isinstance(value, str):
        return TextRow(_plain_text(value, name))
    if isinstance(value, dict):
        unknown = [key for key in value if key not in ("text", "text_pair")]
        if unknown or "text" not in value:
            raise InputError(
                f"{name}: found the keys {shown(list(value))}, expected text and, for a pair, text_pair"
            )
        return _pair_row(value["text"], f"{name}['text']", value.get("text_pair"), f"{name}['text_pair']")
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and len(value[0]) == 2:
        return _pair_row(value[0][0], f"{name}[0][0]", value[0][1], f"{name}[0][1]")
    if isinstance(value, (list, tuple)):
        raise InputError(
            f"{name}: found a {type(value).__name__} of {len(value)}, expected str, or for a pair a dict "
            '{"text": …, "text_pair": …}'
        )
    raise InputError(f"{name}: found {_named(value)}, expected str or a dict with text and text_pair")


def _pair_row(text: Any, name: str, text_pair: Any, pair_name: str) -> TextRow:
    pair = None if text_pair is None else _plain_text(text_pair, pair_name)
    return TextRow(_plain_text(text, name), pair or None)


def _plain_text(value: Any, name: str) -> str:
    """`value` as a str proper (of a subclass, its characters), which UTF-8 can spell."""
    if not isinstance(value, str):
        raise InputError(f"{name}: found {_named(value)}, expected str")
    text = str.__str__(value)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError as error:
        found = f"the lone surrogate U+{ord(text[error.start]):04X} at position {error.start}"
        raise InputError(f"{name}: found {found}, expected text that UTF-8 can spell") from None
    return text


def _named(value: Any) -> str:
    return "None" if value is None else f"{type(value).__name__} {shown(value, 40)}"


def windows(rows: Iterable[TextRow], batch_size: int) -> Iterator[list[TextRow]]:
    """The rows in lists of a batch, two, four, … up to WINDOW_BATCHES, fewer where texts are long.

    With a batch size of 1 lists hold one row each. Where `rows` raises, the rows before that come first.
    """
    size, largest = batch_size, batch_size * (WINDOW_BATCHES if batch_size > 1 else 1)
    source = iter(rows)
    failure: Exception | None = None
    while failure is None:
        window: list[TextRow] = []
        characters = 0
        while len(window) < size and characters < WINDOW_CHARACTERS:
            try:
                row = next(source)
            except Exception as error:  # StopIteration among them
                failure = error
                break
            window.append(row)
            characters += len(row.text) + len(row.text_pair or "")
        if window:
            yield window
        size = min(2 * size, largest)
    if not isinstance(failure, StopIteration):
        raise failure


def encode_rows(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    truncation: str,
    name_of: Callable[[int], str],
) -> list[EncodedRow]:
    """Token ids of each row, at most `max_tokens` of them, by one call for the texts and one for the pairs.

    truncation: a tokenizer's name for what to cut, or "do_not_truncate", with which a longer row raises
    InputError; `name_of(index)` is what it calls the row.
    """
    keeps_beginning = getattr(tokenizer, "truncation_side", "right") == "right"
    shorter = [_beginning(tokenizer, row, max_tokens) if keeps_beginning else row for row in rows]
    encoded = {}
    for has_pair in (False, True):
        chosen = [index for index, row in enumerate(rows) if (row.text_pair is not None) == has_pair]
        whole = _token_ids(tokenizer, [shorter[index] for index in chosen], "do_not_truncate", None)
        encoded.update({index: EncodedRow(ids, False) for index, ids in zip(chosen, whole, strict=True)})

        # Few texts are: these are encoded again rather than all of them with their overflow kept.
        too_long = [index for index in chosen if len(encoded[index].ids) > max_tokens]
        if too_long and truncation == "do_not_truncate":
            index = too_long[0]
            found = f"{'' if shorter[index] is rows[index] else 'more than '}{len(encoded[index].ids)} tokens"
            raise InputError(
                f"{name_of(index)}: found {found}, expected at most {max_tokens}; "
                "truncation=True cuts texts to fit"
            )
        cut = _token_ids(tokenizer, [shorter[index] for index in too_long], truncation, max_tokens)
        encoded.update({index: EncodedRow(ids, True) for index, ids in zip(too_long, cut, strict=True)})
    return [encoded[index] for index in range(len(rows))]


def _beginning(tokenizer: Any, row: TextRow, max_tokens: int) -> TextRow:
    """`row`, or in place of very long texts beginnings of these that truncate to the same tokens."""
    length = max(max_tokens * CHARACTERS_PER_TOKEN, LONG_TEXT)
    if all(len(text or "") <= length for text in row):
        return row
    text = _text_beginning(tokenizer, row.text, length, 2 * max_tokens)
    if row.text_pair is None:
        return TextRow(text)
    return TextRow(text, _text_beginning(tokenizer, row.text_pair, length, 2 * max_tokens))


def _text_beginning(tokenizer: Any, text: str, length: int, min_tokens: int) -> str:
    """A beginning of `text` of at least `length` characters and `min_tokens` tokens, or all of it.

    Tokens depend on what is near them, so that a cut changes the last ones only, if any: it falls between a
    word and a space where there is one, which pre-tokenizers split at.
    """
    while length < len(text):
        places = range(length, min(length + LONG_TEXT, len(text)))
        end = next((i for i in places if text[i].isspace() and not text[i - 1].isspace()), length)
        if len(_token_ids(tokenizer, [TextRow(text[:end])], "do_not_truncate", None)[0]) >= min_tokens:
            return text[:end]
        length *= 2
    return text


def _token_ids(
    tokenizer: Any, rows: Sequence[TextRow], truncation: str, max_length: int | None
) -> list[list[int]]:
    """Ids of rows that are all single texts or all pairs."""
    if not rows:
        return []
    arguments = {"padding": False, "truncation": truncation, "max_length": max_length}
    texts = [row.text for row in rows]
    if rows[0].text_pair is None:
        return tokenizer(texts, **arguments)["input_ids"]
    return tokenizer(texts, [row.text_pair for row in rows], **arguments)["input_ids"]


def batches_by_length(
    lengths: Sequence[int], batch_size: int, max_tokens: int = BATCH_TOKENS
) -> Iterator[list[int]]:
    """Indexes into `lengths`, longest first, in lists of at most `batch_size` and `max_tokens`.

    A row longer than that makes a batch of its own.
    """
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) == batch_size or tokens + lengths[index] > max_tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(index)
        tokens += lengths[index]
    if batch:
        yield batch
