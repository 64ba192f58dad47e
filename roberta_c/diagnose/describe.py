"""A model described: its files, its configuration, its modules, its tokenizer and its load report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import HubError, TokenizerFileError
from ..files import hub
from ..files.file_sets import WEIGHTS
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..model import PreTrainedModel
    from ..tokenizer.pretrained import PreTrainedTokenizerFast

_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "pad_token_id",
)


@dataclass(frozen=True)
class OpenedModel:
    """A loaded checkpoint.

    model: with its head if the checkpoint has one; else the base model.
    tokenizer: None if it could not be loaded; then tokenizer_error says why.
    load_ms: milliseconds to load the "model" and the "tokenizer", without importing the libraries.
    """

    checkpoint: Checkpoint
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast | None
    tokenizer_error: TokenizerFileError | HubError | None
    load_ms: dict[str, float]


def open_model(
    path_or_id: str | Path,
    hub_options: HubOptions = DEFAULT_OPTIONS,
    *,
    num_threads: int | None = None,
    dtype: str | None = None,
    cache: str | Path | None = "auto",
) -> OpenedModel:
    """Loads the model and the tokenizer of a folder or Hub repository.

    num_threads, dtype, cache: as for from_pretrained.

    Raises what loading the model raises. A tokenizer that cannot be loaded is not an error here.
    """
    from ..checkpoint import names, open_checkpoint
    from ..config import load_config
    from ..model.auto import auto_class_of
    from ..tokenizer import AutoTokenizer

    files = hub.ModelFiles(path_or_id, hub_options)
    checkpoint = open_checkpoint(files.fetch(WEIGHTS))
    hub_options = files.hub_options
    stored = names.canonical_names(checkpoint.tensors, str(checkpoint.files[0]))
    config = load_config(path_or_id, hub_options)
    auto_class = auto_class_of(config, stored)
    started = time.perf_counter()
    model = auto_class.load(
        path_or_id, hub_options, config=config, num_threads=num_threads, dtype=dtype, cache=cache
    )
    loaded = time.perf_counter()
    tokenizer, tokenizer_error = None, None
    try:
        tokenizer = AutoTokenizer.load(path_or_id, hub_options)
    except (TokenizerFileError, HubError) as error:
        tokenizer_error = error
    load_ms = {"model": (loaded - started) * 1e3, "tokenizer": (time.perf_counter() - loaded) * 1e3}
    return OpenedModel(checkpoint, model, tokenizer, tokenizer_error, load_ms)


def description(opened: OpenedModel) -> dict[str, Any]:
    """The facts about a loaded model, as a dict that JSON can hold."""
    model, checkpoint = opened.model, opened.checkpoint
    config, report = model.config, model.load_report
    return {
        "model": model.name_or_path,
        "class": type(model).__name__,
        "model_type": config.model_type,
        "config": {name: getattr(config, name) for name in _SIZES},
        "position_limit": config.max_tokens,
        "problem_type": config.problem_type,
        "labels": [config.id2label[index] for index in range(config.num_labels)],
        "files": [str(path) for path in checkpoint.files],
        "format": checkpoint.format,
        "stored_dtypes": sorted({info.dtype for info in checkpoint.tensors.values()}),
        "stored_values": sum(prod(info.shape) for info in checkpoint.tensors.values()),
        "arithmetic": model.dtype,
        "isa": model.kernels.isa,
        "num_threads": model.num_threads,
        "tree": repr(model),
        "tokenizer": _tokenizer_text(opened),
        "load_report": {
            "missing": list(report.missing),
            "unexpected": list(report.unexpected),
            "tied": [list(pair) for pair in report.tied],
        },
    }


def _tokenizer_text(opened: OpenedModel) -> str:
    return f"no tokenizer: {opened.tokenizer_error}" if opened.tokenizer is None else repr(opened.tokenizer)
