"""Rows → one window each, truncated or refused if it is too long; and how many tokens a row has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ..errors import InputError, mismatch
from ..tokenizer.encode_options import DO_NOT_TRUNCATE
from .rows import TextRow
from .windows import Window, divided_length, text_places, token_span, truncated_span

# A text is counted in pieces of at least this many characters, one at a time.
PIECE = 1 << 16


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


# ---- very long texts: no more is tokenized than is used ------------------------------------------------


def beginning(tokenizer: Any, row: TextRow, max_tokens: int) -> TextRow:
    """`row`, its very long texts shortened to beginnings; truncated to `max_tokens`, its ids are the same.

    For a tokenizer that is none of this package's, the row is unchanged.
    """
    cut = getattr(tokenizer, "text_beginning", None)
    if cut is None:
        return row
    pair = None if row.text_pair is None else cut(row.text_pair, max_tokens)
    shorter = TextRow(cut(row.text, max_tokens), pair)
    return row if shorter == row else shorter


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
