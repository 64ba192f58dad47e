"""What a request can fail with: status, message and kind, as text-embeddings-inference (TEI) has them."""

from __future__ import annotations

from typing import Any

# Kinds of failures by TEI's names → the status of the answer. "Timeout" is not TEI's: it has no deadlines.
STATUS_OF = {
    "Empty": 400,
    "Validation": 422,
    "Tokenizer": 422,
    "Backend": 424,
    "Overloaded": 429,
    "Unhealthy": 503,
    "Timeout": 504,
}
# Before the messages of these kinds.
_PREFIX_OF = {"Validation": "Input validation error: ", "Backend": "Backend error: "}


class Failure(Exception):
    """An answer other than 200.

    kind: a name of STATUS_OF. metric: the value of `err` in te_request_failure; None: it is not counted.
    param: the field that is at fault. retry_after: seconds after which a client may try again.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        metric: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind, self.message = kind, _PREFIX_OF.get(kind, "") + message
        self.metric, self.param, self.retry_after = metric, param, retry_after
        self.status = STATUS_OF[kind] if status is None else status

    plain_text = False  # whether TEI answers with the message alone and not with JSON

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        if self.kind == "Timeout":
            return {"x-should-retry": "false"}  # OpenAI's SDK would ask twice more, each time as long
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


class BodyFailure(Failure):
    """A body that is no request at all, which TEI's web framework answers with plain text.

    status: 400 bad JSON, 408 too slow, 413 too large, 415 another content type, 422 a field of another type.
    """

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__("Validation", message, "validation", param, status=status)
        self.message = message

    plain_text = True


def validation(message: str, param: str | None = None) -> Failure:
    """A field with a value that cannot be."""
    return Failure("Validation", message, "validation", param)


def empty(name: str) -> Failure:
    """A field without a text in it."""
    return Failure("Empty", f"`{name}` cannot be empty", "validation", name)


def too_many(count: int, most: int) -> Failure:
    """More texts than one request may have."""
    return Failure("Validation", f"batch size {count} > maximum allowed batch size {most}", "batch_size")


def wrong_kind(message: str) -> Failure:
    """A route that the model is not made for."""
    return Failure("Backend", message, "model_type", "model")


def overloaded(retry_after: int) -> Failure:
    """No room for the request now."""
    return Failure("Overloaded", "Model is overloaded", "overloaded", retry_after=retry_after)


def timed_out() -> Failure:
    """The deadline passed before the answer was there."""
    return Failure("Timeout", "The deadline of the request has passed", "dropped")


def body_of(failure: Failure) -> dict[str, Any]:
    """TEI's JSON of a failure."""
    return {"error": failure.message, "error_type": failure.kind}
