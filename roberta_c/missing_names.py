"""Names that other packages have and this one has not, and the errors that say what to do instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NoReturn

from .errors import MissingNameError, mismatch


class HasMissingNames:
    """A base of classes that lack some names of the class in whose place they stand.

    `missing_names`: such a name → what to do instead. Asking for one raises MissingNameError, which is an
    AttributeError, so that hasattr() is False.
    """

    missing_names: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # a type checker would accept any name

        def __getattr__(self, name: str) -> NoReturn:
            self._raise_missing(name)

    def _raise_missing(self, name: str) -> NoReturn:
        """Raise MissingNameError for one of missing_names, AttributeError for another name."""
        if name in self.missing_names:
            raise missing_name(type(self).__name__, name, self.missing_names)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def missing_name(owner: str, name: str, instead: Mapping[str, str]) -> MissingNameError:
    """The error about a name that `owner`, a class or module, lacks; `instead` has it."""
    return MissingNameError(mismatch(f"{owner}.{name}", "no such name", instead[name]))


TRAINED = "sentence-transformers, which trains a model, and this package's class of the folder that it saves"
_ENCODERS = "FlagModel, BGEM3FlagModel or FlagReranker, of an encoder: there are no decoders"
MODEL_CARD = "a README.md beside the files"
_DTYPE = "dtype= of the class that loads a model: 'float32', 'bfloat16' or 'int8'"

# Classes and functions of sentence-transformers and FlagEmbedding, at the top of the package.
MISSING_CLASSES = {
    **dict.fromkeys(
        (
            *("FlagLLMModel", "FlagICLModel", "FlagPseudoMoEModel"),
            *("FlagLLMReranker", "LayerWiseFlagLLMReranker", "LightWeightFlagLLMReranker"),
        ),
        _ENCODERS,
    ),
    **dict.fromkeys(("AbsEmbedder", "AbsReranker"), "FlagModel, BGEM3FlagModel or FlagReranker themselves"),
    "EmbedderModelClass": 'model_class="encoder-only-base" or "encoder-only-m3"',
    "RerankerModelClass": 'model_class="encoder-only-base"',
    "SparseEncoder": "BGEM3FlagModel for lexical weights, or sentence-transformers",
    "MultiVectorEncoder": "BGEM3FlagModel for a vector of each token, or sentence-transformers",
    **{
        f"{model}{part}": TRAINED
        for model in ("SentenceTransformer", "CrossEncoder", "SparseEncoder", "MultiVectorEncoder")
        for part in ("Trainer", "TrainingArguments")
    },
    **{
        f"{model}ModelCardData": MODEL_CARD
        for model in ("SentenceTransformer", "CrossEncoder", "SparseEncoder", "MultiVectorEncoder")
    },
    **dict.fromkeys(
        (
            *("InputExample", "SentencesDataset", "ParallelSentencesDataset"),
            *("DefaultBatchSampler", "MultiDatasetDefaultBatchSampler", "mine_hard_negatives"),
        ),
        TRAINED,
    ),
    **dict.fromkeys(
        (
            *("export_optimized_onnx_model", "export_dynamic_quantized_onnx_model"),
            "export_static_quantized_openvino_model",
        ),
        _DTYPE,
    ),
    "LoggingHandler": "Python's own: logging.StreamHandler",
    "resolve_ids": "the list of texts that the vectors were made of",
}


def missing_import(module: str, name: str, instead: Mapping[str, str]) -> ImportError | None:
    """The error about a name that `module` lacks, if `instead` has it; None for any other name.

    An ImportError: `from … import name` would replace the message of an AttributeError.
    """
    if name not in instead:
        return None
    return ImportError(mismatch(module, f"no {name}", instead[name]), name=name)
