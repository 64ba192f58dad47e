"""CrossEncoder: scores of pairs of texts, under sentence-transformers' names, and rankings by them."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files.file_sets import SETTINGS
from ..files.hub_options import HubOptions
from ..pipelines.options import check_choice, check_count, check_flag
from ..pipelines.windows import lengths_of
from .cross_encoder_files import load_cross_encoder
from .cross_encoder_writer import write_settings
from .encoder_settings import PARTS
from .keywords import (
    CROSS_ENCODER_KEYWORDS,
    CROSS_ENCODER_NAMES,
    PREDICT_KEYWORDS,
    PREDICT_NAMES,
    RANK_KEYWORDS,
    SAVE_PRETRAINED_KEYWORDS,
    with_newer_names,
)
from .loading import checked_keywords, keyword_dict
from .model_folder import cache_of_sentence_transformers, naming_the_folder, with_organization
from .pair_encoding import PairRow, pair_rows, pairs_of, prompted, queries_with_documents
from .pair_model import PairModel
from .pair_scoring import PairLogits
from .progress import is_shown
from .prompts import HasPrompts, check_prompts, chosen_prompt, default_prompt, merged_prompts
from .rankings import rankings_of
from .score_activations import ScoreActivation, as_activation, scores_of_logits
from .score_conventions import check_convention

logger = logging.getLogger(__name__)


class CrossEncoder(HasPrompts, PairModel):
    """A model that reads two texts together and gives a score, or a score for each label.

    `CrossEncoder(folder or Hub repository)`, then `predict(pairs)` or `rank(query, documents)`. Attributes:
    `model`, `tokenizer`, `config`; `activation_fn`, `max_length` and `score_convention`, which may be
    assigned; `prompts` and `default_prompt_name`. Results are sentence-transformers 6's; a pair has the same
    bits in any list.
    """

    model_type = "CrossEncoder"
    # The one of a model that is named without its organization.
    default_huggingface_organization = "cross-encoder"

    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        num_labels: int | None = None,
        max_length: int | None = None,
        activation_fn: Any = None,
        device: Any = None,
        *,
        score_convention: str = "sentence-transformers",
        dtype: Any = None,
        num_threads: int | None = None,
        allow_nonfinite: bool = False,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        """Loads the model.

        num_labels: that of the model's head, or None. max_length: tokens of a pair, special tokens included;
            None: what the model's files say, at most its positions.
        activation_fn: the function from logits to scores: "sigmoid", "identity", "softmax", …, torch's object
            of that name, or a function of float32 arrays (S, C). None: the convention's.
        score_convention: "sentence-transformers": activation as in the model's files, else sigmoid for one
            label and identity for several; the longer text is cut. "flag-embedding" (FlagReranker): logits; a
            query keeps at most ¾ of max_length, and the document is cut. "tei" (Text Embeddings Inference):
            sigmoid; the longer text is cut.
        dtype, num_threads, allow_nonfinite, revision, token, local_files_only: as in AutoModel's
            from_pretrained. cache_folder: None: SENTENCE_TRANSFORMERS_HOME, or the Hub client's cache.
        prompts: texts that are put before the first ones of pairs, by name: those of the files, and these in
            their place. default_prompt_name: which of them, where a call says nothing.
        model_kwargs, processor_kwargs, config_kwargs: more keywords for model, tokenizer and config.
        keywords: older names of these, and keywords of sentence-transformers that need nothing done here.

        A name without an organization, such as "stsb-roberta-base", is one of cross-encoder's. Raises
        InputError, ModelFileError, TokenizerFileError, HubError.
        """
        given: dict[str, Any] = {
            "model_name_or_path": model_name_or_path,
            "cache_folder": cache_folder,
            "model_kwargs": model_kwargs,
            "processor_kwargs": processor_kwargs,
            "config_kwargs": config_kwargs,
            "activation_fn": activation_fn,
        }
        given = with_newer_names({**given, **keywords, "device": device}, CROSS_ENCODER_NAMES)
        model_or_folder, cache, activation = (
            given.pop(name) for name in ("model_name_or_path", "cache_folder", "activation_fn")
        )
        parts = {part: keyword_dict(part, given.pop(part)) for part in PARTS}
        checked_keywords(given, CROSS_ENCODER_KEYWORDS, "CrossEncoder")
        check_convention(score_convention)
        own_activation = None if activation is None else as_activation(activation)
        check_prompts(prompts)
        _add_options(parts, num_labels, dtype, num_threads, allow_nonfinite)
        path_or_id = with_organization(model_or_folder, self.default_huggingface_organization)
        hub_options = HubOptions(revision, token, cache_of_sentence_transformers(cache), local_files_only)
        with naming_the_folder(model_or_folder, path_or_id):
            model, tokenizer, saved = load_cross_encoder(path_or_id, hub_options, **parts)
        super().__init__(model, tokenizer, saved.activation, own_activation)
        self.prompts = merged_prompts(prompts, saved.prompts)
        settings_file = f"{model.name_or_path}: {SETTINGS}"
        self.default_prompt_name = default_prompt(
            default_prompt_name, saved.default_prompt_name, self.prompts, settings_file
        )
        if max_length is not None:
            self.max_length = max_length
        self.score_convention = score_convention

    # ---- scores --------------------------------------------------------------------------------------

    def predict(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Any = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        *,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
        **keywords: Any,
    ) -> Any:
        """The scores of pairs: float32 (S), or (S, C) for a model of C > 1 labels.

        inputs: a list of pairs of str, or a numpy array or another column of them; or one pair, whose result
            is one number or (C). An empty list gives an empty array (0) or (0, C). For an iterator of pairs
            the result is an iterator of their scores, which reads and computes some batches at a time, in
            bounded memory.
        prompt, prompt_name: a text, or the name of one of `prompts`, that is put before each first text. None
            for both: that of default_prompt_name.
        batch_size: results do not depend on it. activation_fn: as the class's, for this call.
        show_progress_bar: None for whether this module's logger shows messages of level INFO. An iterator has
            none: its length is not known.
        apply_softmax: with several labels, softmax over each row of what the activation gives.
        convert_to_numpy: False for a list of the rows.
        long_text: what is done with a pair of more than max_length tokens. "truncate" or None: the convention
            cuts it, and one logged warning counts such pairs. "error": an InputError names it. "windows": the
            model reads all of the second text, in windows that overlap, each with the complete first text;
            the logit of each label is the highest of any window, and the activation comes after that. The
            first text may have at most max_length tokens less the special ones and `stride`, or what the
            convention allows. A pair that fits has the same bits with each.
        stride: how many tokens of the second text a window repeats of the one before it; None for an eighth
            of its room.
        return_lengths: whether the result is (scores, lengths). lengths is a list of {"n_tokens",
            "truncated", "windows"}: the complete pair's tokens, with the special ones; whether some were cut
            off; and the characters [start, end] of the second text that each window read. For one pair it is
            one dict; each item of an iterator is (score, dict).
        keywords: older names (`sentences`, `activation_fct`), and keywords that need nothing done here.

        Each text is tokenized once for all pairs it is in. Raises InputError; ModelFileError if logits are
        not numbers.
        """
        given = {"inputs": inputs, "activation_fn": activation_fn, "convert_to_numpy": convert_to_numpy}
        given = with_newer_names({**given, **keywords}, PREDICT_NAMES)
        inputs, activation_fn = given.pop("inputs"), given.pop("activation_fn")
        checked_keywords(given, PREDICT_KEYWORDS, "predict")
        check_choice("apply_softmax", apply_softmax, (True, False, None))
        shows_bar = is_shown(show_progress_bar, logger)
        before = chosen_prompt(self.prompts, self.default_prompt_name, prompt, prompt_name)
        activation = self.activation_fn if activation_fn is None else as_activation(activation_fn)
        to_scores = partial(scores_of_logits, activation=activation, softmax=bool(apply_softmax))
        reading = batch_size, long_text, stride, return_lengths
        if isinstance(inputs, Iterator):
            # Bad options fail before the first pair is read.
            scoring = self.scoring([], *reading)
            logits = scoring.stream(prompted(pairs_of(inputs, "pairs"), before))
            return _streamed(logits, to_scores, return_lengths)
        rows, is_single = pair_rows(inputs, "pairs")
        logits_sc, lengths = self.scoring(list(prompted(rows, before)), *reading).logits_sc(shows_bar)
        scores = to_scores(logits_sc)
        if is_single:
            return (scores[0], lengths[0]) if return_lengths else scores[0]
        result = scores if convert_to_numpy else list(scores)
        return (result, lengths) if return_lengths else result

    def rank(
        self,
        query: Any,
        documents: Any,
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Any = None,
        *,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
        **keywords: Any,
    ) -> list[Any]:
        """The documents by descending score: [{"corpus_id": index, "score": float}, …]; with
        `return_documents` also "text", and with `return_lengths` "n_tokens", "truncated" and "windows".

        query: a str; or a list of them, with a list of documents for each: the result is the list of their
            rankings. documents: a list of str, or a column of them. top_k: how many of the best; None for
            all. The other arguments are those of `predict`.

        Raises InputError, also for a model of several labels.
        """
        if self.num_labels != 1:
            expected = "a model of 1 label: rank has one score for each document, predict one for each label"
            raise InputError(mismatch("rank", f"a model of {self.num_labels} labels", expected))
        check_flag("return_documents", return_documents)
        if top_k is not None:
            expected = "an integer of at least 0, or None for all documents"
            top_k = check_count("top_k", top_k, expected, least=0)
        given = with_newer_names({"activation_fn": activation_fn, **keywords}, PREDICT_NAMES)
        activation_fn = given.pop("activation_fn")
        checked_keywords(given, RANK_KEYWORDS, "rank")
        of_queries = queries_with_documents(query, documents)
        scores = self.predict(
            [PairRow(one, text) for one, texts in of_queries for text in texts],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
            long_text=long_text,
            stride=stride,
            return_lengths=return_lengths,
        )
        scores, lengths = scores if return_lengths else (scores, None)
        rankings = rankings_of(of_queries, scores, lengths, return_documents, top_k)
        return rankings[0] if isinstance(query, str) else rankings

    # ---- files ---------------------------------------------------------------------------------------

    def save_pretrained(self, path: str | os.PathLike[str], **keywords: Any) -> None:
        """Write the model, the tokenizer, the prompts and the activation, for both packages to load.

        config.json has the activation for sentence-transformers 4 and 5; the files beside it are those of 6.
        Raises InputError for an activation that is the caller's own function, ModelFileError.
        """
        checked_keywords(keywords, SAVE_PRETRAINED_KEYWORDS, "save_pretrained")
        activation = self.activation_fn
        if not isinstance(activation, ScoreActivation):
            expected = "one with a name: config.json cannot hold a function"
            raise InputError(mismatch("activation_fn", shown(activation), expected))
        model = copy.deepcopy(self.model)  # shares the weights, not the config
        model.config.sentence_transformers = {"activation_fn": activation.dotted_name}
        model.save_pretrained(path)
        self.tokenizer.save_pretrained(Path(path))
        write_settings(Path(path), activation, self.prompts, self.default_prompt_name)

    save = save_pretrained


def _add_options(
    parts: dict[str, dict[str, Any]],
    num_labels: int | None,
    dtype: Any,
    num_threads: int | None,
    allow_nonfinite: bool,
) -> None:
    """Add the constructor's options that are given to the keywords of the parts. Raises InputError."""
    if num_labels is not None:
        expected = "an integer of at least 1, or None for the model's"
        parts["config_kwargs"]["num_labels"] = check_count("num_labels", num_labels, expected)
    own = {"dtype": dtype, "num_threads": num_threads, "allow_nonfinite": allow_nonfinite or None}
    for name, value in own.items():
        if value is not None:
            parts["model_kwargs"][name] = value


def _streamed(
    logits: Iterator[PairLogits], to_scores: Callable[[np.ndarray], np.ndarray], return_lengths: bool
) -> Iterator[Any]:
    """The score of each pair; with `return_lengths` also how much of it was read."""
    for one in logits:
        score = to_scores(one.logits_c[None])[0]
        yield (score, lengths_of(one)) if return_lengths else score
