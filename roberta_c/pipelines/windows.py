"""Windows of token ids that the model takes, and what they read of a text.

A row is one window, truncated if it is too long (truncation.py), or several (long_texts.py, task_windows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..tokenizer import Encoding
from .rows import TextRow

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


class TextPrediction:
    """A prediction that says how much of its text was read: `coverage`, of which it has each field."""

    coverage: Coverage

    @property
    def n_tokens(self) -> int | None:
        """The tokens of the complete text, special ones included; see Coverage."""
        return self.coverage.n_tokens

    @property
    def truncated(self) -> bool:
        """Whether tokens of the text were cut off."""
        return self.coverage.truncated

    @property
    def windows(self) -> tuple[Span, ...] | None:
        """The characters that each window read; see Coverage."""
        return self.coverage.windows


def lengths_of(prediction: Any) -> dict[str, Any]:
    """How much of a text was read, as the results of calls with `return_lengths` say it."""
    return {
        "n_tokens": prediction.n_tokens,
        "truncated": prediction.truncated,
        "windows": [list(span) for span in prediction.windows],
    }


# ---- places of tokens ----------------------------------------------------------------------------------


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
