"""Objects that a caller may pass by malice or by accident: their methods raise, or do not tell the truth."""

from __future__ import annotations

import numpy as np

KEPT = {
    *("__new__", "__init__", "__class__", "__getattribute__", "__init_subclass__", "__subclasshook__"),
    *("__doc__", "__getnewargs__", "__setattr__", "__delattr__", "__dir__"),
}


class OwnError(Exception):
    """What a hostile object raises: it may pass through, unchanged."""


def raises(*_arguments, **_options):
    """Any method of an object that raises."""
    raise OwnError("by the object itself")


# A str none of whose methods can be called.
RaisingText = type("RaisingText", (str,), {name: raises for name in dir(str) if name not in KEPT})


class LyingText(str):
    """A str whose methods tell of another one."""

    def _lie(self, *_):
        return "lie"

    __str__ = __repr__ = __format__ = __getitem__ = strip = replace = lower = _lie

    def __eq__(self, _):
        return True

    def __ne__(self, _):
        return False

    def __hash__(self):
        return hash("positive")

    def __len__(self):
        return 2**62

    def __iter__(self):
        return iter("lie")

    def __contains__(self, _):
        return True

    def encode(self, *_):
        return b"lie"

    def isascii(self):
        return True

    def split(self, *_):
        return ["lie"]

    def count(self, *_):
        return 99

    def startswith(self, *_):
        return True


class LyingInteger(int):
    """An int that is no less, no more and no other than any number, and that converts to 7."""

    def __index__(self):
        return 7

    __int__ = __index__

    def __lt__(self, _):
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __eq__(self, _):
        return True

    def __hash__(self):
        return 7


class Index:
    """An integer of another library."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


class RaisingIndex:
    __index__ = raises


class RaisingList(list):
    __len__ = __iter__ = __getitem__ = raises


class LyingList(list):
    """A list that tells of a huge one."""

    def __len__(self):
        return 2**62

    def __getitem__(self, _):
        return 1


class EndlessSequence:
    """A sequence that tells of more items than any memory holds."""

    def __len__(self):
        return 2**62

    def __getitem__(self, _):
        return 0


class LyingArray(np.ndarray):
    """An array whose Python methods tell of another one."""

    @property
    def shape(self):
        return (7, 9)

    def __len__(self):
        return 5

    def __array__(self, *_arguments, **_options):
        return np.array([[9, 9]])

    def _lie(self, *_):
        return np.array([1])

    reshape = view = astype = _lie


class RaisingShape:
    shape = property(raises)


class RaisingArray:
    __array__ = raises


class ForeignArray:
    """An object whose `__array__` returns anything."""

    def __init__(self, value):
        self.value = value

    def __array__(self, *_arguments, **_options):
        return self.value
