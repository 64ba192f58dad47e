"""Which checks of the package could be removed without a test noticing? Lists them; exits with 1 if any.

    python -m tests.mutation [FILE …] [--tests TESTS …]   # files or folders

Of the last commit. mutants.py says what is removed. Tests that run the line must fail; which these are, a
first run of the tests finds. Each mutant is tested in a process of its own, a fork of this one, which has
imported what is slow to import; in a clone, since tests start processes that import the package, too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

# What tests import, before the forks.
import safetensors.torch  # noqa: F401
from transformers import RobertaModel, RobertaTokenizerFast, XLMRobertaTokenizerFast  # noqa: F401

from .lines_of_tests import TestLines, measure
from .mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
# Tests of checks are in the folder of what they check. The others compute much, and check little.
FOLDERS = ("cache", "checkpoint", "cli", "config", "diagnose", "files", "machine", "model", "pipelines")
FOLDERS += ("sentence", "serve", "tokenizer")
# Without those that take seconds, of hundreds of files or of large ones.
LONG = ("mutated", "truncation", "gigabytes", "models_by", "views_equal")
QUICK = " and ".join(f"not {name}" for name in LONG)
MARKS = "not slow and not untraced"
# Seconds of tests for one mutant: the quickest ones that reach the error fit.
TEST_SECONDS = 40.0
LONGEST_SECONDS = 150
JOBS = os.cpu_count() or 1
# What pytest exits with after a wrong command, or without tests.
NOT_RUN = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", default=["roberta_c"], help="files or folders below the root")
    parser.add_argument("--tests", nargs="*", default=[], help="files or folders of tests")
    parser.add_argument(
        "--lines",
        type=Path,
        help="a file for what the first run finds, read if it exists: of the same commit",
    )
    arguments = parser.parse_args()
    tests = arguments.tests or default_tests()
    os.environ["CI"] = "true"
    os.environ["ROBERTA_C_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # JOBS processes are enough
    os.environ["ROBERTA_C_TEST_DATA"] = str(test_data())
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # of a mutant, where its text is restored within a second
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        clones = [clone(Path(folder) / f"{number}") for number in range(JOBS)]
        sources = {
            path: (clones[0] / path).read_text("utf-8") for path in files_of(clones[0], arguments.files)
        }
        mutants = [mutant for path, source in sources.items() for mutant in mutants_of(path, source)]
        if arguments.lines and arguments.lines.exists():
            running = TestLines.read(arguments.lines)
        else:
            running = measure(clones[0], JOBS, ["-m", MARKS, "-k", QUICK, *tests], Path(folder))
            if arguments.lines:
                running.write(arguments.lines)
        # Calls of checks are run by all that pass them, too.
        errors = [mutant for mutant in mutants if mutant.text in ("False", "pass", "raise")]
        raising = {test for mutant in errors for test in running_line(running, mutant)}
        print(
            f"{len(mutants)} mutants, {len(running.seconds)} tests, {time.monotonic() - started:.0f} s",
            flush=True,
        )

        def test_share(number: int) -> int:
            """The number of survivors among every JOBS-th mutant; prints them."""
            killers = Killers(clones[number])
            survivors = 0
            for mutant in mutants[number::JOBS]:
                chosen = affordable(running, mutant, raising)
                if not killers.kill(mutant, sources[mutant.path], chosen):
                    survivors += 1
                    print(
                        f"SURVIVES {len(chosen)} tests: {mutant.describe(sources[mutant.path])}", flush=True
                    )
            return min(survivors, 100)

        children = [fork(lambda number=number: test_share(number)) for number in range(JOBS)]
        found = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    print(f"{len(mutants)} mutants, {found} survive, {time.monotonic() - started:.0f} s")
    raise SystemExit(bool(found))


def default_tests() -> list[str]:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_*.py"))
    return [f"tests/{folder}" for folder in FOLDERS] + files


def test_data() -> Path:
    return Path(os.environ.get("ROBERTA_C_TEST_DATA", ROOT / ".." / "shared")).resolve()


def clone(folder: Path) -> Path:
    """The last commit in a folder of its own, with the extensions that are built here."""
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, folder], check=True)
    for extension in (ROOT / "roberta_c").rglob("*.so"):
        shutil.copy2(extension, folder / extension.relative_to(ROOT))
    return folder


def files_of(root: Path, names: list[str]) -> list[Path]:
    paths = [
        path
        for name in names
        for path in ((root / name).rglob("*.py") if (root / name).is_dir() else [root / name])
    ]
    return sorted(path.relative_to(root) for path in paths)


def running_line(running: TestLines, mutant: Mutant) -> list[str]:
    return running.tests.get(mutant.path, {}).get(mutant.reached, [])


def affordable(running: TestLines, mutant: Mutant, raising: set[str]) -> list[str]:
    """The tests that reach a mutant, as many of the quickest as TEST_SECONDS allow; tests of errors before
    others, since a check is reached by all that pass it."""
    tests = sorted(running_line(running, mutant), key=lambda test: test not in raising)
    seconds = 0.0
    chosen = []
    for test in tests:
        seconds += running.seconds[test]
        if chosen and seconds > TEST_SECONDS:
            break
        chosen.append(test)
    return chosen


class Killers:
    """Tests mutants in a clone of the project, one after another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # test → whether it passes without a mutant; found out when the test first fails with one.
        self.passing: dict[str, bool] = {}

    def kill(self, mutant: Mutant, source: str, tests: list[str]) -> bool:
        """Whether one of the tests fails, or the process does."""
        tests = [test for test in tests if self.passing.get(test, True)]
        while tests:
            (self.root / mutant.path).write_text(mutant.apply(source), "utf-8")
            try:
                status, failed = self.run(tests)
            finally:
                (self.root / mutant.path).write_text(source, "utf-8")
            if status == 0 or failed is None:
                return status != 0
            if failed not in self.passing:
                self.passing[failed] = self.run([failed])[0] == 0
            if self.passing[failed]:
                return True
            tests.remove(failed)
        return False

    def run(self, tests: list[str]) -> tuple[int, str | None]:
        """The wait status of a process that runs tests to the first failure, and which test that is."""
        report = self.root / "failed"
        report.unlink(missing_ok=True)

        def test() -> int:
            os.chdir(self.root)
            sys.path[:0] = [str(self.root), str(self.root / "tests")]
            os.environ["PYTHONPATH"] = str(self.root)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], [FirstFailure(report)]))

        status = in_a_fork(test, LONGEST_SECONDS)
        if os.WIFEXITED(status) and os.waitstatus_to_exitcode(status) in NOT_RUN:
            raise SystemExit(f"pytest has not run {tests}")
        return status, report.read_text("utf-8") if report.exists() else None


class FirstFailure(NamedTuple):
    """A plugin of pytest that writes the name of the first test that fails."""

    report: Path

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed and not self.report.exists():
            self.report.write_text(report.nodeid, "utf-8")


def fork(run: Callable[[], int]) -> int:
    """The id of a child process that exits with the number that `run` returns."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            sys.dont_write_bytecode = True
            status = run()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def in_a_fork(run: Callable[[], int], seconds: float) -> int:
    """The wait status of a child process that runs `run`; another than 0 if it takes longer or crashes."""

    def in_a_group() -> int:  # with the processes that it starts
        os.setpgid(0, 0)
        return run()

    child = fork(in_a_group)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > end:
            os.killpg(child, 9)
            os.waitpid(child, 0)
            return 9
        time.sleep(0.02)


if __name__ == "__main__":
    main()
