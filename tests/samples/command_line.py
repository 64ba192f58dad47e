"""For tests of the command line: how to start it as a process, and what every result must look like."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import roberta_c

PACKAGE_PARENT = str(Path(roberta_c.__file__).resolve().parent.parent)
COMMAND = [sys.executable, "-m", "roberta_c"]


def rows_of(result):
    """The objects of a successful run's JSON lines."""
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


def write_csv(path, columns, rows):
    """A CSV file of these columns and rows; returns its path."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def assert_one_line(result, exit_code, *parts):
    """Standard error is one line of error that contains all of `parts`."""
    assert result.exit_code == exit_code, result.stderr
    assert result.stderr.startswith("roberta-c: error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr


def sections_of(text):
    """Sections of aligned rows, as `doctor` writes them: {title: {name: value}}."""
    sections = {}
    for block in text.strip().split("\n\n"):
        title, *lines = block.split("\n")
        sections[title] = dict(
            re.split(r"  +", line.strip(), maxsplit=1) for line in lines if "  " in line[2:]
        )
    return sections
