"""`pipeline(task, model)`: a callable from texts to results, with transformers' names and results.

>>> classify = pipeline("text-classification")  # the bundled model
>>> [result["label"] for result in classify(["I love this!", "this is the worst service ever"])]
['positive', 'negative']
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import given_config, load_config
from ..config.load_keywords import PIPELINE_KEYWORDS, without_foreign
from ..errors import InputError, mismatch, shown
from ..files import hub
from ..files.file_sets import CONFIG, TOKENIZER
from ..files.hub_options import KEYWORDS, HubOptions
from ..machine.devices import is_cpu

if TYPE_CHECKING:
    from .base import Pipeline
    from .options import PipelineOptions

__all__ = ["TASKS", "pipeline"]

logger = logging.getLogger(__name__)

# A task's name → the file of this folder and the class in it; the file is imported when the task is used.
TASKS = {
    "text-classification": ("text_classification", "TextClassificationPipeline"),
    "token-classification": ("token_classification", "TokenClassificationPipeline"),
    "question-answering": ("question_answering", "QuestionAnsweringPipeline"),
    "fill-mask": ("fill_mask", "FillMaskPipeline"),
    "zero-shot-classification": ("zero_shot_classification", "ZeroShotClassificationPipeline"),
    "feature-extraction": ("feature_extraction", "FeatureExtractionPipeline"),
}
TASK_ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}
# How an entry of a config's `architectures` ends → the task of such a model.
TASK_OF_ARCHITECTURE = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "Model": "feature-extraction",
}
TOKENIZER_FORMS = "a folder, a Hub repository's name or a loaded tokenizer"

PipelineT = TypeVar("PipelineT", bound="Pipeline[Any, Any, Any]")


def pipeline(
    task: str | None = None,
    model: Any = None,
    config: Any = None,
    tokenizer: Any = None,
    *,
    dtype: Any = None,
    torch_dtype: Any = None,
    num_threads: int | None = None,
    allow_nonfinite: bool = False,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    device: Any = None,
    model_kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A callable that runs `task` with `model`: an instance of the class of TASKS.

    task: a name of TASKS; "sentiment-analysis" and "ner" are other names for text and token classification.
        None: the task of the model's architecture.
    model: a folder, a Hub repository's name, or a loaded model; None for the bundled one, which classifies
        texts.
    config: the RobertaConfig of a model that is loaded here, or the folder or Hub repository that has it;
        None for the model's own.
    tokenizer: a folder, a Hub repository's name or a loaded tokenizer. None loads it from the model's files,
        so that the model must be given by path or name.
    dtype, torch_dtype, num_threads: the arithmetic (None: "float32") and the threads of a model that is
        loaded here. With a loaded model: None, or the values it has.
    allow_nonfinite: whether the weights of a model that is loaded here may be NaN or infinite.
    revision, token, cache_dir, local_files_only: where a Hub repository's files come from.
    device: None, -1, "cpu" or torch's device of that name, which all mean the CPU.
    model_kwargs: more keywords for the model's `from_pretrained`; those of the Hub are the tokenizer's too.
    options: the task's own options (see its class), as defaults for every call; and keywords of transformers
        that need nothing done here.

    Raises InputError for a bad argument, and what loading raises: ModelFileError, UnsafeFileError,
    TokenizerFileError, HubError.
    """
    names = f"one of {', '.join((*TASKS, *TASK_ALIASES))}"
    is_named = isinstance(task, str) and TASK_ALIASES.get(task, task) in TASKS
    if not is_named and (task is not None or model is None):
        raise InputError(mismatch("task", shown(task), names))
    if not is_cpu(device):
        raise InputError(mismatch("device", shown(device), "'cpu', -1 or None"))
    options = without_foreign(options, PIPELINE_KEYWORDS)
    keywords = {} if model_kwargs is None else model_kwargs
    if not isinstance(keywords, dict) or not all(isinstance(key, str) for key in keywords):
        raise InputError(mismatch("model_kwargs", shown(model_kwargs), "a dict of keywords or None"))
    named = {
        "dtype": dtype,
        "torch_dtype": torch_dtype,
        "num_threads": num_threads,
        "allow_nonfinite": allow_nonfinite,
        "config": config,
    }
    from_hub: dict[str, Any] = dict(
        zip(KEYWORDS, (revision, token, cache_dir, local_files_only), strict=True)
    )
    for name, value in keywords.items():
        if (named | from_hub).get(name) not in (None, False):
            raise InputError(mismatch(f"model_kwargs: {name}", "it as a keyword of pipeline too", "it once"))
        (from_hub if name in from_hub else named)[name] = value

    hub_options = of_model = HubOptions(**from_hub)
    has_own_config = hub.is_same_place(named["config"], model)
    if isinstance(model, (str, os.PathLike)) and (task is None or has_own_config):
        of_model = hub.pinned(model, hub_options)
    named["config"] = given_config(named["config"], of_model if has_own_config else hub_options)
    if task is None:
        task = _task_of(model, of_model, names)
    file, name = TASKS[TASK_ALIASES.get(task, task)]
    task_class: type[Pipeline[Any, Any, Any]] = getattr(importlib.import_module(f"{__name__}.{file}"), name)
    chosen = task_class.options_class().changed(options)  # before loading: a bad option fails at once
    return load_pipeline(task_class, model, tokenizer, hub_options, chosen, of_model, **named)


def load_pipeline(
    task_class: type[PipelineT],
    model: Any,
    tokenizer: Any,
    hub_options: HubOptions,
    options: PipelineOptions,
    of_model: HubOptions | None = None,
    *,
    dtype: Any = None,
    torch_dtype: Any = None,
    num_threads: int | None = None,
    allow_nonfinite: bool = False,
    config: Any = None,
    **model_keywords: Any,
) -> PipelineT:
    """What `pipeline` returns, from a task's class and checked options. Raises as `pipeline` does.

    of_model: the Hub's options of the model's own files, if its commit is known; None: hub_options.
    """
    if model is None:
        revision = hub_options.revision
        if tokenizer is not None or revision is not None:
            given, value = ("tokenizer", tokenizer) if tokenizer is not None else ("revision", revision)
            raise InputError(mismatch(given, f"{shown(value)} without a model", "a model too"))
        from ..files.bundled import BUNDLED_MODEL, bundled_model_path

        logger.info("no model named: using %s", BUNDLED_MODEL)
        model = bundled_model_path()
    if isinstance(model, (str, os.PathLike)):
        from ..model import dtype_name

        dtype = dtype_name(dtype, torch_dtype)  # before anything is read: a bad name fails at once
        model = model if isinstance(model, str) else Path(model)
        of_model = of_model or hub_options
        has_own_tokenizer = tokenizer is None or hub.is_same_place(tokenizer, model)
        # The config first: it tells a model of another kind from one whose tokenizer is missing.
        if config is None or has_own_tokenizer:
            of_model = hub.pinned(model, of_model, CONFIG if config is None else TOKENIZER)
        config = load_config(model, of_model) if config is None else config
        tokenizer = _tokenizer(model, of_model) if has_own_tokenizer else _tokenizer(tokenizer, hub_options)
        model = task_class.auto_class.load(
            model,
            of_model,
            config=config,
            dtype=dtype,
            num_threads=num_threads,
            allow_nonfinite=allow_nonfinite,
            **model_keywords,
        )
    else:
        _check_loaded(task_class, model, dtype, torch_dtype, num_threads)
        own = {"config": config, "allow_nonfinite": allow_nonfinite or None, **model_keywords}
        for name, value in own.items():
            if value is not None and not (name == "config" and value == model.config):
                raise InputError(mismatch(name, shown(value), "None, because the model is a loaded one"))
        if tokenizer is None:
            raise InputError(
                mismatch("tokenizer", "None", f"{TOKENIZER_FORMS}, because the model is a loaded one")
            )
        tokenizer = _tokenizer(tokenizer, hub_options)
    return task_class(model, tokenizer, options)


def _task_of(model: Any, hub_options: HubOptions, names: str) -> str:
    """The task of a model's class or of its config's architecture. Raises InputError if that is not clear."""
    if isinstance(model, (str, os.PathLike)):
        architectures = load_config(model, hub_options).architectures or []
    else:
        architectures = [type(model).__name__]
    tasks = {
        task
        for architecture in architectures
        for ending, task in TASK_OF_ARCHITECTURE.items()
        if re.fullmatch(f"(XLMRoberta|Roberta){ending}", str(architecture))
    }
    if len(tasks) != 1:
        found = f"None for a model of architectures {shown(architectures)}"
        raise InputError(mismatch("task", found, names))
    return tasks.pop()


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
    task_class: type[Pipeline[Any, Any, Any]], model: Any, dtype: Any, torch_dtype: Any, num_threads: Any
) -> None:
    """Raise InputError unless a loaded `model` is one for the task, with this dtype and thread count."""
    if not isinstance(model, task_class.model_class):
        name = task_class.model_class.__name__
        expected = f"a folder, a Hub repository's name or a {name} (or XLMRoberta…)"
        raise InputError(mismatch("model", type(model).__name__, expected))
    from ..model import dtype_name

    if not (dtype is None and torch_dtype is None) and dtype_name(dtype, torch_dtype) != model.dtype:
        expected = f"None or {model.dtype!r}, the loaded model's"
        raise InputError(mismatch("dtype", shown(torch_dtype if dtype is None else dtype), expected))
    if num_threads not in (None, model.num_threads):
        expected = f"None or {model.num_threads}, the loaded model's"
        raise InputError(mismatch("num_threads", shown(num_threads), expected))
