"""Prompts: texts with names that are put before other texts, as sentence-transformers does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, ModelFileError, mismatch, shown
from ..pipelines.rows import plain_text

logger = logging.getLogger(__name__)


def is_prompts(value: Any) -> bool:
    """Whether `value` is a dict of names and prompts, or of None where there is no prompt."""
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(text, str | None) for name, text in value.items()
    )


def check_prompts(given: Any) -> None:
    """Raise InputError unless a caller's prompts are a dict of names and prompts, or None."""
    if given is None:
        return
    if not is_prompts(given):
        raise InputError(mismatch("prompts", shown(given), "a dict of names and prompts"))
    for name, text in given.items():
        plain_text(text or "", f"prompts[{shown(name)}]")


class HasPrompts:
    """What models with prompts share."""

    _prompts: dict[str, str]

    @property
    def prompts(self) -> dict[str, str]:
        """Name → what stands before a text. An assignment is checked: InputError."""
        return self._prompts

    @prompts.setter
    def prompts(self, value: dict[str, str] | None) -> None:
        check_prompts(value)
        self._prompts = {} if value is None else value


def prompts_of_file(settings: Mapping[str, Any], path: Path) -> dict[str, str | None]:
    """The prompts among a file's settings; none are {}. Raises ModelFileError, which names the file."""
    prompts = settings.get("prompts")
    if prompts is None:
        return {}
    try:
        check_prompts(prompts)
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None
    checked: dict[str, str | None] = prompts
    return checked


def merged_prompts(
    given: Mapping[str, str | None] | None,
    in_file: Mapping[str, str | None] | None,
    names: tuple[str, ...] = (),
) -> dict[str, str]:
    """A caller's prompts, those of the file that have other names, and empty ones for the rest of `names`.

    A caller's None is what the file has under its name, or empty.
    """
    merged: dict[str, str | None] = {**dict.fromkeys(names), **(given or {})}
    for name, text in (in_file or {}).items():
        if merged.get(name) is None:
            merged[name] = text
    return {name: text or "" for name, text in merged.items()}


def check_prompt_name(name: Any, prompts: Mapping[str, str], argument: str = "prompt_name") -> None:
    """Raise InputError, which names `argument`, unless `name` is that of one of the prompts."""
    if not isinstance(name, str) or name not in prompts:
        expected = f"one of {', '.join(prompts)}" if prompts else "None: the model has no prompts"
        raise InputError(mismatch(argument, shown(name), expected))


def default_prompt(given: Any, in_file: Any, prompts: Mapping[str, str], path: Any) -> str | None:
    """The name of the prompt of calls that give none: the caller's, else the file's, else None.

    Raises InputError for a caller's name that is not in `prompts`, ModelFileError, which names `path`, for
    the file's.
    """
    name: str | None = in_file if given is None else given
    if name is not None:
        try:
            check_prompt_name(name, prompts, "default_prompt_name")
        except InputError as error:
            if given is not None:
                raise
            raise ModelFileError(f"{path}: {error}") from None
    return name


def chosen_prompt(prompts: Mapping[str, str], default_name: str | None, prompt: Any, prompt_name: Any) -> str:
    """The text that a call puts before others: `prompt`; else that of `prompt_name`; else the default.

    Raises InputError for a name that is not in `prompts`.
    """
    if not isinstance(prompt, str | None):
        raise InputError(mismatch("prompt", shown(prompt), "a str or None"))
    if prompt is not None:
        if prompt_name is not None:
            logger.warning("prompt_name: found %s beside prompt, which is used", shown(prompt_name))
        return plain_text(prompt, "prompt")
    if prompt_name is not None:
        check_prompt_name(prompt_name, prompts)
        return _named(prompts, prompt_name)
    if default_name is None:
        return ""
    check_prompt_name(default_name, prompts, "default_prompt_name")
    return _named(prompts, default_name)


def _named(prompts: Mapping[str, str | None], name: str) -> str:
    """The prompt of this name. Raises InputError if it is no text: the dict is the caller's to change."""
    text = prompts[name]
    return "" if text is None else plain_text(text, f"prompts[{shown(name)}]")
