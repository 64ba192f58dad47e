"""Writes code_points.inc: python csrc/tokenizer/code_points.py

Every property is what the installed tokenizers library does with a code point, so that nothing here depends
on a copy of Unicode's tables. "Unsure" are the code points that Python's version of Unicode has not assigned:
other versions of the library may know more or fewer of them. The table was made with tokenizers 0.23.3 and
Python 3.11, whose Unicode is 14.0; texts with newer code points, but for emoji, are the library's.
"""

from __future__ import annotations

import base64
import json
import struct
import unicodedata
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

PLAIN, CONTROL, EXTENDS, JOIN_UNSURE = range(4)
OTHER, LETTER, NUMBER, SPACE, KIND_UNSURE = range(0, 20, 4)
WHITE_SPACE = 32
CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
# Emoji, and code points reserved for them: none extends another but the five skin tones.
EMOJI = range(0x1F000, 0x1FB00)
# Hangul jamo, which join one another in ways that `joins` cannot ask about.
JAMO = [*range(0x1100, 0x1200), *range(0xA960, 0xA980), *range(0xD7B0, 0xD800)]


def character_map(texts: dict[int, bytes]) -> normalizers.Normalizer:
    """A character map with keys of one byte each."""
    units = [0] * 768
    units[0] = 256 << 10
    blob = b""
    for byte, text in texts.items():
        units[256 ^ byte] = 768 << 10 | 256 | byte
        units[512 + byte] = 1 << 31 | len(blob)
        blob += text + b"\0"
    data = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + blob
    state = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(data).decode()}
    return Tokenizer.from_str(
        json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}, "normalizer": state})
    ).normalizer


# A cluster that begins with "a" is looked up as one, and becomes "b"; otherwise only "a" does.
_FIRST = character_map({ord("a"): b"b"})
# A cluster that begins with a byte of two bytes or more becomes "-".
_LEADS = character_map(dict.fromkeys(range(194, 245), b"-"))


def joins_before(text: str) -> bool:
    """Whether a character of at most 4 bytes joins the letter before it."""
    return _FIRST.normalize_str("a" + text) == "b"


def joins_behind(text: str, next_one: str) -> bool:
    """Whether a character of two bytes or more joins the one behind it; both have less than 6 bytes."""
    return _LEADS.normalize_str(text + next_one) == "-"


def ends_before(text: str, next_one: str) -> bool:
    """Whether a character of two bytes or more does not join the one behind it, of 2 bytes.

    Twice the other, behind it, has 4 bytes: a cluster of its own, which is looked up as one. Joined to a
    character of two bytes or more it would be looked up as three.
    """
    return _LEADS.normalize_str(text + next_one * 2) == "--"


def join_of(code: int) -> int:
    """How a code point takes part in grapheme clusters."""
    text = chr(code)
    if code < 0x80:
        return CONTROL if code < 0x20 or code == 0x7F else PLAIN
    if code in JAMO or joins_behind(text, "a"):
        return JOIN_UNSURE
    if unicodedata.category(text) == "Cn" and code not in EMOJI:
        return JOIN_UNSURE
    if joins_before(text):
        return EXTENDS
    if code < 0x10000:
        return PLAIN if joins_behind(text, "\u0301") else CONTROL
    return CONTROL if ends_before(text, "\u0301") else PLAIN


def kinds() -> dict[int, int]:
    """What each code point is to GPT-2's expression: the library's own classes."""
    text = "".join(map(chr, CODE_POINTS))
    found = dict.fromkeys(CODE_POINTS, OTHER)
    for pattern, kind in ((r"\p{L}", LETTER), (r"\p{N}", NUMBER), (r"\s", SPACE)):
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        for piece, (start, _end) in split.pre_tokenize_str(text):
            # A piece of one character is a match, or stands between two of them.
            is_match = len(piece) == 1 and not normalizers.Replace(Regex(pattern), "").normalize_str(piece)
            if is_match:
                found[CODE_POINTS[start]] = kind
    for code in CODE_POINTS:
        if unicodedata.category(chr(code)) == "Cn" and code not in EMOJI:
            found[code] = KIND_UNSURE
    return found


def white_space() -> set[int]:
    """What the library's WhitespaceSplit splits at."""
    split = pre_tokenizers.WhitespaceSplit()
    return {code for code in CODE_POINTS if not split.pre_tokenize_str(chr(code))}


def main() -> None:
    """Write the table."""
    kind_of, spaces = kinds(), white_space()
    properties = bytearray([JOIN_UNSURE + KIND_UNSURE]) * 0x110000
    for code in CODE_POINTS:
        properties[code] = join_of(code) + kind_of[code] + WHITE_SPACE * (code in spaces)
    blocks: dict[bytes, int] = {}
    block_of = []
    for start in range(0, 0x110000, 256):
        block = bytes(properties[start : start + 256])
        block_of.append(blocks.setdefault(block, len(blocks)))
    lines = [
        f"/* Written by code_points.py; assigned in Unicode {unicodedata.unidata_version}. */",
        "/* clang-format off */",
        f"static const uint8_t BLOCK_OF[{len(block_of)}] = {{",
        *rows(block_of),
        "};",
        f"static const uint8_t PROPERTIES[{len(blocks)}][256] = {{",
    ]
    for block in blocks:
        lines += ["    {", *rows(block), "    },"]
    path = Path(__file__).with_name("code_points.inc")
    path.write_text("\n".join([*lines, "};", ""]), "utf-8")


def rows(values: list[int] | bytes) -> list[str]:
    """Lines of 24 numbers."""
    starts = range(0, len(values), 24)
    return ["    " + " ".join(f"{value}," for value in values[at : at + 24]) for at in starts]


if __name__ == "__main__":
    main()
