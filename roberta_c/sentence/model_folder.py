"""A sentence-transformers folder or Hub repository → its modules and settings.

modules.json lists the modules and their folders, under names of old and new versions. Without it, the folder
is an encoder's alone, whose tokens are pooled by their mean.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from ..config.load_keywords import CONFIG_KEYWORDS, MODEL_KEYWORDS, TOKENIZER_KEYWORDS
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..files.json_object import read_object
from ..files.module_list import read_module_list
from .dense import load_dense
from .modules import Module, Normalize, Pooling
from .prompts import is_prompts
from .similarity import ALL_PAIRS
from .transformer import Transformer

logger = logging.getLogger(__name__)

MODULES, SETTINGS = "modules.json", "config_sentence_transformers.json"
SUPPORTED = ("Transformer", "Pooling", "Dense", "Normalize")
# Settings of an encoder for its parts, which _add_from_file reads.
_OF_PARTS = (
    "model_args",
    "model_kwargs",
    "config_args",
    "config_kwargs",
    "tokenizer_args",
    "processor_kwargs",
)
# Settings with the values that change nothing here; with another, vectors would be others.
_ONLY: dict[str, tuple[Any, ...]] = {
    "transformer_task": (None, "feature-extraction"),
    "module_output_name": (None, "token_embeddings"),
    "modality_config": (None, {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
    "processing_kwargs": (None, {}),
    "unpad_inputs": (None, True, False),
    **dict.fromkeys(
        ("query_length", "document_length", "query_expansion", "tokenizer_name_or_path"), (None,)
    ),
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
    """modules: in their order. places: the file of each, for messages. settings: of the model, checked."""

    modules: list[Module]
    places: list[str]
    settings: dict[str, Any]


def with_organization(model: str | Path, organization: str = "sentence-transformers") -> str | Path:
    """A bare name as sentence-transformers takes it: of this organization, but for transformers' models."""
    is_name = (
        isinstance(model, str) and "/" not in model and os.sep not in model and not os.path.exists(model)
    )
    if not is_name or not model or str(model).lower() in _WITHOUT_ORGANIZATION:
        return model
    return f"{organization}/{model}"


class ModelFolder:
    """The files of a folder or of one commit of a Hub repository."""

    def __init__(self, path_or_id: str | Path, hub_options: hub.HubOptions) -> None:
        """Fetches the files at the top. Raises HubError, InputError."""
        self.path_or_id = path_or_id
        self.root = hub.resolve(path_or_id, hub.SENTENCE, hub_options)
        self.is_local = os.path.isdir(path_or_id)
        is_commit = not self.is_local and re.fullmatch(r"[0-9a-f]{40}", self.root.name)
        # All files are of one commit, that of the first.
        self.hub_options = (
            dataclasses.replace(hub_options, revision=self.root.name) if is_commit else hub_options
        )

    def fetch(self, folder: str, files: hub.FileSet) -> Path:
        """The path of a folder in it, with those of `files` that exist."""
        if not self.is_local:
            hub.resolve(self.path_or_id, hub.below(folder, files), self.hub_options)
        return self.root / folder if folder else self.root


def load_modules(
    path_or_id: str | Path,
    hub_options: hub.HubOptions,
    **encoder_keywords: Any,
) -> LoadedModules:
    """The modules of a folder or Hub repository.

    encoder_keywords: model_kwargs, processor_kwargs, config_kwargs, dtype, num_threads, isa of Transformer;
    a Dense has the last two, also. Raises ModelFileError, TokenizerFileError, HubError, InputError.
    """
    files = ModelFolder(path_or_id, hub_options)
    if not (files.root / MODULES).exists():
        encoder = Transformer(path_or_id, hub_options=files.hub_options, **encoder_keywords)
        logger.warning("%s: no %s: the embedding is the mean of the tokens", path_or_id, MODULES)
        pooling = Pooling(encoder.get_embedding_dimension(), "mean")
        return LoadedModules([encoder, pooling], [str(path_or_id)] * 2, {})
    settings = _model_settings(files.root / SETTINGS)
    modules: list[Module] = []
    places: list[str] = []
    for kind, folder in _listed(files.root / MODULES):
        if kind == "Transformer":
            modules.append(_transformer(files, folder, encoder_keywords))
            places.append(str(files.root / folder / "config.json"))
            continue
        path = files.fetch(folder, hub.MODULE_CONFIG) / "config.json"
        places.append(str(path))
        modules.append(_other_module(files, kind, folder, path, encoder_keywords))
    return LoadedModules(modules, places, settings)


def _listed(path: Path) -> list[tuple[str, str]]:
    """The modules of modules.json: (one of SUPPORTED, folder). Raises ModelFileError."""
    listed = read_module_list(path)
    for index, module in enumerate(listed):
        if module.kind not in SUPPORTED:
            known = f"a sentence_transformers {', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}"
            raise ModelFileError(mismatch(f"{path}: [{index}]: type", shown(module.type_name), known))
    return [(module.kind, module.folder) for module in listed]


def _other_module(files: ModelFolder, kind: str, folder: str, path: Path, keywords: dict[str, Any]) -> Module:
    """A Pooling, Dense or Normalize. path: its config.json, which a Normalize may lack."""
    if kind == "Normalize" and not path.exists():
        return Normalize()
    settings = read_object(path)
    if kind == "Dense":
        threads, isa = keywords.get("num_threads"), keywords.get("isa")
        return load_dense(files.fetch(folder, hub.MODULE_WEIGHTS), settings, threads, isa)
    try:
        if kind == "Pooling":
            return Pooling(**{name: value for name, value in settings.items() if name != "self"})
        names = ("module_input_name", "module_output_name")
        return Normalize(**{name: settings[name] for name in names if name in settings})
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _transformer(
    files: ModelFolder,
    folder: str,
    encoder_keywords: dict[str, Any],
) -> Transformer:
    """The encoder in a folder: "" is the model's own, others are older versions' 0_Transformer."""
    place = files.fetch(folder, hub.ENCODER_SETTINGS)
    path = next((place / name for name in hub.SENTENCE_SETTINGS if (place / name).exists()), None)
    settings = {} if path is None else read_object(path)
    for name, value in settings.items():
        if name in ("max_seq_length", "do_lower_case", *_OF_PARTS):
            continue
        if name not in _ONLY or value not in _ONLY[name]:
            expected = f"{_ONLY[name][-1]!r}" if name in _ONLY else "no such setting"
            raise ModelFileError(mismatch(f"{path}: {name}", shown(value), expected))
    keywords = dict(encoder_keywords)
    _add_from_file(keywords, "config_kwargs", settings, ("config_args", "config_kwargs"), path)
    _add_from_file(keywords, "processor_kwargs", settings, ("tokenizer_args", "processor_kwargs"), path)
    _add_from_file(keywords, "model_kwargs", settings, ("model_args", "model_kwargs"), path)
    options = files.hub_options
    model: str | Path = files.path_or_id
    if folder:
        for files_of_part in (hub.CONFIG, hub.TOKENIZER, hub.WEIGHTS):
            files.fetch(folder, files_of_part)
        model, options = place, hub.DEFAULT_OPTIONS
    try:
        return Transformer(
            model,
            settings.get("max_seq_length"),
            settings.get("do_lower_case") or False,
            hub_options=options,
            **keywords,
        )
    except InputError as error:
        if str(error).startswith(("max_seq_length", "do_lower_case")):
            raise ModelFileError(f"{path}: {error}") from None
        raise


def _add_from_file(
    keywords: dict[str, Any],
    name: str,
    settings: dict[str, Any],
    names_in_file: tuple[str, ...],
    path: Path | None,
) -> None:
    """Put the keywords that a file has for the encoder below those of the caller.

    Left out are those that need nothing done here, or name an arithmetic: that is the caller's choice.
    """
    left_out = {*MODEL_KEYWORDS, *CONFIG_KEYWORDS, *TOKENIZER_KEYWORDS, "dtype", "torch_dtype"}
    for name_in_file in names_in_file:
        found = settings.get(name_in_file) or {}
        if not isinstance(found, dict):
            raise ModelFileError(mismatch(f"{path}: {name_in_file}", shown(found), "an object"))
        kept = {key: value for key, value in found.items() if key not in left_out}
        if kept:
            keywords[name] = {**kept, **(keywords.get(name) or {})}


def _model_settings(path: Path) -> dict[str, Any]:
    """prompts, default_prompt_name, similarity_fn_name and truncate_dim of the model, checked.

    Raises ModelFileError for values of another type, and for a model of another class.
    """
    if not path.exists():
        return {}
    settings = read_object(path)
    model_type = settings.get("model_type", "SentenceTransformer")
    if model_type != "SentenceTransformer":
        raise ModelFileError(mismatch(f"{path}: model_type", shown(model_type), "'SentenceTransformer'"))
    prompts = settings.get("prompts")
    if prompts is not None and not is_prompts(prompts):
        raise ModelFileError(mismatch(f"{path}: prompts", shown(prompts), "an object of strings"))
    for name, kind in (("default_prompt_name", str), ("similarity_fn_name", str), ("truncate_dim", int)):
        value = settings.get(name)
        if value is not None and type(value) is not kind:
            raise ModelFileError(mismatch(f"{path}: {name}", shown(value), kind.__name__))
    if settings.get("similarity_fn_name") not in (None, *ALL_PAIRS):
        # Such as that of a model with a vector for each token; sentence-transformers ignores it, too.
        logger.warning("%s: similarity_fn_name %r is not used", path, settings.pop("similarity_fn_name"))
    return settings
