"""The default number of threads; equal bits for any number of threads, concurrent callers and forks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from samples.kernels import in_a_process, normal, random_layer, same_bits, starts_of

from roberta_c.config import RobertaConfig
from roberta_c.errors import InputError
from roberta_c.kernels import HAS_THREADS, Kernels
from roberta_c.machine import threads
from roberta_c.machine.threads import (
    MAX_THREADS,
    SERIAL_WORK,
    affinity_count,
    checked_num_threads,
    chosen_num_threads,
    threads_for,
)
from roberta_c.model.encoder import Encoder, Layer


@pytest.fixture
def sixteen_cpus(monkeypatch):
    monkeypatch.setattr(threads, "affinity_count", lambda: 16)
    monkeypatch.setattr(threads, "cgroup_quota", lambda: None)


# ---- the default ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("openmp", "expected"),
    [
        ("4", 4), (" 4 ", 4), ("4,2,1", 4), ("16", 16), ("99", 16), ("1", 1), ("007", 7),
        # OpenMP itself ignores these values, so they are ignored here:
        ("", 16), ("0", 16), ("000", 16), ("-3", 16), ("four", 16), ("4.5", 16), ("0x4", 16), (",4", 16),
        ("²", 16), ("٤", 16), ("9" * 5000, 16), ("0" * 5000 + "3", 16),
    ],
)  # fmt: skip
def test_omp_num_threads_lowers_the_default(sixteen_cpus, openmp, expected):
    assert chosen_num_threads(None, {"OMP_NUM_THREADS": openmp})[0] == expected


@pytest.mark.parametrize(("wanted", "expected"), [("1", 1), ("3", 3), ("16", 16), (" 2 ", 2)])
def test_the_package_s_variable_decides(sixteen_cpus, wanted, expected):
    assert chosen_num_threads(None, {"ROBERTA_C_NUM_THREADS": wanted, "OMP_NUM_THREADS": "1"})[0] == expected


def test_more_threads_than_cpus_are_not_taken_unless_asked_for_by_name(sixteen_cpus, caplog):
    assert chosen_num_threads(17, {}) == chosen_num_threads(17, {}) == (16, "CPU affinity")
    assert chosen_num_threads(None, {"ROBERTA_C_NUM_THREADS": "1024"}) == (16, "CPU affinity")
    assert chosen_num_threads(1024, {"ROBERTA_C_OVERSUBSCRIBE": "1"}) == (1024, "num_threads")
    assert [record.getMessage() for record in caplog.records] == [
        "num_threads: found 17, expected at most 16 (CPU affinity): using 16; "
        "ROBERTA_C_OVERSUBSCRIBE=1 takes more",
        "ROBERTA_C_NUM_THREADS: found 1024, expected at most 16 (CPU affinity): using 16; "
        "ROBERTA_C_OVERSUBSCRIBE=1 takes more",
    ]


def test_an_empty_variable_counts_as_unset(sixteen_cpus):
    assert chosen_num_threads(None, {"ROBERTA_C_NUM_THREADS": ""})[0] == 16


@pytest.mark.parametrize("wanted", ["0", "-1", "1025", "four", " ", "2.5", "1e3", "2\n3", "9" * 5000, "\0"])
def test_the_package_s_variable_must_be_a_number_of_threads(sixteen_cpus, wanted):
    with pytest.raises(
        InputError, match=r"^ROBERTA_C_NUM_THREADS: found '.{0,80}, expected 1 to 1024$"
    ) as caught:
        chosen_num_threads(None, {"ROBERTA_C_NUM_THREADS": wanted})
    assert "\n" not in str(caught.value)


def test_the_minimum_of_affinity_quota_and_openmp(monkeypatch):
    for affinity, quota, openmp, expected in (
        (8, None, "", 8),
        (8, 4.0, "", 4),
        (8, 2.5, "", 3),
        (8, 0.2, "", 1),
        (8, 64.0, "", 8),
        (8, 4.0, "2", 2),
        (1, 4.0, "2", 1),
        (5000, None, "", MAX_THREADS),
    ):
        monkeypatch.setattr(threads, "affinity_count", lambda affinity=affinity: affinity)
        monkeypatch.setattr(threads, "cgroup_quota", lambda quota=quota: quota)
        assert chosen_num_threads(None, {"OMP_NUM_THREADS": openmp})[0] == expected


def test_the_default_is_read_from_this_process(monkeypatch):
    monkeypatch.delenv("ROBERTA_C_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert chosen_num_threads()[0] == 1
    monkeypatch.setenv("ROBERTA_C_NUM_THREADS", "7")
    monkeypatch.setenv("ROBERTA_C_OVERSUBSCRIBE", "1")
    assert chosen_num_threads()[0] == 7


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity mask")
def test_affinity_counts_what_this_process_may_use():
    """In a new process, because the threads of this one keep the affinity mask of their start."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from roberta_c.machine import threads; print(threads.affinity_count())"
    )
    assert in_a_process("-c", program).stdout == "1\n"
    assert 1 <= affinity_count() <= (os.cpu_count() or 1)


# ---- the argument --------------------------------------------------------------------------------------


def test_num_threads_as_python_or_numpy_ints():
    assert checked_num_threads(1) == 1
    assert checked_num_threads(MAX_THREADS) == MAX_THREADS
    for value in (np.int64(3), np.uint8(3)):
        assert checked_num_threads(value) == 3
        assert type(checked_num_threads(value)) is int


@pytest.mark.parametrize(
    "wrong", [True, False, 2.0, "2", None, [2], np.array([2, 3]), np.float32(2), 0, -1, 1025, 2**70]
)
def test_num_threads_that_are_refused(wrong):
    with pytest.raises(
        InputError, match=r"^num_threads: found .{1,80}, expected (an int or None|1 to 1024)$"
    ):
        checked_num_threads(wrong)


def test_small_work_stays_serial():
    assert threads_for(0, 8) == threads_for(SERIAL_WORK - 1, 8) == 1
    assert threads_for(SERIAL_WORK, 8) == 8
    assert threads_for(SERIAL_WORK, 1) == 1


# ---- callers and forks ---------------------------------------------------------------------------------


def small_encoder(num_threads: int) -> Encoder:
    config = RobertaConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)
    kernels, rng = Kernels(), np.random.default_rng(0)
    layers = [random_layer(kernels, rng, 48, 4, 96) for _ in range(2)]
    return Encoder("Roberta", [Layer("Roberta", config, layer, num_threads) for layer in layers])


def run_encoder(encoder: Encoder, x_th: np.ndarray, starts_s: np.ndarray) -> np.ndarray:
    """The encoder on padded rows, as its caller has them."""
    width = int(np.diff(starts_s).max())
    mask = np.arange(width) < np.diff(starts_s)[:, None]
    hidden = np.zeros((*mask.shape, x_th.shape[1]), np.float32)
    hidden[mask] = x_th
    return encoder(hidden, mask)


def test_concurrent_callers_of_one_encoder_get_the_same_bits():
    """Eight Python threads, each with its own texts, that share two threads."""
    encoder, rng = small_encoder(num_threads=2), np.random.default_rng(1)
    assert SERIAL_WORK < 90 * (4 * 48 + 2 * 96) * 48  # so that teams are opened
    batches = [(normal(rng, 90, 48), starts_of([50, 40 - i, i])) for i in range(1, 9)]
    expected = []
    for x, starts in batches:
        expected.append(run_encoder(encoder, x, starts))
    wrong: list[int] = []
    together = threading.Barrier(8)

    def call(index: int) -> None:
        x, starts = batches[index]
        together.wait()
        for _ in range(10):
            if not same_bits(run_encoder(encoder, x, starts), expected[index]):
                wrong.append(index)

    callers = [threading.Thread(target=call, args=(index,)) for index in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    assert wrong == []


def test_more_threads_than_work_or_cpus():
    kernels = Kernels()
    x = normal(np.random.default_rng(2), 1, 8)
    packed = kernels.pack_linear([normal(np.random.default_rng(3), 3, 8)], num_threads=64)
    assert same_bits(kernels.linear(x, packed, num_threads=64), kernels.linear(x, packed))


FORK = r"""
import os, signal, threading
from samples.kernels import layer_run, same_bits
from roberta_c.kernels import Kernels

run = layer_run(Kernels())

def in_a_child(threads, deeper=False):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends the process if it hangs
        same = all(same_bits(run(threads), expected) for _ in range(3))
        if deeper:
            same = same and in_a_child(threads)
        os._exit(0 if same else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

expected = run(1)
assert in_a_child(2), "before any team"  # the child opens a team of its own
assert same_bits(run(2), expected)
for threads in (1, 2, 5, 2):
    assert in_a_child(threads, deeper=True), f"{threads} threads in a child"
    assert same_bits(run(threads), expected), "in the parent, afterwards"
caller = threading.Thread(target=lambda: run(3))
caller.start(); caller.join()
assert in_a_child(3), "after a team of another thread"

def threads_of_a_child(count):
    child_end, parent_end = os.pipe()
    if os.fork() == 0:
        run(count)
        os.write(parent_end, bytes([len(os.listdir("/proc/self/task"))]))
        os._exit(0)
    os.wait()
    return os.read(child_end, 1)[0]

if os.path.exists("/proc/self/task"):
    assert threads_of_a_child(3) == 3, "a child has threads of its own"
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_after_a_threaded_call_computes_the_same():
    """Threads do not survive a fork: a child that waits for its parent's would never end."""
    done = in_a_process("-W", "ignore::DeprecationWarning", "-c", FORK, timeout=120)
    assert done.stdout == "done\n", done.stderr[-2000:]


def test_num_threads_gives_as_many_threads():
    """A build with threads runs the tests above with several."""
    if not HAS_THREADS:
        pytest.skip("built without threads")
    program = (
        "import os, numpy; from roberta_c.kernels import Kernels; k = Kernels(); "
        "x = numpy.ones((8, 4), numpy.float32); "
        "k.linear(x, k.pack_linear([x]), num_threads=3); print(len(os.listdir('/proc/self/task')))"
    )
    if not Path("/proc/self/task").exists():
        pytest.skip("this system does not list threads")
    assert int(in_a_process("-c", program, OPENBLAS_NUM_THREADS="1").stdout) == 3
