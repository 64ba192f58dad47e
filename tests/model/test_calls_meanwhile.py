"""Calls while something else happens: ids that change, a model that is deleted, signals, the end of all."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
from samples.command_line import PACKAGE_PARENT

import roberta_c
from roberta_c.errors import InputError

SHORT = [[0, 300, 2]]


def loaded():
    return roberta_c.AutoModelForSequenceClassification.from_pretrained(
        roberta_c.bundled_model_path(), num_threads=1
    )


@pytest.fixture(scope="module")
def model():
    return loaded()


@contextmanager
def in_background(work):
    """`work()` again and again in a thread."""
    stopped = threading.Event()

    def repeat():
        while not stopped.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def changing_array():
    ids = np.full((4, 64), 5)

    def change():
        ids[:] = 10**15
        ids[:] = 5

    return ids, change


def changing_list():
    row = [5] * 64

    def change():
        row.append(10**15)
        row[:] = [5] * 64
        del row[32:]

    return [row, row], change


@pytest.mark.parametrize("form", [changing_array, changing_list])
def test_ids_that_another_thread_changes(model, form):
    """What was checked is what is computed: an error, or logits of the ids at one time."""
    ids, change = form()
    refused = 0
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with in_background(change):
            for _ in range(60):
                try:
                    assert np.isfinite(model(ids).logits).all()
                except InputError:
                    refused += 1
    finally:
        sys.setswitchinterval(interval)
    assert refused < 60
    assert len(model(SHORT).logits) == 1


def test_a_model_that_is_deleted_during_a_call():
    model = loaded()
    expected, gone = model(SHORT).logits, weakref.ref(model)
    begun, results = threading.Event(), []

    def call(model):
        begun.set()
        for _ in range(5):
            results.append(model(SHORT * 200).logits[:1])

    thread = threading.Thread(target=call, args=(model,))
    thread.start()
    begun.wait()
    del model
    gc.collect()
    thread.join()
    assert all(np.array_equal(result, expected) for result in results)
    assert len(results) == 5
    del thread
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_a_signal_handler_may_call_the_model(model):
    expected, found = model(SHORT).logits, []
    before = signal.signal(signal.SIGALRM, lambda *_: found.append(model(SHORT).logits))
    try:
        for number in range(60):
            signal.setitimer(signal.ITIMER_REAL, 1e-5 * (number + 1))  # once, while the next line computes
            assert np.array_equal(model(SHORT).logits, expected)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(found) > 10
    assert all(np.array_equal(result, expected) for result in found)


AT_EXIT = """
import atexit, threading, roberta_c
classify = roberta_c.pipeline("text-classification", num_threads=2)
atexit.register(lambda: print(classify("I love it")[0]["label"], flush=True))
def call():
    while True:
        classify(["a text", "another"])
threading.Thread(target=call, daemon=True).start()
results = classify(iter(["a", "b"] * 200), batch_size=2)
next(results)  # the next texts are tokenized in a thread
"""


def test_the_interpreter_ends_during_a_call():
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT],
        env={"PYTHONPATH": PACKAGE_PARENT},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "positive\n", "")
