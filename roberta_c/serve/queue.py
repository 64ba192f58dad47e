"""The one queue before the engine: windows of token ids in, batches out.

A batch is formed when the engine is free: the first unit in line, then those behind it that the same model
computes in the same way, up to a budget of real tokens. Nothing waits for company.

    line = arrival + min(seconds that the request will take, bypass)

A short request so overtakes a long one that came before it; but nobody is overtaken by what comes more than
`bypass` seconds later, so nobody starves. Equal windows of requests in work are one unit, computed once.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..pipelines.windows import Window

# Windows of one batch → what is computed of each; of an array, the rows.
Compute = Callable[[Sequence[Window]], Any]


@dataclass(frozen=True)
class Group:
    """What can be computed together. key: equal for equal computations. model: whose speed counts."""

    key: Hashable
    model: str
    compute: Compute = field(compare=False)


class Ticket:
    """One request's windows, and the future that gets their outputs, in their order.

    Made in the event loop that awaits `future`. deadline: by time.monotonic(), or None.
    """

    def __init__(self, group: Group, windows: Sequence[Window], deadline: float | None) -> None:
        self.group, self.windows, self.deadline = group, windows, deadline
        self.tokens = sum(len(window.ids) for window in windows)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()
        self.arrived = time.monotonic()
        self.started: float | None = None  # when the first of its windows went into the engine
        self.is_over = False
        self._outputs: list[Any] = [None] * len(windows)
        self._missing = len(windows)

    def cancel(self) -> None:
        """Nobody waits for the outputs any more: what is not computed yet will not be."""
        self.is_over = True

    def is_alive(self, now: float) -> bool:
        """Whether its outputs are still wanted."""
        return not self.is_over and (self.deadline is None or now < self.deadline)

    def deliver(self, index: int, output: Any) -> None:
        """One output. The future has its result once all are there. In the queue's lock."""
        self._outputs[index] = output
        self._missing -= 1
        if self._missing == 0 and not self.is_over:
            self.is_over = True
            self._settle(lambda: self.future.set_result(self._outputs))

    def fail(self, error: BaseException) -> None:
        """No outputs: the future has this exception. In the queue's lock."""
        if not self.is_over:
            self.is_over = True
            self._settle(lambda: self.future.set_exception(error))

    def _settle(self, setting: Callable[[], None]) -> None:
        def once() -> None:
            if not self.future.done():
                setting()

        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            self.loop.call_soon_threadsafe(once)


class Unit:
    """One window that is computed, and everyone who waits for its output."""

    __slots__ = ("callers", "group", "is_taken", "key", "line", "tokens", "window")

    def __init__(self, group: Group, window: Window, key: Hashable) -> None:
        self.group, self.window, self.key = group, window, key
        self.tokens = len(window.ids)
        self.callers: list[tuple[Ticket, int]] = []
        self.line = float("inf")
        self.is_taken = False

    def is_wanted(self, now: float) -> bool:
        """Whether anyone still waits for it."""
        return any(ticket.is_alive(now) for ticket, _ in self.callers)


class QueueClosed(Exception):
    """The queue takes no more requests: the server ends, or its engine has died."""


class WorkQueue:
    """Units in line, by group. Any thread may call the methods.

    budget: model → tokens of a batch. seconds: model, tokens → how long these take; both by measurement.
    """

    def __init__(
        self,
        budget: Callable[[str], int],
        seconds: Callable[[str, int], float],
        bypass_seconds: float,
    ) -> None:
        self._budget, self._seconds, self._bypass = budget, seconds, bypass_seconds
        self._changed = threading.Condition()
        self._lines: dict[Group, list[tuple[float, int, Unit]]] = {}
        self._in_work: dict[Hashable, Unit] = {}
        self._numbers = itertools.count()
        self._waiting_tokens: dict[str, int] = {}
        self._closed: BaseException | None = None

    def put(self, ticket: Ticket, keys: Sequence[Hashable] | None = None) -> None:
        """The ticket's windows, in line; keys: their `key_of`, if they have been made already, since that
        takes a while for many. Raises QueueClosed."""
        seconds = self._seconds(ticket.group.model, ticket.tokens)
        line = ticket.arrived + min(seconds, self._bypass)
        if keys is None:
            keys = [key_of(window) for window in ticket.windows]
        with self._changed:
            if self._closed is not None:
                raise QueueClosed from self._closed
            for index, (window, key) in enumerate(zip(ticket.windows, keys, strict=True)):
                unit = self._in_work.get((ticket.group, key))
                if unit is None:
                    unit = Unit(ticket.group, window, (ticket.group, key))
                    self._in_work[unit.key] = unit
                    self._count(unit, 1)
                elif unit.is_taken and ticket.started is None:
                    ticket.started = time.monotonic()
                unit.callers.append((ticket, index))
                if line < unit.line and not unit.is_taken:
                    unit.line = line  # an entry that it has further back is passed over
                    entry = (line, next(self._numbers), unit)
                    heapq.heappush(self._lines.setdefault(ticket.group, []), entry)
            self._changed.notify()

    def take(self) -> list[Unit] | None:
        """The next batch; waits for one. None once the queue has been closed and is empty."""
        with self._changed:
            while True:
                batch = self._formed(time.monotonic())
                if batch:
                    return batch
                if self._closed is not None:
                    return None
                self._changed.wait()

    def done(self, batch: Sequence[Unit], outputs: Sequence[Any]) -> None:
        """The outputs of a batch, to all who wait. An output that is an exception fails its callers."""
        with self._changed:
            for unit, output in zip(batch, outputs, strict=True):
                self._in_work.pop(unit.key, None)
                for ticket, index in unit.callers:
                    if isinstance(output, BaseException):
                        ticket.fail(output)
                    else:
                        ticket.deliver(index, output)

    def close(self, error: BaseException, drops: bool) -> None:
        """Take no more; with `drops`, fail all who wait with `error`, also for what is being computed."""
        with self._changed:
            self._closed = error
            if drops:
                for unit in self._in_work.values():
                    for ticket, _ in unit.callers:
                        ticket.fail(error)
                self._in_work.clear()
                self._lines.clear()
                self._waiting_tokens.clear()
            self._changed.notify_all()

    @property
    def waiting_units(self) -> int:
        """How many units are in line or computed."""
        return len(self._in_work)

    def waiting_seconds(self) -> float:
        """How long what is in line will take."""
        with self._changed:
            waiting = list(self._waiting_tokens.items())
        return sum(self._seconds(model, tokens) for model, tokens in waiting)

    def _formed(self, now: float) -> list[Unit]:
        heads: list[tuple[float, int, Group]] = []
        for group, line in list(self._lines.items()):
            self._drop_unwanted(line, now)
            if line:
                heads.append((line[0][0], line[0][1], group))
            else:
                del self._lines[group]
        if not heads:
            return []
        group = min(heads, key=lambda head: head[:2])[2]
        line = self._lines[group]
        budget = self._budget(group.model)
        batch: list[Unit] = []
        tokens = 0
        while line:
            self._drop_unwanted(line, now)
            if not line or (batch and tokens + line[0][2].tokens > budget):
                break
            unit = heapq.heappop(line)[2]
            unit.is_taken = True
            self._count(unit, -1)
            for ticket, _ in unit.callers:
                if ticket.started is None:
                    ticket.started = now
            batch.append(unit)
            tokens += unit.tokens
        return batch

    def _drop_unwanted(self, line: list[tuple[float, int, Unit]], now: float) -> None:
        """Take entries off the front that no caller waits for, or that have moved ahead."""
        while line:
            entry_line, _, unit = line[0]
            if unit.is_taken or entry_line != unit.line:
                heapq.heappop(line)
            elif not unit.is_wanted(now):
                heapq.heappop(line)
                unit.is_taken = True
                self._in_work.pop(unit.key, None)
                self._count(unit, -1)
            else:
                return

    def _count(self, unit: Unit, sign: int) -> None:
        model = unit.group.model
        self._waiting_tokens[model] = self._waiting_tokens.get(model, 0) + sign * unit.tokens


def key_of(window: Window) -> Hashable:
    """What decides a window's output: its ids, and which of them are its own."""
    own = window.own
    return tuple(window.ids), own.start, own.stop
