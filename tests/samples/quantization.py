"""Shared by the tests of reports on lower precisions: the types, and texts for the bundled model."""

from __future__ import annotations

import pytest

from roberta_c.model import DTYPES

LOWER = [dtype for dtype in DTYPES if dtype != "float32"]
LABELS = ["negative", "neutral", "positive"]
TEXTS = [
    "I love it",
    "this is the worst service ever, and I will never come back",
    "The match starts at 9pm.",
    "",
    "so so " * 40,
    "東京は今日も雨です。",
    "not bad at all!",
    "what a day",
    "why would anyone want this?",
    "a b c d e f g",
    "see you on Monday",
    "my cat has eaten the fish",
    "I love it",
]
each_lower = pytest.mark.parametrize("dtype", LOWER)
