"""Pooling: the rows of a text's tokens → one vector, by sentence-transformers' names (csrc/pool.inc)."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, mismatch, shown
from ..files.new_file import make_folder
from .modules import Module, write_json

# In the order in which sentence-transformers' older configurations concatenate them.
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
# The settings of older Pooling configurations → the modes that they switch on.
LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class Pooling(Module):
    """The rows of a text's tokens → one vector: (T, H) → (S, number of modes * H).

    pooling_mode: one of MODES, or several, whose results stand side by side. include_prompt: whether
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
        """legacy: word_embedding_dimension, pooling_mode_mean_tokens, …: older names.

        Raises InputError for any other name, and for an older one that contradicts the newer one beside it.
        """
        older = legacy.pop("word_embedding_dimension", None)
        if None not in (older, embedding_dimension) and older != embedding_dimension:
            found = f"{shown(older)} beside embedding_dimension={shown(embedding_dimension)}"
            raise InputError(mismatch("word_embedding_dimension", found, "one of the two"))
        embedding_dimension = older if embedding_dimension is None else embedding_dimension
        if type(embedding_dimension) is not int or embedding_dimension < 1:
            expected = "an integer of at least 1"
            raise InputError(mismatch("embedding_dimension", shown(embedding_dimension), expected))
        self.embedding_dimension = embedding_dimension
        self.modes = _modes_of(pooling_mode, legacy)
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


def _modes_of(pooling_mode: Any, flags: dict[str, Any]) -> tuple[str, ...]:
    """The modes of `pooling_mode`; None: those that `flags`, by the names of LEGACY_MODES, switch on."""
    for name, value in flags.items():
        if name not in LEGACY_MODES:
            raise InputError(mismatch(name, "no setting of a Pooling", f"one of {', '.join(LEGACY_MODES)}"))
        if not isinstance(value, bool):
            raise InputError(mismatch(name, shown(value), "True or False"))
    if pooling_mode is None:
        on = tuple(mode for name, mode in LEGACY_MODES.items() if flags.get(name))
        return on or ("mean",)
    modes = checked_modes(pooling_mode)
    for name, value in flags.items():
        if value is not (LEGACY_MODES[name] in modes):
            found = f"{value} beside pooling_mode={shown(pooling_mode)}"
            raise InputError(mismatch(name, found, "one of the two"))
    return modes


def checked_modes(value: object, argument: str = "pooling_mode") -> tuple[str, ...]:
    """One mode, or a list or tuple of modes, as a tuple. Raises InputError, naming `argument`."""
    modes = (value,) if isinstance(value, str) else value
    expected = f"one of {', '.join(MODES)}, or a list of these"
    if not isinstance(modes, (list, tuple)) or not modes:
        raise InputError(mismatch(argument, shown(value), expected))
    for mode in modes:
        if not isinstance(mode, str) or mode not in MODES:
            raise InputError(mismatch(argument, shown(mode), expected))
    return tuple(modes)
