"""The scripts of examples/ run with the bundled model, and print what their first line says."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TEXTS = ["I love this!", "this is the worst service ever", "what a great day"]


def run(name: str, *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, ROOT / "examples" / name, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_classify_csv(tmp_path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], *enumerate(TEXTS)])
    run("classify_csv.py", str(source), str(target))
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == TEXTS
    assert [row["label"] for row in rows] == ["positive", "negative", "positive"]
    assert all(0.3 < float(row["score"]) <= 1 for row in rows)


def test_similar_texts():
    lines = run("similar_texts.py", *TEXTS).splitlines()
    assert len(lines) == 3
    assert lines[0].split("  ", 1)[1] == f"{TEXTS[0]}  |  {TEXTS[2]}"
    similarities = [float(line.split()[0]) for line in lines]
    assert similarities == sorted(similarities, reverse=True)


def test_compare_precisions():
    lines = run("compare_precisions.py", stdin="\n".join(TEXTS)).splitlines()
    assert [line.split()[0] for line in lines] == ["float32", "bfloat16", "int8"]
    assert all(line.endswith("0 of 3 labels changed") for line in lines)
    program = [sys.executable, str(ROOT / "examples/compare_precisions.py")]
    empty = subprocess.run(program, input="\n", capture_output=True, text=True, check=False)
    assert empty.returncode == 2
    assert empty.stderr.endswith("error: no texts on standard input\n")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_tested(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 45
    assert path.name in Path(__file__).read_text(encoding="utf-8")
