"""Ctrl-C at any moment: no traceback, exit code 130."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from samples.command_line import COMMAND

# Sends SIGINT to its own process when the module named WATCHED is about to be imported.
SITE = """
import os, signal, sys

class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["WATCHED"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Watcher())
"""


def not_ignored():
    # A shell starts background processes with SIGINT ignored, which their children inherit.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    "module",
    ["click", "roberta_c.cli.main", "roberta_c.cli.classify", "numpy", "tokenizers", "roberta_c.model"],
)
def test_while_python_imports(command, environment, tmp_path, module):
    (tmp_path / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join((str(tmp_path), environment["PYTHONPATH"]))
    done = subprocess.run(
        [*command, "a"],
        env={**environment, "PYTHONPATH": path, "WATCHED": module},
        capture_output=True,
        preexec_fn=not_ignored,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_little_is_imported_before_it_is_handled(environment):
    """What takes time until then is time in which Ctrl-C prints a traceback."""
    script = "import sys, roberta_c.__main__; print(*{'enum', 're', 'signal', 'typing'} & {*sys.modules})"
    # -S: nothing of site-packages is imported at the start.
    words = [sys.executable, "-S", "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_while_it_waits_for_input(command, environment):
    with subprocess.Popen(
        [*command, "--batch-size", "1"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=not_ignored,
    ) as process:
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_while_it_writes_a_file(command, environment, tmp_path, ending):
    source, out = tmp_path / "in.txt", tmp_path / f"out.{ending}"
    source.write_text("".join(f"text {number}\n" for number in range(100_000)))

    def written():
        return [out] if ending == "csv" else list(tmp_path.glob(".*.part"))

    with subprocess.Popen(
        [*command, "--file", str(source), "-o", str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        preexec_fn=not_ignored,
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(path.exists() and path.stat().st_size > 5000 for path in written()):
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        assert process.wait(30) == 130
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == (["in.txt", "out.csv"] if ending == "csv" else ["in.txt"])
    if ending == "csv":
        assert out.read_bytes().endswith(b"\n")


def test_a_process_that_ignores_it_goes_on(environment):
    """As with `roberta-c … &` in a script."""
    script = (
        "import signal; from roberta_c.cli.signals import ended_by_signals\n"
        "with ended_by_signals(): print(signal.getsignal(2))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert done.stdout == f"{signal.SIG_IGN}\n"


def test_the_entry_point(environment):
    """It is the one of `python -m roberta_c`."""
    assert COMMAND[1:] == ["-m", "roberta_c"]
    script = "from roberta_c.__main__ import main; import sys; sys.argv = ['roberta-c', '-V']; main()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith("roberta-c ")
