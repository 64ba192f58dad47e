"""The JSON body of a request: read within limits, parsed strictly, its fields checked one by one.

Nothing here trusts the client: length, time, depth, numbers and characters are checked before the parser or
the tokenizer see them. What is wrong becomes a BodyFailure, never an error of the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from ..errors import InputError, shown
from ..files.json_object import parse_object
from ..pipelines.rows import plain_text
from .failures import BodyFailure, too_many

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_SYNTAX = "Failed to parse the request body as JSON: "
_TYPES = "Failed to deserialize the JSON body into the target type: "
# A body from which the parser would build more than so many bytes of objects is refused.
_MAX_MEMORY = 256 << 20
# In a body of more bytes, ids are checked where it is parsed.
_LARGE = 1 << 16


class ClientGone(Exception):
    """The client has closed the connection before its body was complete."""


class _Syntax(InputError):
    """The text is not the JSON that is taken here."""


class _Twice(InputError):
    """A key is there twice."""


async def read_body(
    receive: Receive,
    headers: Mapping[str, str],
    limit: int,
    seconds: float,
    take: Callable[[int], None] = lambda size: None,
) -> bytes:
    """The bytes of a request's body, at most `limit`, within `seconds`. Raises BodyFailure, ClientGone, and
    what `take` raises, which is called with the number of bytes of each part before it is kept."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise BodyFailure(415, "Expected request with `Content-Type: application/json`")
    too_large = BodyFailure(413, f"Failed to buffer the request body: length limit of {limit} bytes exceeded")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise BodyFailure(400, "Content-Length is not a number")
    if int(length) > limit:
        raise too_large
    try:
        return await asyncio.wait_for(_all_parts(receive, limit, too_large, take), seconds)
    except asyncio.TimeoutError:  # another class before Python 3.11
        raise BodyFailure(408, f"The request body was not complete after {seconds:g} seconds") from None


async def _all_parts(
    receive: Receive, limit: int, too_large: BodyFailure, take: Callable[[int], None]
) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large
        take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def parse_body(data: bytes, most_items: int | None = None) -> Fields:
    """The fields of a body; most_items: of a list of texts in it. Raises BodyFailure: 400 for anything that
    is not strict JSON, 422 for JSON that is no object or has a key twice."""
    try:
        value = parse_object(
            data, "body", _Syntax, len(data), _MAX_MEMORY, error_of_twice=_Twice, shows_text=False
        )
    except _Twice as error:
        raise BodyFailure(422, f"{_TYPES}{error}") from None
    except InputError as error:
        status, what = (422, _TYPES) if str(error).startswith("body: found a JSON ") else (400, _SYNTAX)
        raise BodyFailure(status, f"{what}{error}") from None
    except (MemoryError, RecursionError):
        raise BodyFailure(413, "The request body needs more memory than there is") from None
    if len(data) > _LARGE:
        value = {name: _with_checked_ids(of_field) for name, of_field in value.items()}
    return Fields(value, most_items=most_items)


class _Ids(list[int]):
    """Token ids that have been checked where the body was parsed: in a thread, if there are many."""


def _with_checked_ids(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        return value
    if _are_ids(value):
        return _Ids(value)
    return [_Ids(one) if isinstance(one, list) and _are_ids(one) else one for one in value]


def _are_ids(value: list[Any]) -> bool:
    return set(map(type, value)) == {int} and min(value) >= 0 and max(value) < 2**32


class Fields:
    """The fields of an object in a body, by their types. A field that is null counts as missing.

    Each method raises BodyFailure (422) for a value of another type, and where a required field is missing;
    400 for text that is no Unicode.
    """

    def __init__(self, values: Mapping[str, Any], place: str = "", most_items: int | None = None) -> None:
        self.values, self.place, self.most_items = values, place, most_items

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return self.values.get(name) is not None

    def raw(self, name: str) -> Any:
        """The field as it was parsed; a required one."""
        if not self.has(name):
            inside = f"{self.place[:-1]}: " if self.place else ""
            raise BodyFailure(422, f"{_TYPES}{inside}missing field `{name}`", name)
        return self.values[name]

    def flag(self, name: str, default: bool) -> bool:
        """A boolean."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, value, "a boolean")
        return value

    def flag_or_none(self, name: str) -> bool | None:
        """A boolean, or None if it is missing."""
        return self.flag(name, False) if self.has(name) else None

    def count(self, name: str, least: int = 0, most: int = 2**32 - 1) -> int | None:
        """An integer, or None if it is missing."""
        value = self.values.get(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(name, value, f"an integer from {least} to {most}")
        return value

    def text(self, name: str) -> str:
        """A string; a required one."""
        return self.as_text(self.raw(name), name)

    def text_or_none(self, name: str) -> str | None:
        """A string, or None if it is missing."""
        return self.text(name) if self.has(name) else None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """One of some strings, in any case."""
        value = self.text_or_none(name)
        if value is None:
            return default
        if value.lower() not in choices:
            raise self.wrong(name, value, f"one of {', '.join(choices)}")
        return value.lower()

    def texts(self, name: str) -> list[str]:
        """A list of strings; a required one."""
        value = self.raw(name)
        if not isinstance(value, list):
            raise self.wrong(name, value, "a list of strings")
        self.check_count(value)
        return [self.as_text(one, f"{name}[{index}]") for index, one in enumerate(value)]

    def inside(self, name: str) -> Fields:
        """The fields of an object in this field; none if it is missing."""
        value = self.values.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        return Fields(value, f"{self.place}{name}.", self.most_items)

    def check_count(self, items: list[Any]) -> None:
        """Raise Failure (422) for more items than a request may have, before anything looks at each."""
        if self.most_items is not None and len(items) > self.most_items:
            raise too_many(len(items), self.most_items)

    def as_text(self, value: Any, name: str) -> str:
        """A value inside a field as a string."""
        if not isinstance(value, str):
            raise self.wrong(name, value, "a string")
        try:
            return plain_text(value, name)
        except InputError:
            raise BodyFailure(400, f"{_SYNTAX}{self.place}{name}: a lone surrogate", name) from None

    def as_ids(self, value: list[Any], name: str) -> list[int]:
        """A value inside a field as token ids."""
        if isinstance(value, _Ids):
            return value
        for index, one in enumerate(value):
            if type(one) is not int or not 0 <= one < 2**32:
                raise self.wrong(f"{name}[{index}]", one, "a token id")
        return value

    def mistyped(self, message: str, name: str) -> BodyFailure:
        """The failure of a field that is not what it should be, as `message` says behind its place."""
        return BodyFailure(422, f"{_TYPES}{self.place}{name}: {message}", name)

    def wrong(self, name: str, value: Any, expected: str) -> BodyFailure:
        """The failure of a field with a value of another type."""
        kind = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
        found = kind.get(type(value)) or f"the number {shown(value, 40)}"
        return self.mistyped(f"found {found}, expected {expected}", name)
