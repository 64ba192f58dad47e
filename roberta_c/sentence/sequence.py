"""The modules of a loaded model as a sequence, its tokenizer and settings, under torch's and
sentence-transformers' names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import InputError, mismatch, shown
from ..model import RobertaModel
from .chain import Chain
from .missing_names import MISSING_NAMES
from .modules import Module
from .torch_names import OnCPU
from .transformer import Transformer


class ModuleSequence(OnCPU):
    """What a model has of torch.nn.Sequential, and what its first module and its Pooling have."""

    missing_names = MISSING_NAMES
    _listed: list[Module]
    _chain: Chain

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
