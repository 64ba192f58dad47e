"""Long texts that are truncated are cut before they are tokenized: a book to use its first page would take
seconds and gigabytes.

A cut must not change the tokens that are kept. Where a word ends and white space follows, what is after the
cut changes nothing before it: tokenizers split texts there. An added token can read beyond such a place, so
the cut is at least the longest one behind the last token that is kept; white space, which an added token may
take too, is never cut. A text without such a place is cut inside a word, at several characters in turn as
many as the longest token has: a token of the complete text ends at one of them, and if all of these
beginnings have the same first tokens, the complete text has them too. Otherwise the text stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from tokenizers import Encoding

from .own_rows import OwnRow

# Texts of at most twice as many characters as `max_tokens` times this, and than LONG_TEXT, are not cut.
CHARACTERS_PER_TOKEN = 16
LONG_TEXT = 1 << 13
# LONG_TEXT for the texts of a pair: of both, the library combines each overflowing part with each.
LONG_IN_PAIR = 1 << 6
# How many tokens a beginning has, as a multiple of those that are kept.
_MARGIN = 2
# Words are not cut for a vocabulary with longer tokens: that would take too many beginnings.
_LONGEST_TOKEN = 64
# Where white space follows a word.
_END_OF_WORD = re.compile(r"(?<=\S)(?=[ \t\r\n])")

Encode = Callable[[list[str]], list[Encoding | OwnRow]]
# A str, or a list of words.
Text = TypeVar("Text")


class Reach(NamedTuple):
    """How many characters the longest token of the vocabulary, and the longest added token, have."""

    token: int
    added: int


def text_beginning(
    text: str, max_tokens: int, encode: Encode, reach: Callable[[], Reach], least: int = LONG_TEXT
) -> str:
    """A beginning of `text` with the same first `max_tokens` tokens, at the same characters; all of a short
    text. encode: the encodings of texts without special tokens. least: LONG_TEXT or LONG_IN_PAIR."""
    length = max(max_tokens * CHARACTERS_PER_TOKEN, least)
    while 2 * length < len(text):
        cuts = _cuts(text, length, reach)
        if cuts[0] == len(text):
            break
        encodings = encode([text[:cut] for cut in cuts])
        if _have_same_start(encodings, max_tokens, cuts[-1] - reach().added):
            return text[: cuts[0]]
        length = max(2 * length, cuts[0])
    return text


def _cuts(text: str, length: int, reach: Callable[[], Reach]) -> list[int]:
    """Where to cut the text behind `length`: one place, or several inside a word, the last one
    first; the end of the text if there is no place."""
    end = min(length + LONG_TEXT, len(text))
    found = _END_OF_WORD.search(text, length, end)
    if found is None and text[end - 1].isspace():  # long white space, which ends somewhere
        found = _END_OF_WORD.search(text, end)
        return [len(text) if found is None else found.start()]
    if found is not None:
        return [found.start()]
    token = reach().token
    if token > _LONGEST_TOKEN:
        return [len(text)]
    first = max(length - token, 0)
    spaces = [index for index in range(first, end) if text[index].isspace()]
    word = spaces[-1] + 1 if spaces else first  # where it begins, or later
    last = min(max(length, word + token), end)
    return list(range(last, max(last - token, word) - 1, -1))


def _have_same_start(encodings: list[Encoding | OwnRow], max_tokens: int, end: int) -> bool:
    """Whether all have the same first `max_tokens` tokens, which end before the character `end`, and as many
    more."""
    if any(len(one) < _MARGIN * max_tokens for one in encodings):
        return False
    starts = [(one.ids[:max_tokens], one.offsets[:max_tokens]) for one in encodings]
    return all(start == starts[0] for start in starts) and starts[0][1][-1][1] <= end


def words_beginning(
    words: list[str], max_tokens: int, count: Callable[[list[str]], int], least: int = LONG_TEXT
) -> list[str]:
    """The first of the words, with more than `max_tokens` tokens; all of few words. A word's tokens do not
    depend on other words. count: how many tokens words have. least: LONG_TEXT or LONG_IN_PAIR."""
    length = max(max_tokens, least)
    while 2 * length < len(words):
        if count(words[:length]) > max_tokens:
            return words[:length]
        length *= 2
    return words


def cut_in_order(
    first: Text, second: Text, max_tokens: int, cut: Callable[[Text, int], Text], count: Callable[[Text], int]
) -> tuple[Text, Text]:
    """The beginnings of the texts of a pair, of which the first has more tokens if the complete one has more.

    Of a pair truncated to an odd number, the longer text keeps one token more. cut: the beginning of a text
    with a number of tokens and more; the text itself if it is short. count: the tokens of a text.
    """
    starts = cut(first, max_tokens), cut(second, max_tokens)
    tokens, left, right = max_tokens, *starts
    while left is not first and right is not second:  # until one is complete
        tokens *= 4
        left, right = cut(first, tokens), cut(second, tokens)
    if left is first:
        least = count(first)
        right = cut(second, least + 1)
        is_first_longer = right is second and least > count(second)
    else:
        least = count(second)
        left = cut(first, least + 1)
        is_first_longer = left is not first or count(first) > least
    if is_first_longer:
        return cut(first, max(max_tokens, count(starts[1]) + 1)), starts[1]
    return starts[0], cut(second, max(max_tokens, count(starts[0]) + 1))
