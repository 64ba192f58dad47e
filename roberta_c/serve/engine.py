"""The one thread that computes: it takes batches from the queue and answers those who wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import RobertaCError
from ..pipelines.windows import Window
from .metrics import Metrics
from .queue import QueueClosed, Unit, WorkQueue
from .settings import ServeSettings

# Tokens of a batch until a model's speed is known, and the fewest: with fewer, products are slower.
FIRST_TOKENS, LEAST_TOKENS = 1024, 512
_KEPT = 0.7  # how much of a model's speed is that of earlier batches


class BatchFailed(Exception):
    """A batch could not be computed; the cause is `__cause__`."""


class Engine:
    """Computes batches of all models, one after the other: each uses all threads of the kernels.

    `failure`: what has ended the thread, if it has died; else None. `on_death` is called then.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._speeds: dict[str, float] = {}  # tokens per second
        self.queue = WorkQueue(self._budget, self._seconds, settings.bypass_seconds)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="roberta_c engine", daemon=True)
        self._is_started = False
        self.on_death: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Starts the thread, once."""
        if not self._is_started:
            self._is_started = True
            self._thread.start()

    def stop(self, seconds: float) -> None:
        """Lets what is in line be computed for at most so long, then drops it."""
        self.queue.close(QueueClosed("the server ends"), drops=False)
        if self._is_started:
            self._thread.join(seconds)
        self.queue.close(QueueClosed("the server ends"), drops=True)

    @property
    def is_healthy(self) -> bool:
        """Whether the thread computes, or has not been started."""
        return self.failure is None and (not self._is_started or self._thread.is_alive())

    def _run(self) -> None:
        try:
            while (batch := self.queue.take()) is not None:
                self._answer(batch)
        except BaseException as error:  # such as MemoryError outside of a batch: callers must not hang
            self.failure = error
            self.queue.close(error, drops=True)
            self.on_death()

    def _answer(self, batch: list[Unit]) -> None:
        """Compute a batch and deliver its outputs."""
        started = time.monotonic()
        tokens = sum(unit.tokens for unit in batch)
        try:
            outputs = list(self._computed(batch))
        except Exception as error:
            # One text must not fail the others that it was computed with.
            outputs = [self._alone(unit, error) for unit in batch] if len(batch) > 1 else [_failed(error)]
        seconds = time.monotonic() - started
        # Measured before callers are told: who reads the metrics after an answer finds its batch in them.
        self._note_speed(batch[0].group.model, tokens, seconds)
        self._metrics.batch_done(len(batch), tokens, seconds)
        self.queue.done(batch, outputs)

    def _computed(self, batch: Sequence[Unit]) -> Sequence[Any]:
        windows: list[Window] = [unit.window for unit in batch]
        outputs: Sequence[Any] = batch[0].group.compute(windows)
        if len(outputs) != len(batch):
            raise RuntimeError(f"{len(outputs)} outputs of {len(batch)} windows")
        return outputs

    def _alone(self, unit: Unit, error: Exception) -> Any:
        if not unit.is_wanted(time.monotonic()):
            return _failed(error)
        try:
            return self._computed([unit])[0]
        except Exception as own_error:
            return _failed(own_error)

    # ---- speed ---------------------------------------------------------------------------------------

    def _note_speed(self, model: str, tokens: int, seconds: float) -> None:
        # A batch of a few tokens says little of how fast a large one is.
        if tokens < LEAST_TOKENS // 2 and model in self._speeds:
            return
        speed = tokens / max(seconds, 1e-6)
        before = self._speeds.get(model, speed)
        self._speeds[model] = _KEPT * before + (1 - _KEPT) * speed

    def _budget(self, model: str) -> int:
        most = self._settings.max_batch_tokens
        speed = self._speeds.get(model)
        if speed is None:
            return min(FIRST_TOKENS, most)
        return min(most, max(LEAST_TOKENS, int(speed * self._settings.batch_seconds)))

    def _seconds(self, model: str, tokens: int) -> float:
        """How long tokens take; 0 before the first batch of the model."""
        speed = self._speeds.get(model)
        return 0.0 if speed is None else tokens / speed


def _failed(error: Exception) -> BatchFailed:
    kind = type(error).__name__
    # The package's own messages name files and arguments; what others say may hold parts of texts.
    failure = BatchFailed(str(error) if isinstance(error, RobertaCError) else f"{kind} while computing")
    failure.__cause__ = error
    return failure
