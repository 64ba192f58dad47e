"""Metrics in Prometheus' text format, under text-embeddings-inference's names, and a few of our own.

Written by hand: Prometheus' client library puts `_total` behind the names of counters, which dashboards made
for text-embeddings-inference do not have.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

# Upper ends of buckets: seconds from 15 µs in steps of 1.5; counts in powers of two.
SECONDS = tuple(1.5e-5 * 1.5**step for step in range(35))
POWERS = tuple(float(1 << step) for step in range(18))
METHODS = ("single", "batch")
FAILURES = ("batch_size", "validation", "model_type", "overloaded", "tokenization", "inference", "dropped")

_COUNTERS = {
    "te_request_count": ("method", METHODS),
    "te_request_success": ("method", METHODS),
    "te_request_failure": ("err", FAILURES),
    "te_embed_count": ("", ("",)),
    "te_embed_success": ("", ("",)),
    "te_predict_count": ("", ("",)),
    "te_predict_success": ("", ("",)),
    "roberta_c_tokens": ("", ("",)),
    "roberta_c_truncated_texts": ("", ("",)),
    "roberta_c_engine_busy_seconds": ("", ("",)),
}
_HISTOGRAMS = {
    **{
        f"te_{what}_{part}duration": SECONDS
        for what in ("request", "embed", "predict")
        for part in ("", "tokenization_", "queue_", "inference_")
    },
    "te_request_input_length": POWERS,
    "te_batch_next_size": POWERS,
    "te_batch_next_tokens": POWERS,
}


class _Histogram:
    def __init__(self, ends: Sequence[float]) -> None:
        self.ends = ends
        self.counts = [0] * (len(ends) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.ends, value)] += 1
        self.sum += value

    def lines(self, name: str) -> list[str]:
        lines = []
        total = 0
        for end, count in zip((*self.ends, None), self.counts, strict=True):
            total += count
            mark = "+Inf" if end is None else repr(end)
            lines.append(f'{name}_bucket{{le="{mark}"}} {total}')
        return [*lines, f"{name}_sum {self.sum!r}", f"{name}_count {total}"]


class Metrics:
    """All counters and histograms of a server. Any thread may call the methods."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters = {(name, value): 0.0 for name, (_, values) in _COUNTERS.items() for value in values}
        self._histograms = {name: _Histogram(ends) for name, ends in _HISTOGRAMS.items()}
        self._started = time.monotonic()
        self._gauges: dict[str, Callable[[], float]] = {}

    def count(self, name: str, value: str = "", by: float = 1) -> None:
        """Add to a counter; `value`: that of its label."""
        with self._lock:
            self._counters[name, value] += by

    def observe(self, name: str, value: float) -> None:
        """Add to a histogram."""
        with self._lock:
            self._histograms[name].add(value)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Show what `read` returns, under this name."""
        self._gauges[name] = read

    def batch_done(self, size: int, tokens: int, seconds: float) -> None:
        """A batch of the engine."""
        with self._lock:
            self._histograms["te_batch_next_size"].add(size)
            self._histograms["te_batch_next_tokens"].add(tokens)
            self._counters["roberta_c_tokens", ""] += tokens
            self._counters["roberta_c_engine_busy_seconds", ""] += seconds

    def value(self, name: str, label: str = "") -> float:
        """The value of a counter."""
        with self._lock:
            return self._counters[name, label]

    def text(self) -> str:
        """All of them, in Prometheus' text format 0.0.4."""
        lines: list[str] = []
        with self._lock:
            for name, (label, values) in _COUNTERS.items():
                lines.append(f"# TYPE {name} counter")
                for value in values:
                    mark = f'{{{label}="{value}"}}' if label else ""
                    lines.append(f"{name}{mark} {_number(self._counters[name, value])}")
            for name, histogram in self._histograms.items():
                lines.append(f"# TYPE {name} histogram")
                lines += histogram.lines(name)
        uptime = time.monotonic() - self._started
        busy = self.value("roberta_c_engine_busy_seconds")
        gauges = {
            "roberta_c_uptime_seconds": uptime,
            "roberta_c_engine_busy_share": min(1.0, busy / max(uptime, 1e-9)),
            **{name: read() for name, read in self._gauges.items()},
        }
        for name, number in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {_number(number)}"]
        return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
