"""How published software makes a score of a pair of texts."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import InputError, mismatch, shown


class ScoreConvention(NamedTuple):
    """Which texts are cut, and the function of the logits.

    cuts_query: whether a query keeps at most ¾ of max_length, and the document alone is cut for the rest;
    otherwise the longer text is cut. activation: None for the one that the model's files name.
    """

    cuts_query: bool
    activation: str | None


SCORE_CONVENTIONS = {
    "sentence-transformers": ScoreConvention(False, None),
    "flag-embedding": ScoreConvention(True, "identity"),
    "tei": ScoreConvention(False, "sigmoid"),
}


def check_convention(name: Any) -> None:
    """Raise InputError unless it is the name of one of SCORE_CONVENTIONS."""
    if not isinstance(name, str) or name not in SCORE_CONVENTIONS:
        raise InputError(mismatch("score_convention", shown(name), f"one of {', '.join(SCORE_CONVENTIONS)}"))
