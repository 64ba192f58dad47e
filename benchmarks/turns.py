"""How every benchmark here times things: in turns, so that a machine whose speed drifts favours nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# After each piece of work: thread pools spin for a few milliseconds when theirs is done (OpenMP's, ONNX
# Runtime's), and would take a core from whoever comes next.
REST_SECONDS = 0.02


def rest() -> None:
    time.sleep(REST_SECONDS)


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
