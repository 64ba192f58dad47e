"""Texts from arguments, files and standard input, exactly as they are there."""

from __future__ import annotations

import json
import os

from samples.command_line import assert_one_line, rows_of

from roberta_c.cli import inputs


def test_a_line_is_a_text_as_it_stands(classify, tmp_path):
    lines = b"trailing \n\n  leading\r\ntab\there\rmiddle\r\n\xe2\x80\xa8\xc2\x85\x0c\n\r\r\nlast\r"
    expected = ["trailing ", "", "  leading", "tab\there\rmiddle", "\u2028\x85\x0c", "\r", "last\r"]
    file = tmp_path / "texts.txt"
    file.write_bytes(lines)
    for result in (classify(input=lines), classify("--file", file), classify("-f", "-", input=lines)):
        assert [row["text"] for row in rows_of(result)] == expected
    # A byte order mark is removed at the start of the file only.
    file.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    assert [row["text"] for row in rows_of(classify("--file", file))] == ["one", "\ufefftwo"]


def test_arguments_come_before_standard_input(classify):
    assert [row["text"] for row in rows_of(classify("a", "--", "-b", input=b"c\n"))] == ["a", "-b"]


def test_a_dash_alone_is_standard_input(classify):
    """Also behind "--"; beside other arguments it is a text, and so it is as a line."""
    for words in (["-"], ["--", "-"]):
        assert [row["text"] for row in rows_of(classify(*words, input=b"c\n-\n"))] == ["c", "-"]
    assert [row["text"] for row in rows_of(classify("-", "a", input=b"c\n"))] == ["-", "a"]


def test_pairs(classify, library):
    result = rows_of(classify("--pairs", input=b"I love it\tso much\n\tb\n"))
    pair = {"text": "I love it", "text_pair": "so much"}
    assert result[0] == {**pair, **library(pair)}
    assert [row.get("text") for row in result] == ["I love it", ""]
    assert_one_line(classify("a\tb\tc", "--pairs"), 1, "arguments: text 1: found 2 tabs, expected 1")
    result = classify("--pairs", input=b"a\tb\nno tab\n")
    assert json.loads(result.stdout)["text_pair"] == "b"
    assert "standard input: line 2: found 0 tabs" in result.stderr
    assert result.exit_code == 1


def test_a_line_that_is_not_utf_8(classify, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"good\nbad \xff\xfe\nnever\n")
    result = classify("--file", file)
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["good"]
    assert_one_line(result, 1, f"{file}: line 2: found the byte 0xff at position 4, expected UTF-8")
    assert_one_line(classify(os.fsdecode(b"bad \xff")), 1, "arguments: text 1", "expected UTF-8")


def test_a_line_without_an_end_is_not_read_to_it(classify, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 10)
    assert [row["text"] for row in rows_of(classify(input=b"0123456789\r\n0123456789"))] == ["0123456789"] * 2
    result = classify(input=b"a\n0123456789a")
    assert "standard input: line 2: found more than 10 bytes" in result.stderr
    assert result.exit_code == 1
