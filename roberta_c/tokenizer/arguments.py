"""Checks of the arguments that several methods of tokenizers and encodings take."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..config.load_keywords import Keyword, without_foreign
from ..errors import InputError, mismatch, shown

_TOO_LARGE = 2**31  # more than any index of a row, token, word or character


def check_keywords(given: dict[str, Any], accepted: dict[str, Keyword], own: Iterable[str]) -> None:
    """Raise InputError for a keyword that is neither `accepted` nor a method's `own`, or for its value."""
    for name in without_foreign(given, accepted):
        raise InputError(mismatch(name, "an unknown keyword", f"one of {', '.join(own)}"))


def as_flag(name: str, value: Any) -> bool:
    """`value` as True or False. Raises InputError for anything that is neither."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(mismatch(name, shown(value), "True or False"))
    return bool(value)


def as_index(name: str, value: Any) -> int:
    """`value`, an int of Python or NumPy, as an int. Raises InputError for anything else."""
    try:
        index = operator.index(value)
    except TypeError:
        index = _TOO_LARGE
    if not -_TOO_LARGE < index < _TOO_LARGE:
        raise InputError(mismatch(name, shown(value), "an integer of at most 31 bits"))
    return index


def check_pickle_protocol(protocol: Any) -> None:
    """InputError for protocols 0 and 1, in which objects of the tokenizers library do not pickle."""
    if operator.index(protocol) < 2:
        raise InputError(
            mismatch("protocol", f"pickle's {protocol}", "2 or higher for a tokenizer's objects")
        )


def is_encodable(text: str) -> bool:
    """Whether `text` has UTF-8: a lone half of a surrogate pair has none."""
    try:
        str.encode(text)  # not the method of a class derived from str
    except UnicodeEncodeError:
        return False
    return True
