"""CrossEncoder: scores of pairs of texts, under sentence-transformers' names, and rankings by them."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import InputError, MissingNameError, mismatch, shown
from ..files.hub import HubOptions
from ..machine.devices import Device
from ..pipelines.options import check_count
from ..pipelines.rows import plain_text
from ..pipelines.text_classification import apply_function
from ..tokenizer.text_input import as_listed
from .cross_encoder_files import load_cross_encoder
from .cross_encoder_keywords import (
    CALL_KEYWORDS,
    CALL_NAMES,
    LOAD_KEYWORDS,
    LOAD_NAMES,
    MISSING_NAMES,
    SAVE_KEYWORDS,
    renamed,
)
from .loading import checked_keywords, keyword_dict
from .pair_encoding import PairRow, pair_rows
from .pair_scoring import PairOptions, PairScoring
from .score_activations import Activation, ScoreActivation, apply_activation, as_activation


class ScoreConvention(NamedTuple):
    """How published software makes a score of a pair: which texts are cut, and the function of the logits.

    cuts_query: whether a query keeps at most ¾ of max_length, and the document alone is cut for the rest;
    otherwise the longer text is cut. activation: None for the one that the model's files name.
    """

    cuts_query: bool
    activation: str | None


SCORE_CONVENTIONS = {
    "sentence-transformers": ScoreConvention(False, None),
    "flag-embedding": ScoreConvention(True, "identity"),
    "tei": ScoreConvention(False, "sigmoid"),
}


class CrossEncoder:
    """A model that reads two texts together and gives a score, or a score for each label.

    `CrossEncoder(folder or Hub repository)`, then `predict(pairs)` or `rank(query, documents)`. Attributes:
    `model`, `tokenizer`, `config`; `activation_fn`, `max_length` and `score_convention`, which may be
    assigned; `prompts` and `default_prompt_name`. Results are sentence-transformers 6's; a pair has the same
    bits in any list.
    """

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
        dtype, num_threads, revision, token, local_files_only: as in AutoModel.from_pretrained. cache_folder:
            None: SENTENCE_TRANSFORMERS_HOME, or the Hub client's cache.
        model_kwargs, processor_kwargs, config_kwargs: more keywords for model, tokenizer and config.
        keywords: older names of these, and keywords of sentence-transformers that need nothing done here.

        Raises InputError, ModelFileError, TokenizerFileError, HubError.
        """
        given: dict[str, Any] = {
            "model_name_or_path": model_name_or_path,
            "cache_folder": cache_folder,
            "model_kwargs": model_kwargs,
            "processor_kwargs": processor_kwargs,
            "config_kwargs": config_kwargs,
            "activation_fn": activation_fn,
        }
        given = renamed({**given, **keywords, "device": device}, LOAD_NAMES)
        activation, cache_folder = given.pop("activation_fn"), given.pop("cache_folder")
        path_or_id = given.pop("model_name_or_path")
        parts = {
            name: keyword_dict(name, given.pop(name)) for name in list(given) if name.endswith("_kwargs")
        }
        checked_keywords(given, LOAD_KEYWORDS, "a keyword of sentence-transformers' CrossEncoder")
        _check_convention(score_convention)
        own_activation = None if activation is None else as_activation(activation)
        if num_labels is not None:
            check_count("num_labels", num_labels, "an integer of at least 1, or None for the model's")
            parts["config_kwargs"]["num_labels"] = num_labels
        for name, value in (("dtype", dtype), ("num_threads", num_threads)):
            if value is not None:
                parts["model_kwargs"][name] = value
        folder = os.environ.get("SENTENCE_TRANSFORMERS_HOME") if cache_folder is None else cache_folder
        hub_options = HubOptions(revision, token, folder, local_files_only)
        self.model, self.tokenizer, saved = load_cross_encoder(path_or_id, hub_options, **parts)
        self._saved_activation, self._activation = saved.activation, own_activation
        self.prompts = {**saved.prompts, **_checked_prompts(prompts)}
        self.default_prompt_name = (
            saved.default_prompt_name if default_prompt_name is None else default_prompt_name
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
        **keywords: Any,
    ) -> Any:
        """The scores of pairs: float32 (S), or (S, C) for a model of C > 1 labels.

        inputs: a list of pairs of str, or a numpy array or another column of them; or one pair, whose result
            is one number or (C). An empty list gives an empty array (0) or (0, C).
        prompt, prompt_name: a text, or the name of one of `prompts`, that is put before each first text.
        batch_size: results do not depend on it. activation_fn: as the class's, for this call.
        apply_softmax: with several labels, softmax over each row of what the activation gives.
        convert_to_numpy: False for a list of the rows. show_progress_bar has no effect: there is no bar.
        keywords: older names (`sentences`, `activation_fct`), and keywords that need nothing done here.

        Each text is tokenized once for all pairs it is in; one logged warning counts truncated pairs. Raises
        InputError; ModelFileError if logits are not numbers.
        """
        given = {"inputs": inputs, "activation_fn": activation_fn, "show_progress_bar": show_progress_bar}
        given = renamed({**given, **keywords}, CALL_NAMES)
        inputs, activation_fn = given.pop("inputs"), given.pop("activation_fn")
        checked_keywords(given, CALL_KEYWORDS, "a keyword of sentence-transformers' predict")
        rows, is_single = pair_rows(inputs, "pairs")
        before = self.prompt_text(prompt, prompt_name)
        if before:
            rows = [PairRow(before + row.first, row.second) for row in rows]
        activation = self.activation_fn if activation_fn is None else as_activation(activation_fn)
        scores = apply_activation(activation, self.scoring(rows, batch_size).logits_sc())
        if scores.ndim == 2 and self.num_labels == 1:
            scores = scores[:, 0]
        if apply_softmax and scores.ndim == 2:
            scores = apply_function("softmax", scores).astype(np.float32)
        if is_single:
            return scores[0]
        return scores if convert_to_numpy else list(scores)

    def rank(
        self,
        query: str,
        documents: Any,
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Any = None,
        **keywords: Any,
    ) -> list[dict[str, Any]]:
        """The documents by descending score: [{"corpus_id": index, "score": float}, …]; with
        `return_documents` also "text".

        documents: a list of str, or a column of them. top_k: how many of the best; None for all. The other
        arguments are those of `predict`. Raises InputError, also for a model of several labels.
        """
        if self.num_labels != 1:
            expected = "a model of 1 label: rank has one score for each document, predict one for each label"
            raise InputError(mismatch("rank", f"a model of {self.num_labels} labels", expected))
        if top_k is not None:
            check_count("top_k", top_k, "an integer of at least 0, or None for all documents", least=0)
        listed = as_listed(documents, takes_tuples=True)
        if listed is None:
            raise InputError(mismatch("documents", shown(documents), "a list of str"))
        first = plain_text(query, "query")
        texts = [plain_text(text, f"documents[{index}]") for index, text in enumerate(listed)]
        for name in ("apply_softmax", "convert_to_numpy", "convert_to_tensor"):
            keywords.pop(name, None)  # older callers pass these; results are floats
        scores = self.predict(
            [(first, text) for text in texts],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
            **keywords,
        )
        order = np.argsort(-scores, kind="stable")[:top_k].tolist()
        ranked: list[dict[str, Any]] = [
            {"corpus_id": index, "score": float(scores[index])} for index in order
        ]
        if return_documents:
            for result in ranked:
                result["text"] = listed[result["corpus_id"]]
        return ranked

    def scoring(self, rows: list[PairRow], batch_size: int) -> PairScoring:
        """The pipeline below `predict`, which cuts pairs as the convention says. rows: [] for a stream."""
        cuts_query = SCORE_CONVENTIONS[self._score_convention].cuts_query
        given = {
            "batch_size": batch_size,
            "max_length": self.max_length,
            "truncation": "only_second" if cuts_query else "longest_first",
            "first_max_length": self.max_length * 3 // 4 if cuts_query else None,
        }
        return PairScoring(self.model, self.tokenizer, PairOptions().changed(given), rows)

    def prompt_text(self, prompt: str | None = None, name: str | None = None) -> str:
        """The text before each first text. Raises InputError for a name that `prompts` lacks."""
        if prompt is not None:
            return plain_text(prompt, "prompt")
        name = self.default_prompt_name if name is None else name
        if name is None:
            return ""
        if name not in self.prompts:
            raise InputError(mismatch("prompt_name", shown(name), f"one of {shown(list(self.prompts))}"))
        return self.prompts[name]

    # ---- attributes ----------------------------------------------------------------------------------

    @property
    def config(self) -> Any:
        """The model's config."""
        return self.model.config

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
        _check_convention(name)
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
        check_count("max_length", length, f"an integer from {least} to {limit}, the model's limit", least)
        if length > limit:
            raise InputError(mismatch("max_length", length, f"at most {limit}, the model's limit"))
        self.tokenizer.model_max_length = int(length)

    @property
    def max_seq_length(self) -> int:
        """`max_length`, under the name of sentence-transformers 6."""
        return self.max_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        self.max_length = length

    @property
    def device(self) -> Device:
        """The CPU."""
        return self.model.device

    @property
    def dtype(self) -> str:
        """The arithmetic of the model's layers."""
        return self.model.dtype

    def to(self, *args: Any, **kwargs: Any) -> CrossEncoder:
        """This object, for the CPU and for the dtype it has; InputError for any other."""
        self.model.to(*args, **kwargs)
        return self

    def eval(self) -> CrossEncoder:
        """This object: there is no training mode."""
        return self

    def save_pretrained(self, path: str | os.PathLike[str], **keywords: Any) -> None:
        """Write the model, the tokenizer and, in config.json, the activation, for both packages to load.

        Raises InputError for an activation that is the caller's own function, ModelFileError.
        """
        checked_keywords(keywords, SAVE_KEYWORDS, "path")
        activation = self.activation_fn
        if not isinstance(activation, ScoreActivation):
            expected = "one with a name: config.json cannot hold a function"
            raise InputError(mismatch("activation_fn", shown(activation), expected))
        model = copy.deepcopy(self.model)  # shares the weights, not the config
        model.config.sentence_transformers = {"activation_fn": activation.dotted_name}
        model.save_pretrained(path)
        self.tokenizer.save_pretrained(Path(path))

    def save(self, path: str | os.PathLike[str], **keywords: Any) -> None:
        """`save_pretrained`."""
        self.save_pretrained(path, **keywords)

    def __repr__(self) -> str:
        name = f"{type(self.model).__name__} {shown(self.model.name_or_path)}"
        return (
            f"{type(self).__name__}({name}, activation_fn={self.activation_fn}, max_length={self.max_length})"
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name in MISSING_NAMES:
            place = f"{type(self).__name__}.{name}"
            raise MissingNameError(mismatch(place, "no such method", MISSING_NAMES[name]))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _check_convention(name: Any) -> None:
    if not isinstance(name, str) or name not in SCORE_CONVENTIONS:
        raise InputError(mismatch("score_convention", shown(name), f"one of {', '.join(SCORE_CONVENTIONS)}"))


def _checked_prompts(prompts: Any) -> dict[str, str]:
    if prompts is None:
        return {}
    if not isinstance(prompts, dict):
        raise InputError(mismatch("prompts", shown(prompts), "a dict of names and texts"))
    return {str(name): plain_text(text, f"prompts[{name!r}]") for name, text in prompts.items()}
