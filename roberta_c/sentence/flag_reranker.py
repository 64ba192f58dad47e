"""FlagReranker: scores of pairs, under FlagEmbedding's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ModelFileError, mismatch
from ..files.hub_options import HubOptions
from ..model import RobertaForSequenceClassification
from ..model.auto import AutoModelForSequenceClassification
from ..pipelines.options import check_choice
from ..pipelines.text_classification import apply_function
from .flag_base import FlagEmbeddingModel, with_instruction
from .keywords import FLAG_CALL_KEYWORDS
from .loading import checked_keywords
from .pair_encoding import PairRow, pair_rows
from .pair_scoring import PairOptions, PairScoring
from .progress import is_shown_for_many


class FlagReranker(FlagEmbeddingModel):
    """A model of one label that scores a query and a passage, such as bge-reranker-base.

    `FlagReranker(folder or Hub repository).compute_score(pairs)`.
    """

    auto_class = AutoModelForSequenceClassification
    model: RobertaForSequenceClassification

    def __init__(
        self,
        model_name_or_path: str | Path,
        use_fp16: bool = False,
        query_instruction_for_rerank: str | None = None,
        query_instruction_format: str = "{}{}",
        passage_instruction_for_rerank: str | None = None,
        passage_instruction_format: str = "{}{}",
        trust_remote_code: bool = False,
        cache_dir: str | Path | None = None,
        devices: Any = None,
        batch_size: int = 128,
        query_max_length: int | None = None,
        max_length: int | None = None,
        normalize: bool = False,
        *,
        dtype: Any = None,
        num_threads: int | None = None,
        allow_nonfinite: bool = False,
        revision: str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **keywords: Any,
    ) -> None:
        """Loads the model.

        use_fp16: accepted, without an effect, as in FlagEmbedding on a CPU. dtype chooses the arithmetic.
        query_instruction_for_rerank, passage_instruction_for_rerank: what the formats put before the texts.
        max_length: tokens of a pair; None: 512, or the model's limit if it is less. query_max_length: tokens
            of a query; None: three quarters of max_length. A pair whose query leaves no room for its passage
            is an InputError of the call. normalize: whether scores are sigmoids of logits.
        The rest is as in AutoModel.from_pretrained.

        Raises InputError, ModelFileError (also for a model without one label), TokenizerFileError, HubError.
        """
        keywords |= {"use_fp16": use_fp16, "trust_remote_code": trust_remote_code, "devices": devices}
        check_choice("normalize", normalize, (True, False))
        self.query_instruction_for_rerank = query_instruction_for_rerank
        self.query_instruction_format = query_instruction_format
        self.passage_instruction_for_rerank = passage_instruction_for_rerank
        self.passage_instruction_format = passage_instruction_format
        self._with_instructions(PairRow("a query", "a passage"))  # a bad format fails at once
        super().__init__(
            model_name_or_path,
            HubOptions(revision, token, cache_dir, local_files_only),
            dtype=dtype,
            num_threads=num_threads,
            allow_nonfinite=allow_nonfinite,
            batch_size=batch_size,
            keywords=keywords,
        )
        if self.model.config.num_labels != 1:
            setting = f"{self.model.name_or_path}: config.json: num_labels"
            raise ModelFileError(mismatch(setting, self.model.config.num_labels, "1: a reranker's one score"))
        self.query_max_length, self.normalize = query_max_length, normalize
        self.max_length = self._length("max_length", max_length)
        self._scoring([], None, None, None)  # bad lengths fail at once

    def compute_score(
        self,
        sentence_pairs: Any,
        batch_size: int | None = None,
        query_max_length: int | None = None,
        max_length: int | None = None,
        normalize: bool | None = None,
        *,
        show_progress_bar: bool | None = None,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
        **keywords: Any,
    ) -> Any:
        """The scores of pairs of a query and a passage, in their order: a list, also for one pair.

        sentence_pairs: a list of pairs of str, or one pair; an empty list gives an empty list. The other
        arguments are the constructor's, for this call. A score is the logit or, with `normalize`, its
        sigmoid. A query keeps its first `query_max_length` tokens; the passage is cut to the rest.
        show_progress_bar: None: whether standard error is a terminal, for more pairs than a batch.
        long_text, stride: as of CrossEncoder.predict; with "windows", a query of more than `query_max_length`
        tokens is an InputError. return_lengths: whether the result is (scores, lengths), as there but with
        lists of both for one pair, too; characters are those of the passage with its instruction. Raises
        InputError; ModelFileError if logits are not numbers.
        """
        checked_keywords(keywords, FLAG_CALL_KEYWORDS, "compute_score")
        rows, _ = pair_rows(sentence_pairs, "sentence_pairs")
        normalize = self.normalize if normalize is None else normalize
        check_choice("normalize", normalize, (True, False))
        rows = [self._with_instructions(row) for row in rows]
        reading = {"long_text": long_text, "stride": stride, "return_lengths": return_lengths}
        scoring = self._scoring(rows, batch_size, query_max_length, max_length, **reading)
        bar = is_shown_for_many(show_progress_bar, len(rows), scoring.options.batch_size)
        logits_sc, lengths = scoring.logits_sc(bar)
        scores: list[float] = apply_function("sigmoid" if normalize else "none", logits_sc)[:, 0].tolist()
        return (scores, lengths) if return_lengths else scores

    def _scoring(
        self,
        rows: list[PairRow],
        batch_size: int | None,
        query_max_length: int | None,
        max_length: int | None,
        **reading: Any,
    ) -> PairScoring:
        """The pipeline of a call; None for what the constructor said. reading: what is done with long texts.
        Raises InputError."""
        length = self.max_length if max_length is None else self._length("max_length", max_length)
        query_length = self.query_max_length if query_max_length is None else query_max_length
        given = {
            "batch_size": self.batch_size if batch_size is None else batch_size,
            "max_length": length,
            "cut": "only_second",
            "first_max_length": max(1, length * 3 // 4) if query_length is None else query_length,
            **reading,
        }
        return PairScoring(self.model, self.tokenizer, PairOptions().changed(given), rows)

    def get_detailed_inputs(self, sentence_pairs: Any) -> list[list[str]]:
        """The pairs as the model reads them: with the instructions before their texts. Raises InputError."""
        rows, _ = pair_rows(sentence_pairs, "sentence_pairs")
        return [list(self._with_instructions(row)) for row in rows]

    def _with_instructions(self, row: PairRow) -> PairRow:
        return PairRow(
            with_instruction(
                "query_instruction",
                self.query_instruction_format,
                self.query_instruction_for_rerank,
                row.first,
            ),
            with_instruction(
                "passage_instruction",
                self.passage_instruction_format,
                self.passage_instruction_for_rerank,
                row.second,
            ),
        )
