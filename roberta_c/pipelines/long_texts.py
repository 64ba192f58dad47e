"""Long texts in windows: which tokens each has, and how results of windows become the result of the text.

    tokens    0 1 2 3 4 5 6 7 8 9       room 4, stride 2: `parts`
    windows  [0 1 2 3]
                 [2 3 4 5]
                     [4 5 6 7]
                         [6 7 8 9]
    own       0 1 2|3 4|5 6|7 8 9       `own_tokens`: each token where it has most context

A text is tokenized once and completely, and its ids are sliced here. So each window knows its place in the
text, where the tokenizers library's overflowing parts know only the characters of their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, mismatch
from ..tokenizer import Encoding
from ..tokenizer.encode_options import DO_NOT_TRUNCATE
from .options import MAX, WINDOWS, PipelineOptions
from .rows import TextRow
from .truncation import encode_rows
from .windows import Part, Span, Window, divided_length, text_places, token_span

# The default stride is the room of a window divided by this.
WINDOW_PER_STRIDE = 8


def parts(count: int, room: int, stride: int) -> list[range]:
    """The tokens of each window: at most `room` of `count` tokens, the first `stride` of them repeated."""
    firsts = range(0, max(count - stride, 1), room - stride)
    return [range(first, min(first + room, count)) for first in firsts]


def own_tokens(divided: Sequence[range]) -> list[range]:
    """The tokens whose results are taken from each part: those with most context on their shorter side.

    That is the part whose edge is farther away, so that parts divide the tokens that they share in halves;
    of an odd number the earlier part gets one more.
    """
    middles = [(later.start + earlier.stop + 1) // 2 for earlier, later in pairwise(divided)]
    return [range(*ends) for ends in pairwise([divided[0].start, *middles, divided[-1].stop])]


class Frame(NamedTuple):
    """The ids before the tokens of a text, these, and the ids after them, in a row with special tokens."""

    before: list[int]
    tokens: list[int]
    after: list[int]

    @classmethod
    def of(cls, encoding: Encoding, sequence: int, kept: int = 0) -> Frame:
        """sequence: 0, or 1 for the second text of a pair, whose first text is among the ids before it. kept:
        how many ids at the beginning are before the tokens, such as those of a prompt."""
        ids, places = encoding.ids, text_places(encoding, sequence)
        if not places:
            return cls(ids, [], [])
        first = max(places.start, min(kept, places.stop))
        return cls(ids[:first], ids[first : places.stop], ids[places.stop :])

    def room(self, max_tokens: int) -> int:
        """How many tokens of the text a window has; none, or less, if the other ids fill it."""
        return max_tokens - len(self.before) - len(self.after)


class Prompt(NamedTuple):
    """What each text of a call begins with, and so does each of its windows; their spans do not count it.

    characters: how many it has. tokens: how many ids at the beginning of a text are taken for it, special
    ones included; 0: those before the first token that reads beyond these characters.
    """

    characters: int = 0
    tokens: int = 0

    def ids(self, encoding: Encoding) -> int:
        """How many ids at the beginning of a text each window repeats, special ones included."""
        if self.tokens or not self.characters:
            return self.tokens
        places = text_places(encoding, 0)
        beyond = (index for index in places if token_span(encoding, index)[1] > self.characters)
        return next(beyond, places.stop)

    def without(self, window: Window) -> Window:
        """A window with the span that does not count the prompt."""
        if not self.characters or window.span is None:
            return window
        start, end = (max(place - self.characters, 0) for place in window.span)
        return window._replace(span=(start, end))


NO_PROMPT = Prompt()


def encode_texts(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    options: PipelineOptions,
    name_of: Callable[[int], str],
    prompt: Prompt = NO_PROMPT,
) -> list[list[Window]]:
    """The windows of each row: several of a long one with "windows", otherwise one. Raises InputError for
    what the options do not allow."""
    if options.long_text == WINDOWS:
        windows = encode_in_windows(tokenizer, rows, max_tokens, options.stride, name_of, prompt)
    else:
        truncation, measures = options.truncation_name, options.return_lengths
        encoded = encode_rows(tokenizer, rows, max_tokens, truncation, name_of, measures)
        windows = [[window] for window in encoded]
    return [[prompt.without(window) for window in of_row] for of_row in windows]


def encode_in_windows(
    tokenizer: Any,
    rows: Sequence[TextRow],
    max_tokens: int,
    stride: int | None,
    name_of: Callable[[int], str],
    prompt: Prompt = NO_PROMPT,
) -> list[list[Window]]:
    """The windows of each row, which have at most `max_tokens` and read all of it; of a pair, each window has
    all of the first text.

    stride: how many tokens each window repeats of the one before it; None for an eighth of its room. prompt:
    what single texts begin with; here spans count it. Raises InputError if the stride leaves no room, or a
    first text or a prompt does.
    """
    check_stride(tokenizer, max_tokens, stride)
    windows: dict[int, list[Window]] = {}
    for has_pair in (False, True):
        chosen = [index for index, row in enumerate(rows) if (row.text_pair is not None) == has_pair]
        if not chosen:
            continue
        encoded = tokenizer(
            [rows[index].text for index in chosen],
            [rows[index].text_pair for index in chosen] if has_pair else None,
            truncation=DO_NOT_TRUNCATE,
            return_attention_mask=False,
        )
        for index, encoding in zip(chosen, encoded.encodings, strict=True):
            length, place_of = divided_length(rows[index]), partial(token_span, encoding)
            kept = prompt.ids(encoding)
            windows[index] = windows_of(
                encoding, int(has_pair), length, max_tokens, stride, name_of(index), place_of, kept
            )
    return [windows[index] for index in range(len(rows))]


def check_stride(tokenizer: Any, max_tokens: int, stride: int | None) -> None:
    """Raise InputError if windows of single texts have no room, or none beside the `stride`."""
    specials = tokenizer.num_special_tokens_to_add()
    if max_tokens <= specials:
        raise InputError(mismatch("max_length", max_tokens, f"more than {specials}, the special tokens"))
    if stride is not None and stride >= max_tokens - specials:
        expected = f"less than {max_tokens - specials}, the tokens of a window without the special ones"
        raise InputError(mismatch("stride", stride, expected))


def windows_of(
    encoding: Encoding,
    sequence: int,
    length: int,
    max_tokens: int,
    stride: int | None,
    name: str,
    place_of: Callable[[int], Span],
    kept: int = 0,
) -> list[Window]:
    """The windows of a row from its complete encoding; one if it fits.

    sequence: the text that is divided, 1 for the second of a pair. length: its characters. place_of: index of
    a token → its characters. name: what a message calls the row. kept: how many ids at the beginning each
    window has. Raises InputError for a first text of a pair, or a prompt, that leaves no room.
    """
    count = len(encoding)
    if count <= max_tokens:
        return [Window(encoding.ids, False, encoding, count, (0, length))]
    frame = Frame.of(encoding, sequence, kept)
    room = frame.room(max_tokens)
    if room <= (stride or 0):
        found = f"{max_tokens - room} tokens with the special ones"
        least = (stride or 0) + 1
        before, divided_text = ("text", "text_pair") if sequence else ("prompt", "the text")
        expected = (
            f"at most {max_tokens - least}, so that {least} of {max_tokens} are left for {divided_text}"
        )
        raise InputError(mismatch(f"{name}: {before}", found, expected))
    divided = parts(len(frame.tokens), room, room // WINDOW_PER_STRIDE if stride is None else stride)
    first = len(frame.before)
    windows = []
    for part, own in zip(divided, own_tokens(divided), strict=True):
        ids = [*frame.before, *frame.tokens[part.start : part.stop], *frame.after]
        is_first, is_last = part is divided[0], part is divided[-1]
        owned = range(
            0 if is_first else first + own.start - part.start,
            len(ids) if is_last else first + own.stop - part.start,
        )
        span = span_of(part, first, len(frame.tokens), length, place_of)
        windows.append(Window(ids, False, encoding, count, span, Part(owned, part.start, len(own))))
    return windows


def span_of(part: range, first: int, count: int, length: int, place_of: Callable[[int], Span]) -> Span:
    """The characters of a part of a text of `count` tokens and `length` characters.

    first: the index, for `place_of`, of the text's first token. Spaces between two tokens belong to the
    later one. A character of several tokens belongs to each part that has one of them.
    """
    start, end = 0, length
    if part.start > 0:
        start = min(place_of(first + part.start)[0], place_of(first + part.start - 1)[1])
    if 0 < part.stop < count:
        end = place_of(first + part.stop - 1)[1]
    return (start, end)


def merged_rows(windows: Sequence[Window], rows: Sequence[np.ndarray]) -> np.ndarray:
    """A row for each token of a text, from the rows (tokens, …) of each of its windows."""
    if len(windows) == 1:
        return rows[0]
    return np.concatenate(
        [rows_t[window.own.start : window.own.stop] for window, rows_t in zip(windows, rows, strict=True)]
    )


def combined_scores(windows: Sequence[Window], scores: Sequence[np.ndarray], how: str | None) -> np.ndarray:
    """The scores (C) of a text from those of its windows.

    how: "max", the highest of each label; or "mean" or None, the mean weighted by how many of the text's
    tokens are a window's own.
    """
    if len(windows) == 1:
        return scores[0]
    scores_wc = np.stack(scores)
    if how == MAX:
        highest_c: np.ndarray = scores_wc.max(axis=0)
        return highest_c
    weights_w = np.array([window.part.weight if window.part else 1 for window in windows], np.float64)
    mean_c: np.ndarray = (scores_wc * weights_w[:, None]).sum(axis=0) / weights_w.sum()
    return mean_c
