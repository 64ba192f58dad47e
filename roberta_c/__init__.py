"""RoBERTa-family models on CPUs, under the names that transformers users know.

>>> from roberta_c import pipeline
>>> classify = pipeline("text-classification")  # the bundled model; for another, model="org/name" or a folder
>>> classify("I love this!")[0]["label"]
'positive'

Names are imported when first used, so that `import roberta_c` costs milliseconds.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from . import errors

if PathFinder.find_spec(f"{__name__}.kernels._kernels", [f"{folder}/kernels" for folder in __path__]) is None:
    raise ImportError(
        f"{__path__[0]} holds the sources of roberta_c, not built: start Python in another folder than the "
        "clone's, to find the installed package, or install with pip install --editable"
    )

__version__ = "0.1.0"

_HOMES = {
    "AutoConfig": "model",
    "AutoModel": "model",
    "AutoModelForSequenceClassification": "model",
    "AutoTokenizer": "tokenizer",
    "BatchEncoding": "tokenizer",
    "RobertaConfig": "config",
    "RobertaForSequenceClassification": "model",
    "RobertaModel": "model",
    "RobertaTokenizer": "tokenizer",
    "RobertaTokenizerFast": "tokenizer",
    "XLMRobertaConfig": "config",
    "XLMRobertaForSequenceClassification": "model",
    "XLMRobertaModel": "model",
    "XLMRobertaTokenizer": "tokenizer",
    "XLMRobertaTokenizerFast": "tokenizer",
    "bundled_model_path": "files.bundled",
    "pipeline": "pipelines",
    "quantize_report": "diagnose.quantization",
}
__all__ = [*_HOMES, "errors"]

if TYPE_CHECKING:
    from .config import RobertaConfig, XLMRobertaConfig
    from .diagnose.quantization import quantize_report
    from .files.bundled import bundled_model_path
    from .model import (
        AutoConfig,
        AutoModel,
        AutoModelForSequenceClassification,
        RobertaForSequenceClassification,
        RobertaModel,
        XLMRobertaForSequenceClassification,
        XLMRobertaModel,
    )
    from .pipelines import pipeline
    from .tokenizer import (
        AutoTokenizer,
        BatchEncoding,
        RobertaTokenizer,
        RobertaTokenizerFast,
        XLMRobertaTokenizer,
        XLMRobertaTokenizerFast,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
