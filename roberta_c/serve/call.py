"""One request: when it came, until when it is worth an answer, and what its answer cost."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .failures import timed_out
from .settings import ServeSettings

# Headers in which a client says how many seconds it will wait; the second is the OpenAI SDK's.
_TIMEOUT_HEADERS = ("x-request-timeout", "x-stainless-read-timeout")
# What a web page of another origin may read of an answer.
OWN_HEADERS = (
    "x-request-id",
    "x-compute-type",
    "x-compute-time",
    "x-compute-characters",
    "x-compute-tokens",
    "x-total-time",
    "x-tokenization-time",
    "x-queue-time",
    "x-inference-time",
    "x-truncated-texts",
    "retry-after",
    "x-should-retry",
)
_ID = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass
class Call:
    """id: the client's or a new one. model_name: by a prefix of the path, or None. deadline: by
    time.monotonic(), or None. The rest is filled in as the request is worked on; times are in seconds."""

    id: str
    path: str
    method: str
    model_name: str | None
    started: float
    deadline: float | None
    is_cohere: bool = False  # whether Cohere's SDK sent it
    is_infinity: bool = False  # whether it is infinity's, on a route that TEI has too
    is_admitted: bool = False  # whether its texts have been let in already
    model: str | None = None
    texts: int = 0
    characters: int = 0
    tokens: int = 0
    truncated: int = 0
    tokenization: float = 0.0
    queue: float = 0.0
    inference: float = 0.0
    tasks: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # bytes counted by Admission, until the answer is made

    @classmethod
    def of(
        cls,
        path: str,
        method: str,
        headers: Mapping[str, str],
        model_name: str | None,
        settings: ServeSettings,
    ) -> Call:
        """The call of a request with these headers."""
        started = time.monotonic()
        seconds = [settings.request_timeout, *(_seconds(headers.get(name)) for name in _TIMEOUT_HEADERS)]
        limits = [one for one in seconds if one is not None]
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        deadline = started + min(limits) if limits else None
        names = (headers.get(name, "") for name in ("user-agent", "x-client-name", "x-fern-sdk-name"))
        is_cohere = "cohere" in " ".join(names).lower()
        return cls(request_id, path, method, model_name, started, deadline, is_cohere)

    def part(self, model_name: str | None) -> Call:
        """A part of the request with counts of its own, to be added by `add`; its texts have been let in."""
        fresh = Call(self.id, self.path, self.method, model_name, self.started, self.deadline)
        return replace(fresh, is_cohere=self.is_cohere, is_admitted=True, memory=self.memory)

    def add(self, part: Call) -> None:
        """Count what a part has cost."""
        for name in ("texts", "characters", "tokens", "truncated", "tokenization", "queue", "inference"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.tasks += part.tasks
        self.model = self.model or part.model

    def seconds_left(self) -> float | None:
        """Until the deadline; None without one. Raises Failure (504) if it has passed."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise timed_out()
        return left

    def headers(self) -> dict[str, str]:
        """The headers of an answer that was computed, under TEI's names, and how many texts were cut."""
        milliseconds = {
            "x-total-time": time.monotonic() - self.started,
            "x-tokenization-time": self.tokenization,
            "x-queue-time": self.queue,
            "x-inference-time": self.inference,
        }
        given = {name: str(round(1000 * seconds)) for name, seconds in milliseconds.items()}
        return {
            "x-compute-type": "cpu",
            "x-compute-time": given["x-total-time"],
            **given,
            "x-compute-characters": str(self.characters),
            "x-compute-tokens": str(self.tokens),
            "x-truncated-texts": str(self.truncated),
        }


def _seconds(value: str | None) -> float | None:
    """A header's number of seconds; None for none, and for what is no such number."""
    try:
        seconds = float(value) if value is not None and len(value) < 20 else None
    except ValueError:
        return None
    return seconds if seconds is not None and math.isfinite(seconds) and seconds > 0 else None
