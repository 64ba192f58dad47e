"""Scores as horizontal bars on a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .outputs import is_terminal
from .terminal_text import has_colours

# Eighths of a column, from none to all of it.
_BLOCKS = ("", *"▏▎▍▌▋▊▉█")
_COLOURS = {"negative": 31, "neutral": 33, "positive": 32}  # ANSI codes: red, yellow, green
_OTHER_COLOUR = 36  # cyan, for labels that are neither good nor bad


def score_bars(stream: Any, environment: Mapping[str, str] = os.environ) -> ScoreBars | None:
    """Bars in the form that `stream` can display; None if it is not a terminal. Colours: `has_colours`."""
    if not is_terminal(stream):
        return None
    try:
        "".join(_BLOCKS).encode(stream.encoding or "ascii")
        blocks = True
    except UnicodeEncodeError:
        blocks = False
    return ScoreBars(has_colours(stream, environment), blocks)


@dataclass(frozen=True)
class ScoreBars:
    """Bars for scores between 0 and 1.

    colours: whether to colour them: red for the label "negative", green for "positive" (`_COLOURS`).
    blocks: whether to draw them with block characters, in eighths of a column; else with "#".
    """

    colours: bool
    blocks: bool

    def bar(self, score: float, width: int, label: str) -> str:
        """The bar of a label, padded to `width` columns."""
        eighths = round(score * width * 8)
        bar = (
            _BLOCKS[-1] * (eighths // 8) + _BLOCKS[eighths % 8] if self.blocks else "#" * round(score * width)
        )
        padding = " " * (width - len(bar))
        if self.colours and bar:
            bar = f"\x1b[{_COLOURS.get(label.lower(), _OTHER_COLOUR)}m{bar}\x1b[0m"
        return bar + padding
