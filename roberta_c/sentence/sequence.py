"""The modules of a loaded model as a sequence, its tokenizer and settings, under torch's and
sentence-transformers' names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

from ..errors import InputError, MissingNameError, mismatch, shown
from ..machine.devices import CPU, Device
from ..model import RobertaModel
from .chain import Chain
from .missing_names import MISSING_NAMES
from .modules import Module
from .transformer import Transformer

Self = TypeVar("Self", bound="ModuleSequence")


class ModuleSequence:
    """What a model has of torch.nn.Sequential, and what its first module and its Pooling have."""

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

    # ---- where and in which type ---------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """The CPU."""
        return CPU

    @property
    def dtype(self) -> str:
        """The arithmetic of the encoder's layers."""
        return self._chain.encoder.auto_model.dtype

    def get_backend(self) -> str:
        """ "torch", the name of the backend that this package takes the place of."""
        return "torch"

    def eval(self: Self) -> Self:
        """The model itself: there is no training mode."""
        return self

    def cpu(self: Self) -> Self:
        """The model itself."""
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """The model itself, for the CPU and for the dtype it has; InputError for any other."""
        self._chain.encoder.auto_model.to(*args, **kwargs)
        return self

    def float(self: Self) -> Self:
        """The model itself if its arithmetic is float32, else InputError."""
        self._chain.encoder.auto_model.float()
        return self

    def bfloat16(self: Self) -> Self:
        """The model itself if its arithmetic is bfloat16, else InputError."""
        self._chain.encoder.auto_model.bfloat16()
        return self

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

    def __getattr__(self, name: str) -> NoReturn:
        if name in MISSING_NAMES:
            place = f"{type(self).__name__}.{name}"
            raise MissingNameError(mismatch(place, "no such name", MISSING_NAMES[name]))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
