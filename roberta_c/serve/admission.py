"""Who is let in: a request with all of its texts, or not at all."""

from __future__ import annotations

import math
import threading

from .failures import overloaded


class Admission:
    """Counts the requests and texts in work.

    A request that does not fit is refused at once: waiting in front of a full queue helps nobody, and half of
    a request is no use to its caller. The memory of bodies and of large answers is counted too: `memory`, in
    bytes, at most `max_memory`.
    """

    def __init__(self, max_requests: int, max_texts: int, max_memory: int = 1 << 30) -> None:
        self.max_requests, self.max_texts, self.max_memory = max_requests, max_texts, max_memory
        self.requests = self.texts = self.memory = 0
        self._lock = threading.Lock()

    def check(self, waiting_seconds: float) -> None:
        """Raise Failure (429) if there is no room for even one more text."""
        with self._lock:
            is_full = self.requests >= self.max_requests or self.texts >= self.max_texts
        if is_full:
            raise overloaded(retry_after(waiting_seconds))

    def enter(self, texts: int, waiting_seconds: float, seconds_left: float | None) -> None:
        """Let a request in. Raises Failure (429).

        waiting_seconds: how long the texts before it will take. seconds_left: until its deadline; a request
        that would not be computed before that is refused now.
        """
        with self._lock:
            fits = self.requests < self.max_requests and self.texts + texts <= self.max_texts
            if fits and (seconds_left is None or waiting_seconds <= seconds_left):
                self.requests += 1
                self.texts += texts
                return
        raise overloaded(retry_after(waiting_seconds))

    def take_memory(self, size: int) -> None:
        """Count bytes that a request needs. Raises Failure (429) where there is no room for them; a request
        that nothing else is in the way of has it."""
        with self._lock:
            if not self.memory or self.memory + size <= self.max_memory:
                self.memory += size
                return
        raise overloaded(1)

    def give_memory(self, size: int) -> None:
        """Those bytes are free again."""
        with self._lock:
            self.memory -= size

    def leave(self, texts: int) -> None:
        """A request that was let in has its answer."""
        with self._lock:
            self.requests -= 1
            self.texts -= texts


def retry_after(waiting_seconds: float) -> int:
    """Whole seconds after which half of what waits now will be done: from 1 to 60."""
    return min(60, max(1, math.ceil(waiting_seconds / 2)))
