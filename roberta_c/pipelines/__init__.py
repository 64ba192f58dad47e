"""`pipeline(task, model)`: a callable from texts to results, with transformers' names and results.

>>> classify = pipeline("text-classification")  # the bundled model
>>> [result["label"] for result in classify(["I love this!", "this is the worst service ever"])]
['positive', 'negative']
"""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError, mismatch, shown
from ..files.hub import HubOptions

if TYPE_CHECKING:
    from .base import Pipeline
    from .options import PipelineOptions
    from .text_classification import TextClassificationPipeline

__all__ = ["TASKS", "pipeline"]

logger = logging.getLogger(__name__)

# A task's name → the file of this folder and the class in it; the file is imported when the task is used.
TASKS = {"text-classification": ("text_classification", "TextClassificationPipeline")}
TASK_ALIASES = {"sentiment-analysis": "text-classification"}
CPU_NAMES = (None, -1, "cpu")
TOKENIZER_FORMS = "a folder, a Hub repository's name or a loaded tokenizer"

PipelineT = TypeVar("PipelineT", bound="Pipeline[Any, Any]")


def pipeline(
    task: str,
    model: Any = None,
    tokenizer: Any = None,
    *,
    dtype: str | None = None,
    num_threads: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: Any = None,
    **options: Any,
) -> TextClassificationPipeline:
    """A callable that runs `task` with `model`.

    task: "text-classification", or "sentiment-analysis", another name for it.
    model: a folder, a Hub repository's name, or a loaded model; None for the bundled one.
    tokenizer: a folder, a Hub repository's name or a loaded tokenizer. None loads it from the model's files,
        so that the model must be given by path or name.
    dtype, num_threads: the arithmetic (None: "float32") and the threads of a model that is loaded here. With
        a loaded model: None, or the values it has.
    revision, token, cache_dir, local_files_only: where a Hub repository's files come from.
    device: None, -1 or "cpu", which all mean the CPU.
    options: the task's own options (see ClassifyOptions), as defaults for every call.

    Raises InputError for a bad argument, and what loading raises: ModelFileError, UnsafeFileError,
    TokenizerFileError, HubError.
    """
    entry = TASKS.get(TASK_ALIASES.get(task, task)) if isinstance(task, str) else None
    if entry is None:
        raise InputError(mismatch("task", shown(task), f"one of {', '.join((*TASKS, *TASK_ALIASES))}"))
    if not isinstance(device, (str, int, type(None))) or device not in CPU_NAMES:
        raise InputError(mismatch("device", shown(device), "'cpu', -1 or None"))

    file, name = entry
    task_class: type[TextClassificationPipeline] = getattr(
        importlib.import_module(f"{__name__}.{file}"), name
    )
    chosen = task_class.options_class().changed(options)  # before loading: a bad option fails at once
    hub_options = HubOptions(revision, token, cache_dir, local_files_only)
    return load_pipeline(
        task_class, model, tokenizer, hub_options, chosen, dtype=dtype, num_threads=num_threads
    )


def load_pipeline(
    task_class: type[PipelineT],
    model: Any,
    tokenizer: Any,
    hub_options: HubOptions,
    options: PipelineOptions,
    *,
    dtype: str | None = None,
    num_threads: int | None = None,
) -> PipelineT:
    """What `pipeline` returns, from a task's class and checked options. Raises as `pipeline` does."""
    if model is None:
        revision = hub_options.revision
        if tokenizer is not None or revision is not None:
            given, value = ("tokenizer", tokenizer) if tokenizer is not None else ("revision", revision)
            raise InputError(mismatch(given, f"{shown(value)} without a model", "a model too"))
        from ..files.bundled import BUNDLED_MODEL, bundled_model_path

        logger.info("no model named: using %s", BUNDLED_MODEL)
        model = bundled_model_path()
    if isinstance(model, (str, os.PathLike)):
        model = model if isinstance(model, str) else Path(model)
        tokenizer = _tokenizer(model if tokenizer is None else tokenizer, hub_options)
        model = task_class.auto_class.load(
            model, hub_options, dtype=dtype or "float32", num_threads=num_threads
        )
    else:
        _check_loaded(task_class, model, dtype, num_threads)
        if tokenizer is None:
            raise InputError(
                mismatch("tokenizer", "None", f"{TOKENIZER_FORMS}, because the model is a loaded one")
            )
        tokenizer = _tokenizer(tokenizer, hub_options)
    return task_class(model, tokenizer, options)


def _tokenizer(tokenizer: Any, hub_options: HubOptions) -> Any:
    """The tokenizer that `tokenizer` names, loaded, or `tokenizer` itself if it is a loaded one."""
    if isinstance(tokenizer, (str, os.PathLike)):
        from ..tokenizer import AutoTokenizer

        path_or_id = tokenizer if isinstance(tokenizer, str) else Path(tokenizer)
        return AutoTokenizer.load(path_or_id, hub_options)
    if not callable(tokenizer):
        raise InputError(mismatch("tokenizer", shown(tokenizer), TOKENIZER_FORMS))
    return tokenizer


def _check_loaded(
    task_class: type[Pipeline[Any, Any]], model: Any, dtype: str | None, num_threads: int | None
) -> None:
    """Raise InputError unless a loaded `model` is one for the task, with this dtype and thread count."""
    if not isinstance(model, task_class.model_class):
        name = task_class.model_class.__name__
        expected = f"a folder, a Hub repository's name or a {name} (or XLMRoberta…)"
        raise InputError(mismatch("model", type(model).__name__, expected))
    if dtype not in (None, model.dtype):
        expected = f"None or {model.dtype!r}, the loaded model's"
        raise InputError(mismatch("dtype", shown(dtype), expected))
    if num_threads not in (None, model.num_threads):
        expected = f"None or {model.num_threads}, the loaded model's"
        raise InputError(mismatch("num_threads", shown(num_threads), expected))
