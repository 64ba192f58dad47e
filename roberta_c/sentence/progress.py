"""The progress bar of a long call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def with_progress_bar(items: Iterable[_Item], total: int) -> Iterator[_Item]:
    """`items`, counted by a bar on standard error."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    yield from tqdm(items, total=total, desc="Texts", unit="text")
