"""What callers may pass as text: one text, one pair, or a batch of either; a text is a str or its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, ResourceError, mismatch, shown
from ..machine.memory import check_memory

# One row for Tokenizer.encode_batch: a str, a list of str (words), or a tuple of two of these (a pair).
EncoderInput = Any
_Rows = list[Any] | tuple[Any, ...]


@dataclass(frozen=True)
class TextInput:
    """A caller's texts as `items`, one for each row.

    is_batch: whether the caller passed a list of rows. is_pair: whether rows are pairs.
    """

    items: list[EncoderInput]
    is_batch: bool
    is_pair: bool


def collect_texts(text: Any, text_pair: Any, is_split_into_words: bool) -> TextInput:
    """The caller's `text` and `text_pair` as rows for the encoder, whose texts are of type str itself.

    A list is a batch. Its rows are texts, or pairs written as tuples or lists of two. If `text_pair` is
    given, a list of the same length, row i is the pair (text[i], text_pair[i]). With `is_split_into_words`
    a text is a list of words. A row whose second text is empty is a pair.

    Raises InputError for any other type; the message names the argument and the index.
    """
    collected = _collect(text, text_pair, is_split_into_words)

    def plain(row: Any) -> Any:
        if isinstance(row, str):
            return str.__str__(row)
        return (tuple if isinstance(row, tuple) else list)(map(plain, row))

    if is_split_into_words or not _are_plain(collected):
        return TextInput(list(map(plain, collected.items)), collected.is_batch, collected.is_pair)
    return collected


def _are_plain(collected: TextInput) -> bool:
    """Whether all texts are of type str, as usual: a class derived from it may have other methods."""
    texts = [text for pair in collected.items for text in pair] if collected.is_pair else collected.items
    return set(map(type, texts)) <= {str}


def _collect(text: Any, text_pair: Any, is_split_into_words: bool) -> TextInput:
    """The rows of `collect_texts`, as the caller's objects."""
    is_text = _is_words if is_split_into_words else _is_str
    expected = "a list of words (is_split_into_words=True)" if is_split_into_words else "str"
    text, text_pair = (_tolerant_list(value) for value in (text, text_pair))
    if is_split_into_words:
        for name, value in (("text", text), ("text_pair", text_pair)):
            _check_words(name, value)
    if is_text(text):
        if text_pair is None:
            return TextInput([text], is_batch=False, is_pair=False)
        if not is_text(text_pair):
            raise InputError(
                mismatch("text_pair", _named(text_pair), f"{expected}, because text is one text")
            )
        return TextInput([(text, text_pair)], is_batch=False, is_pair=True)
    if not isinstance(text, list | tuple):
        several = "a list of those" if not is_split_into_words else "a list of such lists"
        raise InputError(mismatch("text", _named(text), f"{expected}, or {several}"))
    if text_pair is None:
        return _collect_rows(text, is_text, expected)
    if not isinstance(text_pair, list | tuple):
        raise InputError(mismatch("text_pair", _named(text_pair), "a list, because text is a list"))
    if len(text_pair) != len(text):
        raise InputError(mismatch("text_pair", f"{len(text_pair)} texts", f"{len(text)}, as many as in text"))
    _check_texts(text, "text", is_text, expected)
    _check_texts(text_pair, "text_pair", is_text, expected)
    return TextInput(list(zip(text, text_pair, strict=True)), is_batch=True, is_pair=True)


# Of an item that is made for the list: a short str has 50 bytes and more, and its place in the list 8.
_BYTES_OF_ITEM = 56


def as_listed(value: Any, takes_tuples: bool = False) -> list[Any] | None:
    """The items of a list, or of what holds several as a list does; None for anything else.

    That is a numpy array, a Series of pandas or polars, a column of datasets, a torch Dataset: any object
    with a length and items by number, but for texts, bytes, tables, mappings, and tuples, which can be pairs
    (`takes_tuples`: where they cannot). What an object's methods raise means that it is none of these.
    Raises ResourceError if memory is too small for the list.
    """
    try:
        return _listed(value, takes_tuples)
    except ResourceError:
        raise
    except Exception:  # foreign methods may raise anything
        return None


def _listed(value: Any, takes_tuples: bool) -> list[Any] | None:
    """As `as_listed`; raises what the object's methods raise."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple) and takes_tuples:
        return list(value)
    if isinstance(value, (str, bytes, bytearray, tuple, Mapping)) or hasattr(value, "columns"):
        return None
    if getattr(value, "shape", None) == ():  # an array of no dimension is one value
        return None
    if hasattr(type(value), "__len__"):
        size = getattr(value, "size", 0)  # of an array: its rows become lists
        count = max(len(value), size if isinstance(size, int) else 0)
        check_memory(_BYTES_OF_ITEM * count, "input", f"a {type(value).__name__} of {count:,} items")
    for method in ("tolist", "to_list"):  # numpy's and pandas', polars': items as Python objects
        if callable(getattr(value, method, None)):
            return list(getattr(value, method)())
    if hasattr(type(value), "__len__") and hasattr(type(value), "__getitem__"):
        return [value[index] for index in range(len(value))]
    return None


def find_lone_surrogate(batch: TextInput) -> tuple[str, str] | None:
    """(name of the text, what was found in it) for the first lone surrogate, which UTF-8 cannot encode.

    A lone surrogate is one half of a UTF-16 surrogate pair. None if no text has one.
    """
    for row, item in enumerate(batch.items):
        index = f"[{row}]" if batch.is_batch else ""
        for part, text in enumerate(item if batch.is_pair else [item]):
            name = f"text_pair{index}" if part else f"text{index}"
            for word in [text] if isinstance(text, str) else text:
                plain = str.__str__(word)
                try:
                    plain.encode()
                except UnicodeEncodeError as error:
                    character = f"U+{ord(plain[error.start]):04X}"
                    return name, f"the lone surrogate {character} at position {error.start}"
    return None


def _collect_rows(rows: _Rows, is_text: Callable[[Any], bool], expected: str) -> TextInput:
    is_pair = bool(rows) and not is_text(rows[0]) and _is_pair(rows[0], is_text)
    if is_pair:
        for index, row in enumerate(rows):
            if not _is_pair(row, is_text):
                raise InputError(mismatch(f"text[{index}]", _named(row), "a pair, because text[0] is a pair"))
        return TextInput([tuple(row) for row in rows], is_batch=True, is_pair=True)
    _check_texts(rows, "text", is_text, expected)
    return TextInput(list(rows), is_batch=True, is_pair=False)


def _check_texts(texts: _Rows, name: str, is_text: Callable[[Any], bool], expected: str) -> None:
    if is_text is _is_str and set(map(type, texts)) <= {str}:  # the usual case, without a Python loop
        return
    for index, text in enumerate(texts):
        if not is_text(text):
            raise InputError(mismatch(f"{name}[{index}]", _named(text), expected))


def _tolerant_list(value: Any) -> Any:
    """A Series, array or column as a list; anything else unchanged."""
    if isinstance(value, (str, list, tuple)) or value is None:
        return value
    listed = as_listed(value)
    return value if listed is None else listed


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _is_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def _check_words(name: str, value: Any) -> None:
    """Raise InputError if `value` begins as a list of words does, and has something else among them."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], str):
        for index, word in enumerate(value):
            if not isinstance(word, str):
                expected = "str: with is_split_into_words=True, a list that begins with a str is the words"
                raise InputError(mismatch(f"{name}[{index}]", _named(word), f"{expected} of one text"))


def _is_pair(value: Any, is_text: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_text, value))


def _named(value: Any) -> str:
    """The value as a message shows it: its type, and a list's length or the beginning of another value."""
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return f"a {kind} of {len(value)}"
    return "None" if value is None else f"{kind} {shown(value, 40)}"
