"""A valid config.json, and what tests of configurations share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roberta_c.errors import RobertaCError

GOOD = {"model_type": "roberta", "hidden_size": 36, "num_attention_heads": 3, "vocab_size": 100}


def write(folder: Path, text: str | bytes | dict) -> Path:
    if isinstance(text, dict):
        text = json.dumps(text)
    (folder / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def one_line_message(error: pytest.ExceptionInfo[RobertaCError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable() or "…" in message
    return message
