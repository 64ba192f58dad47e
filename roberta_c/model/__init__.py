"""The models: ids → PackedBatch → embeddings → encoder layers → head; named arrays → packed weights."""

from __future__ import annotations

from .auto import AutoConfig, AutoModel, AutoModelForSequenceClassification
from .outputs import BaseModelOutputWithPooling, ModelOutput, SequenceClassifierOutput
from .pretrained import DTYPES, PreTrainedModel, check_dtype
from .roberta import (
    RobertaForSequenceClassification,
    RobertaModel,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

__all__ = [
    "DTYPES",
    "AutoConfig",
    "AutoModel",
    "AutoModelForSequenceClassification",
    "BaseModelOutputWithPooling",
    "ModelOutput",
    "PreTrainedModel",
    "RobertaForSequenceClassification",
    "RobertaModel",
    "SequenceClassifierOutput",
    "XLMRobertaForSequenceClassification",
    "XLMRobertaModel",
    "check_dtype",
]
