"""What the modules of a model share, and Normalize.

The names of classes, attributes and settings are sentence-transformers'.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, mismatch, shown
from ..files.new_file import make_folder, new_file
from .similarity import normalized

VECTORS, TOKENS = "sentence_embedding", "token_embeddings"


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
