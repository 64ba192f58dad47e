"""The tables "Call by call" of docs/: their rows, and whether a call does what its row says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from roberta_c.errors import RobertaCError

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def rows_of(document: str) -> list[tuple[str, str]]:
    """(call, outcome) of each row. Every row of the section is found."""
    section = (DOCS / document).read_text("utf-8").partition("## Call by call")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|$", section, flags=re.MULTILINE)
    assert section.count("\n| `") == len(rows)
    return rows


def check_call(call: str, outcome: str, names: dict[str, Any]) -> None:
    """Runs the call with these names and compares what comes of it."""

    def run() -> Any:
        if call.startswith("from "):
            return exec(call, dict(names))
        return eval(call, dict(names))

    if outcome.startswith("error: "):
        message = re.escape(outcome.removeprefix("error: "))
        with pytest.raises((RobertaCError, ImportError), match=message) as caught:
            run()
        assert "\n" not in str(caught.value)
        return
    found = run()
    if outcome in ("the model", "the encoding"):
        assert found is names[{"the model": "model", "the encoding": "encoded"}[outcome]]
    elif outcome in ("float32", "bfloat16"):
        assert getattr(found, "model", found).dtype == outcome
    elif outcome == "None":
        assert found is None
