"""SentenceTransformer: texts → vectors, under sentence-transformers' names.

Files → modules (model_folder.py) → their chain (chain.py) → batches of texts (embedder.py) → vectors, which
are quantized (quantization.py) and compared (similarity.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import InputError, mismatch, shown
from ..files.file_sets import SETTINGS
from ..files.hub_options import HubOptions
from ..tokenizer.text_input import as_listed
from .chain import Chain, checked_modules
from .folder_writer import write_folder
from .keywords import ENCODE_KEYWORDS, SAVE_PRETRAINED_KEYWORDS, SENTENCE_KEYWORDS
from .loading import checked_keywords
from .model_folder import (
    cache_of_sentence_transformers,
    load_modules,
    naming_the_folder,
    with_organization,
)
from .modules import VECTORS, Module
from .progress import is_shown, with_progress_bar
from .prompted_texts import ROLE_PROMPTS, PromptedTexts, input_name
from .prompts import check_prompts, default_prompt, merged_prompts
from .quantization import check_precision, check_precision_of_iterator, quantize_embeddings

logger = logging.getLogger(__name__)


class SentenceTransformer(PromptedTexts):
    """A model of sentence embeddings, loaded from a folder or a Hub repository.

    >>> from roberta_c import bundled_model_path
    >>> model = SentenceTransformer(bundled_model_path())  # no modules.json: the mean of the tokens
    >>> model.encode(["so good", "so bad"]).shape
    (2, 192)

    Attributes: `prompts`, name → what stands before a text; `default_prompt_name`; `truncate_dim`;
    `similarity_fn_name`; `max_seq_length`; `tokenizer`; `device`. `model[0]`, … are the modules.
    """

    model_type = "SentenceTransformer"
    default_huggingface_organization = "sentence-transformers"

    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        *,
        modules: Any = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        cache_folder: str | Path | None = None,
        cache_dir: str | Path | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        similarity_fn_name: Any = None,
        truncate_dim: int | None = None,
        dtype: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
        allow_nonfinite: bool = False,
        **foreign: Any,
    ) -> None:
        """Loads the model's modules.

        modules: this package's modules, in place of a path. prompts, default_prompt_name, similarity_fn_name,
        truncate_dim: in place of the model's own. dtype: "float32" (None), "bfloat16" or "int8", what the
        encoder's layers compute in. num_threads: None for what this process may use. allow_nonfinite: whether
        the encoder's weights may be NaN or infinite. model_kwargs, processor_kwargs (formerly
        tokenizer_kwargs) and config_kwargs: of AutoModel's, AutoTokenizer's and AutoConfig's from_pretrained.
        device, backend and others of sentence-transformers are accepted where they cannot change the answer
        (keywords.py).

        Raises ModelFileError, TokenizerFileError, HubError, InputError.
        """
        checked_keywords(foreign, SENTENCE_KEYWORDS, "SentenceTransformer")
        check_prompts(prompts)
        if processor_kwargs is not None and tokenizer_kwargs is not None:
            raise InputError(
                mismatch("tokenizer_kwargs", "it beside processor_kwargs", "processor_kwargs alone")
            )
        if (model_name_or_path is None) == (modules is None):
            found = "neither" if modules is None else "both"
            raise InputError(mismatch("model_name_or_path and modules", found, "one of them"))
        of_files = {
            "dtype": dtype,
            "num_threads": num_threads,
            "isa": isa,
            "allow_nonfinite": allow_nonfinite,
            "model_kwargs": model_kwargs,
            "processor_kwargs": tokenizer_kwargs if processor_kwargs is None else processor_kwargs,
            "config_kwargs": config_kwargs,
        }
        settings: dict[str, Any] = {}
        module_files: list[str] | None = None
        if model_name_or_path is None:
            _check_all_none(of_files)
        else:
            cache = cache_of_sentence_transformers(cache_dir if cache_folder is None else cache_folder)
            hub_options = HubOptions(revision, token, cache, local_files_only)
            path_or_id = with_organization(model_name_or_path)
            with naming_the_folder(model_name_or_path, path_or_id):
                modules, module_files, settings = load_modules(path_or_id, hub_options, **of_files)
        self._listed: list[Module] = checked_modules(modules)
        self._chain = Chain(self._listed, module_files)
        self.prompts = merged_prompts(prompts, settings.get("prompts"), tuple(ROLE_PROMPTS))
        settings_file = f"{model_name_or_path}: {SETTINGS}"
        self.default_prompt_name = default_prompt(
            default_prompt_name, settings.get("default_prompt_name"), self.prompts, settings_file
        )
        given = {"similarity_fn_name": similarity_fn_name, "truncate_dim": truncate_dim}
        self._set_vector_settings(given, settings, settings_file)

    @classmethod
    def load(cls, input_path: str | Path) -> SentenceTransformer:
        """`SentenceTransformer(input_path)`, under its older name."""
        return cls(input_path)

    # ---- texts → vectors -----------------------------------------------------------------------------

    def encode(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str | None = VECTORS,
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: Any = None,
        chunk_size: Any = None,
        *,
        long_text: str | None = None,
        stride: int | None = None,
        return_lengths: bool = False,
        **foreign: Any,
    ) -> Any:
        """The embeddings of texts.

        inputs: a str; a list of them, or what holds them as a list does (a NumPy array, a Series, a column);
            or an iterator, for which the result is an iterator that reads and computes some batches at a
            time, in bounded memory. `sentences=` is the older name.
        prompt_name: a key of `prompts`, the text to put before each; prompt: this text itself. None for both:
            that of default_prompt_name.
        batch_size: how many texts go through the model together. Results do not depend on it.
        show_progress_bar: None for whether this module's logger shows messages of level INFO.
        output_value: "sentence_embedding"; "token_embeddings", the rows of each text's tokens (len, H); None,
            a dict of ids and both for each text.
        precision: "float32", or one of quantize_embeddings, with the ranges of these texts.
        convert_to_numpy: False for a list of vectors in place of one array.
        normalize_embeddings: whether vectors are divided by their lengths. truncate_dim: how many of their
            numbers are kept, before that; None for the model's truncate_dim.
        long_text: what is done with a text of more than max_seq_length tokens. "truncate" or None: it is cut,
            and one logged warning counts such texts. "error": an InputError names it. "windows": all of it is
            read, in windows of max_seq_length tokens that overlap, and each begins with the prompt. Its
            vector is Σ w_i v_i / Σ w_i, where v_i is what the model's modules make of window i, and w_i is
            how many of the text's tokens are the window's own; this mean is normalized if the last module is
            Normalize. truncate_dim and normalize_embeddings come after it. Rows of tokens are each those of
            the window where the token has most context. A text that fits has the same bits with each.
        stride: how many tokens a window repeats of the one before it; None for an eighth of its room.
        return_lengths: whether the result is (embeddings, lengths). lengths is a list of {"n_tokens",
            "truncated", "windows"}: the complete text's tokens, with the prompt's and special ones; whether
            some were cut off; and the characters [start, end] of the text, without its prompt, that each
            window read. For a str it is one dict; each item of an iterator is a pair.

        Returns float32 (n, D), (D) for a str, (0, D) for an empty list; a list for other outputs. Raises
        InputError, ModelFileError.
        """
        inputs = _one_of(inputs, foreign.pop("sentences", None))
        fixed = {
            "convert_to_numpy": convert_to_numpy,
            "convert_to_tensor": convert_to_tensor,
            "device": device,
            "pool": pool,
            "chunk_size": chunk_size,
        }
        checked_keywords({**foreign, **fixed}, ENCODE_KEYWORDS, "encode")
        check_precision("float32" if precision is None else precision)
        shows_bar = is_shown(show_progress_bar, logger)
        embedder = self.embedder(
            prompt_name,
            prompt,
            batch_size,
            output_value,
            normalize_embeddings,
            truncate_dim,
            long_text,
            stride,
            return_lengths,
        )
        quantize = partial(quantize_embeddings, precision=precision)
        is_quantized = precision not in (None, "float32") and output_value is not None
        if isinstance(inputs, Iterator):
            check_precision_of_iterator(precision)
            pairs = embedder.of_iterator(inputs, input_name)
            if is_quantized:
                pairs = ((quantize(one), lengths) for one, lengths in pairs)
            return pairs if return_lengths else (value for value, _ in pairs)
        is_single = isinstance(inputs, str)
        texts = [inputs] if is_single else _listed_texts(inputs)
        name_of = (lambda _: "inputs") if is_single else input_name
        counted = partial(with_progress_bar, total=len(texts), shows_bar=shows_bar)
        result, lengths = embedder.of_list(texts, name_of, counted)
        if is_quantized and (len(result) or output_value == VECTORS):
            result = quantize(result)
        if is_single:
            return (result[0], lengths[0]) if return_lengths else result[0]
        if output_value == VECTORS and not convert_to_numpy:
            result = list(result)
        return (result, lengths) if return_lengths else result

    def encode_query(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *others: Any,
        **options: Any,
    ) -> Any:
        """`encode` with the prompt "query" of `prompts`, unless another is given. others: as of `encode`."""
        if prompt_name is None and prompt is None:
            prompt_name = self.role_prompt_name("query")
        return self.encode(inputs, prompt_name, prompt, *others, **options)

    def encode_document(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *others: Any,
        **options: Any,
    ) -> Any:
        """`encode` with the first of the prompts "document", "passage", "corpus", unless another is given."""
        if prompt_name is None and prompt is None:
            prompt_name = self.role_prompt_name("document")
        return self.encode(inputs, prompt_name, prompt, *others, **options)

    # ---- files ---------------------------------------------------------------------------------------

    def save_pretrained(self, path: str | os.PathLike[str], **keywords: Any) -> None:
        """Write a folder that sentence-transformers and this package load as this model.

        Weights are those of the files that the model came from, whatever its dtype. Raises InputError,
        ModelFileError.
        """
        checked_keywords(keywords, SAVE_PRETRAINED_KEYWORDS, "save_pretrained")
        settings: dict[str, Any] = {
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
            "similarity_fn_name": self.similarity_fn_name,
        }
        if self.truncate_dim is not None:
            settings["truncate_dim"] = self.truncate_dim
        write_folder(path, self._listed, settings)

    save = save_pretrained


def _check_all_none(of_files: dict[str, Any]) -> None:
    """Raise InputError for the first keyword that is given beside modules, which have been loaded."""
    for name, value in of_files.items():
        if value not in (None, False):
            raise InputError(mismatch(name, f"{shown(value)} beside modules", "it of the Transformer"))


def _one_of(inputs: Any, sentences: Any) -> Any:
    """The texts under whichever of their names they were given. Raises InputError for both."""
    if inputs is not None and sentences is not None:
        raise InputError(mismatch("inputs, sentences", "both", "one of the two"))
    return sentences if inputs is None else inputs


def _listed_texts(inputs: Any) -> list[Any]:
    """A caller's list of texts, or what holds them as a list does. Raises InputError."""
    listed = as_listed(inputs, takes_tuples=True)
    if listed is None:
        raise InputError(mismatch("inputs", type(inputs).__name__, "a str, or a list or iterator of these"))
    return listed
