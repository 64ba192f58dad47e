"""What callers may pass as text: one text, one pair, a batch of either, each whole or split into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InputError, shown

# str, list[str] (words), or a pair of one of them: what Tokenizer.encode_batch takes.
EncoderInput = Any


@dataclass(frozen=True)
class TextInput:
    """`items`: one entry a row. `is_batch`: whether the caller gave a list. `is_pair`: rows are pairs."""

    items: list[EncoderInput]
    is_batch: bool
    is_pair: bool


def collect_texts(text: Any, text_pair: Any, is_split_into_words: bool) -> TextInput:
    """The caller's `text` and `text_pair` as rows for the encoder.

    A list is a batch. Its rows are texts, or pairs written as tuples or lists of two; with
    `text_pair`, a list of the same length, row i is the pair (text[i], text_pair[i]). With
    `is_split_into_words` a text is a list of words. An empty second text is still a second text.
    Raises InputError for any other type, naming the argument and index.
    """
    is_text = _is_words if is_split_into_words else _is_str
    expected = "a list of str" if is_split_into_words else "str"
    if is_text(text):
        if text_pair is None:
            return TextInput([text], is_batch=False, is_pair=False)
        if not is_text(text_pair):
            raise InputError(f"text_pair is {_named(text_pair)}, expected {expected} as text is one text")
        return TextInput([(text, text_pair)], is_batch=False, is_pair=True)
    if not isinstance(text, list | tuple):
        raise InputError(f"text is {_named(text)}, expected {expected}, or a list of those")
    if text_pair is None:
        return _collect_rows(text, is_text, expected)
    if not isinstance(text_pair, list | tuple):
        raise InputError(f"text_pair is {_named(text_pair)}, expected a list as text is one")
    if len(text_pair) != len(text):
        raise InputError(f"text has {len(text)} texts and text_pair {len(text_pair)}, expected equally many")
    _check_texts(text, "text", is_text, expected)
    _check_texts(text_pair, "text_pair", is_text, expected)
    return TextInput(list(zip(text, text_pair, strict=True)), is_batch=True, is_pair=True)


def find_lone_surrogate(batch: TextInput) -> str | None:
    """Where a text holds half of a UTF-16 surrogate pair, which no encoding can spell; None if nowhere."""
    for row, item in enumerate(batch.items):
        where = f"text[{row}]" if batch.is_batch else "text"
        for part, text in enumerate(item if batch.is_pair else [item]):
            name = where.replace("text", "text_pair") if part else where
            for word in [text] if isinstance(text, str) else text:
                plain = str.__str__(word)
                try:
                    plain.encode()
                except UnicodeEncodeError as error:
                    found = f"U+{ord(plain[error.start]):04X}"
                    return f"{name} holds the lone surrogate {found} at position {error.start}"
    return None


def _collect_rows(rows: list | tuple, is_text: Any, expected: str) -> TextInput:
    is_pair = bool(rows) and not is_text(rows[0]) and _is_pair(rows[0], is_text)
    if is_pair:
        for index, row in enumerate(rows):
            if not _is_pair(row, is_text):
                raise InputError(f"text[{index}] is {_named(row)}, expected a pair, as text[0] is one")
        return TextInput([tuple(row) for row in rows], is_batch=True, is_pair=True)
    _check_texts(rows, "text", is_text, expected)
    return TextInput(list(rows), is_batch=True, is_pair=False)


def _check_texts(texts: list | tuple, name: str, is_text: Any, expected: str) -> None:
    if is_text is _is_str and set(map(type, texts)) <= {str}:  # the usual case, without a Python loop
        return
    for index, text in enumerate(texts):
        if not is_text(text):
            raise InputError(f"{name}[{index}] is {_named(text)}, expected {expected}")


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _is_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _is_pair(value: Any, is_text: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_text, value))


def _named(value: Any) -> str:
    """The value as an error shows it: what it is and, where that is short, what it holds."""
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return f"a {kind} of {len(value)}"
    return kind if value is None else f"{kind} {shown(value, 40)}"
