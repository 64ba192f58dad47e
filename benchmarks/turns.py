"""How every benchmark here times things: in turns, so that a machine whose speed drifts favours nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

# After each piece of work: thread pools spin for a while when theirs is done (here OpenMP's and OpenVINO's
# some milliseconds, ONNX Runtime's 40, CTranslate2's 100), and would take a core from whoever comes next.
LOOK_SECONDS, MOST_LOOKS = 0.01, 100
IDLE_SHARE = 0.05  # of one core


def rest() -> None:
    """Until this process's threads have slept for a moment, and 20 ms at least.

    RuntimeError if they do not within a second: they would take a core from whoever comes next.
    """
    time.sleep(LOOK_SECONDS)
    for _ in range(MOST_LOOKS):
        used = time.process_time()
        time.sleep(LOOK_SECONDS)
        if time.process_time() - used < IDLE_SHARE * LOOK_SECONDS:
            return
    raise RuntimeError("threads keep running when their work is done; is OMP_WAIT_POLICY active?")


def seconds_of_one(run: Callable[[], object], least: float = 0.1, long: float = 1.0) -> float:
    """Seconds of one call: the mean over at least `least` seconds of them, after one that is not counted.

    What takes `long` is called once: waking threads and filling caches, some milliseconds, is nothing there.
    """
    begin = time.perf_counter()
    run()
    first = time.perf_counter() - begin
    if first >= long:
        return first
    calls, begin = 0, time.perf_counter()
    while True:
        run()
        calls += 1
        passed = time.perf_counter() - begin
        if passed >= least:
            return passed / calls
