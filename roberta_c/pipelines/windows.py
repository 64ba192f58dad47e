"""Rows → windows of token ids that the model takes, and windows → batches of similar length.

A row is one window, truncated if it is too long; or several: long_texts.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..errors import InputError, mismatch
from ..tokenizer import Encoding
from ..tokenizer.encode_options import DO_NOT_TRUNCATE
from .rows import TextRow

# The most tokens of a batch: the model needs some kilobytes of memory for each.
BATCH_TOKENS = 1 << 14
# A text of more characters than `max_tokens` times this, and than LONG_TEXT, is encoded by its beginning:
# tokenizing a complete book to use its first page would take seconds and gigabytes.
CHARACTERS_PER_TOKEN = 16
LONG_TEXT = 1 << 13
# A text is counted in pieces of at least this many characters, one at a time.
PIECE = 1 << 16

Span = tuple[int, int]


class Part(NamedTuple):
    """What a window is of a text that is read in several.

    own: indexes into the window's ids, of the tokens whose results are taken from it. shift: `ids[i]` is
    token `i + shift` of the complete encoding. weight: how many tokens of the text that is divided are its
    own: without special tokens, and those of a first text that all windows have.
    """

    own: range
    shift: int
    weight: int


class Window(NamedTuple):
    """Tokens that go through the model together: all of a row, its beginning, or a part of it.

    truncated: whether tokens of the row were cut off. encoding: the tokens' places in the text, for the tasks
    that need them; of a `part`, those of the complete text. n_tokens: of the complete row, special tokens
    included. span: the characters of the text, for a pair of its second text, that the window reads.
    """

    ids: list[int]
    truncated: bool = False
    encoding: Encoding | None = None
    n_tokens: int | None = None
    span: Span | None = None
    part: Part | None = None

    @property
    def own(self) -> range:
        """`part.own`; all of the ids where there is no part."""
        return range(len(self.ids)) if self.part is None else self.part.own


class Coverage(NamedTuple):
    """How much of a text was read.

    n_tokens: of the complete text, special tokens included. truncated: whether tokens were cut off. windows:
    the characters (start, end) that each window read. Of a truncated text, n_tokens and windows are known
    only if `return_lengths` asks for them, and otherwise None.
    """

    n_tokens: int | None
    truncated: bool
    windows: tuple[Span, ...] | None


def coverage(windows: Sequence[Window]) -> Coverage:
    """How much of a row its windows read."""
    spans = tuple(window.span for window in windows if window.span is not None)
    truncated = any(window.truncated for window in windows)
    return Coverage(windows[0].n_tokens, truncated, spans if len(spans) == len(windows) else None)


def encode_rows(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    truncation: str,
    name_of: Callable[[int], str],
    measures: bool = False,
) -> list[Window]:
    """The token ids of each row, at most `max_tokens` of them, special tokens included.

    truncation: what the tokenizer cuts, by its names; with "do_not_truncate" a longer row is an InputError.
    name_of: index into `rows` → what a message calls that row. measures: whether truncated rows get their
    n_tokens and span, for which they are tokenized completely.

    Single texts and pairs are tokenized in one call each.
    """
    shorter = [beginning(tokenizer, row, max_tokens) for row in rows]
    encoded: dict[int, Window] = {}
    for has_pair in (False, True):
        chosen = [index for index, row in enumerate(rows) if (row.text_pair is not None) == has_pair]
        all_ids = _token_ids(tokenizer, [shorter[index] for index in chosen], DO_NOT_TRUNCATE, None)
        for index, ids in zip(chosen, all_ids, strict=True):
            encoded[index] = Window(ids, n_tokens=len(ids), span=(0, divided_length(rows[index])))

        # Only the rows that are too long are encoded a second time, with truncation. There are few of them;
        # truncation for all rows would make the tokenizer keep every row's overflow.
        too_long = [index for index in chosen if len(encoded[index].ids) > max_tokens]
        if not too_long:
            continue
        if truncation == DO_NOT_TRUNCATE:
            raise too_many_tokens(
                name_of(too_long[0]), count_tokens(tokenizer, rows[too_long[0]]), max_tokens
            )
        cut = _encoded(tokenizer, [shorter[index] for index in too_long], truncation, max_tokens)
        for place, index in enumerate(too_long):
            window = Window(cut["input_ids"][place], True)
            if measures:
                is_complete = shorter[index] is rows[index]
                count = len(encoded[index].ids) if is_complete else count_tokens(tokenizer, rows[index])
                encoding, side = cut.encodings[place], tokenizer.truncation_side
                places = text_places(encoding, int(has_pair))
                place_of = partial(token_span, encoding)
                span = truncated_span(places, place_of, divided_length(rows[index]), side)
                window = window._replace(n_tokens=count, span=span)
            encoded[index] = window
    return [encoded[index] for index in range(len(rows))]


def too_many_tokens(name: str, count: int, max_tokens: int, what: str = "tokens") -> InputError:
    """The error about a text that is not to be truncated and is too long."""
    expected = f'at most {max_tokens}; long_text="truncate" cuts it, long_text="windows" reads all of it'
    return InputError(mismatch(name, f"{count} {what}", expected))


def truncated_span(places: range, place_of: Callable[[int], Span], length: int, side: str) -> Span:
    """The characters of a text of `length` that are left of it after truncation at the `side`.

    places: the indexes of its tokens that are left. place_of: index of a token → its characters.
    """
    if not places:
        return (0, 0)
    return (0, place_of(places[-1])[1]) if side == "right" else (place_of(places[0])[0], length)


def token_span(encoding: Encoding, index: int) -> Span:
    """The characters of a token that is not special."""
    span = encoding.token_to_chars(index)
    assert span is not None
    return span


def text_places(encoding: Encoding, sequence: int) -> range:
    """The indexes of a text's tokens among those of a row. sequence: 0, or 1 for the second of a pair."""
    sequences = encoding.sequence_ids
    if sequence not in sequences:
        return range(0)
    return range(sequences.index(sequence), len(sequences) - sequences[::-1].index(sequence))


def divided_length(row: TextRow) -> int:
    """The characters of a text; of a pair, of its second text, which windows divide."""
    return len(row.text if row.text_pair is None else row.text_pair)


# ---- very long texts: no more is tokenized than is used ------------------------------------------------


def beginning(tokenizer: Any, row: TextRow, max_tokens: int) -> TextRow:
    """`row`, its very long texts shortened to beginnings; truncated to `max_tokens`, its ids are the same.

    A tokenizer that truncates on the left needs the ends: for it the row is unchanged.
    """
    if getattr(tokenizer, "truncation_side", "right") != "right":
        return row
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
        end = _END_OF_WORD.search(text, length, length + LONG_TEXT)
        cut = length if end is None else end.start()
        if len(_token_ids(tokenizer, [TextRow(text[:cut])], DO_NOT_TRUNCATE, None)[0]) >= min_tokens:
            return text[:cut]
        length *= 2
    return text


# Where a space follows a word.
_END_OF_WORD = re.compile(r"(?<=\S)(?=\s)")


def count_tokens(tokenizer: Any, row: TextRow) -> int:
    """The tokens of a row, special ones included; a very long text is tokenized piece by piece.

    Texts are divided only between a word and a space, where pre-tokenizers split as well, so that the pieces
    have the tokens of the text.
    """

    def count(one: TextRow) -> int:
        return len(_token_ids(tokenizer, [one], DO_NOT_TRUNCATE, None)[0])

    specials = count(TextRow("", None if row.text_pair is None else ""))
    specials_of_one = count(TextRow(""))
    pieces = (TextRow(piece) for text in row if text for piece in _pieces(text))
    return specials + sum(count(piece) - specials_of_one for piece in pieces)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = _END_OF_WORD.search(text, start + PIECE)
        stop = len(text) if end is None else end.start()
        yield text[start:stop]
        start = stop


# ---- the tokenizer -------------------------------------------------------------------------------------


def _token_ids(
    tokenizer: Any, rows: Sequence[TextRow], truncation: str, max_length: int | None
) -> list[list[int]]:
    """The token ids of rows that are all single texts or all pairs."""
    ids: list[list[int]] = _encoded(tokenizer, rows, truncation, max_length)["input_ids"] if rows else []
    return ids


def _encoded(tokenizer: Any, rows: Sequence[TextRow], truncation: str, max_length: int | None) -> Any:
    """What a tokenizer's call returns of rows, at least one, that are all single texts or all pairs."""
    parts = 1 if rows[0].text_pair is None else 2
    return tokenizer(
        *([row[part] for row in rows] for part in range(parts)),
        padding=False,
        truncation=truncation,
        max_length=max_length,
        return_attention_mask=False,  # nobody reads it: no row is padded
    )


# ---- batches -------------------------------------------------------------------------------------------


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
