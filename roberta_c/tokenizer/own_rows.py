"""OwnRow: a row that was encoded here, with the names of the tokenizers library's Encoding that calls need.

Its fields are made when they are asked for. The library's Encoding of it is made of its tokens, and the
library adds the special tokens; few callers look at one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Encoding, Tokenizer

if TYPE_CHECKING:
    from .own_backend import OwnBackend


# How many tokens the library reads at once; between them, signals are handled.
_MOST_AT_ONCE = 1 << 14


class RowForm(NamedTuple):
    """How rows are made of tokens. room: how many tokens of the texts are kept, None for all; strategy: as
    `truncation` names it. truncating: the shell that truncates as much, None if nothing is."""

    add_special_tokens: bool
    room: int | None = None
    strategy: str = ""
    truncating: Tokenizer | None = None


class OwnRow:
    """A row of one text or two: ids, fields of the same length, and the library's Encoding."""

    __slots__ = ("_backend", "_form", "_parts", "_texts", "ids")

    def __init__(
        self, backend: OwnBackend, texts: tuple[str, ...], parts: list[list[int]], form: RowForm
    ) -> None:
        self._backend, self._texts, self._form = backend, texts, form
        self._parts = [len(part) for part in parts]
        first, last = ([one] if form.add_special_tokens else [] for one in backend.ends)
        self.ids: list[int] = first + parts[0] + last
        if len(parts) > 1:
            self.ids += last + parts[1] + last

    @classmethod
    def cut(
        cls, backend: OwnBackend, texts: tuple[str, ...], parts: list[list[int]], form: RowForm
    ) -> OwnRow | None:
        """The row with its texts' tokens cut to `form.room`; None where the library has an error to say."""
        if form.room is not None and sum(map(len, parts)) > form.room:
            sizes = _cut_sizes([len(part) for part in parts], form.room, form.strategy)
            if sizes is None:
                return None
            parts = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        return cls(backend, texts, parts, form)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def type_ids(self) -> list[int]:
        """Zeros: the models of this family have one type."""
        return [0] * len(self.ids)

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for each special token."""
        return self._surrounded([[0] * count for count in self._parts], 1)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """The characters of each token."""
        found = [
            self._backend.detailed(text, 1)[1][:count]
            for text, count in zip(self._texts, self._parts, strict=True)
        ]
        return self._surrounded(found, (0, 0))

    @property
    def overflowing(self) -> list[Encoding]:
        """The parts that were cut."""
        return self.encoding().overflowing

    def encoding(self) -> Encoding:
        """The library's Encoding of the row."""
        raw = [
            _raw_encoding(type_id, *self._backend.detailed(text, 2))
            for type_id, text in enumerate(self._texts)
        ]
        shell = self._form.truncating or self._backend.shell
        pair = raw[1] if len(raw) > 1 else None
        return shell.post_process(raw[0], pair, self._form.add_special_tokens)

    def _surrounded(self, parts: list[list[Any]], special: Any) -> list[Any]:
        ends = [special] if self._form.add_special_tokens else []
        row = ends + parts[0] + ends
        return row + ends + parts[1] + ends if len(parts) > 1 else row


def _raw_encoding(
    type_id: int, ids: list[int], offsets: list[tuple[int, int]], words: list[int], tokens: list[str]
) -> Encoding:
    """The library's Encoding of a text without special tokens."""
    parts = []
    for start in range(0, max(len(ids), 1), _MOST_AT_ONCE):
        end = start + _MOST_AT_ONCE
        count = len(ids[start:end])
        state = {
            "ids": ids[start:end],
            "type_ids": [type_id] * count,
            "tokens": tokens[start:end],
            "words": words[start:end],
            "offsets": offsets[start:end],
            "special_tokens_mask": [0] * count,
            "attention_mask": [1] * count,
            "overflowing": [],
            "sequence_ranges": {},
        }
        parts.append(Encoding())
        parts[-1].__setstate__(json.dumps(state).encode())
    return parts[0] if len(parts) == 1 else Encoding.merge(parts, growing_offsets=False)


def as_encoding(row: Encoding | OwnRow) -> Encoding:
    """The library's Encoding of a row."""
    return row.encoding() if isinstance(row, OwnRow) else row


def _cut_sizes(counts: list[int], room: int, strategy: str) -> list[int] | None:
    """How many tokens of each text are kept, of more than `room` in all; None if the library refuses that."""
    if room < 1:
        return None
    if strategy == "longest_first":
        if len(counts) == 1:
            return [room]
        shorter, longer = sorted(counts)
        longer = shorter if shorter > room else max(shorter, room - shorter)
        if shorter + longer > room:
            shorter = room // 2
            longer = shorter + room % 2
        return [longer, shorter] if counts[0] > counts[1] else [shorter, longer]
    place = 0 if strategy == "only_first" else 1
    kept = counts[place] - (sum(counts) - room) if place < len(counts) else 0
    if kept < 1:
        return None
    return [kept if index == place else count for index, count in enumerate(counts)]
