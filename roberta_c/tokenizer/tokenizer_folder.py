"""The folder of a tokenizer's files, and what config.json in that folder says of the tokenizer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import position_limit
from ..errors import HubError, InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..files.file_sets import TOKENIZER
from ..files.hub_options import HubOptions
from ..files.json_object import read_object
from .tokenizer_files import MODEL_CONFIG


@dataclass(frozen=True)
class ModelFacts:
    """What a tokenizer needs of a model's config.json; None for what is not in it."""

    model_type: str | None = None
    tokenizer_class: str | None = None
    max_position_embeddings: int | None = None
    pad_token_id: int | None = None

    def max_positions(self, pad_token_id: int | None) -> int | None:
        """How many tokens the model takes: max_position_embeddings - (pad_token_id + 1).

        `pad_token_id`: the tokenizer's, used if config.json has none. None if config.json does not say.
        """
        if self.max_position_embeddings is None:
            return None
        pad = self.pad_token_id if self.pad_token_id is not None else pad_token_id
        positions = self.max_position_embeddings
        return positions if pad is None else position_limit(positions, pad)


def check_place(value: Any) -> None:
    """Raise InputError or HubError, which name `from_pretrained`'s argument, for no name and no present path.

    A str that begins with "/", "." or "~" is a path: names of repositories do not.
    """
    name, expected = "pretrained_model_name_or_path", "a folder or the name of a Hub repository"
    if not isinstance(value, str | os.PathLike):
        raise InputError(mismatch(name, shown(value), expected))
    is_path = not isinstance(value, str) or value.startswith(("/", ".", "~"))
    if is_path and "\0" not in os.fspath(value) and not os.path.exists(value):
        raise HubError(mismatch(name, f"{shown(os.fspath(value), 200)}, no such folder", expected))


def locate_tokenizer(path_or_id: str | Path, hub_options: HubOptions) -> tuple[Path, ModelFacts]:
    """The folder with the tokenizer files of a local path or Hub repository, and the facts of its model."""
    folder = hub.resolve(path_or_id, TOKENIZER, hub_options)
    return folder, read_model_facts(folder)


def read_model_facts(folder: Path) -> ModelFacts:
    """The facts in the folder's config.json, all None if there is no such file.

    Raises ModelFileError for a malformed file.
    """
    path = folder / MODEL_CONFIG
    if not path.exists():
        return ModelFacts()
    config = read_object(path)
    facts = ModelFacts(
        model_type=_get(config, "model_type", str, path),
        tokenizer_class=_get(config, "tokenizer_class", str, path),
        max_position_embeddings=_get(config, "max_position_embeddings", int, path),
        pad_token_id=_get(config, "pad_token_id", int, path),
    )
    positions = facts.max_positions(None)
    if (facts.pad_token_id or 0) < 0 or (positions is not None and positions < 1):
        found = (
            f"max_position_embeddings {facts.max_position_embeddings} with pad_token_id {facts.pad_token_id}"
        )
        raise ModelFileError(mismatch(path, found, "at least one position after that of padding"))
    return facts


def _get(config: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    value = config.get(name)
    if value is not None and type(value) is not kind:
        raise ModelFileError(mismatch(f"{path}: {name}", shown(value), kind.__name__))
    return value
