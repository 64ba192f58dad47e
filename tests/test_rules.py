"""Rules that can be checked by reading the sources: order of imports, forbidden imports, flags and names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "roberta_c"
SOURCES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx"))

# A room is a folder of the package, or a file beside the folders. It imports only from rooms before it in
# RANKS.
RANKS = [
    "errors",
    "missing_names",
    "files",
    "logging",
    "machine",
    "config",
    "checkpoint",
    "tokenizer",
    "kernels",
    "cache",
    "model",
    "pipelines",
    "sentence",
    "util",
    "diagnose",
    "serve",
    "cli",
    "__main__",
]
RANK_OF = {room: rank for rank, room in enumerate(RANKS)}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(path.suffix)


def imported_modules(path: Path) -> list[tuple[str, bool]]:
    """(dotted name below or outside the package, whether at module level)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".pyx":
        text = "\n".join(
            line for line in text.splitlines() if re.match(r"(from|import) [\w.]+ ?(import|$)", line)
        )
    package = ["roberta_c", *path.relative_to(PACKAGE).parts[:-1]]
    tree = ast.parse(text)
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
            is_package = (PACKAGE.parent / stem.replace(".", "/")).is_dir()
            found += [(name, id(node) in top) for name in (names if is_package else [stem])]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_ranks(path):
    own = room(path)
    if own == "__init__":
        return
    assert own in RANK_OF, f"{own} has no rank: add it to RANKS"
    for name, _ in imported_modules(path):
        if not name.startswith("roberta_c."):
            continue
        other = name.split(".")[1]
        if other == own or other == "__version__":
            continue
        assert RANK_OF[other] < RANK_OF[own], f"{own} imports {other}, a later room"


@pytest.mark.parametrize("name", [name for name in RANKS if (PACKAGE / name).is_dir()])
def test_files_of_a_room_import_one_another_one_way(name):
    files = {path.stem: path for path in SOURCES if room(path) == name}
    imports: dict[str, set[str]] = {stem: set() for stem in files}
    for stem, path in files.items():
        for other, at_top in imported_modules(path):
            parts = [*other.split("."), "__init__"]
            if at_top and parts[:2] == ["roberta_c", name]:
                imports[stem].add(parts[2] if parts[2] in files else "__init__")
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as cycle:
        pytest.fail(f"a circle of imports: {' ← '.join(cycle.args[1])}")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_foreign_imports_stay_in_their_rooms(path):
    homes = {
        "huggingface_hub": ("files/hub",),
        "tokenizers": ("tokenizer/",),
        "click": ("cli/",),
        "tqdm": ("cli/", "sentence/progress.py"),
        "starlette": ("serve/",),
        "uvicorn": ("serve/server.py",),
    }
    for name, at_top in imported_modules(path):
        package = name.split(".")[0]
        assert package not in ("torch", "transformers", "pickle", "sentencepiece"), name
        if package in homes:
            place = path.relative_to(PACKAGE).as_posix()
            assert place.startswith(homes[package]), (
                f"{package} is imported outside {' and '.join(homes[package])}"
            )
        assert not (package == "huggingface_hub" and at_top), (
            "import it in a function, for when a download is needed"
        )


def test_no_vague_names():
    tracked = [
        path
        for folder in ("roberta_c", "csrc", "tests", "benchmarks", "training", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".pyx", ".pxi", ".pyi", ".c", ".h", ".inc")
        and path.name not in ("_kernels.c", "_encoder.c")
    ]
    names = [path.name for path in (ROOT / "csrc").rglob("*") if path.is_file()]
    assert sorted(names) == sorted(set(names)), "file names are unique in csrc/"
    for path in tracked:
        assert path.stem not in ("utils", "common", "helpers", "misc"), path
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), f"{path}: a control character or tab"


def c_sources() -> list[Path]:
    return [path for path in (ROOT / "csrc").rglob("*") if path.suffix in (".c", ".h", ".inc")]


def test_c_sources_keep_to_computing():
    """C never allocates, prints, exits, or includes Python.h or OpenMP; threads.c alone starts threads."""
    forbidden = (
        r"\b(malloc|calloc|realloc|alloca|printf|fprintf|puts|exit|abort)\s*\(|Python\.h|omp\.h|#pragma omp"
    )
    for path in c_sources():
        code = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(forbidden, code), path
        assert "pthread_create" not in code or path.name == "threads.c"
    for path in (ROOT / "csrc").glob("isa_*.c"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30, path


def test_build_never_uses_flags_that_reach_beyond_this_package():
    for path in [ROOT / "setup.py", ROOT / "Makefile", *c_sources()]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"-march=native|-ffast-math|-Ofast", line):
                assert "ever" in line, f"{path}: {line}"


def test_import_is_quick_and_leaves_denormals_alone():
    script = (
        "import sys, roberta_c, roberta_c.kernels\n"
        "assert 1e-323 != 0.0 and 5e-324 * 2 == 1e-323\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'click', 'starlette'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.untraced
def test_a_local_model_imports_neither_the_network_nor_readers_that_it_does_not_use():
    script = (
        "import sys\n"
        "from roberta_c import AutoModelForSequenceClassification, AutoTokenizer, bundled_model_path\n"
        "folder = bundled_model_path()\n"
        "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        "model = AutoModelForSequenceClassification.from_pretrained(folder)\n"
        "model(**tokenizer(['a'], return_tensors='np'))\n"
        "idle = {'huggingface_hub', 'http', 'ssl', 'socket', 'email', 'urllib.request',\n"
        "        'roberta_c.checkpoint.pickle_reader', 'roberta_c.tokenizer.sentencepiece_model'}\n"
        "assert not idle & set(sys.modules), idle & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_public_names_all_resolve():
    import roberta_c

    for name in roberta_c.__all__:
        assert getattr(roberta_c, name) is not None
    assert set(roberta_c.__all__) <= set(dir(roberta_c))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = roberta_c.nonsense


def test_mypy_has_one_version():
    """pre-commit runs mypy, and the `test` extra installs it for stubtest."""
    pins = {
        version
        for name in (".pre-commit-config.yaml", "pyproject.toml")
        for version in re.findall(r"\bmypy==([\d.]+)", (ROOT / name).read_text(encoding="utf-8"))
    }
    assert len(pins) == 1, pins
