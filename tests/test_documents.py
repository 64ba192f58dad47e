"""README.md, docs/ and the docstrings are true: their code runs, and prints what they say it prints.

```python blocks of a document run in order in one process. A ```text block directly after one is its output;
without a ```text block it prints nothing. Lines of a ```console block that begin with "$ " are commands, run
in a terminal; the lines after a command are its output. A ```measured block is a console block whose numbers
match any numbers. "…" matches any text. Hub repositories are served from this machine and hold the bundled
model, with other heads where documents need them; tweets.txt and labels.txt hold 100 made-up lines. .ci/run
runs README's two ```bash blocks.
"""

from __future__ import annotations

import doctest
import importlib
import itertools
import os
import pkgutil
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from samples.adapter_bases import write_adapter_bases
from samples.loopback_hub import LoopbackHub
from samples.pseudo_terminal import in_terminal
from samples.rerankers import make_bge_m3_of_bundled, make_reranker_of_bundled

import roberta_c

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
OTHER_DOCUMENTS = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "roberta_c/files/bundled_model/README.md",
    "training/README.md",
]
HUB_NAMES = [
    "cardiffnlp/twitter-roberta-base-sentiment-latest",
    "cardiffnlp/twitter-xlm-roberta-base-sentiment",
    "sentence-transformers/all-distilroberta-v1",
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


def documents_with(*languages: str) -> list[str]:
    return [name for name in DOCUMENTS if any(block.language in languages for block in blocks_of(name))]


def without_numbers(text: str) -> str:
    """`text` with 0 for every number, and one space between columns, whose widths depend on numbers."""
    return re.sub(r"(?<= ) +", "", re.sub(r"[-+]?\d+([.,]\d+)*(e[-+]\d+)?", "0", text))


def assert_shown(expected: str, shown: str, place: str) -> None:
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    assert re.fullmatch(pattern, shown.strip(), flags=re.DOTALL), (
        f"{place} says\n{expected}\nbut it shows\n{shown}"
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The variables of a new user's shell: `roberta-c` and `python` on the path, the Hub on this machine."""
    home = tmp_path_factory.mktemp("newcomer")
    programs = home / "bin"
    programs.mkdir()
    for name, words in (("roberta-c", "-m roberta_c"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    folders = {name: roberta_c.bundled_model_path() for name in HUB_NAMES}
    folders["BAAI/bge-reranker-base"] = make_reranker_of_bundled(home / "reranker")
    folders["BAAI/bge-m3"] = make_bge_m3_of_bundled(home / "m3")
    with LoopbackHub({name: {"main": folder} for name, folder in folders.items()}) as hub:
        outside = hub.environment(home)
        yield {
            **{name: value for name, value in outside.items() if not name.startswith("ROBERTA_C_")},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{write_adapter_bases(home / 'bases')}",
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        }


def write_labelled_texts(folder: Path, count: int = 100) -> None:
    """tweets.txt and labels.txt (0: negative, 1: neutral, 2: positive)."""
    rng = random.Random(0)
    words = [["hate", "worst", "awful"], ["Monday", "train", "ten"], ["love", "great", "happy"]]
    others = ["I", "you", "the", "a", "it", "this", "that", "is", "was", "we", "go", "to", "see", "day"]
    labels = [rng.randrange(3) for _ in range(count)]
    texts = [" ".join([*rng.choices(others, k=rng.randint(3, 30)), rng.choice(words[n])]) for n in labels]
    (folder / "tweets.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")


@pytest.mark.parametrize("document", documents_with("console", "measured"))
def test_shell_blocks_show_what_they_say(document, environment, tmp_path):
    write_labelled_texts(tmp_path)
    for block in blocks_of(document):
        if block.language not in ("console", "measured"):
            continue
        commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, flags=re.MULTILINE)
        assert block.text.startswith("$ "), f"{document}:{block.line}: no command"
        for command, expected in commands:
            words = ["bash", "-o", "pipefail", "-c", command]
            code, shown = in_terminal(words, environment, cwd=tmp_path)
            assert code == 0, f"{document}:{block.line}: {command}\n{shown}"
            shown = re.sub(r"[^\n]*\r", "", shown)  # lines that a progress bar has overwritten
            if block.language == "measured":
                expected, shown = without_numbers(expected), without_numbers(shown)
            assert_shown(expected, shown, f"{document}:{block.line}: {command}")


@pytest.mark.parametrize("document", documents_with("python"))
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


def test_architecture_has_a_line_for_every_file():
    """docs/architecture.md names every source file of roberta_c/ and csrc/, each in its folder's table."""
    tables = re.split(
        r"^\| `([\w/]+/)` \|", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), flags=re.M
    )
    named = {
        folder.removeprefix("roberta_c/") + name
        for folder, text in zip(tables[1::2], tables[2::2], strict=True)
        for row in re.findall(r"^\| (`[^|]*) \|", text.split("\n\n")[0], flags=re.M)
        for name in re.findall(r"`([\w.]+\.\w+)`", row)
    }
    package, csrc = ROOT / "roberta_c", ROOT / "csrc"
    kinds = (".py", ".pyx", ".pxd", ".pxi", ".pyi")
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.suffix in kinds}
    kinds = (".c", ".h", ".inc", ".py")
    files |= {path.relative_to(ROOT).as_posix() for path in csrc.rglob("*") if path.suffix in kinds}
    # A folder's __init__.py has a line where it holds more than the folder's names.
    missing = {name for name in files - named if not name.endswith("/__init__.py")}
    assert not missing
    assert not named - files


def test_every_block_is_of_a_kind_that_runs():
    assert sum(block.language == "bash" for block in blocks_of("README.md")) == 2
    for document in DOCUMENTS:
        before = ""
        for block in blocks_of(document):
            installs = document == "README.md" and block.language == "bash"
            assert installs or block.language in ("console", "measured", "python", "text"), (
                f"{document}:{block.line}"
            )
            drawing = document == "docs/architecture.md"
            assert drawing or block.language != "text" or before == "python", (
                f"{document}:{block.line}: nothing prints it"
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
