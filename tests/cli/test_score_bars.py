"""The bars beside scores, and which of them a stream can display."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from roberta_c.cli.score_bars import ScoreBars, score_bars


def test_bars_of_scores():
    colours = ScoreBars(colours=True, blocks=True)
    assert colours.bar(1.0, 4, "positive") == "\x1b[32m████\x1b[0m"
    assert colours.bar(0.5, 4, "Negative") == "\x1b[31m██\x1b[0m  "
    assert colours.bar(0.53, 4, "LABEL_1") == "\x1b[36m██▏\x1b[0m "
    assert colours.bar(0.0, 4, "neutral") == "    "
    assert ScoreBars(colours=False, blocks=True).bar(0.53, 4, "positive") == "██▏ "
    assert ScoreBars(colours=False, blocks=False).bar(0.5, 4, "positive") == "##  "


@pytest.mark.parametrize(
    ("terminal", "encoding", "variables", "expected"),
    [
        (True, "utf-8", {"TERM": "xterm"}, ScoreBars(colours=True, blocks=True)),
        (True, "utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, ScoreBars(colours=False, blocks=True)),
        (True, "utf-8", {"TERM": "xterm", "NO_COLOR": ""}, ScoreBars(colours=True, blocks=True)),
        (True, "ascii", {"TERM": "xterm"}, ScoreBars(colours=True, blocks=False)),
        (True, "utf-8", {"TERM": "dumb"}, ScoreBars(colours=False, blocks=True)),
        (True, None, {}, ScoreBars(colours=False, blocks=False)),
        (False, "utf-8", {"TERM": "xterm"}, None),
    ],
)
def test_which_bars_a_stream_can_show(terminal, encoding, variables, expected):
    stream = SimpleNamespace(isatty=lambda: terminal, encoding=encoding)
    assert score_bars(stream, variables) == expected
    assert score_bars(None, variables) is None
