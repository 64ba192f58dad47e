"""The first module of a model: the encoder and its tokenizer, from texts to the rows of their tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config import load_config
from ..config.load_keywords import CONFIG_KEYWORDS, TOKENIZER_KEYWORDS, without_foreign
from ..errors import InputError, mismatch, shown
from ..files.hub import DEFAULT_OPTIONS, SENTENCE_SETTINGS, HubOptions
from ..files.new_file import make_folder
from ..model import RobertaModel
from ..model.auto import AutoModel
from ..pipelines.options import check_count
from ..tokenizer import AutoTokenizer
from .loading import keyword_dict
from .modules import Module, write_json


class Transformer(Module):
    """`auto_model` and `tokenizer`, and `max_seq_length`, how many tokens a text is truncated to."""

    type_name = "sentence_transformers.models.Transformer"

    def __init__(
        self,
        model_name_or_path: str | Path,
        max_seq_length: int | None = None,
        do_lower_case: bool = False,
        *,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        dtype: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
        hub_options: HubOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Loads both from a folder or a Hub repository.

        max_seq_length: None for as many as tokenizer and model take, which are the most. do_lower_case:
        whether texts are lower-cased. model_kwargs, dtype, num_threads, isa: of AutoModel.from_pretrained;
        processor_kwargs of AutoTokenizer's, config_kwargs of AutoConfig's. Raises ModelFileError,
        TokenizerFileError, HubError, InputError.
        """
        if max_seq_length is not None:
            check_count("max_seq_length", max_seq_length, "an integer of at least 1, or None for the model's")
        if not isinstance(do_lower_case, bool):
            raise InputError(mismatch("do_lower_case", shown(do_lower_case), "True or False"))
        of_model = keyword_dict("model_kwargs", model_kwargs)
        of_tokenizer = without_foreign(keyword_dict("processor_kwargs", processor_kwargs), TOKENIZER_KEYWORDS)
        of_config = without_foreign(keyword_dict("config_kwargs", config_kwargs), CONFIG_KEYWORDS)
        for name, keywords, taken in (
            ("model_kwargs", of_model, "config"),
            ("processor_kwargs", of_tokenizer, "name_or_path"),
            ("processor_kwargs", of_tokenizer, "facts"),
        ):
            if taken in keywords:
                found, expected = f"the keyword {taken!r}", "config_kwargs, or the files' own"
                raise InputError(mismatch(name, found, expected))
        for name, value in (("dtype", dtype), ("num_threads", num_threads), ("isa", isa)):
            if value is not None and of_model.setdefault(name, value) is not value:
                raise InputError(mismatch(name, f"{shown(value)}, and another in model_kwargs", "it once"))
        config = load_config(model_name_or_path, hub_options, of_config)
        self.tokenizer = AutoTokenizer.load(model_name_or_path, hub_options, **of_tokenizer)
        self.auto_model: RobertaModel = AutoModel.load(
            model_name_or_path, hub_options, config=config, **of_model
        )
        if max_seq_length is not None and "model_max_length" not in of_tokenizer:
            self.tokenizer.model_max_length = max_seq_length
        self.do_lower_case = do_lower_case
        if do_lower_case:
            self.tokenizer.lower_case()

    @property
    def model(self) -> RobertaModel:
        """The encoder, under its name in sentence-transformers 6."""
        return self.auto_model

    @property
    def max_seq_length(self) -> int:
        """How many tokens a text is truncated to, special tokens included."""
        limit = self.auto_model.config.max_tokens
        return min(limit, getattr(self.tokenizer, "model_max_length", limit))

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        """None: as many as the model takes. Raises InputError."""
        limit = self.auto_model.config.max_tokens
        value = limit if value is None else value
        check_count("max_seq_length", value, f"an integer from 1 to {limit}, the model's limit, or None")
        if value > limit:
            raise InputError(mismatch("max_seq_length", value, f"at most {limit}, the model's limit"))
        self.tokenizer.model_max_length = value

    def get_embedding_dimension(self) -> int:
        """The width of a token's row."""
        return self.auto_model.config.hidden_size

    get_word_embedding_dimension = get_embedding_dimension

    def get_config_dict(self) -> dict[str, Any]:
        """The settings."""
        return {"max_seq_length": self.max_seq_length, "do_lower_case": self.do_lower_case}

    def save(self, output_path: Any) -> None:
        """Write the encoder, the tokenizer and their settings into a folder. InputError, ModelFileError."""
        folder = make_folder(output_path)
        self.auto_model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        write_json(folder / SENTENCE_SETTINGS[0], self.get_config_dict())

    def __repr__(self) -> str:
        settings = {**self.get_config_dict(), "architecture": type(self.auto_model).__name__}
        return f"{type(self).__name__}({settings})"
