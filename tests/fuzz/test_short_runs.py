"""A short run of each fuzz target, in a process of its own (`make fuzz` is the long form); what fails one."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from samples.kernels import in_a_process

from roberta_c.errors import InputError

from . import __main__ as command
from .harness import Runner, run_guided
from .mutations import of_bytes
from .targets import TARGETS, Target

# About a second each; fewer where a run writes several files or encodes texts.
EXECUTIONS = {
    **{"tokenizer_json": 250, "vocabulary": 250, "sentencepiece": 300, "added_tokens": 200},
    "encoders": 300,
}

pytestmark = [
    pytest.mark.unsanitized,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does"),
]


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_are_read_or_refused(name, tmp_path):
    executions = EXECUTIONS.get(name, 500)
    done = in_a_process("-m", "fuzz", name, f"--executions={executions}", f"--folder={tmp_path}", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert f"{name}: {executions} executions" in done.stdout


def refuse(message: str):
    raise InputError(message)


FAILING = {
    "another error": (lambda _data, _folder: [].pop(), IndexError),
    "a message of two lines": (lambda _data, _folder: refuse("a\nb"), AssertionError),
    "a long message": (lambda _data, _folder: refuse("a" * 1000), AssertionError),
    "a slow run": (lambda _data, _folder: burn(1.1), AssertionError),
}


def burn(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


@pytest.mark.parametrize("case", FAILING)
def test_what_fails_an_input(case, tmp_path):
    run, error = FAILING[case]
    with pytest.raises(error):
        Runner(Target(run, of_bytes, ()), tmp_path)(b"input")
    assert (tmp_path / "current-input").read_bytes() == b"input"


def test_too_much_memory_fails_an_input(tmp_path):
    def run() -> None:
        runner = Runner(Target(lambda data, _folder: bytearray(len(data) << 20), of_bytes, (), 64), tmp_path)
        runner.limit_memory()
        runner(b"x" * 40)
        runner(b"x" * 4000)

    log = tmp_path / "log"
    assert command.in_a_fork(run, log) == 1
    assert "MemoryError" in log.read_text()
    assert (tmp_path / "current-input").read_bytes() == b"x" * 4000


def test_an_input_that_ends_the_process_is_reported(tmp_path, capsys):
    log, current = tmp_path / "log", tmp_path / "current-input"

    def end() -> None:
        current.write_bytes(b"bad")
        os.kill(os.getpid(), signal.SIGKILL)

    code = command.in_a_fork(end, log)
    assert code == -signal.SIGKILL
    assert command.report_failure("name", code, tmp_path, "") == 1
    (kept,) = tmp_path.glob("failed-*")
    assert kept.read_bytes() == b"bad"
    assert "name: failed (signal 9)" in capsys.readouterr().out


def test_inputs_that_reach_new_lines_are_kept(tmp_path):
    """One of three inputs reaches nothing new."""
    target = TARGETS["shard_index"]
    seeds = [b'{"weight_map": {"a": "b"}}', b"{}"]
    kept, lines = run_guided(target, seeds, Runner(target, tmp_path), 2, seed=0)
    assert kept == seeds
    assert run_guided(target, [*seeds, seeds[0]], Runner(target, tmp_path), 3, seed=0) == (kept, lines)
