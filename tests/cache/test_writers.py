"""Files written meanwhile: a thread that delays nothing, and processes that end, fork, or write at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import textwrap
import threading
import time

import numpy as np
import pytest
from samples.caches import bits, load, packed_files
from samples.kernels import in_a_process

from roberta_c import cache as cache_room
from roberta_c.cache import folder as private
from roberta_c.cache import wait_for_writers, writer
from roberta_c.cache.errors import UnusableError


@pytest.fixture
def auto(monkeypatch, cache_folder):
    """`cache="auto"` writes into the folder, in a thread."""
    monkeypatch.setenv("ROBERTA_C_CACHE", str(cache_folder))
    return cache_folder


def test_auto_writes_meanwhile(made, auto):
    expected = bits(load(made, None))
    model = load(made, "auto")
    assert model.cache_report.state in ("being written", "written")
    wait_for_writers()
    assert model.cache_report.state == "written"
    again = load(made, "auto")
    assert again.cache_report.state == "read"
    assert bits(model) == bits(again) == expected


def test_a_relative_folder_is_that_of_the_load(made, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBERTA_C_CACHE", "relative")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    may_go_on = threading.Event()
    written = writer.write

    def write(job, waits):
        may_go_on.wait(30)
        return written(job, waits)

    monkeypatch.setattr(writer, "write", write)
    load(made, "auto")
    monkeypatch.chdir(tmp_path / "elsewhere")
    may_go_on.set()
    wait_for_writers()
    assert len(packed_files(tmp_path / "relative")) == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_one_thread_writes_a_file(made, auto, monkeypatch):
    """Models that are loaded again before the file is there do not write it too."""
    may_go_on = threading.Event()
    written = writer.write
    calls = []

    def write(job, waits):
        calls.append(job.name)
        may_go_on.wait(30)
        return written(job, waits)

    monkeypatch.setattr(writer, "write", write)
    models = [load(made, "auto") for _ in range(3)]
    may_go_on.set()
    wait_for_writers()
    assert len(calls) == 1
    assert [model.cache_report.state for model in models] == ["written"] * 3
    assert len({bits(model) for model in models}) == 1
    assert len(packed_files(auto)) == 1


def test_a_model_that_is_deleted_is_written_all_the_same(made, auto):
    load(made, "auto")
    wait_for_writers()
    assert load(made, "auto").cache_report.state == "read"


def test_where_no_thread_can_be_started(made, auto, monkeypatch, caplog):
    def start(*_, **__):
        raise RuntimeError("can't start new thread")

    for name in ("start", "__init__"):  # the second in an interpreter that allows no daemon threads
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, name, start)
            model = load(made, "auto")
        assert model.cache_report.state == "not used"
        assert bits(model) == bits(load(made, None))
        assert not packed_files(auto)


def test_threads_of_little_stack(made, auto):
    """They cannot compute digests: the file is written before the model is returned."""
    threading.stack_size(64 * 1024)
    try:
        model = load(made, "auto")
    finally:
        threading.stack_size(0)
    assert model.cache_report.state == "written"
    assert load(made, "auto").cache_report.state == "read"


def test_a_file_that_another_process_writes_is_not_called_written(made, auto, monkeypatch):
    monkeypatch.setattr(writer, "write", lambda *_, **__: False)
    model = load(made, "auto")
    wait_for_writers()
    assert model.cache_report.state == "being written"


def test_a_handler_of_log_messages_that_fails(made, auto, monkeypatch):
    """Nothing is printed by a thread that its program does not know."""

    def fail(*_, **__):
        raise RuntimeError("of a handler")

    uncaught = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    monkeypatch.setattr(os, "fsync", lambda _: os.close(-1))
    monkeypatch.setattr(cache_room.logger, "warning", fail)
    load(made, "auto")
    wait_for_writers()
    assert uncaught == []


def test_a_load_in_a_signal_handler_while_a_thread_is_begun(made, auto, monkeypatch):
    start, models = threading.Thread.start, []

    def interrupted(thread):
        if not models:
            models.append(None)
            models.append(load(made, "auto"))
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    model = load(made, "auto")
    wait_for_writers()
    assert bits(model) == bits(models[1]) == bits(load(made, None))
    assert len(packed_files(auto)) == 1


def test_ctrl_c_while_a_process_ends(monkeypatch):
    """It ends at once, without a traceback."""

    def wait(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "wait", wait)
    writer._wait_at_exit()


def test_another_process_s_file_is_not_replaced(made, cache_folder, monkeypatch):
    """Case 93: who is slower keeps the file that others map already."""
    pieces = writer._pieces
    inner = []

    def slow(*arguments):
        if not inner:
            inner.append(None)
            inner.append(load(made, cache_folder))
            inner.append(packed_files(cache_folder)[0].stat().st_ino)
        return pieces(*arguments)

    monkeypatch.setattr(writer, "_pieces", slow)
    outer = load(made, cache_folder)
    [path] = packed_files(cache_folder)
    assert path.stat().st_ino == inner[2]
    assert [one.name for one in cache_folder.iterdir()] == [path.name]
    assert bits(outer) == bits(inner[1])


PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from samples.caches import load, bits
from roberta_c.cache import settings, writer
settings.MIN_BYTES, settings.FREE_BYTES = 1, 0
settings.AUTO_SETTLED_SECONDS = settings.SETTLED_SECONDS = -60
made = Path(sys.argv[1])
"""


def run(made, cache_folder, program: str, *, code: int = 0) -> subprocess.CompletedProcess:
    done = in_a_process(
        "-c", PROGRAM + textwrap.dedent(program), str(made), timeout=60, ROBERTA_C_CACHE=str(cache_folder)
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def test_a_process_that_ends_at_once_has_written(made, cache_folder):
    run(made, cache_folder, "load(made, 'auto')")
    assert len(packed_files(cache_folder)) == 1
    assert load(made, cache_folder).cache_report.state == "read"


@pytest.mark.parametrize(
    "ends", ["sys.exit(3)", "raise ValueError", "os._exit(1)", "os.kill(os.getpid(), 15)"]
)
def test_a_process_waits_a_bounded_time(made, cache_folder, monkeypatch, ends):
    """Case 89: what is not ready is thrown away; a process that is ended at once leaves what nobody reads."""
    program = f"""
    writer.EXIT_SECONDS = 0.2
    begun = threading.Event()
    def slow(*arguments):
        begun.set()
        time.sleep(300)
    os.pwrite = slow
    load(made, 'auto')
    assert begun.wait(50)
    {ends}
    """
    began = time.monotonic()
    done = in_a_process(
        "-c", PROGRAM + textwrap.dedent(program), str(made), timeout=60, ROBERTA_C_CACHE=str(cache_folder)
    )
    assert time.monotonic() - began < 30
    assert done.returncode in (3, 1, -signal.SIGTERM)
    assert "Fatal" not in done.stderr
    assert not packed_files(cache_folder)
    assert any(private.UNFINISHED.fullmatch(path.name) for path in cache_folder.iterdir())
    monkeypatch.setattr(private, "UNLOCKED_SECONDS", -1)  # nothing holds its lock
    model = load(made, cache_folder)
    assert model.cache_report.state == "written"
    assert bits(model) == bits(load(made, None))
    assert [path.suffix for path in cache_folder.iterdir()] == [".packed"]


def test_a_slow_disk_delays_only_the_first_process(made, cache_folder, monkeypatch):
    """Later ones wait no more, and write nothing that they would throw away; one that lives on writes."""
    program = """
    writer.EXIT_SECONDS = 0.2
    tried = threading.Event()
    def slow(*arguments):
        Path(sys.argv[1], "tried").touch()
        tried.set()
        time.sleep(300)
    os.pwrite = slow
    load(made, 'auto')
    """
    model = shutil.copytree(made, cache_folder.parent / "slow")
    run(model, cache_folder, program + "assert tried.wait(50)")
    assert (model / "tried").exists()
    assert [path.name.endswith(".packed.late") for path in cache_folder.glob(".*.late")] == [True]
    (model / "tried").unlink()
    run(model, cache_folder, program)
    assert not (model / "tried").exists()
    assert not packed_files(cache_folder)
    monkeypatch.setattr(writer, "LATE_DELAY_SECONDS", 0.2)
    monkeypatch.setenv("ROBERTA_C_CACHE", str(cache_folder))
    assert load(model, "auto").cache_report.state == "being written"
    wait_for_writers()
    assert len(packed_files(cache_folder)) == 1
    assert not list(cache_folder.glob(".*.late"))


def test_a_fork_while_a_file_is_written(made, cache_folder):
    """The child neither waits for a thread that it has not, nor removes its parent's file."""
    program = """
    pwrite, begun, may_go_on = os.pwrite, threading.Event(), threading.Event()
    def slow(*arguments):
        begun.set()
        may_go_on.wait(50)
        return pwrite(*arguments)
    os.pwrite = slow
    expected = bits(load(made, None))
    model = load(made, 'auto')
    assert begun.wait(50)
    def unfinished():
        names = [os.path.realpath(f"/dev/fd/{number}") for number in range(3, 100)]
        return [name for name in names if ".packed." in name]
    if sys.platform.startswith("linux"):
        assert len(unfinished()) == 1, unfinished()
    child = os.fork()
    if child == 0:
        assert not unfinished(), unfinished()  # else the file would live, and be locked, as long as the child
        assert bits(model) == expected
        writer.wait()  # which it has not
        os.pwrite = pwrite
        assert bits(load(made, 'auto')) == expected
        writer.wait()
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    may_go_on.set()
    writer.wait()
    assert code == 0, code
    assert model.cache_report.state == "written", model.cache_report
    """
    run(made, cache_folder, program)
    assert len(packed_files(cache_folder)) == 1
    assert len(list(cache_folder.iterdir())) == 1


@pytest.mark.parametrize("moment", ["before a piece", "after the last one"])
def test_a_file_whose_process_ends_meanwhile_is_not_written(tmp_path, moment, monkeypatch):
    arrays = {"one": np.ones(1000, np.float32)}
    job = writer.Job(tmp_path, "0.packed", "key", {}, arrays, None, lambda: True)
    if moment == "before a piece":
        job.stopped.set()
    else:
        fsync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda descriptor: (job.stopped.set(), fsync(descriptor)))
    with pytest.raises(UnusableError, match=r"^this process has ended before it was written$"):
        writer.write(job, waits=True)
    assert not list(tmp_path.iterdir())


def test_killed_and_concurrent_writers():
    """Cases 89 and 93, the short form: `make processes` kills 1,000."""
    done = in_a_process("-m", "process.cache_writers", "8", "2", timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert re.match(r"8 kills, \d+ of them", done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_thousand_killed_writers():
    """Cases 89 and 93."""
    done = in_a_process("-m", "process.cache_writers", "1000", "20", timeout=3600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
