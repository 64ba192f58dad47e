"""A sentence-transformers folder or Hub repository → its modules and settings.

modules.json lists the modules and their folders, under names of old and new versions. Without it, the folder
is an encoder's alone, whose tokens are pooled by their mean.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import HubError, InputError, ModelFileError, mismatch, shown
from ..files.file_sets import (
    CONFIG,
    ENCODER_SETTINGS,
    MODEL_SETTINGS,
    MODULE_LIST,
    MODULE_WEIGHTS,
    MODULES,
    SETTINGS,
    TOKENIZER,
    WEIGHTS,
    files_of_module,
)
from ..files.hub import ModelFiles
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions
from ..files.json_object import check_keys, is_there, read_object
from ..files.module_list import read_module_list
from .dense import load_dense
from .encoder_settings import EMBEDDING, read_encoder_settings
from .loading import keywords_of_parts, model_files
from .modules import Module, Normalize
from .pooling import Pooling
from .prompts import prompts_of_file
from .similarity import ALL_PAIRS
from .transformer import Transformer

logger = logging.getLogger(__name__)

SUPPORTED = ("Transformer", "Pooling", "Dense", "Normalize")
# Models of other classes of sentence-transformers → what to do with them.
_OTHER_CLASSES = {
    "CrossEncoder": ": load it with CrossEncoder",
    "SparseEncoder": ": this package does not support sparse encoders",
    "MultiVectorEncoder": ": this package does not support multi-vector encoders",
}
# Models of transformers, which have no organization. Any other bare name is one of sentence-transformers'.
_WITHOUT_ORGANIZATION = frozenset(
    (
        "distilroberta-base",
        "roberta-base",
        "roberta-base-openai-detector",
        "roberta-large",
        "roberta-large-mnli",
        "roberta-large-openai-detector",
        "xlm-roberta-base",
        "xlm-roberta-large",
        "xlm-roberta-large-finetuned-conll02-dutch",
        "xlm-roberta-large-finetuned-conll02-spanish",
        "xlm-roberta-large-finetuned-conll03-english",
        "xlm-roberta-large-finetuned-conll03-german",
    )
)


class LoadedModules(NamedTuple):
    """modules: in their order. files: that of each, for messages. settings: of the model, checked."""

    modules: list[Module]
    files: list[str]
    settings: dict[str, Any]


def with_organization(model: str | Path, organization: str = "sentence-transformers") -> str | Path:
    """A bare name as sentence-transformers takes it: of this organization, but for transformers' models."""
    is_name = (
        isinstance(model, str) and "/" not in model and os.sep not in model and not os.path.exists(model)
    )
    if not is_name or not model or str(model).lower() in _WITHOUT_ORGANIZATION:
        return model
    return f"{organization}/{model}"


@contextmanager
def naming_the_folder(model: str | Path, path_or_id: str | Path) -> Iterator[None]:
    """What a HubError about `path_or_id` says also of the bare name that it was made from: `model`."""
    try:
        yield
    except HubError as error:
        if path_or_id == model:
            raise
        raise HubError(f"{error}; no folder {shown(model)} exists") from error


def cache_of_sentence_transformers(folder: Any) -> Any:
    """The Hub's cache: a caller's folder; None: SENTENCE_TRANSFORMERS_HOME's, or else the client's, None."""
    return (os.environ.get("SENTENCE_TRANSFORMERS_HOME") or None) if folder is None else folder


def load_modules(
    path_or_id: str | Path,
    hub_options: HubOptions,
    **encoder_keywords: Any,
) -> LoadedModules:
    """The modules of a folder or Hub repository.

    encoder_keywords: model_kwargs, processor_kwargs, config_kwargs, dtype, num_threads, isa, allow_nonfinite
    of Transformer; a Dense has num_threads and isa, also. Raises ModelFileError, TokenizerFileError,
    HubError, InputError.
    """
    parts = keywords_of_parts(encoder_keywords)
    files = model_files(path_or_id, hub_options, parts)
    keywords = {**encoder_keywords, **parts}
    root = files.fetch(MODULE_LIST)
    if not is_there(root / MODULES):
        encoder = Transformer(path_or_id, hub_options=files.hub_options, **keywords)
        logger.warning("%s: no %s: the embedding is the mean of the tokens", path_or_id, MODULES)
        pooling = Pooling(encoder.get_embedding_dimension(), "mean")
        return LoadedModules([encoder, pooling], [str(path_or_id)] * 2, {})
    settings = _model_settings(files.fetch(MODEL_SETTINGS) / SETTINGS)
    modules: list[Module] = []
    module_files: list[str] = []
    for kind, folder in _listed(root / MODULES):
        module_files.append(str(root / folder / "config.json"))
        if kind == "Transformer":
            modules.append(_transformer(files, folder, keywords))
        else:
            modules.append(_other_module(files, kind, folder, keywords))
    return LoadedModules(modules, module_files, settings)


def _listed(path: Path) -> list[tuple[str, str]]:
    """The modules of modules.json: (one of SUPPORTED, folder). Raises ModelFileError."""
    listed = read_module_list(path)
    for index, module in enumerate(listed):
        if module.kind not in SUPPORTED:
            known = f"a sentence_transformers {', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}"
            raise ModelFileError(mismatch(f"{path}: [{index}]: type", shown(module.type_name), known))
    return [(module.kind, module.folder) for module in listed]


def _transformer(files: ModelFiles, folder: str, keywords: dict[str, Any]) -> Transformer:
    """The encoder in a folder: "" is the model's own, others are older versions' 0_Transformer."""
    encoder_folder = files.fetch(ENCODER_SETTINGS, folder)
    settings = read_encoder_settings(encoder_folder, EMBEDDING)
    if folder:
        for needed in (CONFIG, TOKENIZER, WEIGHTS):
            files.fetch(needed, folder)
        files = ModelFiles(encoder_folder, DEFAULT_OPTIONS)
    return Transformer.of_files(files, settings, **keywords)


def _other_module(files: ModelFiles, kind: str, folder: str, keywords: dict[str, Any]) -> Module:
    """A Pooling, Dense or Normalize."""
    path = files.fetch(files_of_module(kind)[0], folder) / "config.json"
    settings = {} if kind == "Normalize" and not is_there(path) else read_object(path)
    if kind == "Dense":
        threads, isa = keywords.get("num_threads"), keywords.get("isa")
        return load_dense(files.fetch(MODULE_WEIGHTS, folder), settings, threads, isa)
    if kind == "Normalize":
        check_keys(settings, ("module_input_name", "module_output_name"), path)
    try:
        return Pooling(**settings) if kind == "Pooling" else Normalize(**settings)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _model_settings(path: Path) -> dict[str, Any]:
    """prompts, default_prompt_name, similarity_fn_name and truncate_dim of the model, checked.

    Raises ModelFileError for values of another type, and for a model of another class.
    """
    if not is_there(path):
        return {}
    settings = read_object(path)
    model_type = settings.get("model_type", "SentenceTransformer")
    if model_type != "SentenceTransformer":
        expected = "'SentenceTransformer'"
        if isinstance(model_type, str):
            expected += _OTHER_CLASSES.get(model_type, "")
        raise ModelFileError(mismatch(f"{path}: model_type", shown(model_type), expected))
    settings["prompts"] = prompts_of_file(settings, path)
    for name, kind in (("default_prompt_name", str), ("similarity_fn_name", str), ("truncate_dim", int)):
        value = settings.get(name)
        if value is not None and type(value) is not kind:
            raise ModelFileError(mismatch(f"{path}: {name}", shown(value), kind.__name__))
    if settings.get("similarity_fn_name") not in (None, *ALL_PAIRS):
        # Such as that of a model with a vector for each token; sentence-transformers ignores it, too.
        logger.warning("%s: similarity_fn_name %r is not used", path, settings.pop("similarity_fn_name"))
    return settings
