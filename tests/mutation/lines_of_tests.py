"""Which tests run a line, and how long they take: coverage.py beside one run of the tests.

This module is also a plugin of pytest in that run (`-p tests.mutation.lines_of_tests`): it tells coverage.py
which test runs, here and in the processes that the test starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest

# The names of environment variables: the test that runs, and where the plugin leaves the tests' seconds.
TEST = "ROBERTA_C_MUTATION_TEST"
SECONDS = "ROBERTA_C_MUTATION_SECONDS"
SETTINGS = """
[run]
source = {source}
data_file = {data}
parallel = true
context = ${{{test}-}}
"""


class TestLines(NamedTuple):
    """seconds: test → how long it takes; tests: file → line → those that run it, the quickest first."""

    seconds: dict[str, float]
    tests: dict[Path, dict[int, list[str]]]

    def write(self, path: Path) -> None:
        """For `read`, as JSON."""
        tests = {str(file): lines for file, lines in self.tests.items()}
        path.write_text(json.dumps({"seconds": self.seconds, "tests": tests}), "utf-8")

    @classmethod
    def read(cls, path: Path) -> TestLines:
        """What `write` wrote of the same files and tests."""
        found = json.loads(path.read_text("utf-8"))
        tests = {
            Path(file): {int(line): names for line, names in lines.items()}
            for file, lines in found["tests"].items()
        }
        return cls(found["seconds"], tests)


def measure(root: Path, jobs: int, arguments: list[str], folder: Path) -> TestLines:
    """Runs tests of the project at `root`; arguments: of pytest; folder: for what is measured."""
    settings = folder / "coveragerc"
    data = folder / "coverage"
    settings.write_text(SETTINGS.format(source=root / "roberta_c", data=data, test=TEST), "utf-8")
    environment = os.environ | {
        "COVERAGE_PROCESS_START": str(settings),
        SECONDS: str(folder / "seconds.json"),
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}",
    }
    options = ["-q", "-p", "no:cacheprovider", "-p", __name__, "-n", str(jobs), "--dist", "loadfile"]
    # A test that fails here is no test of a mutant; all others are.
    subprocess.run([sys.executable, "-m", "pytest", *options, *arguments], cwd=root, env=environment)
    seconds = json.loads((folder / "seconds.json").read_text("utf-8"))

    measured = coverage.Coverage(str(data), config_file=str(settings))
    measured.combine()
    lines = measured.get_data()
    tests: dict[Path, dict[int, list[str]]] = {}
    for path in lines.measured_files():
        of_file = defaultdict(list)
        for line, contexts in lines.contexts_by_lineno(path).items():
            # "the test that started the process|" or "|the test"
            names = {name.strip("|") for name in contexts} & seconds.keys()
            of_file[line] = sorted(names, key=lambda name: seconds[name])
        tests[Path(path).relative_to(root)] = of_file
    return TestLines(seconds, tests)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    measured = coverage.Coverage.current()
    os.environ[TEST] = item.nodeid
    if measured is not None:
        measured.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        os.environ.pop(TEST, None)
        if measured is not None:
            measured.switch_context("")


_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()


def pytest_runtest_logreport(report):
    _seconds[report.nodeid] += report.duration
    if report.outcome != "passed":
        _failed.add(report.nodeid)


def pytest_sessionfinish(session):
    if "PYTEST_XDIST_WORKER" not in os.environ and SECONDS in os.environ:
        passed = {test: seconds for test, seconds in _seconds.items() if test not in _failed}
        Path(os.environ[SECONDS]).write_text(json.dumps(passed), "utf-8")
