"""One line of JSON for each request, on the logger `roberta_c.serve`. No text of a request is ever logged."""

from __future__ import annotations

import json
import logging
import time
import traceback

from .call import Call

logger = logging.getLogger("roberta_c.serve")


def log_call(call: Call, status: int) -> None:
    """Logs what a request was and what it cost, at level INFO."""
    if not logger.isEnabledFor(logging.INFO):
        return
    facts = {
        "request_id": call.id,
        "method": call.method,
        "path": call.path,
        "status": status,
        "model": call.model,
        "tasks": call.tasks,
        "texts": call.texts,
        "tokens": call.tokens,
        "truncated": call.truncated,
        "total_ms": _milliseconds(time.monotonic() - call.started),
        "tokenization_ms": _milliseconds(call.tokenization),
        "queue_ms": _milliseconds(call.queue),
        "inference_ms": _milliseconds(call.inference),
    }
    logger.info(json.dumps(facts, separators=(",", ":")))


def log_unexpected(call: Call, error: BaseException) -> None:
    """Logs an error that should not be: its class and where it was raised; its message may hold a text."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno}" for frame in frames[-8:]]
    facts = {"request_id": call.id, "path": call.path, "error": type(error).__name__, "at": places}
    logger.error(json.dumps(facts, separators=(",", ":")))


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)
