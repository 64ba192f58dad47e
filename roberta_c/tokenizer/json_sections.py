"""The settings of a call that tokenizer.json may hold, truncation and padding, taken out of its text.

The tokenizers library applies them to every text: a padding to 10¹² tokens aborts the process. So they never
reach the library. The rest of the text stays as it is: a vocabulary takes too long to write again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import TokenizerFileError, mismatch, shown
from .tokenizer_files import parse_json_object

_NAMES = ("truncation", "padding")
# A value that is neither an object nor an array, as in a vocabulary with a token of this name, switches
# nothing on: the library refuses it or ignores it.
_SETTING = re.compile(r'"(?:truncation|padding)"\s*:\s*[{\[]')
# How the letters of the names can be written as escapes.
_ESCAPED_LETTERS = ("\\u006", "\\u007")
# A string, also one that does not end, or a mark. It never fails at a quote, so that no text is read twice.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]', re.DOTALL)


def without_call_settings(text: str, path: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """The text of tokenizer.json with truncation and padding null, and these as objects where they are set.

    Malformed JSON is left to the library. Raises TokenizerFileError for settings that are no objects.
    """
    last = _last_setting(text)
    if last < 0:
        return text, {}
    settings: dict[str, dict[str, Any]] = {}
    kept, start = [], 0
    for name, first, end in _values(text, last):
        value = text[first:end].strip()
        if name not in _NAMES or not value.startswith(("{", "[")):
            continue
        if value.startswith("["):
            raise TokenizerFileError(mismatch(f"{path}: {name}", shown(value), "an object or null"))
        settings[name] = parse_json_object(value, Path(f"{path}: {name}"))
        kept += [text[start:first], "null"]
        start = end
    return "".join([*kept, text[start:]]), settings


def _last_setting(text: str) -> int:
    """Where the last text begins that may be the name of a setting with a value; -1 if there is none."""
    last = max(text.rfind(letters) for letters in _ESCAPED_LETTERS)
    for name in _NAMES:
        place = text.rfind(f'"{name}"')
        while place > last:
            if _SETTING.match(text, place):
                last = place
            place = text.rfind(f'"{name}"', 0, place)
    return last


def _values(text: str, last: int) -> list[tuple[str, int, int]]:
    """(key, start of its value, end of it) for the keys of the outermost object that begin before `last`."""
    values: list[tuple[str, int, int]] = []
    depth, before, key, first = 0, "", "", 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if depth == 1 and token in (",", "}") and key:
            values.append((key, first, found.start()))
            key = ""
            if found.start() > last:
                break
        elif depth == 1 and token == ":" and before.startswith('"'):
            key, first = _unescaped(before), found.end()
        depth += (token in ("{", "[")) - (token in ("}", "]"))
        before = token
    return values


def _unescaped(key: str) -> str:
    try:
        return str(json.loads(key))
    except json.JSONDecodeError:  # the library refuses it
        return key
