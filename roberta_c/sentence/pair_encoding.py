"""Pairs of texts → token ids, each text tokenized once for all pairs of a call that it is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..errors import InputError, mismatch, shown
from ..pipelines.long_texts import WINDOW_PER_STRIDE, parts, span_of
from ..pipelines.options import ERROR, WINDOWS, PipelineOptions
from ..pipelines.rows import TextRow, plain_text
from ..pipelines.truncation import beginning, count_tokens, too_many_tokens
from ..pipelines.windows import Span, Window, token_span, truncated_span
from ..tokenizer import Encoding, PreTrainedTokenizerFast
from ..tokenizer.text_input import as_listed

PAIR_FORMS = "a list of pairs of str, or one pair"


class PairRow(NamedTuple):
    """A pair of texts, such as a query and a document."""

    first: str
    second: str


def pair_rows(pairs: Any, name: str) -> tuple[list[PairRow], bool]:
    """A caller's pairs as rows, and whether it was one pair and not a list; `name` is the argument's.

    pairs: a list of pairs, or what holds them as a list does; or one pair. A pair is a list or tuple of two
    str. Raises InputError for anything else.
    """
    listed = as_listed(pairs, takes_tuples=True)
    if listed is None:
        raise InputError(mismatch(name, _named(pairs), PAIR_FORMS))
    if listed and isinstance(listed[0], str):
        return [_pair_row(listed, name)], True
    return list(pairs_of(listed, name)), False


def pairs_of(pairs: Iterable[Any], name: str) -> Iterator[PairRow]:
    """Each of a caller's pairs as a row; `name` is the argument's. Raises InputError."""
    return (_pair_row(pair, f"{name}[{index}]") for index, pair in enumerate(pairs))


def prompted(rows: Iterable[PairRow], before: str) -> Iterable[PairRow]:
    """The pairs, with the prompt before each first text."""
    return (PairRow(before + row.first, row.second) for row in rows) if before else rows


def queries_with_documents(query: Any, documents: Any) -> list[tuple[str, list[str]]]:
    """A caller's query with its documents, or each query of a list with its own. Raises InputError."""
    if isinstance(query, str):
        return [(plain_text(query, "query"), _texts(documents, "documents"))]
    queries = as_listed(query, takes_tuples=True)
    if queries is None:
        raise InputError(mismatch("query", _named(query), "str, or a list of these"))
    lists = as_listed(documents, takes_tuples=True)
    if lists is None or len(lists) != len(queries):
        found = _named(documents) if lists is None else f"{len(lists)}"
        raise InputError(mismatch("documents", found, f"{len(queries)} lists of str, one for each query"))
    return [
        (plain_text(one, f"query[{index}]"), _texts(of_one, f"documents[{index}]"))
        for index, (one, of_one) in enumerate(zip(queries, lists, strict=True))
    ]


def _texts(documents: Any, name: str) -> list[str]:
    listed = as_listed(documents, takes_tuples=True)
    if listed is None:
        raise InputError(mismatch(name, shown(documents), "a list of str"))
    return [plain_text(text, f"{name}[{index}]") for index, text in enumerate(listed)]


def _pair_row(pair: Any, name: str) -> PairRow:
    listed = as_listed(pair, takes_tuples=True)
    if listed is None or len(listed) != 2:
        raise InputError(mismatch(name, _named(pair if listed is None else listed), "a pair of str"))
    return PairRow(*(plain_text(text, f"{name}[{index}]") for index, text in enumerate(listed)))


def _named(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"{type(value).__name__} {shown(value, 40)}"


class _Tokens(NamedTuple):
    """The ids of a text, without special tokens. encoding: has their offsets, where these are needed."""

    ids: list[int]
    encoding: Encoding | None


class PairEncoder:
    """Token ids of the pairs of one call, `<s> A </s></s> B </s>`, of at most `max_tokens`.

    truncation: "longest_first" cuts the longer text, both alike once they are equally long; "only_second"
    the second alone. first_max_length: how many tokens of a first text are used at all; None: all of them.
    options: `long_text`, `stride` and `return_lengths` of a call.
    Texts that are in several of `pairs` stay tokenized from one call of `windows` to the next. Raises
    InputError for a tokenizer whose pairs are not one text after the other, or a `max_tokens` below the
    special tokens.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        pairs: Sequence[PairRow],
        max_tokens: int,
        truncation: str,
        first_max_length: int | None,
        options: PipelineOptions | None = None,
    ) -> None:
        self.tokenizer, self.max_tokens, self.truncation = tokenizer, max_tokens, truncation
        self.first_max_length = first_max_length
        options = PipelineOptions() if options is None else options
        self._long_text, self._stride = options.long_text, options.stride
        self._measures = options.return_lengths
        self._needs_offsets = self._long_text == WINDOWS or self._measures
        self._cuts = self._long_text not in (ERROR, WINDOWS)
        self._specials = _specials_of_a_pair(tokenizer)
        specials = sum(map(len, self._specials))
        self._room = max_tokens - specials
        if self._room < 0:
            raise InputError(mismatch("max_length", max_tokens, f"at least {specials}, the special tokens"))
        counts = Counter(text for pair in set(pairs) for text in pair)
        self._repeated = {text for text, count in counts.items() if count > 1}
        self._kept: dict[str, _Tokens] = {}

    def windows(self, pairs: Sequence[PairRow], name_of: Callable[[int], str]) -> list[list[Window]]:
        """The token ids of each pair: in one window, which says whether tokens of it were cut off; or, with
        "windows", in one for each span of the second text.

        name_of: index → what messages call that pair. Raises InputError for one whose first text leaves no
        room for the second, where that one alone is cut or divided; with "error", for one that is too long.
        """
        texts = dict.fromkeys(text for pair in pairs for text in pair)
        tokens = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in texts if text not in tokens]
        tokens |= zip(new, self._encoded(new), strict=True)
        self._kept |= {text: tokens[text] for text in new if text in self._repeated}
        return [
            self._of_pair(pair, tokens[pair.first], tokens[pair.second], name_of(index))
            for index, pair in enumerate(pairs)
        ]

    def _encoded(self, texts: list[str]) -> list[_Tokens]:
        """The tokens of each text; of a very long one that is to be cut, more than are used."""
        # Cut alike, of an odd number of tokens the longer text gets one more: only of texts that are
        # tokenized completely is it known which that is.
        if self._cuts and (self.truncation != "longest_first" or self._room % 2 == 0):
            texts = [beginning(self.tokenizer, TextRow(text), self.max_tokens).text for text in texts]
        encodings = self.tokenizer.encode_parts(texts)
        return [_Tokens(one.ids, one if self._needs_offsets else None) for one in encodings]

    def _of_pair(self, pair: PairRow, first: _Tokens, second: _Tokens, name: str) -> list[Window]:
        """The windows of a pair, which messages call `name`."""
        complete = len(first.ids), len(second.ids)
        most = self.first_max_length
        if not self._cuts and most is not None and complete[0] > most:
            expected = f"at most {most}, as long_text is {self._long_text!r}"
            raise InputError(mismatch(name, f"a query of {complete[0]} tokens", expected))
        if self._long_text == WINDOWS:
            return self._divided(pair, first, second, name)
        lengths = self._lengths(*complete)
        if lengths != complete and not self._cuts:
            raise too_many_tokens(name, self.max_tokens - self._room + sum(complete), self.max_tokens)
        if lengths is None:
            raise self._no_room(name)
        window = self._joined(first.ids, second.ids, lengths)
        if not window.truncated:
            return [window._replace(n_tokens=len(window.ids), span=(0, len(pair.second)))]
        if self._measures:
            n_tokens = count_tokens(self.tokenizer, TextRow(*pair))
            span = (0, len(pair.second))
            if lengths[1] < complete[1]:
                side = self.tokenizer.truncation_side
                left = range(lengths[1]) if side == "right" else range(complete[1] - lengths[1], complete[1])
                span = truncated_span(left, _offsets(second), len(pair.second), side)
            window = window._replace(n_tokens=n_tokens, span=span)
        return [window]

    def _divided(self, pair: PairRow, first: _Tokens, second: _Tokens, name: str) -> list[Window]:
        """A window for each span of the second text, with all of the first one; one if the pair fits."""
        count = len(second.ids)
        room = self._room - len(first.ids)
        token_ranges = [range(count)]
        if count > room:
            if room <= (self._stride or 0):
                raise self._no_room(name)
            token_ranges = parts(
                count, room, room // WINDOW_PER_STRIDE if self._stride is None else self._stride
            )
        before, between, after = self._specials
        n_tokens = self.max_tokens - room + count
        return [
            Window(
                [*before, *first.ids, *between, *second.ids[tokens.start : tokens.stop], *after],
                n_tokens=n_tokens,
                span=span_of(tokens, 0, count, len(pair.second), _offsets(second)),
            )
            for tokens in token_ranges
        ]

    def _no_room(self, name: str) -> InputError:
        beside = f" beside stride {self._stride}" if self._stride else ""
        found = f"a query that leaves no room for its passage{beside} with max_length {self.max_tokens}"
        return InputError(mismatch(name, found, "a larger max_length, or less of the query"))

    def _lengths(self, first: int, second: int) -> tuple[int, int] | None:
        """How many tokens of two texts of these many are used; None if there is no room for the second."""
        used = first if self.first_max_length is None else min(first, self.first_max_length)
        if used + second <= self._room:
            return used, second
        if self.truncation == "longest_first":
            return longest_first(used, second, self._room)
        return (used, self._room - used) if used < self._room else None

    def _joined(self, first: list[int], second: list[int], lengths: tuple[int, int]) -> Window:
        # Joining the tokenizers library's encodings would also build every combination of the parts that are
        # cut off: gigabytes for two long texts and a small `max_length`.
        before, between, after = self._specials
        ids = [*before, *self._cut(first, lengths[0]), *between, *self._cut(second, lengths[1]), *after]
        return Window(ids, lengths != (len(first), len(second)))

    def _cut(self, ids: list[int], length: int) -> list[int]:
        return ids[:length] if self.tokenizer.truncation_side == "right" else ids[len(ids) - length :]


def _offsets(tokens: _Tokens) -> Callable[[int], Span]:
    """Index of a token → its characters."""
    assert tokens.encoding is not None
    return partial(token_span, tokens.encoding)


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens of two texts of more than `room` are used: all of the shorter one if it has at most
    half of the room, else half of the room each, and an odd token more for the longer one."""
    shorter = min(first, second, room // 2)
    return (room - shorter, shorter) if first > second else (shorter, room - shorter)


def _specials_of_a_pair(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int], list[int]]:
    """The ids before, between and after the two texts of a pair."""
    first, second = tokenizer.encode_parts(["a", "b"])
    joined = tokenizer.join_parts(first, second)
    is_special = joined.special_tokens_mask
    before = is_special.index(0) if 0 in is_special else len(is_special)
    after = is_special[::-1].index(0) if 0 in is_special else 0
    first_end, second_start = before + len(first), len(is_special) - after - len(second)
    parts = joined.ids[before:first_end], joined.ids[second_start : second_start + len(second)]
    if parts != (first.ids, second.ids) or not all(is_special[first_end:second_start]):
        found = "one that does not put a pair's first text before its second"
        raise InputError(mismatch("tokenizer", found, "one of the family: <s> A </s></s> B </s>"))
    return joined.ids[:before], joined.ids[first_end:second_start], joined.ids[len(joined.ids) - after :]
