"""Counts that a caller gives, as integers of Python.

Those of numpy have few bits: np.uint8(255) + 1 is 0, or an OverflowError.
"""

from __future__ import annotations

import operator
from typing import Any

from ..pipelines.options import check_count


def checked_count(name: str, value: Any, expected: str, least: int = 1) -> int:
    """`value` as an int. Raises InputError, saying what is `expected`, unless it is an integer of at least
    `least`."""
    check_count(name, value, expected, least)
    return operator.index(value)
