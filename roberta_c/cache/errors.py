"""Why the cache is not used. No load raises these: weights are packed instead, and a warning says why."""

from __future__ import annotations


class UnusableError(Exception):
    """The cache cannot be used, or not be written; the message says why."""


class DamagedError(Exception):
    """A cache file is not as it was written; the message says what was found."""
