"""The first module of a model: the encoder and its tokenizer, from texts to the rows of their tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config.load_keywords import without_foreign
from ..errors import InputError, mismatch, shown
from ..files.file_sets import SENTENCE_SETTINGS
from ..files.hub import ModelFiles
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions
from ..files.new_file import make_folder
from ..model import RobertaModel
from ..model.auto import AutoModel
from ..pipelines.options import check_count
from .encoder_settings import EMBEDDING, OLDER_NAMES, PARTS, EncoderSettings, check_other_settings
from .keywords import SENTENCE_KEYWORDS, with_newer_names
from .loading import keywords_of_parts, load_model_and_tokenizer, model_files
from .modules import Module, write_json


class Transformer(Module):
    """`auto_model` and `tokenizer`, and `max_seq_length`, how many tokens a text is truncated to."""

    type_name = "sentence_transformers.models.Transformer"

    def __init__(
        self,
        model_name_or_path: str | Path,
        max_seq_length: int | None = None,
        model_args: dict[str, Any] | None = None,
        *,
        do_lower_case: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        config_kwargs: dict[str, Any] | None = None,
        cache_dir: str | Path | None = None,
        dtype: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
        allow_nonfinite: bool = False,
        hub_options: HubOptions = DEFAULT_OPTIONS,
        **foreign: Any,
    ) -> None:
        """Loads both from a folder or a Hub repository.

        max_seq_length: None for as many as tokenizer and model take, which are the most. do_lower_case:
        whether texts are lower-cased. model_kwargs, dtype, num_threads, isa, allow_nonfinite: of AutoModel's
        from_pretrained; processor_kwargs of AutoTokenizer's, config_kwargs of AutoConfig's. model_args,
        tokenizer_args and config_args are their older names. cache_dir: that of hub_options. foreign: other
        keywords of sentence-transformers, where they cannot change the answer. Raises ModelFileError,
        TokenizerFileError, HubError, InputError.
        """
        if max_seq_length is not None:
            expected = "an integer of at least 1, or None for the model's"
            max_seq_length = check_count("max_seq_length", max_seq_length, expected)
        if not isinstance(do_lower_case, bool):
            raise InputError(mismatch("do_lower_case", shown(do_lower_case), "True or False"))
        given: dict[str, Any] = {
            "model_args": model_args,
            "model_kwargs": model_kwargs,
            "processor_kwargs": processor_kwargs,
            "config_kwargs": config_kwargs,
        }
        given = with_newer_names({**given, **foreign}, OLDER_NAMES)
        parts = keywords_of_parts(given)
        given = {name: value for name, value in given.items() if name not in PARTS}
        check_other_settings(without_foreign(given, {"backend": SENTENCE_KEYWORDS["backend"]}), EMBEDDING)
        if cache_dir is not None:
            parts["model_kwargs"].setdefault("cache_dir", cache_dir)
        _add_own(parts["model_kwargs"], dtype, num_threads, isa, allow_nonfinite)
        files = model_files(model_name_or_path, hub_options, parts)
        self._load(files, parts, EncoderSettings(max_seq_length, do_lower_case))

    @classmethod
    def of_files(
        cls,
        files: ModelFiles,
        settings: EncoderSettings,
        *,
        dtype: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
        allow_nonfinite: bool = False,
        **parts: Any,
    ) -> Transformer:
        """The encoder of a folder or Hub repository, as the settings of its file say.

        parts: a caller's model_kwargs, processor_kwargs and config_kwargs, which come before the file's.
        Raises as the constructor does; a setting of the file that is at fault is a ModelFileError.
        """
        given = keywords_of_parts(parts)
        _add_own(given["model_kwargs"], dtype, num_threads, isa, allow_nonfinite)
        encoder = cls.__new__(cls)
        encoder._load(files, given, settings)
        return encoder

    def _load(self, files: ModelFiles, given: dict[str, dict[str, Any]], settings: EncoderSettings) -> None:
        self.auto_model: RobertaModel
        self.auto_model, self.tokenizer = load_model_and_tokenizer(AutoModel, files, given, settings)
        self.do_lower_case = settings.do_lower_case

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
        # With fewer than the special tokens, every text would be an error.
        least = self.tokenizer.num_special_tokens_to_add()
        expected = f"an integer from {least} to {limit}, the model's limit, or None"
        value = check_count("max_seq_length", value, expected, least)
        if value > limit:
            raise InputError(mismatch("max_seq_length", shown(value), f"at most {limit}, the model's limit"))
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


def _add_own(
    of_model: dict[str, Any], dtype: Any, num_threads: int | None, isa: str | None, allow_nonfinite: bool
) -> None:
    """Add what is not the default to a model's keywords. Raises InputError for another value there."""
    own = {"dtype": dtype, "num_threads": num_threads, "isa": isa, "allow_nonfinite": allow_nonfinite or None}
    for name, value in own.items():
        if value is not None and of_model.setdefault(name, value) is not value:
            raise InputError(mismatch(name, f"{shown(value)}, and another in model_kwargs", "it once"))
