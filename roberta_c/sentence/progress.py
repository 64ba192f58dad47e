"""The progress bar of a long call, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from ..errors import InputError, mismatch, shown

_Item = TypeVar("_Item")


def is_shown(show_progress_bar: Any, logger: logging.Logger) -> bool:
    """Whether a call shows a bar; None: whether `logger` shows messages of level INFO. Raises InputError."""
    _check(show_progress_bar)
    return logger.isEnabledFor(logging.INFO) if show_progress_bar is None else bool(show_progress_bar)


def is_shown_for_many(show_progress_bar: Any, count: int, batch_size: int) -> bool | None:
    """Whether a call shows a bar; None: where standard error is a terminal, if `count` is more than a batch.

    Raises InputError.
    """
    _check(show_progress_bar)
    if show_progress_bar is not None:
        return bool(show_progress_bar)
    return None if count > batch_size else False


def _check(show_progress_bar: Any) -> None:
    if not isinstance(show_progress_bar, bool | None):
        raise InputError(mismatch("show_progress_bar", shown(show_progress_bar), "True, False or None"))


def with_progress_bar(
    items: Iterable[_Item], total: int, unit: str = "text", shows_bar: bool | None = True
) -> Iterator[_Item]:
    """`items`, counted by a bar. shows_bar: None for whether standard error is a terminal."""
    if shows_bar is False:
        return iter(items)
    from tqdm import tqdm  # type: ignore[import-untyped]

    disable = None if shows_bar is None else False  # None: tqdm looks where it writes to
    return iter(tqdm(items, total=total, desc=f"{unit.capitalize()}s", unit=unit, disable=disable))
