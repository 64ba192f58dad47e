"""Settings of torch.save for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def writer_options(alignment: int = 64, crc32: bool = True) -> Iterator[None]:
    """Set torch.save's alignment of storages and its checksums, and restore them at the end."""
    from torch.utils.serialization import config

    before = config.save.storage_alignment
    config.save.storage_alignment = alignment
    torch.serialization.set_crc32_options(crc32)
    try:
        yield
    finally:
        config.save.storage_alignment = before
        torch.serialization.set_crc32_options(True)
