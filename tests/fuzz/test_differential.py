"""Changed weight files: read here and by torch or safetensors, they have the same tensors, bit for bit."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
import safetensors.torch
import torch
from samples.checkpoints import DTYPES, torch_bytes

from roberta_c.checkpoint import open_checkpoint
from roberta_c.errors import RobertaCError

from . import mutations
from .harness import CORPUS

CHANGES = 1500
# What is refused there alone has nothing to do with tensors: the entry `version` is missing or followed by
# other bytes, two more of torch's entries are no text or no number, metadata have half a surrogate pair.
NO_MATTER = re.compile("version|invalid literal for int|codec can't decode|hex escape")
Tensors = dict[str, tuple[torch.dtype, tuple[int, ...], bytes]]


def read_here(path: Path) -> Tensors:
    """Name → dtype, shape and bytes in C order. Raises RobertaCError."""
    checkpoint = open_checkpoint(path)
    arrays = {name: checkpoint.read(name) for name in checkpoint}
    dtypes = {name: DTYPES[info.dtype] for name, info in checkpoint.tensors.items()}
    return {name: (dtypes[name], array.shape, array.tobytes()) for name, array in arrays.items()}


def read_there(path: Path, kind: str) -> Tensors:
    """The same by torch or safetensors, which raise errors of many types."""
    if kind == "safetensors":
        state = safetensors.torch.load_file(path)
    else:
        state = torch.load(path, weights_only=True, map_location="cpu")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    return {
        name: (value.dtype, tuple(value.shape), torch_bytes(value.contiguous()))
        for name, value in tensors.items()
    }


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.filterwarnings("ignore")  # torch warns of what it finds odd in some of the files
def test_two_readers_of_one_file_read_the_same(kind, tmp_path):
    mutate = getattr(mutations, f"of_{kind}")
    rng, path = Random(15), tmp_path / "model"
    seeds = [honest.read_bytes() for honest in sorted((CORPUS / kind).glob("seed-*"))]
    read = 0
    for _ in range(CHANGES):
        path.unlink(missing_ok=True)  # torch's reader may still have the last file mapped
        path.write_bytes(mutate(rng.choice(seeds), rng))
        try:
            here = read_here(path)
        except RobertaCError:
            continue
        read += 1
        try:
            there = read_there(path, kind)
        except Exception as error:
            if NO_MATTER.search(str(error)) is None:
                raise
            continue
        assert here == there
    assert read > CHANGES / 20
