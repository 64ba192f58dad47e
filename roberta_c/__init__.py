"""RoBERTa-family models on CPUs, with the names of transformers.

>>> from roberta_c import pipeline
>>> classify = pipeline("text-classification")  # model="org/name" or a folder; default: the bundled model
>>> classify("I love this!")[0]["label"]
'positive'

A public name is imported when it is first used, so that `import roberta_c` takes milliseconds.
"""

from __future__ import annotations

from importlib.machinery import PathFinder

from . import errors

# Not typing's: `python -m roberta_c` runs this file before it handles Ctrl-C, and each import takes time.
TYPE_CHECKING = False

if PathFinder.find_spec(f"{__name__}.kernels._kernels", [f"{folder}/kernels" for folder in __path__]) is None:
    found, expected = "the sources of roberta_c without compiled kernels", "an installed package"
    advice = "start Python outside the clone, or install the clone with pip install --editable"
    raise ImportError(f"{errors.mismatch(__path__[0], found, expected)}: {advice}")

__version__ = "0.2.0.dev0"

# The module below this package that defines each public name.
_MODULE_OF = {
    "AddedToken": "tokenizer",
    "AutoConfig": "model",
    "AutoModel": "model",
    "AutoModelForMaskedLM": "model",
    "AutoModelForMultipleChoice": "model",
    "AutoModelForQuestionAnswering": "model",
    "AutoModelForSequenceClassification": "model",
    "AutoModelForTokenClassification": "model",
    "AutoTokenizer": "tokenizer",
    "BGEM3FlagModel": "sentence",
    "BatchEncoding": "tokenizer",
    "CrossEncoder": "sentence",
    "FeatureExtractionPipeline": "pipelines.feature_extraction",
    "FillMaskPipeline": "pipelines.fill_mask",
    "FlagAutoModel": "sentence",
    "FlagAutoReranker": "sentence",
    "FlagModel": "sentence",
    "FlagReranker": "sentence",
    "QuestionAnsweringPipeline": "pipelines.question_answering",
    "RobertaConfig": "config",
    "RobertaForMaskedLM": "model",
    "RobertaForMultipleChoice": "model",
    "RobertaForQuestionAnswering": "model",
    "RobertaForSequenceClassification": "model",
    "RobertaForTokenClassification": "model",
    "RobertaModel": "model",
    "RobertaTokenizer": "tokenizer",
    "RobertaTokenizerFast": "tokenizer",
    "SentenceTransformer": "sentence",
    "TextClassificationPipeline": "pipelines.text_classification",
    "TokenClassificationPipeline": "pipelines.token_classification",
    "XLMRobertaConfig": "config",
    "XLMRobertaForMaskedLM": "model",
    "XLMRobertaForMultipleChoice": "model",
    "XLMRobertaForQuestionAnswering": "model",
    "XLMRobertaForSequenceClassification": "model",
    "XLMRobertaForTokenClassification": "model",
    "XLMRobertaModel": "model",
    "XLMRobertaTokenizer": "tokenizer",
    "XLMRobertaTokenizerFast": "tokenizer",
    "ZeroShotClassificationPipeline": "pipelines.zero_shot_classification",
    "bundled_model_path": "files.bundled",
    "pipeline": "pipelines",
    "quantize_embeddings": "sentence",
    "quantize_report": "diagnose.quantization",
}
__all__ = [*_MODULE_OF, "errors", "logging", "util"]

if TYPE_CHECKING:
    from typing import Any

    from . import logging, util
    from .config import RobertaConfig, XLMRobertaConfig
    from .diagnose.quantization import quantize_report
    from .files.bundled import bundled_model_path
    from .model import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForMultipleChoice,
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        RobertaForMaskedLM,
        RobertaForMultipleChoice,
        RobertaForQuestionAnswering,
        RobertaForSequenceClassification,
        RobertaForTokenClassification,
        RobertaModel,
        XLMRobertaForMaskedLM,
        XLMRobertaForMultipleChoice,
        XLMRobertaForQuestionAnswering,
        XLMRobertaForSequenceClassification,
        XLMRobertaForTokenClassification,
        XLMRobertaModel,
    )
    from .pipelines import pipeline
    from .pipelines.feature_extraction import FeatureExtractionPipeline
    from .pipelines.fill_mask import FillMaskPipeline
    from .pipelines.question_answering import QuestionAnsweringPipeline
    from .pipelines.text_classification import TextClassificationPipeline
    from .pipelines.token_classification import TokenClassificationPipeline
    from .pipelines.zero_shot_classification import ZeroShotClassificationPipeline
    from .sentence import (
        BGEM3FlagModel,
        CrossEncoder,
        FlagAutoModel,
        FlagAutoReranker,
        FlagModel,
        FlagReranker,
        SentenceTransformer,
        quantize_embeddings,
    )
    from .tokenizer import (
        AddedToken,
        AutoTokenizer,
        BatchEncoding,
        RobertaTokenizer,
        RobertaTokenizerFast,
        XLMRobertaTokenizer,
        XLMRobertaTokenizerFast,
    )


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("logging", "util"):
        return import_module(f".{name}", __name__)
    if name not in _MODULE_OF:
        import re

        from .missing_names import MISSING_CLASSES, missing_import

        missing = missing_import(__name__, name, MISSING_CLASSES)
        if missing is not None:
            raise missing
        if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name):  # it looks like a class: those that exist
            # An ImportError: `from roberta_c import …` would replace the message of an AttributeError.
            heads = [other.removeprefix("AutoModel") for other in _MODULE_OF if "AutoModelFor" in other]
            of_sentences = [other for other, module in _MODULE_OF.items() if module == "sentence"]
            expected = (
                f"Roberta…, XLMRoberta… or Auto…, of Model, Config, Tokenizer, {', '.join(heads)}; or "
                f"{', '.join(of_sentences)}"
            )
            raise ImportError(errors.mismatch("roberta_c", f"no {name}", expected), name=name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _check_interpreter()
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def _check_interpreter() -> None:
    """Raise ImportError in a subinterpreter that cannot import numpy."""
    try:
        import _interpreters as interpreters  # type: ignore[import-not-found]  # from Python 3.13 on
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]
        except ImportError:
            return
    if interpreters.get_current() != interpreters.get_main():
        try:
            import numpy
        except ImportError as error:
            expected = "the main one: numpy can be imported once in a process"
            raise ImportError(errors.mismatch("roberta_c", "a subinterpreter", expected)) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
