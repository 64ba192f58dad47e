"""The modules of a model without weights of their own: Pooling and Normalize; what all modules share.

The names of classes, attributes and settings are sentence-transformers'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files.new_file import make_folder, new_file
from .pooling import MODES, checked_modes
from .similarity import normalized

VECTORS, TOKENS = "sentence_embedding", "token_embeddings"

# The settings of older Pooling configurations → the modes that they switch on.
LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class Module:
    """One step of a model. `get_config_dict` has its settings, as `print` and its config.json show them."""

    # The type in modules.json. The names of sentence-transformers' versions before 6, which 6 reads, too.
    type_name: ClassVar[str]

    def get_config_dict(self) -> dict[str, Any]:
        """The settings."""
        raise NotImplementedError

    def save(self, output_path: Any) -> None:
        """Write config.json into a folder. Raises InputError, ModelFileError."""
        write_json(make_folder(output_path) / "config.json", self.get_config_dict())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_config_dict()})"


class RowModule(Module):
    """A module that computes each row by itself: of the vectors, or of the tokens before they are pooled."""

    def __init__(self, module_input_name: Any, module_output_name: Any) -> None:
        if module_input_name not in (VECTORS, TOKENS):
            expected = f"{VECTORS!r} or {TOKENS!r}"
            raise InputError(mismatch("module_input_name", shown(module_input_name), expected))
        if module_output_name not in (None, module_input_name):
            expected = f"{module_input_name!r}, its module_input_name"
            raise InputError(mismatch("module_output_name", shown(module_output_name), expected))
        self.module_input_name: str = module_input_name
        self.module_output_name: str = module_input_name

    def rows(self, rows_nd: np.ndarray) -> np.ndarray:
        """float32 (n, D) → float32 (n, D'); a row's result does not depend on the others."""
        raise NotImplementedError

    def width(self, before: int) -> int:
        """D' for rows of `before` numbers. Raises InputError if the module takes others."""
        return before


class Pooling(Module):
    """The rows of a text's tokens → one vector: (T, H) → (S, number of modes * H).

    pooling_mode: one of pooling.MODES, or several, whose results stand side by side. include_prompt: whether
    the tokens of a prompt are pooled, too; it may be assigned to.
    """

    type_name = "sentence_transformers.models.Pooling"
    POOLING_MODES = MODES

    def __init__(
        self,
        /,  # a file's settings may have any name, and "self" is then one of `legacy`
        embedding_dimension: int | None = None,
        pooling_mode: str | tuple[str, ...] | list[str] | None = None,
        include_prompt: bool = True,
        **legacy: Any,
    ) -> None:
        """legacy: word_embedding_dimension, pooling_mode_mean_tokens, …: older names. Raises InputError."""
        older = legacy.pop("word_embedding_dimension", None)
        embedding_dimension = older if embedding_dimension is None else embedding_dimension
        if type(embedding_dimension) is not int or embedding_dimension < 1:
            expected = "an integer of at least 1"
            raise InputError(mismatch("embedding_dimension", shown(embedding_dimension), expected))
        on = [mode for name, mode in LEGACY_MODES.items() if legacy.pop(name, False)]
        for name, value in legacy.items():
            if value:
                raise InputError(mismatch(name, shown(value), f"one of {', '.join(LEGACY_MODES)}"))
        self.embedding_dimension = embedding_dimension
        self.modes = checked_modes((on or ["mean"]) if pooling_mode is None else pooling_mode)
        self.include_prompt = include_prompt

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "include_prompt" and not isinstance(value, bool):
            raise InputError(mismatch("include_prompt", shown(value), "True or False"))
        super().__setattr__(name, value)

    @property
    def pooling_mode(self) -> str | tuple[str, ...]:
        """The mode, or a tuple of several."""
        return self.modes[0] if len(self.modes) == 1 else self.modes

    @property
    def pooling_output_dimension(self) -> int:
        """The width of the vectors."""
        return len(self.modes) * self.embedding_dimension

    def get_embedding_dimension(self) -> int:
        """The width of the vectors."""
        return self.pooling_output_dimension

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_config_dict(self) -> dict[str, Any]:
        """The settings, under their names in sentence-transformers 6."""
        return {
            "embedding_dimension": self.embedding_dimension,
            "pooling_mode": self.pooling_mode,
            "include_prompt": self.include_prompt,
        }

    def save(self, output_path: Any) -> None:
        """Write config.json, in the form that every version of sentence-transformers reads.

        Modes in another order than that form can say are written as version 6 writes them.
        """
        settings: dict[str, Any] = {"word_embedding_dimension": self.embedding_dimension}
        if self.modes == tuple(mode for mode in MODES if mode in self.modes):
            settings |= {name: mode in self.modes for name, mode in LEGACY_MODES.items()}
            settings["include_prompt"] = self.include_prompt
        else:
            settings = {**self.get_config_dict(), "pooling_mode": list(self.modes)}
        write_json(make_folder(output_path) / "config.json", settings)


class Normalize(RowModule):
    """Each row divided by its length: (n, D) → (n, D)."""

    type_name = "sentence_transformers.models.Normalize"

    def __init__(self, module_input_name: str = VECTORS, module_output_name: str | None = None) -> None:
        super().__init__(module_input_name, module_output_name)

    def get_config_dict(self) -> dict[str, Any]:
        """The settings; older versions of sentence-transformers have none."""
        return {
            "module_input_name": self.module_input_name,
            "module_output_name": self.module_output_name,
        }

    def rows(self, rows_nd: np.ndarray) -> np.ndarray:
        """float32 (n, D) → the same."""
        return normalized(rows_nd)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as a JSON file. Raises ModelFileError."""
    with new_file(path) as file:
        file.write((json.dumps(value, indent=2) + "\n").encode())
