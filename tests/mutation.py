"""Which checks of weight files could be removed without a test noticing? Lists them; exits with 1 if any.

    python tests/mutation.py [FILE …]     # files of roberta_c/checkpoint; default: all

A mutant is a copy of the package in which one check of one file of roberta_c/checkpoint is missing:

    a condition, or one operand of its `or`, before an error   → False
    a call of a function whose name begins with check          → None
    an error that replaces a caught one                        → the caught one

Tests of tests/checkpoint that run the line must fail. Which these are, coverage.py finds in a first run. Each
mutant is tested in a process of its own, a fork of this one, which has imported what is slow to import.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest
import safetensors.torch  # noqa: F401  # imported before the forks
import transformers  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
CHECKED = ROOT / "roberta_c" / "checkpoint"
TESTS = ROOT / "tests" / "checkpoint"
# Functions of these names raise an error.
RAISING = ("fail", "_fail", "fail_entry", "_refuse", "entry", "_raise_nonfinite")
# Without those that take seconds, of hundreds of files or of large ones.
LONG = ("bounded", "mutated", "truncation", "gigabytes", "models_by", "views_equal")
QUICK = " and ".join(f"not {name}" for name in LONG)
# What pytest exits with after a wrong command, or without tests.
NOT_RUN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)
# A mutant that loops for ever has been noticed, too.
LONGEST_SECONDS = 120
JOBS = os.cpu_count() or 1


class Mutant(NamedTuple):
    """`text` in place of the characters [begin, end) of a file."""

    path: Path
    line: int
    begin: int
    end: int
    text: str

    def source(self) -> str:
        before = self.path.read_text("utf-8")
        return before[: self.begin] + self.text + before[self.end :]

    def __str__(self) -> str:
        removed = " ".join(self.path.read_text("utf-8")[self.begin : self.end].split())
        return f"{self.path.relative_to(ROOT)}:{self.line}: {removed} → {self.text}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    source = path.read_text("utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def place(line: int, column: int) -> int:  # columns are counted in bytes
        text = source[starts[line - 1] : starts[line]]
        return starts[line - 1] + len(text.encode()[:column].decode())

    def mutant(node: ast.expr | ast.stmt, text: str) -> Mutant:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)
        return Mutant(path, node.lineno, begin, end, text)

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and _is_error(node.body[-1]):
            yield mutant(node.test, "False")
            if isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
                for operand in node.test.values:
                    yield mutant(operand, "False")
        elif isinstance(node, ast.Expr) and _called(node).lstrip("_").startswith(("check", "spend")):
            yield mutant(node, "None")
        elif isinstance(node, ast.ExceptHandler) and _is_error(node.body[-1]):
            yield mutant(node.body[-1], "raise")


def _is_error(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Return):  # what is found and what is expected
        return isinstance(statement.value, ast.Tuple) and isinstance(statement.value.elts[0], ast.JoinedStr)
    return isinstance(statement, ast.Raise) or _called(statement) in RAISING


def _called(statement: ast.stmt) -> str:
    call = statement.value if isinstance(statement, ast.Expr) else None
    while isinstance(call, ast.Call):
        call = call.func
    return call.attr if isinstance(call, ast.Attribute) else call.id if isinstance(call, ast.Name) else ""


class Contexts:
    """A plugin of pytest that tells coverage.py which test runs."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.measured.switch_context(item.nodeid)
        return (yield)


def tests_of_lines() -> dict[Path, dict[int, list[str]]]:
    """file → line → the tests that run it."""
    with tempfile.TemporaryDirectory() as folder:
        data_file = str(Path(folder) / "data")

        def measure() -> int:
            sys.path.insert(0, str(ROOT))
            measured = coverage.Coverage(data_file, source=[str(CHECKED)])
            measured.start()
            options = ["-q", "-p", "no:cacheprovider", "-k", QUICK, str(TESTS)]
            status = pytest.main(options, [Contexts(measured)])
            measured.stop()
            measured.save()
            return int(status)

        if in_a_fork(measure, 3600) != 0:
            raise SystemExit("the tests fail without a mutant")
        data = coverage.CoverageData(data_file)
        data.read()
        lines = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
    return {
        Path(path): {line: sorted(filter(None, tests)) for line, tests in of_file.items()}
        for path, of_file in lines.items()
    }


def survives(mutant: Mutant, tests: list[str], package: Path) -> bool:
    """Whether none of the tests fails. package: a copy of roberta_c that may be changed."""
    copy = package / mutant.path.relative_to(ROOT / "roberta_c")
    before = copy.read_text("utf-8")
    copy.write_text(mutant.source(), "utf-8")

    def test() -> int:
        sys.path.insert(0, str(package.parent))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))

    try:
        status = in_a_fork(test, LONGEST_SECONDS)
    finally:
        copy.write_text(before, "utf-8")
    if os.WIFEXITED(status) and os.waitstatus_to_exitcode(status) in NOT_RUN:
        raise SystemExit(f"pytest has not run {tests}")
    return status == 0


def fork(run: Callable[[], int]) -> int:
    """The id of a child process that exits with the number that `run` returns."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            sys.dont_write_bytecode = True
            status = run()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def in_a_fork(run: Callable[[], int], seconds: float) -> int:
    """The wait status of a child process that runs `run`; another than 0 if it takes longer or crashes."""
    child = fork(run)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return 9
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", help="names of files of roberta_c/checkpoint")
    files = parser.parse_args().files
    paths = [CHECKED / name for name in files] or sorted(CHECKED.glob("*.py"))
    os.environ["CI"] = "true"
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "tests"))
    running, started = tests_of_lines(), time.monotonic()
    mutants = [mutant for path in paths for mutant in mutants_of(path)]

    def test_share(number: int) -> int:
        """The number of survivors among every JOBS-th mutant; prints them."""
        survivors = 0
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "roberta_c"
            shutil.copytree(ROOT / "roberta_c", package, ignore=shutil.ignore_patterns("__pycache__"))
            unchanged = Mutant(mutants[0].path, mutants[0].line, 0, 0, "")
            if not survives(unchanged, running[unchanged.path][unchanged.line], package):
                raise SystemExit("the tests of a copy fail without a mutant")
            for mutant in mutants[number::JOBS]:
                tests = running.get(mutant.path, {}).get(mutant.line, [])
                if not tests or survives(mutant, tests, package):
                    survivors += 1
                    print(f"SURVIVES {len(tests)} tests: {mutant}", flush=True)
        return min(survivors, 100)

    children = [fork(lambda number=number: test_share(number)) for number in range(JOBS)]
    found = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    print(f"{len(mutants)} mutants, {found} survive, {time.monotonic() - started:.0f} s")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
