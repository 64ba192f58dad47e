"""Text for people at a terminal: without control characters, cut to a width, in aligned columns."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from .outputs import is_terminal

# Characters that change the direction in which the text after them is displayed.
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def has_colours(stream: Any, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` is a terminal that shows colours.

    The variable NO_COLOR (no-color.org) and the terminal type "dumb" disable them.
    """
    if not is_terminal(stream):
        return False
    return not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb"


def printable(text: str) -> str:
    """`text` on one line, with escapes for what could move the cursor or change the direction of writing."""
    if text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if _is_unprintable(c) else c for c in text)


def printable_lines(text: str) -> str:
    """`text` with each line made `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS


def shortened(text: str, columns: int) -> str:
    """`text` if it fits into `columns`; else its longest beginning that fits, followed by an ellipsis."""
    if len(text) <= columns // 2:  # fits even if every character is two columns wide
        return text
    used, last = 0, 0
    for place, character in enumerate(text):
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        used += width
        if used > columns:
            return f"{text[:last]}…"
        if used < columns:
            last = place + 1
    return text


def table(values: Mapping[str, Any]) -> str:
    """One line for each name and value, indented below a heading."""
    return aligned([(f"  {name}", printable(str(value))) for name, value in values.items()])


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """The cells of each row in columns that are two spaces apart."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def byte_size(count: int | None) -> str:
    """A number of bytes in the largest binary unit that it fills: `1.5 GiB`; None: "unknown"."""
    if count is None:
        return "unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
