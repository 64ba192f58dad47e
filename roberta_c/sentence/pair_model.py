"""A loaded cross-encoder and its settings: lengths, activation, score convention, names of torch."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import InputError, MissingNameError, mismatch, shown
from ..model import RobertaForSequenceClassification
from ..pipelines.options import check_count
from ..tokenizer import PreTrainedTokenizerFast
from .missing_names import CROSS_ENCODER_NAMES
from .pair_encoding import PairRow
from .pair_scoring import PairOptions, PairScoring
from .score_activations import Activation, ScoreActivation, as_activation
from .score_conventions import SCORE_CONVENTIONS, check_convention
from .torch_names import TorchModelNames


class PairModel(TorchModelNames):
    """A model with a classification head, its tokenizer, and how pairs are cut and scored.

    Attributes: `model`, `tokenizer`; `activation_fn`, `max_length` and `score_convention` may be assigned.
    """

    missing_names = CROSS_ENCODER_NAMES

    def __init__(
        self,
        model: RobertaForSequenceClassification,
        tokenizer: PreTrainedTokenizerFast,
        saved_activation: ScoreActivation | None,
        activation: Activation | None,
    ) -> None:
        """model: loaded, of one or more labels. tokenizer: its own.

        saved_activation: the function from logits to scores that the model's files name. activation: the
        caller's. None for none. Raises nothing: the arguments have been checked.
        """
        self.model = model
        self.tokenizer = tokenizer
        self._saved_activation, self._activation = saved_activation, activation
        self._score_convention = "sentence-transformers"

    @property
    def transformers_model(self) -> RobertaForSequenceClassification:
        """`model`."""
        return self.model

    @property
    def processor(self) -> PreTrainedTokenizerFast:
        """`tokenizer`, under the name of sentence-transformers 6."""
        return self.tokenizer

    @property
    def num_labels(self) -> int:
        """How many logits a pair has."""
        return self.model.config.num_labels

    @property
    def activation_fn(self) -> Activation:
        """The function from logits (S, C) to scores: the one that was given, or the convention's."""
        if self._activation is not None:
            return self._activation
        name = SCORE_CONVENTIONS[self._score_convention].activation
        if name is not None:
            return ScoreActivation(name)
        if self._saved_activation is not None:
            return self._saved_activation
        return ScoreActivation("sigmoid" if self.num_labels == 1 else "identity")

    @activation_fn.setter
    def activation_fn(self, value: Any) -> None:
        self._activation = None if value is None else as_activation(value)

    @property
    def default_activation_function(self) -> Activation:
        """`activation_fn`, under the name of sentence-transformers before 4."""
        return self.activation_fn

    @property
    def score_convention(self) -> str:
        """A name of SCORE_CONVENTIONS."""
        return self._score_convention

    @score_convention.setter
    def score_convention(self, name: str) -> None:
        check_convention(name)
        if name == "tei" and self.num_labels != 1:
            expected = "a model of 1 label: Text Embeddings Inference ranks by no other"
            raise InputError(mismatch("score_convention", f"'tei' for {self.num_labels} labels", expected))
        self._score_convention = name

    @property
    def max_length(self) -> int:
        """How many tokens a pair may have, special tokens included: longer ones are cut.

        That is `tokenizer.model_max_length`, which an assignment changes, or the model's limit if it is less.
        """
        return min(self.model.config.max_tokens, self.tokenizer.model_max_length)

    @max_length.setter
    def max_length(self, length: int) -> None:
        least, limit = self.tokenizer.num_special_tokens_to_add(pair=True), self.model.config.max_tokens
        expected = f"an integer from {least} to {limit}, the model's limit"
        length = check_count("max_length", length, expected, least)
        if length > limit:
            raise InputError(mismatch("max_length", shown(length), f"at most {limit}, the model's limit"))
        self.tokenizer.model_max_length = length

    @property
    def max_seq_length(self) -> int:
        """`max_length`, under the name of sentence-transformers 6."""
        return self.max_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        self.max_length = length

    def get_max_seq_length(self) -> int:
        """`max_length`."""
        return self.max_length

    def scoring(
        self,
        rows: list[PairRow],
        batch_size: int,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
    ) -> PairScoring:
        """The pipeline below `predict`, which cuts pairs as the convention says. rows: [] for a stream."""
        cuts_query = SCORE_CONVENTIONS[self.score_convention].cuts_query
        given = {
            "batch_size": batch_size,
            "max_length": self.max_length,
            "cut": "only_second" if cuts_query else "longest_first",
            "first_max_length": self.max_length * 3 // 4 if cuts_query else None,
            "long_text": long_text,
            "stride": stride,
            "return_lengths": return_lengths,
        }
        return PairScoring(self.model, self.tokenizer, PairOptions().changed(given), rows)

    def __getitem__(self, index: Any) -> NoReturn:
        """MissingNameError: there are no modules."""
        name = f"{type(self).__name__}[{shown(index, 40)}]"
        raise MissingNameError(mismatch(name, "no modules", "its attributes model and tokenizer"))

    def __repr__(self) -> str:
        name = f"{type(self.model).__name__} {shown(self.model.name_or_path)}"
        return (
            f"{type(self).__name__}({name}, activation_fn={self.activation_fn}, max_length={self.max_length})"
        )
