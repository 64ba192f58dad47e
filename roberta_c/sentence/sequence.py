"""The modules of a loaded model as a sequence, its tokenizer and settings, under torch's and
sentence-transformers' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InputError, mismatch, shown
from ..model import RobertaModel
from ..model.batch import pack_batch
from ..pipelines.base import check_finite
from ..pipelines.options import check_count
from ..tokenizer.text_input import as_listed
from .chain import Chain
from .missing_names import MISSING_NAMES
from .modules import TOKENS, VECTORS, Module
from .torch_names import TorchModelNames
from .transformer import Transformer


class ModuleSequence(TorchModelNames):
    """What a model has of torch.nn.Sequential, and what its first module and its Pooling have."""

    missing_names = MISSING_NAMES
    _listed: list[Module]
    _chain: Chain

    # ---- token ids → vectors -------------------------------------------------------------------------

    def forward(self, input: Any) -> dict[str, Any]:
        """What the modules compute of ids, as `preprocess` returns them.

        input: a mapping with input_ids, attention_mask and, where there are any, token_type_ids, (S, width)
            each; and prompt_length, how many tokens are not pooled if the Pooling leaves prompts out.

        Returns the same names and values with float32 token_embeddings (S, width, D), zeros at padding, and
        sentence_embedding (S, dimension), of which truncate_dim keeps all. Raises InputError, and
        ModelFileError if these are not numbers.
        """
        if not isinstance(input, Mapping) or "input_ids" not in input:
            found = f"the keys {shown(list(input))}" if isinstance(input, Mapping) else type(input).__name__
            raise InputError(mismatch("input", found, "a mapping with input_ids, as preprocess returns it"))
        expected = "an integer of at least 0"
        skipped = check_count("prompt_length", input.get("prompt_length", 0), expected, least=0)
        batch = pack_batch(
            input["input_ids"],
            input.get("attention_mask"),
            input.get("token_type_ids"),
            None,
            self.transformers_model.embeddings.limits,
        )
        rows_td, vectors_sd = self._chain.outputs(batch, 0 if self._chain.pooling.include_prompt else skipped)
        for outputs in (rows_td, vectors_sd):
            check_finite(outputs, self.transformers_model)
        return {**input, TOKENS: batch.unpack(rows_td), VECTORS: vectors_sd}

    __call__ = forward

    # ---- the encoder's and the Pooling's settings ----------------------------------------------------

    @property
    def max_seq_length(self) -> int:
        """How many tokens a text is truncated to, special tokens included."""
        return self._chain.encoder.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        self._chain.encoder.max_seq_length = value

    def get_max_seq_length(self) -> int:
        """max_seq_length."""
        return self.max_seq_length

    @property
    def transformers_model(self) -> RobertaModel:
        """The encoder."""
        return self._chain.encoder.auto_model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer."""
        return self._chain.encoder.tokenizer

    @tokenizer.setter
    def tokenizer(self, value: Any) -> None:
        if not callable(value):
            raise InputError(mismatch("tokenizer", shown(value), "a loaded tokenizer"))
        self._chain.encoder.tokenizer = value

    @property
    def processor(self) -> Any:
        """The tokenizer: there is no processor of images."""
        return self.tokenizer

    def is_singular_input(self, inputs: Any) -> bool:
        """Whether `inputs` is one text, and not several."""
        return as_listed(inputs, takes_tuples=True) is None and not isinstance(inputs, Iterator)

    def get_model_kwargs(self) -> list[str]:
        """The keywords that modules add to those of `encode`: none."""
        return []

    def set_pooling_include_prompt(self, include_prompt: bool) -> None:
        """Whether the tokens of a prompt are pooled, too. Raises InputError."""
        self._chain.pooling.include_prompt = include_prompt

    # ---- modules -------------------------------------------------------------------------------------

    def __getitem__(self, index: int) -> Module:
        return self._listed[index]

    def __len__(self) -> int:
        return len(self._listed)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._listed)

    def children(self) -> Iterator[Module]:
        """The modules, in order."""
        return iter(self._listed)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("0", first), ("1", second), …"""
        return ((str(index), module) for index, module in enumerate(self._listed))

    def _first_module(self) -> Transformer:
        return self._chain.encoder

    def _last_module(self) -> Module:
        return self._listed[-1]

    def __repr__(self) -> str:
        lines = [f"  ({name}): {module!r}\n" for name, module in self.named_children()]
        return f"{type(self).__name__}(\n{''.join(lines)})"
