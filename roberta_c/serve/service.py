"""What stands between routes and models: admission, tokenization, the queue, results, and the life cycle.

route → Asked → admission → tokenization threads → queue → engine → results → route
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import InputError, RobertaCError
from ..pipelines.options import ERROR
from .admission import Admission
from .call import Call
from .engine import BatchFailed, Engine
from .failures import Failure, timed_out, too_many, validation, wrong_kind
from .metrics import Metrics
from .queue import QueueClosed, Ticket
from .served_model import (
    EMBED,
    EMBED_ALL,
    EMBEDDING_TASKS,
    FILL_MASK,
    MULTI,
    NER,
    PREDICT,
    QA,
    RERANK,
    SPARSE,
    ZERO_SHOT,
    Asked,
    Encoded,
    ServedModel,
)
from .settings import ServeSettings

LOADING, READY, DRAINING, FAILED = "loading", "ready", "draining", "failed"
# What TEI answers where a model is of another kind, and the same for what TEI does not have.
_NOT_FOR = {
    EMBED: "Model is not an embedding model",
    EMBED_ALL: "Model is not an embedding model",
    SPARSE: "Model is not a model of sparse embeddings (SPLADE or bge-m3)",
    MULTI: "Model has not bge-m3's heads",
    PREDICT: "Model is not a classifier model",
    RERANK: "model is not a re-ranker model",
    NER: "Model is not a model for token classification",
    QA: "Model is not a model for question answering",
    FILL_MASK: "Model is not a masked language model",
    ZERO_SHOT: "Model is not a model of natural language inference",
}
# Of so many windows, and of tasks with small results, the answer is made in the event loop's thread.
_FEW_WINDOWS = 4
_SMALL = (EMBED, PREDICT, RERANK)
# Numbers in an answer with the vectors of all tokens, at most; the memory of each, as a number and as text.
MAX_NUMBERS = 20_000_000
_BYTES_OF_NUMBER = 30
# Characters of one text for each token that a model takes, where more are refused.
CHARACTERS_OF_TOKEN = 250


class UnknownModel(Exception):
    """A request names a model that is not served."""


class Service:
    """The models of a process, on one queue. `load` gives them, in a thread, after `start`.

    state: LOADING, READY, DRAINING or FAILED; `error`: why loading failed.
    """

    def __init__(self, settings: ServeSettings, load: Callable[[], Sequence[ServedModel]]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.admission = Admission(settings.max_concurrent_requests, settings.max_queued_texts)
        self.models: dict[str, ServedModel] = {}
        self.state = LOADING
        self.error: BaseException | None = None
        self.created = int(time.time())
        self._load = load
        self._lock = threading.Lock()
        self._loader: threading.Thread | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self.stop_by: float | None = None  # by time.monotonic(); None: drain_seconds after `stop`
        self._is_stopped = False
        self._open()
        self.metrics.gauge("te_queue_size", lambda: self.engine.queue.waiting_units)
        self.metrics.gauge("roberta_c_requests_in_work", lambda: self.admission.requests)
        self.metrics.gauge("roberta_c_queue_seconds", lambda: self.engine.queue.waiting_seconds())

    def _open(self) -> None:
        self.engine = Engine(self.settings, self.metrics)
        self._tokenizers = ThreadPoolExecutor(self.settings.workers, thread_name_prefix="roberta_c tokenizer")
        # Bodies and answers have threads of their own: these do not wait behind texts to be tokenized.
        self._helpers = ThreadPoolExecutor(2, thread_name_prefix="roberta_c helper")

    # ---- life cycle ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the engine and the loading of the models, once."""
        with self._lock:
            if self._loader is not None:
                return
            self._loader = threading.Thread(target=self._run_loader, name="roberta_c loader", daemon=True)
        self.engine.start()
        self._loader.start()

    def restart(self) -> None:
        """Starts again after `stop`, with the models that are loaded; else as `start`."""
        with self._lock:
            if self._is_stopped:
                self._is_stopped, self.stop_by = False, None
                self._open()
                self._loader = self._loader if self.models else None
                self.state = READY if self.models else LOADING
        self.start()
        self.engine.start()

    def wait_until_loaded(self, seconds: float | None = None) -> None:
        """Waits for the models. Raises what loading raised."""
        self.start()
        assert self._loader is not None
        self._loader.join(seconds)
        if self.error is not None:
            raise self.error

    def drain(self) -> None:
        """Health says that no more requests shall come; those that do are still answered."""
        if self.state != FAILED:
            self.state = DRAINING

    def stop(self) -> None:
        """Ends the threads, after what is in line has been computed."""
        self.drain()
        seconds = self.settings.drain_seconds
        if self.stop_by is not None:
            seconds = min(seconds, max(1.0, self.stop_by - time.monotonic()))
        self.engine.stop(seconds)
        for pool in (self._tokenizers, self._helpers):
            pool.shutdown(wait=False, cancel_futures=True)
        self._is_stopped = True

    @property
    def is_healthy(self) -> bool:
        """Whether requests are welcome."""
        return self.state == READY and self.engine.is_healthy

    def _run_loader(self) -> None:
        try:
            loaded = {model.name: model for model in self._load()}
            self._warm_up(loaded)
            self.models = loaded
            if self.state == LOADING:
                self.state = READY
        except BaseException as error:
            self.error, self.state = error, FAILED
            self.on_failure()

    def _warm_up(self, models: dict[str, ServedModel]) -> None:
        """Compute something with each model, so that the first request finds pages and threads in place."""
        warm = {EMBED: "a", PREDICT: "a", NER: "a", QA: {"question": "a", "context": "b"}}
        for model in models.values():
            for task in (task for task in warm if model.does(task)):
                options = {"prompt": ""} if task == EMBED else {}
                encoded = model.encode(Asked(task, [warm[task]], self.settings.long_text, options))
                encoded.steps.outputs([window for of_row in encoded.windows for window in of_row])

    # ---- choosing a model ----------------------------------------------------------------------------

    def check_ready(self) -> None:
        """Raise Failure (503) while models are being loaded, and after the engine has died."""
        if self.state == LOADING:
            raise Failure("Unhealthy", "Model is loading", retry_after=5)
        if self.state == FAILED or not self.engine.is_healthy:
            raise Failure("Unhealthy", "unhealthy")
        if not self.models:  # the end came while they were being loaded
            raise Failure("Unhealthy", "Model is loading", retry_after=5)

    def named_model(self, call: Call, name: str | None) -> ServedModel | None:
        """The model of the path's prefix, or of this name; None if the request leaves it open.

        With one model any name means it, as TEI has it. Raises UnknownModel.
        """
        chosen = call.model_name or name
        if chosen in self.models:
            return self.models[str(chosen)]
        if chosen is None or len(self.models) == 1:
            return None
        raise UnknownModel(chosen)

    def model_for(self, call: Call, task: str, name: str | None = None) -> ServedModel:
        """The model that a request means: the named one, else the first that does the task.

        Raises UnknownModel, and Failure (424) for a model of another kind.
        """
        named = self.named_model(call, name)
        candidates = list(self.models.values()) if named is None else [named]
        for model in candidates:
            if model.does(task):
                call.model = model.name
                return model
        raise wrong_kind(_NOT_FOR[task])

    # ---- from texts to results -----------------------------------------------------------------------

    async def answer(
        self,
        call: Call,
        model: ServedModel,
        asked: Asked,
        is_batch: bool,
        make: Callable[[list[Any], Encoded], Any],
        texts_of_item: int = 1,
    ) -> Any:
        """What `make` makes of the prediction of each item and the encoding; of much, in another thread.
        Raises Failure.

        texts_of_item: how many times the model reads an item, such as once for each candidate label.
        """
        count = len(asked.items) * texts_of_item
        method = "batch" if is_batch else "single"
        kind = "embed" if asked.task in EMBEDDING_TASKS else "predict"
        if count > self.settings.max_client_batch_size:
            raise too_many(count, self.settings.max_client_batch_size)
        self.metrics.count("te_request_count", method)
        self._check_lengths(model, asked)
        with self.admitted(call, count):
            self.metrics.count(f"te_{kind}_count", by=len(asked.items))
            encoded, seconds = await self.in_thread(call, _encode, model, asked, call, tokenizes=True)
            call.tokenization += seconds
            lengths = encoded.tokens
            for tokens in lengths:
                self.metrics.observe("te_request_input_length", tokens)
            if asked.task in (EMBED_ALL, MULTI):
                self._check_numbers(call, sum(lengths) * model.width)
            windows = sum(map(len, encoded.windows))
            outputs: list[Any] = []
            if windows:
                outputs = await self._outputs(call, encoded)
            if windows <= _FEW_WINDOWS and asked.task in _SMALL:
                made, truncated = _made(encoded, outputs, make)
            else:
                made, truncated = await self.in_thread(call, _made, encoded, outputs, make)
        call.texts += len(asked.items)
        call.tasks.append(asked.task)
        call.tokens += sum(lengths)
        call.characters += sum(map(_characters, asked.items))
        call.truncated += truncated
        self._note_success(call, kind, method, len(asked.items))
        return made

    @contextlib.contextmanager
    def admitted(self, call: Call, count: int) -> Iterator[None]:
        """So many texts are in work, unless they have been let in already. Raises Failure (429, 504)."""
        if call.is_admitted:
            yield
            return
        self.admission.enter(count, self.engine.queue.waiting_seconds(), call.seconds_left())
        try:
            yield
        finally:
            self.admission.leave(count)

    async def in_thread(
        self, call: Call, function: Callable[..., Any], *arguments: Any, tokenizes: bool = False
    ) -> Any:
        """What a function returns, called in another thread: with `tokenizes` one of those that tokenize.
        Raises Failure for errors about texts, and at the deadline, though the function may then go on."""
        loop = asyncio.get_running_loop()
        pool = self._tokenizers if tokenizes else self._helpers
        try:
            return await asyncio.wait_for(
                loop.run_in_executor(pool, function, *arguments), call.seconds_left()
            )
        except asyncio.TimeoutError:
            raise timed_out() from None
        except InputError as error:
            raise validation(str(error)) from None
        except (RobertaCError, MemoryError) as error:
            raise Failure("Tokenizer", str(error) or "out of memory", "tokenization") from None
        except RuntimeError:
            if self.state == DRAINING:  # the pool has been shut down
                raise Failure("Unhealthy", "unhealthy", "dropped") from None
            raise

    def check_text(self, text: str, name: str) -> None:
        """Raise Failure (422) for a text of too many characters."""
        most = self.settings.max_text_characters
        if len(text) > most:
            raise validation(f"`{name}` must have at most {most} characters")

    def _check_numbers(self, call: Call, numbers: int) -> None:
        """Raise Failure for an answer that would be too large: 422, or 429 while there is no room for it."""
        if numbers > MAX_NUMBERS:
            raise validation(
                f"the answer would have {numbers} numbers, at most {MAX_NUMBERS}: send fewer texts"
            )
        self.admission.take_memory(_BYTES_OF_NUMBER * numbers)
        call.memory.append(_BYTES_OF_NUMBER * numbers)

    async def _outputs(self, call: Call, encoded: Encoded) -> list[Any]:
        windows = [window for of_row in encoded.windows for window in of_row]
        ticket = Ticket(encoded.group, windows, call.deadline)
        try:
            call.seconds_left()
            self.engine.queue.put(ticket, encoded.keys)
            return await asyncio.wait_for(ticket.future, call.seconds_left())
        except asyncio.TimeoutError:
            raise timed_out() from None
        except BatchFailed as error:
            raise Failure("Backend", str(error), "inference") from None
        except (Failure, asyncio.CancelledError):
            raise
        except QueueClosed:
            raise Failure("Unhealthy", "unhealthy", "dropped") from None
        except BaseException:  # what has ended the engine's thread
            raise Failure("Unhealthy", "unhealthy", "inference") from None
        finally:
            ticket.cancel()
            now = time.monotonic()
            started = now if ticket.started is None else max(ticket.started, ticket.arrived)
            call.queue += started - ticket.arrived
            call.inference += now - started

    def _check_lengths(self, model: ServedModel, asked: Asked) -> None:
        most = self.settings.max_text_characters
        if asked.long_text == ERROR and asked.task != QA:  # as TEI refuses before it tokenizes
            most = min(most, CHARACTERS_OF_TOKEN * model.max_tokens)
        for index, item in enumerate(asked.items):
            if _characters(item) > most:
                raise validation(f"`inputs[{index}]` must have at most {most} characters")

    def _note_success(self, call: Call, kind: str, method: str, texts: int) -> None:
        metrics = self.metrics
        metrics.count("te_request_success", method)
        metrics.count(f"te_{kind}_success", by=texts)
        metrics.count("roberta_c_truncated_texts", by=call.truncated)
        total = time.monotonic() - call.started
        for what in ("request", kind):
            metrics.observe(f"te_{what}_duration", total)
            metrics.observe(f"te_{what}_tokenization_duration", call.tokenization)
            metrics.observe(f"te_{what}_queue_duration", call.queue)
            metrics.observe(f"te_{what}_inference_duration", call.inference)


def _encode(model: ServedModel, asked: Asked, call: Call) -> tuple[Encoded, float]:
    """The encoding of a request, and the seconds that it took."""
    call.seconds_left()  # it has waited for a thread
    started = time.monotonic()
    return model.encode(asked), time.monotonic() - started


def _made(
    encoded: Encoded, outputs: Sequence[Any], make: Callable[[list[Any], Encoded], Any]
) -> tuple[Any, int]:
    """What `make` makes of the predictions, and how many of the texts were cut."""
    found = encoded.results(outputs)
    truncated = sum(bool(one.truncated) or index in encoded.cut for index, one in enumerate(found))
    return make(found, encoded), truncated


def _characters(item: Any) -> int:
    if isinstance(item, (str, list)):  # of ids their number, as TEI counts
        return len(item)
    if isinstance(item, tuple):
        return sum(map(len, item))
    return sum(map(len, item.values())) if isinstance(item, dict) else 0
