"""How every benchmark here times things: in turns, so that a machine whose speed drifts favours nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# After each piece of work: thread pools spin for a while when theirs is done (here OpenMP's and OpenVINO's
# some milliseconds, ONNX Runtime's 40, CTranslate2's 100), and would take a core from whoever comes next.
LOOK_SECONDS, MOST_LOOKS = 0.01, 100
IDLE_SHARE = 0.05  # of one core


def rest() -> None:
    """Until this process's threads have slept for a moment, and 20 ms at least."""
    time.sleep(LOOK_SECONDS)
    for _ in range(MOST_LOOKS):
        used = time.process_time()
        time.sleep(LOOK_SECONDS)
        if time.process_time() - used < IDLE_SHARE * LOOK_SECONDS:
            return


def seconds_of_one(run: Callable[[], object], least: float = 0.1) -> float:
    """Seconds of one call. If it took less than `least`, it was the warm-up: then the mean of several."""
    begin = time.perf_counter()
    run()
    first = time.perf_counter() - begin
    if first >= least:
        return first
    calls = math.ceil(least / max(first, 1e-6))
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - begin) / calls
