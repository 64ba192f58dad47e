"""What FlagModel and BGEM3FlagModel share: loading, the texts of a call, instructions, lengths, poolings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files.hub_options import HubOptions
from ..model import RobertaModel
from ..model.auto import AutoModel
from ..model.batch import PackedBatch
from ..pipelines.options import WINDOWS, PipelineOptions, check_choice, check_count
from ..pipelines.rows import plain_text
from ..pipelines.windows import Window, lengths_of
from ..tokenizer.text_input import as_listed
from .flag_base import FlagEmbeddingModel, with_instruction
from .keywords import FLAG_CALL_KEYWORDS
from .loading import checked_keywords
from .long_vectors import mean_vector
from .progress import is_shown_for_many, with_progress_bar
from .similarity import normalized
from .text_encoding import LimitedText, StatesToOutputs, TextEncoding, WindowsToOutput

# A text that no template has by itself.
_SAMPLE = "∅"


class FlagEmbedder(FlagEmbeddingModel):
    """A model that makes vectors of texts. A class derived from it has `poolings` and `encode`."""

    DEFAULT_POOLING_METHOD = "cls"
    auto_class = AutoModel
    poolings: ClassVar[tuple[str, ...]]
    model: RobertaModel

    def __init__(
        self,
        model_name_or_path: str | Path,
        normalize_embeddings: bool = True,
        use_fp16: bool = True,
        use_bf16: bool = False,
        query_instruction_for_retrieval: str | None = None,
        query_instruction_format: str = "{}{}",
        devices: Any = None,
        pooling_method: str = "cls",
        trust_remote_code: bool = False,
        cache_dir: str | Path | None = None,
        batch_size: int = 256,
        query_max_length: int | None = None,
        passage_max_length: int | None = None,
        convert_to_numpy: bool = True,
        truncate_dim: int | None = None,
        *,
        passage_instruction_for_retrieval: str | None = None,
        passage_instruction_format: str = "{}{}",
        dtype: Any = None,
        num_threads: int | None = None,
        allow_nonfinite: bool = False,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **keywords: Any,
    ) -> None:
        """Loads the model.

        normalize_embeddings: whether vectors have length 1. pooling_method: "cls", the first token's state,
            or another of `poolings`. truncate_dim: how many numbers of a vector are kept; None: all.
        use_fp16, use_bf16: accepted, without an effect: weights are used as they are in the file. (On a CPU
            FlagEmbedding rounds them, and computes in float32.) dtype chooses the arithmetic here.
        query_instruction_for_retrieval, passage_instruction_for_retrieval: what the formats put before the
            texts of encode_queries and encode_corpus.
        query_max_length, passage_max_length: tokens of a text; None: 512, or the model's limit if it is less.
        The rest is as in AutoModel.from_pretrained.

        Raises InputError, ModelFileError, TokenizerFileError, HubError.
        """
        self.pooling_method = check_choice("pooling_method", pooling_method, self.poolings)
        check_choice("normalize_embeddings", normalize_embeddings, (True, False))
        if truncate_dim is not None:  # a bad one fails at once
            truncate_dim = check_count("truncate_dim", truncate_dim, "an integer of at least 1, or None")
        self.normalize_embeddings = normalize_embeddings
        self.convert_to_numpy = convert_to_numpy
        self.query_instruction_for_retrieval = query_instruction_for_retrieval
        self.query_instruction_format = query_instruction_format
        self.passage_instruction_for_retrieval = passage_instruction_for_retrieval
        self.passage_instruction_format = passage_instruction_format
        for kind, instruction, template in (
            ("query", query_instruction_for_retrieval, query_instruction_format),
            ("passage", passage_instruction_for_retrieval, passage_instruction_format),
        ):
            with_instruction(f"{kind}_instruction", template, instruction, "a text")
        super().__init__(
            model_name_or_path,
            HubOptions(revision, token, cache_dir, local_files_only),
            dtype=dtype,
            num_threads=num_threads,
            allow_nonfinite=allow_nonfinite,
            batch_size=batch_size,
            keywords={
                **keywords,
                "use_fp16": use_fp16,
                "use_bf16": use_bf16,
                "devices": devices,
                "trust_remote_code": trust_remote_code,
                "convert_to_numpy": convert_to_numpy,
            },
        )
        self.truncate_dim = truncate_dim
        self.query_max_length = self._length("query_max_length", query_max_length)
        self.passage_max_length = self._length("passage_max_length", passage_max_length)

    # ---- calls ---------------------------------------------------------------------------------------

    def encode(
        self,
        sentences: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        *options: Any,
        **keywords: Any,
    ) -> Any:
        """What the class makes of sentences."""
        raise NotImplementedError

    def encode_queries(
        self,
        queries: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        *options: Any,
        **keywords: Any,
    ) -> Any:
        """`encode` with the instruction for queries and query_max_length."""
        return self.encode(
            queries,
            batch_size,
            self.query_max_length if max_length is None else max_length,
            *options,
            instruction=self.query_instruction_for_retrieval,
            instruction_format=self.query_instruction_format,
            **keywords,
        )

    def encode_corpus(
        self,
        corpus: Any,
        batch_size: int | None = None,
        max_length: int | None = None,
        *options: Any,
        **keywords: Any,
    ) -> Any:
        """`encode` with the instruction for passages and passage_max_length."""
        return self.encode(
            corpus,
            batch_size,
            max_length,
            *options,
            instruction=self.passage_instruction_for_retrieval,
            instruction_format=self.passage_instruction_format,
            **keywords,
        )

    def _outputs_of(
        self,
        sentences: Any,
        compute: StatesToOutputs,
        first_only: bool,
        batch_size: int | None,
        max_length: int | None,
        merge: WindowsToOutput,
        keywords: dict[str, Any],
    ) -> tuple[list[Any], list[dict[str, Any]] | None, bool]:
        """What `compute` gives for each sentence; with return_lengths, how much of each was read; and whether
        `sentences` is one str.

        merge: makes the output of a sentence from those of its windows.
        keywords: instruction, instruction_format, show_progress_bar, long_text, stride, return_lengths, and
        those that need nothing done.
        """
        keywords = dict(keywords)
        instruction, template = keywords.pop("instruction", None), keywords.pop("instruction_format", None)
        show_progress_bar = keywords.pop("show_progress_bar", None)
        names = ("long_text", "stride", "return_lengths")
        reading = {name: keywords.pop(name) for name in names if name in keywords}
        checked_keywords(keywords, FLAG_CALL_KEYWORDS, "encode")
        is_single = isinstance(sentences, str)
        listed = [sentences] if is_single else as_listed(sentences, takes_tuples=True)
        if listed is None:
            raise InputError(mismatch("sentences", shown(sentences), "a str or a list of str"))
        template = "{}{}" if template is None else template
        texts = [
            with_instruction("instruction", template, instruction, plain_text(text, f"sentences[{index}]"))
            for index, text in enumerate(listed)
        ]
        length = self._length("max_length", self.passage_max_length if max_length is None else max_length)
        count = self.batch_size if batch_size is None else batch_size
        count = check_count("batch_size", count, "an integer of at least 1")
        encoding = TextEncoding(
            self.model, self.tokenizer, count, (length,), compute, first_only, merge, **reading
        )
        before = _instruction_length(template, instruction, encoding.options)
        encoded = encoding.encoded(
            [LimitedText(text, length, before) for text in texts], lambda index: f"sentences[{index}]"
        )
        bar = is_shown_for_many(show_progress_bar, len(texts), count)
        found = list(with_progress_bar(encoded, len(texts), shows_bar=bar))
        lengths = [lengths_of(one) for one in found] if encoding.options.return_lengths else None
        return [one.output for one in found], lengths, is_single

    # ---- vectors -------------------------------------------------------------------------------------

    @property
    def truncate_dim(self) -> int | None:
        """How many numbers of a vector are kept; None: all."""
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None:
        """Raises InputError for more numbers than a vector has."""
        if value is not None:
            width = self.model.config.hidden_size
            expected = f"an integer from 1 to {width}, the width of the vectors, or None"
            value = check_count("truncate_dim", value, expected)
            if value > width:
                raise InputError(mismatch("truncate_dim", shown(value), expected))
        self._truncate_dim = value

    @property
    def vector_size(self) -> int:
        """How many numbers a vector has."""
        return self.model.config.hidden_size if self.truncate_dim is None else self.truncate_dim

    def _dense(self, batch: PackedBatch, last_rh: np.ndarray, width: int | None) -> np.ndarray:
        """The vector of each text, float32 (S, `width` or H), from the last states of its tokens.

        For "cls", those of the first tokens alone will do.
        """
        starts = batch.seq_starts_s
        if self.pooling_method == "mean":
            x_sh = self.model.kernels.pool(last_rh, starts, ("mean",), 0, self.model.num_threads)
        elif self.pooling_method == "last_token":
            x_sh = last_rh[starts[1:] - 1]
        else:
            x_sh = last_rh if len(last_rh) == len(batch) else last_rh[batch.first_tokens_s]
        return self._finished(x_sh, width)

    def _mean(self, windows: Sequence[Window], vectors: Sequence[np.ndarray]) -> np.ndarray:
        """The vector of a text from those of its windows."""
        return mean_vector(windows, vectors, self.normalize_embeddings)

    def _finished(self, x_nh: np.ndarray, width: int | None) -> np.ndarray:
        """Rows cut to `width` numbers and, if the model is to, divided by their lengths.

        They are an array of their own: a part of a larger one would keep all of it in memory.
        """
        if width is not None:
            x_nh = x_nh[:, :width].copy()
        return normalized(x_nh) if self.normalize_embeddings else x_nh


def _instruction_length(template: str, instruction: str | None, options: PipelineOptions) -> int:
    """How many characters an instruction puts before each text, where windows or lengths need to know it.

    Raises InputError for a template with characters behind the text.
    """
    if options.long_text != WINDOWS and not options.return_lengths:
        return 0
    formatted = with_instruction("instruction", template, instruction, _SAMPLE)
    if not formatted.endswith(_SAMPLE):
        name = "long_text" if options.long_text == WINDOWS else "return_lengths"
        found = f"{getattr(options, name)!r} with characters behind the text in instruction_format"
        raise InputError(mismatch(name, found, "a format that ends with the text"))
    return len(formatted) - len(_SAMPLE)
