"""Where a tokenizer's files are, and what config.json beside them says about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import position_limit
from ..errors import ModelFileError, shown
from ..files import hub
from ..files.json_object import read_object
from .tokenizer_files import MODEL_CONFIG


@dataclass(frozen=True)
class ModelFacts:
    """What a model's config.json tells a tokenizer; None where it does not say."""

    model_type: str | None = None
    tokenizer_class: str | None = None
    max_position_embeddings: int | None = None
    pad_token_id: int | None = None

    def max_positions(self, pad_token_id: int | None) -> int | None:
        """How many tokens the model takes: positions start behind the padding id.

        `pad_token_id`, the tokenizer's, counts where config.json has none.
        """
        if self.max_position_embeddings is None:
            return None
        pad = self.pad_token_id if self.pad_token_id is not None else pad_token_id
        positions = self.max_position_embeddings
        return positions if pad is None else position_limit(positions, pad)


def locate_tokenizer(path_or_id: str | Path, hub_options: hub.HubOptions) -> tuple[Path, ModelFacts]:
    """The folder of a local path's or Hub repository's tokenizer files, and its model's facts."""
    folder = hub.resolve(path_or_id, hub.TOKENIZER, hub_options)
    return folder, read_model_facts(folder)


def read_model_facts(folder: Path) -> ModelFacts:
    """The facts in the folder's config.json; none if there is no such file."""
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
        raise ModelFileError(
            f"{path}: max_position_embeddings {facts.max_position_embeddings} leaves no position beyond"
            f" pad_token_id {facts.pad_token_id}"
        )
    return facts


def _get(config: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    value = config.get(name)
    if value is not None and type(value) is not kind:
        raise ModelFileError(f"{path}: {name} is {shown(value)}, expected {kind.__name__}")
    return value
