"""Texts for a pipeline: checked rows, windows of rows, their token ids, and batches of similar length.

A window is how many rows are read ahead: they are tokenized, sorted by length and computed together. Its size
is bounded, and so is memory, however long the input is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import InputError, mismatch, shown

# The first window holds one batch, so that results come early. Sizes double up to this many batches.
WINDOW_BATCHES = 16
# A window ends early once it has this many characters.
WINDOW_CHARACTERS = 1 << 22
# The most tokens of a batch: the model needs some kilobytes of memory for each.
BATCH_TOKENS = 1 << 14
# A text of more characters than `max_tokens` times this, and than LONG_TEXT, is encoded by its beginning:
# tokenizing a complete book to use its first page would take seconds and gigabytes.
CHARACTERS_PER_TOKEN = 16
LONG_TEXT = 1 << 13


class TextRow(NamedTuple):
    """One text, or a pair of them."""

    text: str
    text_pair: str | None = None


class EncodedRow(NamedTuple):
    """A row's token ids, and whether the row was truncated to fit."""

    ids: list[int]
    truncated: bool


def as_row(value: Any, name: str) -> TextRow:
    """A caller's `value` as a row; `name` is what messages call it.

    value: a str; a dict of "text" and, for a pair, "text_pair"; or a pair as a list of two in a list, which
        transformers still accepts. A bare list of two is an error: it could mean two texts. An empty second
        text means no second text, as in transformers' pipeline.

    Raises InputError.
    """
    if isinstance(value, str):
        return TextRow(_plain_text(value, name))
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
    pair = None if text_pair is None else _plain_text(text_pair, pair_name)
    return TextRow(_plain_text(text, name), pair or None)


def _plain_text(value: Any, name: str) -> str:
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


def windows(rows: Iterable[TextRow], batch_size: int) -> Iterator[list[TextRow]]:
    """The rows in lists that are read one at a time.

    The first list holds one batch; sizes double up to WINDOW_BATCHES batches, but a list ends early once it
    has WINDOW_CHARACTERS. With a batch size of 1 each list holds one row. If `rows` raises an exception, the
    rows that came before are yielded first.
    """
    size, largest = batch_size, batch_size * (WINDOW_BATCHES if batch_size > 1 else 1)
    source = iter(rows)
    end: Exception | None = None
    while end is None:
        window: list[TextRow] = []
        characters = 0
        while len(window) < size and characters < WINDOW_CHARACTERS:
            try:
                row = next(source)
            except Exception as error:  # StopIteration at the end of the rows, or a failure
                end = error
                break
            window.append(row)
            characters += len(row.text) + len(row.text_pair or "")
        if window:
            yield window
        size = min(2 * size, largest)
    if not isinstance(end, StopIteration):
        raise end


def encode_rows(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    truncation: str,
    name_of: Callable[[int], str],
) -> list[EncodedRow]:
    """The token ids of each row, at most `max_tokens` of them, special tokens included.

    truncation: what the tokenizer cuts, by its names; with "do_not_truncate" a longer row is an InputError.
    name_of: index into `rows` → what a message calls that row.

    Single texts and pairs are tokenized in one call each.
    """
    keeps_beginning = getattr(tokenizer, "truncation_side", "right") == "right"
    shorter = [_beginning(tokenizer, row, max_tokens) if keeps_beginning else row for row in rows]
    encoded: dict[int, EncodedRow] = {}
    for has_pair in (False, True):
        chosen = [index for index, row in enumerate(rows) if (row.text_pair is not None) == has_pair]
        all_ids = _token_ids(tokenizer, [shorter[index] for index in chosen], "do_not_truncate", None)
        encoded.update({index: EncodedRow(ids, False) for index, ids in zip(chosen, all_ids, strict=True)})

        # Only the rows that are too long are encoded a second time, with truncation. There are few of them;
        # truncation for all rows would make the tokenizer keep every row's overflow.
        too_long = [index for index in chosen if len(encoded[index].ids) > max_tokens]
        if too_long and truncation == "do_not_truncate":
            index = too_long[0]
            found = f"{'' if shorter[index] is rows[index] else 'more than '}{len(encoded[index].ids)} tokens"
            expected = f"at most {max_tokens}; truncation=True cuts texts to fit"
            raise InputError(mismatch(name_of(index), found, expected))
        cut_ids = _token_ids(tokenizer, [shorter[index] for index in too_long], truncation, max_tokens)
        encoded.update({index: EncodedRow(ids, True) for index, ids in zip(too_long, cut_ids, strict=True)})
    return [encoded[index] for index in range(len(rows))]


def _beginning(tokenizer: Any, row: TextRow, max_tokens: int) -> TextRow:
    """`row`, its very long texts shortened to beginnings; truncated to `max_tokens`, its ids are the same."""
    length = max(max_tokens * CHARACTERS_PER_TOKEN, LONG_TEXT)
    if all(len(text or "") <= length for text in row):
        return row
    text = _text_beginning(tokenizer, row.text, length, 2 * max_tokens)
    if row.text_pair is None:
        return TextRow(text)
    return TextRow(text, _text_beginning(tokenizer, row.text_pair, length, 2 * max_tokens))


def _text_beginning(tokenizer: Any, text: str, length: int, min_tokens: int) -> str:
    """A beginning of `text` of at least `length` characters and `min_tokens` tokens, or all of it.

    A token depends on the characters near it, so that a cut can change the last tokens only. The text is cut
    between a word and a space if there is such a position, because pre-tokenizers split there.
    """
    while length < len(text):
        positions = range(length, min(length + LONG_TEXT, len(text)))
        end = next((i for i in positions if text[i].isspace() and not text[i - 1].isspace()), length)
        if len(_token_ids(tokenizer, [TextRow(text[:end])], "do_not_truncate", None)[0]) >= min_tokens:
            return text[:end]
        length *= 2
    return text


def _token_ids(
    tokenizer: Any, rows: Sequence[TextRow], truncation: str, max_length: int | None
) -> list[list[int]]:
    """The token ids of rows that are all single texts or all pairs."""
    if not rows:
        return []
    parts = 1 if rows[0].text_pair is None else 2
    encoded = tokenizer(
        *([row[part] for row in rows] for part in range(parts)),
        padding=False,
        truncation=truncation,
        max_length=max_length,
        return_attention_mask=False,  # nobody reads it: no row is padded
    )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def batches_by_length(
    lengths: Sequence[int], batch_size: int, max_tokens: int = BATCH_TOKENS
) -> Iterator[list[int]]:
    """Indexes into `lengths`, longest rows first, in lists of at most `batch_size` rows and `max_tokens`.

    A row longer than `max_tokens` is a batch of its own.
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
