"""Names of columns and labels: which is there twice, which no table can hold, and how messages list them."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InputError, mismatch, shown

_MOST_LISTED = 20


def repeated(names: Iterable[str]) -> str | None:
    """The first name that has been there before; None if all are different."""
    before: set[str] = set()
    for name in names:
        if name in before:
            return name
        before.add(name)
    return None


def check_encodable(names: Iterable[str], place: str) -> None:
    """Raise InputError for a name with half of a surrogate pair, as an escape in JSON can make one."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InputError(mismatch(place, shown(name), "text that UTF-8 can encode")) from None


def listed(names: Iterable[str]) -> str:
    """The first names, for a message, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _MOST_LISTED:,} more" if len(every) > _MOST_LISTED else ""
    return (", ".join(map(shown, every[:_MOST_LISTED])) or "(none)") + more
