"""In a subinterpreter, which numpy does not support: a result or an error, and the main one goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from samples.command_line import PACKAGE_PARENT

CALL = """
import sys; sys.path[:0] = {path!r}
import roberta_c
try:
    classify = roberta_c.pipeline("text-classification", num_threads={threads})
    print("result", classify("I love it")[0]["label"], flush=True)
except Exception as error:
    print("error", type(error).__name__, error, flush=True)
"""
MAIN = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
call, is_used_before = {call!r}, {is_used_before}
if is_used_before:
    exec(call)
other = interpreters.create()
interpreters.run_string(other, call)
interpreters.destroy(other)
if is_used_before:
    exec(call)
"""


def run(is_used_before, threads):
    call = CALL.format(path=[PACKAGE_PARENT, *sys.path], threads=threads)
    script = MAIN.format(call=call, is_used_before=is_used_before)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_after_the_main_interpreter_it_is_refused():
    before, other, after = run(True, 1)
    assert before == after == "result positive"
    kind, *message = other.split(" ")
    if kind == "error":
        assert message[0] in ("ImportError", "ResourceError")
        assert " ".join(message[1:]).startswith("roberta_c: found a subinterpreter, expected the main one: ")


@pytest.mark.parametrize("threads", [1, 2])
def test_alone_it_works_or_is_refused(threads):
    (line,) = run(False, threads)
    assert line == "result positive" or line.split(" ")[1] in ("ImportError", "ResourceError"), json.dumps(
        line
    )
