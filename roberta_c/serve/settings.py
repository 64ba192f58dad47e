"""The settings of a server, checked."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, mismatch, shown
from ..machine.threads import thread_limits
from ..pipelines.options import ERROR, TRUNCATE, WINDOWS, check_choice, check_count, check_flag
from ..pipelines.rows import plain_text


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """How requests are admitted, batched and answered.

    max_concurrent_requests: requests in work; more are answered 429. max_queued_texts: texts of these.
    max_client_batch_size: texts of one request. max_text_characters: characters of one text.
    payload_limit: bytes of a body.
    max_batch_tokens: tokens that go through a model together; a longer text is a batch of its own.
    batch_seconds: the time of a batch to aim at: its tokens follow from the measured speed.
    bypass_seconds: a long request is overtaken only by requests that come within this time after it.
    request_timeout: seconds from a request's arrival to its answer; None: no limit. body_timeout,
        header_timeout, keep_alive: seconds for a body, or for a client to read some of an answer; for the
        headers; and of an idle connection.
    tokenization_workers: threads that tokenize; None: as many as there are CPUs, at most 4.
    long_text: what is done with a text of too many tokens: "truncate", "error" or "windows".
    default_prompt: what stands before texts that are embedded; default_prompt_name: the same by its name.
    pooling: of models of embeddings: "cls", "mean", "last-token" or "splade"; None: as their files say.
    allow_token_ids: whether /v1/embeddings takes ids, which must then be those of the model's tokenizer.
    api_key: what clients must send as `Authorization: Bearer …`; None: nothing.
    cors_allow_origin: origins of web pages that may call; empty: all.
    drain_seconds: how long requests in work may take after SIGTERM.

    `checked()` raises InputError for a bad value.
    """

    max_concurrent_requests: int = 512
    max_queued_texts: int = 8192
    max_client_batch_size: int = 1024
    max_text_characters: int = 1_000_000
    payload_limit: int = 16_000_000
    max_batch_tokens: int = 16384
    batch_seconds: float = 0.1
    bypass_seconds: float = 1.0
    request_timeout: float | None = 120.0
    body_timeout: float = 30.0
    header_timeout: float = 10.0
    keep_alive: float = 75.0
    tokenization_workers: int | None = None
    long_text: str = TRUNCATE
    default_prompt: str | None = None
    default_prompt_name: str | None = None
    pooling: str | None = None
    allow_token_ids: bool = False
    api_key: str | None = None
    cors_allow_origin: tuple[str, ...] = ()
    drain_seconds: float = 30.0

    def checked(self) -> ServeSettings:
        """The settings, with numpy's integers as Python's. Raises InputError for the first bad value."""
        counts: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int":
                counts[field.name] = check_count(field.name, value, "an integer of at least 1")
            elif field.type == "float" or (field.name == "request_timeout" and value is not None):
                _check_seconds(field.name, value)
        if self.tokenization_workers is not None:
            counts["tokenization_workers"] = check_count(
                "tokenization_workers", self.tokenization_workers, "an integer of at least 1, or None"
            )
        check_choice("long_text", self.long_text, (TRUNCATE, ERROR, WINDOWS))
        check_choice("pooling", self.pooling, (None, "cls", "mean", "last-token", "splade"))
        check_flag("allow_token_ids", self.allow_token_ids)
        for name in ("default_prompt", "default_prompt_name", "api_key"):
            if getattr(self, name) is not None:
                plain_text(getattr(self, name), name)
        if self.default_prompt is not None and self.default_prompt_name is not None:
            raise InputError(mismatch("default_prompt, default_prompt_name", "both", "one of the two"))
        if self.api_key is not None and (not self.api_key.isascii() or not self.api_key.strip()):
            raise InputError(mismatch("api_key", "one that is empty or not ASCII", "ASCII characters"))
        if self.max_client_batch_size > self.max_queued_texts:
            found = f"{self.max_client_batch_size}, more than max_queued_texts"
            raise InputError(mismatch("max_client_batch_size", found, f"at most {self.max_queued_texts}"))
        if not isinstance(self.cors_allow_origin, (tuple, list)) or not all(
            isinstance(origin, str) for origin in self.cors_allow_origin
        ):
            raise InputError(
                mismatch("cors_allow_origin", shown(self.cors_allow_origin), "a list of origins")
            )
        return dataclasses.replace(self, **counts)

    @property
    def workers(self) -> int:
        """How many threads tokenize."""
        if self.tokenization_workers is not None:
            return self.tokenization_workers
        return max(1, min(4, thread_limits(os.environ).least()[0]))


def _check_seconds(name: str, value: Any) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise InputError(mismatch(name, shown(value), "a number of seconds above 0"))
