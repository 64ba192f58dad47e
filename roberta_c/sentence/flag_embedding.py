"""What FlagEmbedding's classes share: loading, instructions, methods that are not here, and text encoding.

The names, defaults and results are those of FlagEmbedding 1.4.2 with transformers 4, which joins pairs as
ids, on a CPU with use_fp16=False; otherwise it computes in float32 too, from weights that it has rounded to
float16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..config.load_keywords import MODEL_KEYWORDS, Keyword
from ..errors import InputError, MissingNameError, mismatch, shown
from ..files.hub import HubOptions
from ..model import RobertaModel
from ..model.auto import AutoModel, AutoModelClass
from ..model.batch import PackedBatch, pack_batch
from ..pipelines.base import Pipeline
from ..pipelines.options import PipelineOptions, check_choice, check_count
from ..pipelines.rows import TextRow, plain_text
from ..pipelines.windows import Window
from ..tokenizer import PreTrainedTokenizerFast
from ..tokenizer.text_input import as_listed
from .loading import DEVICES, checked_keywords, load_model_and_tokenizer
from .similarity import normalized

# What a text may have by default, where the model takes as many.
MAX_LENGTH = 512

# From a batch and the last states of its tokens, (T, H), or of its first ones, (S, H): what is wanted of each
# of its S texts.
StatesToOutputs = Callable[[PackedBatch, np.ndarray], Sequence[Any]]

_BOOL = Keyword(lambda value: value is None or isinstance(value, bool), "True or False")
_NUMPY = Keyword(lambda value: value is None or value is True, "True: arrays are numpy's")
LOAD_KEYWORDS = {
    "use_fp16": _BOOL,
    "use_bf16": _BOOL,
    "devices": DEVICES,
    "trust_remote_code": MODEL_KEYWORDS["trust_remote_code"],
    "convert_to_numpy": _NUMPY,
}
CALL_KEYWORDS = {
    "device": DEVICES,
    "convert_to_numpy": _NUMPY,
}
_ONE_PROCESS = "encode or compute_score: the threads of one process share the work (num_threads=)"
MISSING_NAMES = {
    **dict.fromkeys(
        (
            "start_multi_process_pool",
            "stop_multi_process_pool",
            "encode_multi_process",
            "compute_score_multi_process",
        ),
        _ONE_PROCESS,
    ),
    **dict.fromkeys(
        ("encode_single_device", "compute_score_single_device", "compute_score_single_gpu"),
        "encode or compute_score, which run on the CPU",
    ),
}


class FlagEmbeddingModel:
    """What FlagEmbedding's classes share. Attributes: `model`, `tokenizer`, `batch_size`."""

    def __init__(
        self,
        auto_class: type[AutoModelClass],
        model_name_or_path: str | Path,
        hub_options: HubOptions,
        *,
        dtype: Any,
        num_threads: int | None,
        batch_size: int,
        keywords: dict[str, Any],
    ) -> None:
        checked_keywords(keywords, LOAD_KEYWORDS, f"a keyword of FlagEmbedding's {type(self).__name__}")
        check_count("batch_size", batch_size, "an integer of at least 1")
        self.batch_size = batch_size
        self.model_name_or_path = model_name_or_path
        self.model, tokenizer, _ = load_model_and_tokenizer(
            auto_class,
            model_name_or_path,
            hub_options,
            model_keywords={"dtype": dtype, "num_threads": num_threads},
            tokenizer_keywords={},
            config_keywords={},
        )
        self.tokenizer: PreTrainedTokenizerFast = tokenizer

    def _length(self, name: str, given: int | None) -> int:
        """A number of tokens that the model takes; None: MAX_LENGTH, or the model's limit if it is less."""
        limit = self.model.config.max_tokens
        if given is None:
            return int(min(MAX_LENGTH, limit))
        check_count(name, given, f"an integer from 1 to {limit}, the model's limit")
        if given > limit:
            raise InputError(mismatch(name, given, f"at most {limit}, the model's limit"))
        return int(given)

    def stop_self_pool(self) -> None:
        """Does nothing: there is no pool of processes."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.model).__name__} {shown(self.model.name_or_path)})"

    def __getattr__(self, name: str) -> NoReturn:
        if name in MISSING_NAMES:
            place = f"{type(self).__name__}.{name}"
            raise MissingNameError(mismatch(place, "no such method", MISSING_NAMES[name]))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class FlagEmbedder(FlagEmbeddingModel):
    """What FlagModel and BGEM3FlagModel share: the texts of a call, instructions and lengths."""

    model: RobertaModel

    def __init__(
        self,
        model_name_or_path: str | Path,
        hub_options: HubOptions,
        *,
        poolings: tuple[str, ...],
        pooling_method: str,
        normalize_embeddings: bool,
        query_instruction_for_retrieval: str | None,
        query_instruction_format: str,
        passage_instruction_for_retrieval: str | None,
        passage_instruction_format: str,
        query_max_length: int | None,
        passage_max_length: int | None,
        truncate_dim: int | None,
        **loading: Any,
    ) -> None:
        check_choice("pooling_method", pooling_method, poolings)
        check_choice("normalize_embeddings", normalize_embeddings, (True, False))
        if truncate_dim is not None:
            check_count("truncate_dim", truncate_dim, "an integer of at least 1, or None")
        self.pooling_method, self.normalize_embeddings = pooling_method, normalize_embeddings
        self.truncate_dim = truncate_dim
        self.query_instruction_for_retrieval = query_instruction_for_retrieval
        self.query_instruction_format = query_instruction_format
        self.passage_instruction_for_retrieval = passage_instruction_for_retrieval
        self.passage_instruction_format = passage_instruction_format
        for kind, instruction, template in (
            ("query", query_instruction_for_retrieval, query_instruction_format),
            ("passage", passage_instruction_for_retrieval, passage_instruction_format),
        ):
            with_instruction(f"{kind}_instruction", template, instruction, "a text")
        super().__init__(AutoModel, model_name_or_path, hub_options, **loading)
        self.query_max_length = self._length("query_max_length", query_max_length)
        self.passage_max_length = self._length("passage_max_length", passage_max_length)

    def _outputs_of(
        self,
        sentences: Any,
        compute: StatesToOutputs,
        first_only: bool,
        batch_size: int | None,
        max_length: int | None,
        instruction: str | None,
        instruction_format: str | None,
        keywords: dict[str, Any],
    ) -> tuple[list[Any], bool]:
        """What `compute` gives for each sentence, and whether `sentences` is one str."""
        checked_keywords(keywords, CALL_KEYWORDS, "a keyword of FlagEmbedding's encode")
        is_single = isinstance(sentences, str)
        listed = [sentences] if is_single else as_listed(sentences, takes_tuples=True)
        if listed is None:
            raise InputError(mismatch("sentences", shown(sentences), "a str or a list of str"))
        template = "{}{}" if instruction_format is None else instruction_format
        texts = [
            with_instruction("instruction", template, instruction, plain_text(text, f"sentences[{index}]"))
            for index, text in enumerate(listed)
        ]
        length = self._length("max_length", self.passage_max_length if max_length is None else max_length)
        options = PipelineOptions().changed(
            {"batch_size": self.batch_size if batch_size is None else batch_size, "max_length": length}
        )
        encoding = TextEncoding(self.model, self.tokenizer, options, compute, first_only)
        return encoding.outputs(texts), is_single

    @property
    def vector_size(self) -> int:
        """How many numbers a vector has."""
        size = self.model.config.hidden_size
        return size if self.truncate_dim is None else min(size, self.truncate_dim)

    def _dense(self, batch: PackedBatch, last_rh: np.ndarray) -> np.ndarray:
        """The vector of each text, float32 (S, vector_size), from the last states of its tokens, or for "cls"
        of the first ones alone."""
        starts = batch.seq_starts_s
        if self.pooling_method == "mean":
            x_sh = self.model.kernels.pool(last_rh, starts, ("mean",), 0, self.model.num_threads)
        elif self.pooling_method == "last_token":
            x_sh = last_rh[starts[1:] - 1]
        else:
            x_sh = last_rh if len(last_rh) == len(batch) else last_rh[batch.first_tokens_s]
        return self._finished(x_sh)

    def _finished(self, x_nh: np.ndarray) -> np.ndarray:
        """Rows cut to `truncate_dim` numbers and, if the model is to, divided by their lengths."""
        x_nh = x_nh[:, : self.truncate_dim]
        return normalized(x_nh) if self.normalize_embeddings else x_nh


def with_instruction(name: str, template: str, instruction: str | None, text: str) -> str:
    r"""`template` with the instruction and the text in its two {}; a "\n" written out is a line break.

    Without an instruction the text alone. Raises InputError, which calls the instruction `name`.
    """
    if instruction is None:
        return text
    if not isinstance(instruction, str):
        raise InputError(mismatch(name, shown(instruction), "a str or None"))
    try:
        formatted = template.replace("\\n", "\n").format(instruction, text)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        formatted = None
    if formatted is None or text not in formatted:
        raise InputError(mismatch(f"{name}_format", shown(template), "a str with two {}"))
    return formatted


@dataclass(frozen=True)
class EncodedText:
    """What was computed of one text."""

    row: TextRow
    output: Any
    truncated: bool


class TextEncoding(Pipeline[PipelineOptions, TextRow, EncodedText]):
    """The encoding of the texts of one call: batches, equal texts once, and order are those of Pipeline."""

    task = "text-encoding"
    options_class = PipelineOptions
    auto_class = AutoModel
    model_class = RobertaModel
    model: RobertaModel

    def __init__(
        self,
        model: RobertaModel,
        tokenizer: Any,
        options: PipelineOptions,
        compute: StatesToOutputs,
        first_only: bool,
    ) -> None:
        """first_only: whether `compute` gets the states of the first tokens alone, which is less work."""
        super().__init__(model, tokenizer, options)
        self._compute, self._first_only = compute, first_only

    def outputs(self, texts: Sequence[str]) -> list[Any]:
        """What is computed of each text, in order; of equal texts it is one object. One warning counts
        truncated texts. Raises InputError, ModelFileError."""
        rows = [TextRow(text) for text in texts]
        predictions = self._predictions(rows, self.options, self.max_tokens, across_blocks=True)
        return [prediction.output for prediction in predictions]

    def _outputs(self, windows: Sequence[Window], options: PipelineOptions) -> Sequence[Any]:
        ids = [window.ids for window in windows]
        batch = pack_batch(ids, None, None, None, self.model.embeddings.limits)
        wanted = batch.first_tokens_s if self._first_only else None
        last_rh, _ = self.model.encode(batch, rows_wanted_r=wanted)
        self._check_finite(last_rh)
        return self._compute(batch, last_rh)

    def _prediction(
        self, row: TextRow, windows: Sequence[Window], outputs: Sequence[Any], options: PipelineOptions
    ) -> EncodedText:
        return EncodedText(row, outputs[0], windows[0].truncated)

    def _result(self, prediction: EncodedText, options: PipelineOptions) -> Any:
        return prediction.output
