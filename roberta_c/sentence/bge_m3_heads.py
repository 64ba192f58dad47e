"""The two linear layers that bge-m3 has beside its encoder, from sparse_linear.pt and colbert_linear.pt."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checkpoint import FLOAT_DTYPES, open_checkpoint
from ..errors import ModelFileError, mismatch, shown
from ..files.file_sets import BGE_M3_HEADS, COLBERT, SPARSE
from ..files.hub import ModelFiles
from ..files.hub_options import HubOptions
from ..files.json_object import is_there
from ..model.leaves import Linear

if TYPE_CHECKING:
    from ..model import RobertaModel

__all__ = ["COLBERT", "SPARSE", "BGEM3Heads"]


class BGEM3Heads:
    """sparse: H → 1, the weight of a token; colbert: H → colbert_dim, the vector of a token. None if the file
    is not there."""

    def __init__(self, model: RobertaModel, hub_options: HubOptions, colbert_dim: int) -> None:
        """hub_options: of a Hub repository; its files are taken from the model's own commit. colbert_dim: how
        many numbers a token's vector has; 0 or less: H.

        Raises ModelFileError, UnsafeFileError, HubError.
        """
        hidden = model.config.hidden_size
        hub_options = dataclasses.replace(hub_options, revision=model.hub_options.revision)
        self._given = model, dataclasses.replace(hub_options, token=None), colbert_dim
        self.folder = ModelFiles(model.name_or_path, hub_options).fetch(BGE_M3_HEADS)
        self.sparse = _read_head(self.folder / SPARSE, model, (1, hidden), "")
        columns = hidden if colbert_dim <= 0 else colbert_dim
        advice = f" (colbert_dim={columns})"
        self.colbert = _read_head(self.folder / COLBERT, model, (columns, hidden), advice)

    def __reduce__(self) -> tuple[Any, ...]:
        """The layers pickle as what they were read with, without the Hub's token."""
        return BGEM3Heads, self._given

    def needed(self, file_name: str) -> Linear:
        """The layer of this file. Raises ModelFileError if the file is not there."""
        head = self.sparse if file_name == SPARSE else self.colbert
        if head is None:
            expected = "it beside the weights: without it there are dense vectors alone"
            raise ModelFileError(mismatch(self.folder / file_name, "no such file", expected))
        return head


def _read_head(path: Path, model: RobertaModel, shape: tuple[int, int], advice: str) -> Linear | None:
    if not is_there(path):
        return None
    checkpoint = open_checkpoint(path)
    shapes = {"weight": shape, "bias": shape[:1]}
    if set(checkpoint.tensors) != set(shapes):
        raise ModelFileError(
            mismatch(path, f"the tensors {shown(list(checkpoint.tensors))}", "weight and bias")
        )
    for name, expected in shapes.items():
        info = checkpoint.tensors[name]
        if info.shape != expected:
            raise ModelFileError(mismatch(f"{path}: {name}", f"shape {info.shape}", f"{expected}{advice}"))
        if info.dtype not in FLOAT_DTYPES:
            raise ModelFileError(mismatch(f"{path}: {name}", f"dtype {info.dtype}", ", ".join(FLOAT_DTYPES)))
    weight, bias = (checkpoint.read_float32(name) for name in ("weight", "bias"))
    if not all(np.isfinite(values).all() for values in (weight, bias)):
        raise ModelFileError(mismatch(path, "numbers that are NaN or infinite", "finite ones"))
    (packed,) = model.kernels.pack_linears([([weight], [bias], None)], model.num_threads, "float32")
    return Linear(packed, model.num_threads)
