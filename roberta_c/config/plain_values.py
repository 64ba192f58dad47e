"""Values from callers in Python's own types.

A subclass of str or int may compare and convert as it likes: what was checked would not be what is used.
"""

from __future__ import annotations

import operator
from typing import Any


def plain_value(value: Any) -> Any:
    """`value` as a str, int, list or tuple of that very type, if it is one of these or has `__index__`.

    Anything else, such as a bool, a float or an array, is returned unchanged.

    >>> import numpy
    >>> plain_value([numpy.int32(7), True, 0.5])
    [7, True, 0.5]
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [plain_value(one) for one in list.__iter__(value)]
    if isinstance(value, tuple):
        return tuple(plain_value(one) for one in tuple.__iter__(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__index__(value)
    try:
        return operator.index(value)
    except TypeError:  # no integer
        return value
