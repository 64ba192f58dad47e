"""RoBERTa-family models on CPUs, with the names of transformers.

>>> from roberta_c import pipeline
>>> classify = pipeline("text-classification")  # model="org/name" or a folder; default: the bundled model
>>> classify("I love this!")[0]["label"]
'positive'

A public name is imported when it is first used, so that `import roberta_c` takes milliseconds.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from . import errors

if PathFinder.find_spec(f"{__name__}.kernels._kernels", [f"{folder}/kernels" for folder in __path__]) is None:
    found, expected = "the sources of roberta_c without compiled kernels", "an installed package"
    advice = "start Python outside the clone, or install the clone with pip install --editable"
    raise ImportError(f"{errors.mismatch(__path__[0], found, expected)}: {advice}")

__version__ = "0.2.0.dev0"

# The module below this package that defines each public name.
_MODULE_OF = {
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
__all__ = [*_MODULE_OF, "errors"]

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
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
