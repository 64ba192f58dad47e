"""Checkpoints in several files with a shard index."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .checkpoints import (
    plain_state_dict,
    woven_state_dict,
)


def write_index(folder: Path, weight_map: object, name: str = "pytorch_model.bin.index.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return path


def sharded(folder: Path) -> dict[str, torch.Tensor]:
    """A checkpoint of two shards, one zip and one legacy, whose index is in an order of its own."""
    first, second = plain_state_dict(), woven_state_dict()
    torch.save(first, folder / "part-1.bin")
    torch.save(second, folder / "part-2.bin", _use_new_zipfile_serialization=False)
    weight_map = {}
    for one, other in zip(sorted(first), sorted(second), strict=True):
        weight_map |= {other: "part-2.bin", one: "part-1.bin"}
    write_index(folder, weight_map)
    return {name: (first | second)[name] for name in weight_map}
