"""Text for terminals: escapes, widths and columns."""

from __future__ import annotations

import pytest

from roberta_c.cli.terminal_text import aligned, byte_size, printable, printable_lines, shortened, table


def test_nothing_printable_moves_the_cursor():
    assert printable("plain text") == "plain text"
    for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0xD800]:
        assert printable(chr(code)).isascii()
        assert printable(chr(code)).isprintable()
    assert printable_lines("a\tb\nc\r") == "a\\tb\nc\\r"


def test_texts_are_shortened_to_the_columns_they_take():
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert shortened("東京東京", 8) == "東京東京"
    assert shortened("東京東京東", 8) == "東京東…"
    assert shortened("", 6) == ""


def test_columns_are_aligned():
    assert aligned([("a", "bb", ""), ("ccc", "d", "e")]) == "a    bb\nccc  d   e"
    assert aligned([]) == ""
    assert table({"name": 1, "longer name": "a\tb"}) == "  name         1\n  longer name  a\\tb"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "unknown"), (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 29, "1.5 GiB")],
)
def test_byte_sizes(count, expected):
    assert byte_size(count) == expected
