"""FlagAutoModel and FlagAutoReranker: the class that fits a model, by its name or files."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from ..config.plain_values import plain_value
from ..errors import InputError, mismatch, shown
from ..files.file_sets import BGE_M3_HEADS, SPARSE
from ..files.hub_options import HubOptions
from ..files.json_object import is_there
from .bge_m3 import BGEM3FlagModel
from .flag_model import FlagModel
from .flag_reranker import FlagReranker
from .loading import model_files

# Of those models that FlagEmbedding knows by name, the ones whose encoder is a RoBERTa or an XLM-RoBERTa:
# pooling, and the format of an instruction.
_POOLINGS = {
    "bge-m3": ("cls", "{}{}"),
    "multilingual-e5-small": ("mean", "{}{}"),
    "multilingual-e5-base": ("mean", "{}{}"),
    "multilingual-e5-large": ("mean", "{}{}"),
    "multilingual-e5-large-instruct": ("mean", "Instruct: {}\nQuery: {}"),
    "bce-embedding-base_v1": ("cls", "{}{}"),
}
_EMBEDDERS = {"encoder-only-base": FlagModel, "encoder-only-m3": BGEM3FlagModel}
_RERANKERS = {"encoder-only-base": FlagReranker}


class FlagAutoModel:
    """`FlagAutoModel.from_finetuned(folder or Hub repository)` is a FlagModel or a BGEM3FlagModel."""

    def __init__(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError(mismatch("FlagAutoModel", "a call", "FlagAutoModel.from_finetuned(folder)"))

    @classmethod
    def from_finetuned(
        cls,
        model_name_or_path: str | Path,
        model_class: Any = None,
        normalize_embeddings: bool = True,
        use_fp16: bool = True,
        use_bf16: bool = False,
        query_instruction_for_retrieval: str | None = None,
        devices: Any = None,
        pooling_method: str | None = None,
        trust_remote_code: bool | None = None,
        query_instruction_format: str | None = None,
        truncate_dim: int | None = None,
        **keywords: Any,
    ) -> FlagModel | BGEM3FlagModel:
        """The model, of the class that has its outputs.

        model_class: "encoder-only-base" (FlagModel), "encoder-only-m3" (BGEM3FlagModel), or the member of
            FlagEmbedding's EmbedderModelClass. None: BGEM3FlagModel if sparse_linear.pt is there.
        pooling_method, query_instruction_format: None: those of the model that FlagEmbedding knows under the
            name of the folder or repository. For another name, give model_class or pooling_method; a pooling
            is then "cls" by default.
        The rest is as in FlagModel and BGEM3FlagModel; so are the errors.
        """
        kind = _chosen("model_class", model_class, _EMBEDDERS)
        pooling, template = _POOLINGS.get(_name_of(model_name_or_path), (None, "{}{}"))
        if kind is None:
            files = model_files(model_name_or_path, HubOptions.of_keywords(keywords), {})
            is_m3 = is_there(files.fetch(BGE_M3_HEADS) / SPARSE)
            # All other files are of the commit that the class was chosen by.
            keywords["revision"] = files.hub_options.revision
            kind = BGEM3FlagModel if is_m3 else FlagModel
            if pooling is None and pooling_method is None and not is_m3:
                found = f"{shown(os.fspath(model_name_or_path))}, whose pooling is unknown"
                expected = "pooling_method= or model_class= beside it, or one of " + ", ".join(_POOLINGS)
                raise InputError(mismatch("model_name_or_path", found, expected))
        template = template if query_instruction_format is None else query_instruction_format
        default = kind.DEFAULT_POOLING_METHOD if pooling is None else pooling
        loaded: FlagModel | BGEM3FlagModel = kind(
            model_name_or_path,
            normalize_embeddings=normalize_embeddings,
            use_fp16=use_fp16,
            use_bf16=use_bf16,
            query_instruction_for_retrieval=query_instruction_for_retrieval,
            query_instruction_format=template,
            devices=devices,
            pooling_method=default if pooling_method is None else pooling_method,
            trust_remote_code=False if trust_remote_code is None else trust_remote_code,
            truncate_dim=truncate_dim,
            **keywords,
        )
        return loaded


class FlagAutoReranker:
    """`FlagAutoReranker.from_finetuned(folder or Hub repository)` is a FlagReranker."""

    def __init__(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError(mismatch("FlagAutoReranker", "a call", "FlagAutoReranker.from_finetuned(folder)"))

    @classmethod
    def from_finetuned(
        cls,
        model_name_or_path: str | Path,
        model_class: Any = None,
        use_fp16: bool = False,
        trust_remote_code: bool | None = None,
        **keywords: Any,
    ) -> FlagReranker:
        """The reranker. model_class: "encoder-only-base" or None. The rest is as in FlagReranker."""
        _chosen("model_class", model_class, _RERANKERS)
        return FlagReranker(
            model_name_or_path,
            use_fp16=use_fp16,
            trust_remote_code=False if trust_remote_code is None else trust_remote_code,
            **keywords,
        )


def _chosen(name: str, value: Any, classes: dict[str, Any]) -> Any:
    """The class of this name, or of the enum's member of this value; None for None. Raises InputError."""
    value = plain_value(value.value if isinstance(value, Enum) else value)
    if value is None:
        return None
    if not isinstance(value, str) or value not in classes:
        raise InputError(mismatch(name, shown(value), f"one of {', '.join(classes)}, or None"))
    return classes[value]


def _name_of(model: Any) -> str:
    """The last part of a path or repository's name; of a training's checkpoint, the part before it. Empty for
    what is neither, which loading refuses."""
    if not isinstance(model, (str, os.PathLike)):
        return ""
    path = Path(plain_value(model))
    return path.parent.name if path.name.startswith("checkpoint-") else path.name
