"""README.md, docs/ and the docstrings are true: their code runs, and prints what they say it prints.

In a document, ```python blocks run in order in one process; a ```text block right behind one is what it
prints (without one: nothing). ```console blocks are typed into a terminal: lines behind "$ " are commands,
the others what they show; in a ```measured block any number there stands for any other. "…" stands for
anything. Hub repositories are served from this machine; tweets.txt and labels.txt are the first 1,000 of
TweetEval's labelled ones. README's first two ```bash blocks, which install, are for .ci/run.
"""

from __future__ import annotations

import doctest
import importlib
import itertools
import os
import pkgutil
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from samples.loopback_hub import LoopbackHub
from samples.pseudo_terminal import in_terminal

import roberta_c

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
OTHER_DOCUMENTS = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "roberta_c/files/bundled_model/README.md",
    "training/README.md",
]
HUB_NAMES = [
    "cardiffnlp/twitter-roberta-base-sentiment-latest",
    "cardiffnlp/twitter-xlm-roberta-base-sentiment",
]


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    text: str


def blocks_of(document: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start()) + 1, match[1], match[2])
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ]


def without_numbers(text: str) -> str:
    """`text` with every number the same, and columns, whose widths depend on them, one space apart."""
    return re.sub(r"(?<= ) +", "", re.sub(r"[-+]?\d+([.,]\d+)*(e[-+]\d+)?", "0", text))


def assert_shown(expected: str, shown: str, place: str) -> None:
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    assert re.fullmatch(pattern, shown.strip(), flags=re.DOTALL), (
        f"{place} says\n{expected}\nbut it shows\n{shown}"
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory, tweet_sentiment_small):
    """The variables of a newcomer's shell: `roberta-c` and `python` on the path, the Hub on this machine."""
    home = tmp_path_factory.mktemp("newcomer")
    programs = home / "bin"
    programs.mkdir()
    for name, words in (("roberta-c", "-m roberta_c"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    with LoopbackHub({name: {"main": tweet_sentiment_small} for name in HUB_NAMES}) as hub:
        outside = hub.environment(home)
        yield {
            **{name: value for name, value in outside.items() if not name.startswith("ROBERTA_C_")},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_shell_blocks_show_what_they_say(document, environment, tmp_path, test_data):
    for name, source in (("tweets.txt", "test_text.txt"), ("labels.txt", "test_labels.txt")):
        lines = test_data(f"data/tweeteval/sentiment/{source}").read_bytes().split(b"\n")
        (tmp_path / name).write_bytes(b"\n".join(lines[:1000]) + b"\n")
    for block in blocks_of(document):
        if block.language not in ("console", "measured"):
            continue
        commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, flags=re.MULTILINE)
        assert block.text.startswith("$ "), f"{document}:{block.line}: no command"
        for command, expected in commands:
            words = ["bash", "-o", "pipefail", "-c", command]
            code, shown = in_terminal(words, environment, cwd=tmp_path)
            assert code == 0, f"{document}:{block.line}: {command}\n{shown}"
            shown = re.sub(r"[^\n]*\r", "", shown)  # what a progress bar has written over
            if block.language == "measured":
                expected, shown = without_numbers(expected), without_numbers(shown)
            assert_shown(expected, shown, f"{document}:{block.line}: {command}")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_blocks_print_what_they_say(document, environment, tmp_path):
    blocks = [*blocks_of(document), Block(0, "", "")]
    pieces = []
    for block, behind in itertools.pairwise(blocks):
        if block.language == "python":
            pieces.append((block, behind.text if behind.language == "text" else ""))
    assert pieces
    mark = "----8<----"
    program = f"\nprint({mark!r}, flush=True)\n".join(block.text for block, _ in pieces)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{document}\n{done.stderr}"
    printed = done.stdout.split(f"{mark}\n")
    for (block, expected), shown in zip(pieces, printed, strict=True):
        assert_shown(expected, shown, f"{document}:{block.line}")
    assert any(expected for _, expected in pieces)


def test_every_block_is_of_a_kind_that_runs():
    assert [block.language for block in blocks_of("README.md")][:2] == ["bash", "bash"]
    for document in DOCUMENTS:
        before = ""
        for number, block in enumerate(blocks_of(document)):
            installs = document == "README.md" and number < 2 and block.language == "bash"
            assert installs or block.language in ("console", "measured", "python", "text"), (
                f"{document}:{block.line}"
            )
            assert block.language != "text" or before == "python", (
                f"{document}:{block.line}: nobody prints it"
            )
            before = block.language


@pytest.mark.parametrize("document", [*DOCUMENTS, *OTHER_DOCUMENTS])
def test_links_lead_somewhere(document):
    path = ROOT / document
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{document}: {target}"


def test_tables_are_the_measured_ones():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import report
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    for document in report.DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert report.filled(text, report.RESULTS) == text, (
            f"{document}: `python benchmarks/report.py` would change it"
        )


def test_docstrings_print_what_they_say():
    attempted = 0
    for module in pkgutil.walk_packages(roberta_c.__path__, "roberta_c."):
        if module.name != "roberta_c.__main__":
            failed, tried = doctest.testmod(
                importlib.import_module(module.name),
                optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
            )
            assert not failed, module.name
            attempted += tried
    failed, tried = doctest.testmod(roberta_c, optionflags=doctest.ELLIPSIS)
    assert not failed
    assert attempted + tried >= 5
