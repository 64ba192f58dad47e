"""What FlagEmbedding's classes share: loading, lengths, instructions, names that are not here.

The names, defaults and results are those of FlagEmbedding 1.4.2 with transformers 4, which joins pairs as
ids, on a CPU with use_fp16=False; otherwise it computes in float32 too, from weights that it has rounded to
float16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import InputError, mismatch, shown
from ..files.hub_options import HubOptions
from ..missing_names import HasMissingNames
from ..model.auto import AutoModelClass
from ..pipelines.options import check_count, has_places
from ..tokenizer import PreTrainedTokenizerFast
from .keywords import FLAG_KEYWORDS
from .loading import checked_keywords, keywords_of_parts, load_model_and_tokenizer, model_files
from .missing_names import FLAG_NAMES

# What a text may have by default, where the model takes as many.
MAX_LENGTH = 512


class FlagEmbeddingModel(HasMissingNames):
    """What FlagEmbedding's classes share. Attributes: `model`, `tokenizer`, `batch_size`."""

    missing_names = FLAG_NAMES
    auto_class: ClassVar[type[AutoModelClass]]

    def __init__(
        self,
        model_name_or_path: str | Path,
        hub_options: HubOptions,
        *,
        dtype: Any,
        num_threads: int | None,
        allow_nonfinite: bool,
        batch_size: int,
        keywords: dict[str, Any],
    ) -> None:
        """Loads `auto_class`'s model and the tokenizer of a folder or Hub repository.

        dtype, num_threads, allow_nonfinite: as of AutoModel.from_pretrained. batch_size: of calls that give
        none. keywords: of FlagEmbedding, which need nothing done; use_fp16 and use_bf16 become attributes.
        Raises InputError, ModelFileError, TokenizerFileError, HubError.
        """
        checked_keywords(keywords, FLAG_KEYWORDS, type(self).__name__)
        self.batch_size = check_count("batch_size", batch_size, "an integer of at least 1")
        self.use_fp16, self.use_bf16 = bool(keywords.get("use_fp16")), bool(keywords.get("use_bf16"))
        self.model_name_or_path = model_name_or_path
        of_model = {"dtype": dtype, "num_threads": num_threads, "allow_nonfinite": allow_nonfinite}
        self.model, tokenizer = load_model_and_tokenizer(
            self.auto_class,
            model_files(model_name_or_path, hub_options, {}),
            keywords_of_parts({"model_kwargs": of_model}),
        )
        self.tokenizer: PreTrainedTokenizerFast = tokenizer

    def _length(self, name: str, given: int | None) -> int:
        """A number of tokens that the model takes; None: MAX_LENGTH, or the model's limit if it is less."""
        limit = self.model.config.max_tokens
        if given is None:
            return int(min(MAX_LENGTH, limit))
        length = check_count(name, given, f"an integer from 1 to {limit}, the model's limit")
        if length > limit:
            raise InputError(mismatch(name, shown(length), f"at most {limit}, the model's limit"))
        return length

    @staticmethod
    def get_detailed_instruct(instruction_format: str, instruction: str, sentence: str) -> str:
        """The format with the instruction and the text in its two {}. Raises InputError."""
        return with_instruction("instruction", instruction_format, instruction, sentence)

    def stop_self_pool(self) -> None:
        """Does nothing: there is no pool of processes."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.model).__name__} {shown(self.model.name_or_path)})"


def with_instruction(name: str, template: str, instruction: str | None, text: str) -> str:
    r"""`template` with the instruction and the text in its two {}; a "\n" written out is a line break.

    Without an instruction the text alone. Raises InputError, which calls the instruction `name`.
    """
    if instruction is None:
        return text
    if not isinstance(instruction, str):
        raise InputError(mismatch(name, shown(instruction), "a str or None"))
    if not has_places(template, 2):
        raise InputError(mismatch(f"{name}_format", shown(template), "a str with two {}"))
    # The methods of a subclass of str could give anything.
    template, instruction, text = (str.__str__(one) for one in (template, instruction, text))
    return template.replace("\\n", "\n").format(instruction, text)
