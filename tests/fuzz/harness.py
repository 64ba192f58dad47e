"""Runs inputs of one target within limits, and counts what they reach.

An input fails if a run raises anything but an error of this package with a message of one short line, ends
the process, needs more than a second for each MB, or exceeds the target's memory. The process that runs
inputs is a fork: its parent reports an input that ends it.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from inspect import CO_NEWLOCALS
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import roberta_c
from roberta_c.errors import RobertaCError

from .targets import Target

CORPUS = Path(__file__).parent / "corpus"
PACKAGE = str(Path(roberta_c.__file__).parent) + os.sep
HANG_SECONDS = 10  # after these the process ends; one that is slow but ends fails with a message


def seeds_of(name: str) -> list[bytes]:
    """The inputs in the repository: honest ones, ones that reach much, and ones that failed once."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


class Runner:
    """Runs inputs of `target`; each is in the file `folder`/current-input while it runs."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._current = folder / "current-input"
        self._files = folder / "files"
        self._files.mkdir(parents=True, exist_ok=True)

    def __call__(self, data: bytes) -> None:
        """Run one input. Raises whatever makes it fail."""
        self._current.write_bytes(data)
        limit = 1 + len(data) / 1e6
        # A virtual machine may be stopped for a second, which then counts as its own.
        seconds = next((one for one in self._times(data, 3) if one < limit), math.inf)
        assert seconds < limit, f"more than {limit:.1f} s for {len(data)} bytes, three times"

    def _times(self, data: bytes, count: int) -> Iterator[float]:
        """The processor time of a run, in seconds, and of more runs if the caller asks."""
        for _ in range(count):
            started = time.process_time()
            try:
                self._target.run(data, self._files)
            except RobertaCError as error:
                message = str(error.args[0])  # as it was made: str(error) escapes and cuts it
                assert message.isprintable(), f"a message with control characters: {message!r}"
                assert len(message) < 1000, f"a message of {len(message)} characters"
            yield time.process_time() - started

    def limit_memory(self) -> None:
        """From now on, this process may use no more memory than it does and the target's share."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (self._target.memory << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class LineCounter:
    """The lines of the target's modules that were run since it began."""

    def __init__(self, target: Target) -> None:
        self._prefixes = tuple(PACKAGE + name for name in target.modules)
        self._wanted: dict[CodeType, bool] = {}
        self.lines: set[tuple[str, int]] = set()

    def __enter__(self) -> LineCounter:
        self._other = sys.gettrace()  # coverage.py's
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(self._other)

    def _trace(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        wanted = self._wanted.get(code)
        if wanted is None:
            is_function = bool(code.co_flags & CO_NEWLOCALS)
            wanted = self._wanted[code] = is_function and code.co_filename.startswith(self._prefixes)
        return self._trace_line if wanted else None

    def _trace_line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._trace_line


def lines_of(target: Target) -> int:
    """The number of lines with code in the target's modules, those of imports and definitions included."""
    files = [Path(PACKAGE) / name for name in target.modules]
    paths = [path for file in files for path in (file.glob("*.py") if file.is_dir() else [file])]
    lines = set()
    for path in paths:
        pending = [compile(path.read_bytes(), str(path), "exec")]
        while pending:
            code = pending.pop()
            if code.co_flags & CO_NEWLOCALS:  # a function: modules and classes run when they are imported
                # The line of `def` is no line that runs; that of a lambda or comprehension is.
                first = 0 if code.co_name.startswith("<") else code.co_firstlineno
                lines |= {(str(path), line) for _, _, line in code.co_lines() if line and line != first}
            pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return len(lines)


def run_guided(
    target: Target, seeds: list[bytes], run: Callable[[bytes], None], executions: int, seed: int
) -> tuple[list[bytes], int]:
    """Run the seeds, then changed ones until `executions`. An input that reaches new lines is changed too.

    Returns the inputs that reached new lines, and the number of lines.
    """
    rng = Random(seed)
    kept: list[bytes] = []
    with LineCounter(target) as counter:
        for number in range(executions):
            if number < len(seeds):
                data = seeds[number]
            else:
                # Every fourth input is made of what reached something new, which may be far from all seeds.
                data = rng.choice(kept if kept and number % 4 == 0 else seeds)
                for _ in range(rng.choice((1, 1, 1, 2, 4))):
                    data = target.mutate(data, rng)
            reached = len(counter.lines)
            signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
            run(data)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if len(counter.lines) > reached:
                kept.append(data)
    return kept, len(counter.lines)


def run_atheris(
    target: Target, run: Callable[[bytes], None], executions: int, seed: int, folder: Path, corpus: Path
) -> None:
    """Run `executions` inputs that Atheris chooses by the branches they reach; ends the process.

    The package must have been imported by `atheris.instrument_imports`. Inputs that reach new branches are
    kept in `folder`/kept.
    """
    import atheris

    def mutate(data: bytes, max_size: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.2:
            return bytes(atheris.Mutate(data, max_size))
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = target.mutate(data, rng)
        return data[:max_size]

    options = [f"-runs={executions}", f"-seed={seed}", f"-timeout={HANG_SECONDS}", "-max_len=65536"]
    options += [
        "-rss_limit_mb=0",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/failed-",
        "-verbosity=0",
    ]
    kept = folder / "kept"
    kept.mkdir(exist_ok=True)
    atheris.Setup(["fuzz", *options, str(kept), str(corpus)], run, custom_mutator=mutate)
    atheris.Fuzz()


def covered(
    target: Target, inputs: Iterable[bytes], run: Callable[[bytes], None], first: Iterable[bytes] = ()
) -> tuple[list[bytes], int]:
    """The inputs, shortest first, that reach lines which those before did not, and the number of lines.

    first: inputs that run before these.
    """
    needed = []
    with LineCounter(target) as counter:
        for data in first:
            run(data)
        for data in sorted(inputs, key=len):
            reached = len(counter.lines)
            run(data)
            if len(counter.lines) > reached:
                needed.append(data)
    return needed, len(counter.lines)
