"""Settings under which tiny models use the cache, and what tests ask of a cached model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roberta_c import RobertaModel
from roberta_c.cache import settings

IDS = [[0, 5, 6, 7, 2], [0, 9, 2]]


def allow_tiny_models(patch: pytest.MonkeyPatch) -> None:
    """Files of any size and age are cached, on a disk as full as it may be."""
    patch.setattr(settings, "MIN_BYTES", 1)
    patch.setattr(settings, "SETTLED_SECONDS", -60)
    patch.setattr(settings, "AUTO_SETTLED_SECONDS", -60)
    patch.setattr(settings, "FREE_BYTES", 0)


def load(folder: Path, cache: Any, **options: Any) -> RobertaModel:
    """The model of `make_tiny_model`."""
    options = {"num_threads": 1, "add_pooling_layer": False, **options}
    return RobertaModel.from_pretrained(folder, cache=cache, **options)


def bits(model: RobertaModel) -> bytes:
    """The bits of the model's answer for IDS."""
    return b"".join(np.asarray(row).tobytes() for row in model(IDS).last_hidden_state)


def packed_files(folder: Path) -> list[Path]:
    """The complete files of a cache folder."""
    return sorted(folder.glob("*.packed"))
