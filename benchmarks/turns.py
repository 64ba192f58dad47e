"""The clock of every benchmark. Engines take turns, so that a drift of the machine's speed favours none."""

from __future__ import annotations

import time
from collections.abc import Callable

# Thread pools spin for some time after their work (torch's OpenMP and OpenVINO for a few milliseconds, ONNX
# Runtime 40, CTranslate2 100), and would take a core from the next engine. So each piece of work is followed
# by a rest.
LOOK_SECONDS, MOST_LOOKS = 0.01, 100
IDLE_SHARE = 0.05  # of one core


def rest() -> None:
    """Waits until this process's threads sleep, for at least 20 ms.

    Raises RuntimeError if they do not sleep within a second: they would take a core from the next engine.
    """
    time.sleep(LOOK_SECONDS)
    for _ in range(MOST_LOOKS):
        used = time.process_time()
        time.sleep(LOOK_SECONDS)
        if time.process_time() - used < IDLE_SHARE * LOOK_SECONDS:
            return
    raise RuntimeError("threads keep running after their work; is OMP_WAIT_POLICY active?")


def seconds_of_one(run: Callable[[], object], least: float = 0.1, long: float = 1.0) -> float:
    """Seconds per call: the mean over at least `least` seconds of calls, after one untimed call.

    A call of at least `long` seconds is made only once, and timed: waking threads and filling caches takes a
    few milliseconds, which do not count there.
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
