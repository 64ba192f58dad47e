"""Pairs of texts → token ids, each text tokenized once for all pairs of a call that it is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import InputError, mismatch, shown
from ..pipelines.rows import TextRow, plain_text
from ..pipelines.windows import Window, beginning
from ..tokenizer import PreTrainedTokenizerFast
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


class PairEncoder:
    """Token ids of the pairs of one call, `<s> A </s></s> B </s>`, of at most `max_tokens`.

    truncation: "longest_first" cuts the longer text, both alike once they are equally long; "only_second"
    the second alone. first_max_length: how many tokens of a first text are used at all; None: all of them.
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
    ) -> None:
        self.tokenizer, self.max_tokens, self.truncation = tokenizer, max_tokens, truncation
        self.first_max_length = first_max_length
        self._specials = _specials_of_a_pair(tokenizer)
        specials = sum(map(len, self._specials))
        self._room = max_tokens - specials
        if self._room < 0:
            raise InputError(mismatch("max_length", max_tokens, f"at least {specials}, the special tokens"))
        counts = Counter(text for pair in set(pairs) for text in pair)
        self._repeated = {text for text, count in counts.items() if count > 1}
        self._kept: dict[str, list[int]] = {}

    def windows(self, pairs: Sequence[PairRow], name_of: Callable[[int], str]) -> list[Window]:
        """The token ids of each pair, and whether tokens of it were cut off.

        name_of: index → what messages call that pair. Raises InputError for one whose first text leaves no
        room for the second, where that one alone is cut.
        """
        texts = dict.fromkeys(text for pair in pairs for text in pair)
        parts = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in texts if text not in parts]
        parts |= zip(new, self._encoded(new), strict=True)
        self._kept |= {text: parts[text] for text in new if text in self._repeated}
        windows = []
        for index, pair in enumerate(pairs):
            first, second = parts[pair.first], parts[pair.second]
            lengths = self._lengths(len(first), len(second))
            if lengths is None:
                found = f"a query that leaves no room for its passage with max_length {self.max_tokens}"
                expected = "a larger max_length, or less of the query"
                raise InputError(mismatch(name_of(index), found, expected))
            windows.append(self._joined(first, second, lengths))
        return windows

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without special tokens; of a very long one, more than are used."""
        # Cut alike, of an odd number of tokens the longer text gets one more: only of texts that are
        # tokenized completely is it known which that is.
        if self.truncation != "longest_first" or self._room % 2 == 0:
            texts = [beginning(self.tokenizer, TextRow(text), self.max_tokens).text for text in texts]
        return [part.ids for part in self.tokenizer.encode_parts(texts)]

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
