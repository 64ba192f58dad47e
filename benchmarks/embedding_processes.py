"""Engines of embeddings.py in their processes: do their vectors agree, and how long do they take in turns?"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from peak import Peak, mean_of

OURS, JUDGE = "roberta_c", "torch"
# The largest allowed |vector - torch's| / |torch's|. In bfloat16 and int8 it finds gross errors only.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.7}


class EngineError(Exception):
    """The process of an engine has ended before its answer."""


class Process:
    """An engine in its own process (embedding_engines.py)."""

    def __init__(self, python: str, name: str, folder: Path, dtype: str, threads: int) -> None:
        program = [python, str(Path(__file__).with_name("embedding_engines.py")), name]
        program += ["--model", str(folder / "model"), "--graphs", str(folder / "graphs")]
        program += ["--dtype", dtype, "--threads", str(threads)]
        count = str(threads)
        settings = {"OMP_NUM_THREADS": count, "RAYON_NUM_THREADS": count, "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **settings},
        )
        self.facts = self._answer()

    def ask(self, texts: Path, count: int | None, batch_size: int, vectors: Path | None = None) -> dict:
        """Seconds and memory of encoding the first `count` texts of a file; their vectors go to `vectors`."""
        request = {"texts": str(texts), "count": count, "batch_size": batch_size}
        request |= {"vectors": str(vectors)} if vectors else {}
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the missing answer says so
            print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(f"its process ended with status {self._process.wait()}")
        return json.loads(line)


class Bench:
    """The engines on one model, whose files are in one folder.

    stay, in its methods: whether a process lives on for the next call. Else it ends: ONNX Runtime keeps the
    gigabytes that full-length texts take.
    """

    def __init__(self, folder: Path, layers: int, options: argparse.Namespace) -> None:
        self.folder, self.layers = folder, layers
        self.dtype, self.threads = options.dtype, options.threads
        self.pythons = {"fastembed": options.fastembed_python or sys.executable}
        self.peak: Peak | None = None
        self.isa: str | None = None
        self.failed: dict[str, str] = {}  # engine → why, of the last work
        self.versions: dict[str, str] = {}
        self.running: dict[tuple[str, str], Process] = {}

    def process(self, name: str, dtype: str) -> Process:
        """The running process of an engine in a type, or a new one."""
        if (name, dtype) not in self.running:
            python = self.pythons.get(name, sys.executable)
            made = Process(python, name, self.folder, dtype, self.threads)
            self.versions = made.facts["versions"] | self.versions
            self.isa = made.facts.get("isa", self.isa)
            self.running[name, dtype] = made
        return self.running[name, dtype]

    def end(self, name: str, dtype: str) -> None:
        if (name, dtype) in self.running:
            self.running.pop((name, dtype)).close()

    def close(self) -> None:
        for name, dtype in list(self.running):
            self.end(name, dtype)

    def vectors(
        self, name: str, dtype: str, texts: Path, count: int, batch_size: int, stay: bool
    ) -> np.ndarray:
        """The vectors of the first texts of a file."""
        path = self.folder / "vectors.npy"
        self.process(name, dtype).ask(texts, count, batch_size, path)
        if not stay:
            self.end(name, dtype)
        return np.load(path)

    def differences(
        self, engines: list[str], texts: Path, count: int, batch_size: int, stay: bool
    ) -> dict[str, float]:
        """The largest |vector - torch's| / |torch's| of each engine that does not fail, torch in float32.

        Raises AssertionError above TOLERANCE, EngineError if roberta_c or torch fails.
        """
        expected = self.vectors(JUDGE, "float32", texts, count, batch_size, stay)
        self.failed = {}
        found = {}
        for name in engines:
            vectors = expected
            if (name, self.dtype) != (JUDGE, "float32"):
                with self.recorded_failure(name):
                    vectors = self.vectors(name, self.dtype, texts, count, batch_size, stay)
            if name in self.failed:
                continue
            distances = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
            found[name] = apart = float(distances.max())
            assert apart < TOLERANCE[self.dtype], f"{name}: vectors differ from torch's by {apart}"
        return found

    @contextlib.contextmanager
    def recorded_failure(self, name: str) -> Iterator[None]:
        """A context in which an engine other than roberta_c may fail."""
        try:
            yield
        except EngineError as error:
            self.end(name, self.dtype)
            if name == OURS:
                raise
            self.failed[name] = str(error)

    def turns(
        self, engines: list[str], texts: Path, batch_size: int, rounds: int, stay: bool
    ) -> tuple[dict[str, list[float]], dict[str, float], list[float | None]]:
        """The seconds of each engine and round, the most memory of each engine, the peaks of our turns."""
        seconds: dict[str, list[float]] = {}
        memory: dict[str, float] = {}
        peaks: list[float | None] = []
        for _, name in itertools.product(range(rounds), engines):
            if name in self.failed:
                continue
            with self.recorded_failure(name):
                process = self.process(name, self.dtype)
                before = self.measured_peak() if name == OURS else None
                found = process.ask(texts, None, batch_size)
                if name == OURS:
                    peaks.append(mean_of(before, self.measured_peak()))
                seconds.setdefault(name, []).append(found["seconds"])
                if found["peak_mb"] is not None:
                    memory[name] = max(memory.get(name, 0.0), found["peak_mb"])
                if not stay:
                    self.end(name, self.dtype)
        for name in self.failed:
            seconds.pop(name, None)
            memory.pop(name, None)
        return seconds, memory, peaks

    def measured_peak(self) -> float | None:
        """The current peak of multiply-adds, of the kind that roberta_c's kernels use."""
        self.peak = self.peak or Peak(self.threads, self.isa, self.dtype)
        return self.peak.arithmetic()
