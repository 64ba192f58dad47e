"""The models with a head: the encoder of roberta.py and what a task computes from its output.

Each class is in both families: RobertaFor… and XLMRobertaFor…, which compute the same. Reference: the classes
of the same names in transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..checkpoint import names
from ..config import RobertaConfig, XLMRobertaConfig
from ..errors import InputError, mismatch, shown
from ..machine.memory import check_memory
from .arrays import as_array
from .batch import PackedBatch
from .heads import ClassificationHead, LMHead
from .leaves import Dropout, Linear
from .outputs import (
    LayerOutputs,
    MaskedLMOutput,
    ModelOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from .pretrained import PreTrainedModel
from .roberta import RobertaModel, XLMRobertaModel
from .weights import WeightSource

# A start or end logit at padding: no argmax chooses it, and softmax makes it 0. transformers' question
# answering uses the same number where an answer cannot be.
PADDING_LOGIT = -10000.0


class TaskModel(PreTrainedModel):
    """The encoder, `roberta`, and a head.

    A class sets `head`, its name in messages, and implements `_head_shapes`, the tensors that it needs, and
    `_add_head`.
    """

    base_class: type[RobertaModel] = RobertaModel
    head: ClassVar[str]
    has_pooler: ClassVar[bool] = False

    def __init__(self, config: RobertaConfig, source: WeightSource) -> None:
        super().__init__(config, source)
        source.require(self._head_shapes(config, source), self.head)  # before the encoder, which takes longer
        self.roberta = self.base_class(config, source, add_pooling_layer=self.has_pooler)
        self._add_head(config, source)

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        """Shape of each tensor that the head needs, by canonical name."""
        raise NotImplementedError

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        raise NotImplementedError

    @property
    def base_model(self) -> RobertaModel:
        """The encoder below the head."""
        return self.roberta


def _linear(source: WeightSource, parts: dict[str, str]) -> Linear:
    return Linear(source.linear(parts["weight"].removesuffix(".weight")), source.num_threads)


def _head_dropout(config: RobertaConfig) -> Dropout:
    given = config.classifier_dropout
    return Dropout(config.hidden_dropout_prob if given is None else given)


class RobertaForSequenceClassification(TaskModel):
    """A label, several labels or a number for each text, from `<s>`: logits (S, C)."""

    head = "sequence classification head"
    counts_labels = True

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        return names.classification_head_shapes(config)

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        dense, out_proj = (
            source.linear(names.CLASSIFICATION_HEAD[part].removesuffix(".weight"))
            for part in ("dense_weight", "out_proj_weight")
        )
        self.classifier = ClassificationHead(self.family, config, dense, out_proj, source.num_threads)

    def _rows_wanted(self, batch: PackedBatch) -> np.ndarray:
        return batch.first_tokens_s

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        return SequenceClassifierOutput(self.classifier.classify(last_rh), *of_layers)


class RobertaForTokenClassification(TaskModel):
    """A label for each token, such as a named entity's: logits (S, width, C)."""

    head = "token classification head"
    counts_labels = True

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        return names.classifier_shapes(config, config.num_labels)

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        self.dropout = _head_dropout(config)
        self.classifier = _linear(source, names.CLASSIFIER)

    @property
    def _columns(self) -> int:
        return self.classifier.out_features

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        return TokenClassifierOutput(batch.unpack(self.classifier(last_rh)), *of_layers)


class RobertaForQuestionAnswering(TaskModel):
    """How well the answer starts, and ends, at each token: start_logits and end_logits (S, width)."""

    head = "question answering head"
    counts_labels = True

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        return names.question_answering_head_shapes(config)

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        self.qa_outputs = _linear(source, names.QUESTION_ANSWERING_HEAD)

    @property
    def _columns(self) -> int:
        return self.qa_outputs.out_features

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        logits = batch.unpack(self.qa_outputs(last_rh), PADDING_LOGIT)
        start, end = (
            [rows[:, column] for rows in logits] if isinstance(logits, list) else logits[..., column]
            for column in (0, 1)
        )
        return QuestionAnsweringModelOutput(start, end, *of_layers)


class RobertaForMaskedLM(TaskModel):
    """The token that fits at each place: logits (S, width, V). The decoder is the word embeddings if tied."""

    head = "masked language modelling head"

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        return names.lm_head_shapes(config, source.stored_names)

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        dense, norm = (
            names.LM_HEAD[part].removesuffix(".weight") for part in ("dense_weight", "norm_weight")
        )
        self.lm_head = LMHead(
            self.family, source.linear(dense), source.norm(norm), source.lm_decoder(), source.num_threads
        )

    def get_output_embeddings(self) -> Linear:
        """The decoder."""
        return self.lm_head.decoder

    def states_at(self, input_ids: Sequence[Sequence[int]], places: Sequence[Sequence[int]]) -> np.ndarray:
        """The last hidden states of some tokens alone, (R, H), for `lm_head`: less work, and the same bits.

        input_ids: ragged lists. places: for each sequence the wanted tokens, ascending; R is their number in
        all sequences. Raises InputError for a place outside its sequence.
        """
        batch = self._packed(input_ids, None, None, None, {})
        if len(places) != len(batch):
            raise InputError(mismatch("places", f"{len(places)} lists", f"{len(batch)}, as in input_ids"))
        lengths = np.diff(batch.seq_starts_s)
        rows_r = [np.empty(0, np.int64)]
        for index, (start, length, chosen) in enumerate(
            zip(batch.first_tokens_s, lengths, places, strict=True)
        ):
            if len(chosen) and not 0 <= min(chosen) <= max(chosen) < length:
                raise InputError(mismatch(f"places[{index}]", shown(list(chosen)), f"0 to {length - 1}"))
            rows_r.append(start + np.asarray(chosen, np.int64))
        last_rh, _ = self.roberta.encode(batch, False, np.concatenate(rows_r))
        return last_rh

    @property
    def _columns(self) -> int:
        return self.lm_head.decoder.out_features

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        return MaskedLMOutput(batch.unpack(self.lm_head(last_rh)), *of_layers)


class RobertaForMultipleChoice(TaskModel):
    """Which of several continuations fits: ids (S, choices, width) → logits (S, choices).

    Hidden states and attentions are those of the S * choices sequences, one after the other.
    """

    head = "multiple choice head"
    has_pooler = True

    @staticmethod
    def _head_shapes(config: RobertaConfig, source: WeightSource) -> dict[str, names.Shape]:
        return {**names.classifier_shapes(config, 1), **names.pooler_shapes(config)}

    def _add_head(self, config: RobertaConfig, source: WeightSource) -> None:
        self.dropout = Dropout(config.hidden_dropout_prob)
        self.classifier = _linear(source, names.CLASSIFIER)

    def __call__(  # type: ignore[override]
        self,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        labels: Any = None,
        position_ids: Any = None,
        **options: Any,
    ) -> Any:
        """As PreTrainedModel's, with a dimension of choices after the first one in every input.

        The order of the arguments is that of this class in transformers, which differs from the others'.

        input_ids may be lists of S lists of choices, as many for each of them, of ragged lists of ids.
        """
        as_dict = self._wants("return_dict", options.pop("return_dict", None))
        found = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
        }
        choices = _number_of_choices(input_ids)
        flat = {name: value if value is None else _flat_choices(value, name) for name, value in found.items()}
        output = super().__call__(**flat, labels=labels, return_dict=True, **options)
        output.logits = output.logits.reshape(-1, choices)
        return output if as_dict else output.to_tuple()

    def _rows_wanted(self, batch: PackedBatch) -> np.ndarray:
        return batch.first_tokens_s

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        assert self.roberta.pooler is not None  # _head_shapes has its tensors
        logits = self.classifier(self.roberta.pooler.pool(last_rh))
        return MultipleChoiceModelOutput(logits, *of_layers)


CHOICES = "3 dimensions (batch, choices, length)"


def _number_of_choices(input_ids: Any) -> int:
    if isinstance(input_ids, (list, tuple)):
        counts = {len(row) if isinstance(row, (list, tuple, np.ndarray)) else -1 for row in input_ids}
        if len(counts) != 1 or min(counts) < 1:
            found = "rows of different numbers of choices" if len(counts) > 1 else "no choices"
            raise InputError(mismatch("input_ids", found, "a list of choices for each row, equally many"))
        return counts.pop()
    shape = as_array(input_ids, "input_ids").shape
    if len(shape) != 3 or shape[1] < 1:
        raise InputError(mismatch("input_ids", f"shape {shape}", CHOICES))
    return int(shape[1])


def _flat_choices(value: Any, name: str) -> Any:
    """(S, choices, width) → (S * choices, width); of lists, the choices one after the other."""
    if isinstance(value, (list, tuple)):
        if not all(isinstance(row, (list, tuple, np.ndarray)) for row in value):
            raise InputError(mismatch(name, "a list of other things than lists", "lists of lists of choices"))
        return [choice for row in value for choice in row]
    array = as_array(value, name)
    if array.ndim != 3:
        raise InputError(mismatch(name, f"shape {array.shape}", CHOICES))
    check_memory(array.nbytes, name, f"shape {array.shape}")  # `reshape` may have to copy
    rows, choices, width = array.shape
    return array.reshape(rows * choices, width)  # where the width is 0, numpy cannot find what -1 stands for


# ---- the same under XLM-RoBERTa's names ------------------------------------------------------------------


class _XLMRoberta:
    config_class: type[RobertaConfig] = XLMRobertaConfig
    part_prefix = "XLMRoberta"
    base_class: type[RobertaModel] = XLMRobertaModel


class XLMRobertaForSequenceClassification(_XLMRoberta, RobertaForSequenceClassification):
    """RobertaForSequenceClassification under XLM-RoBERTa's names."""


class XLMRobertaForTokenClassification(_XLMRoberta, RobertaForTokenClassification):
    """RobertaForTokenClassification under XLM-RoBERTa's names."""


class XLMRobertaForQuestionAnswering(_XLMRoberta, RobertaForQuestionAnswering):
    """RobertaForQuestionAnswering under XLM-RoBERTa's names."""


class XLMRobertaForMaskedLM(_XLMRoberta, RobertaForMaskedLM):
    """RobertaForMaskedLM under XLM-RoBERTa's names."""


class XLMRobertaForMultipleChoice(_XLMRoberta, RobertaForMultipleChoice):
    """RobertaForMultipleChoice under XLM-RoBERTa's names."""
