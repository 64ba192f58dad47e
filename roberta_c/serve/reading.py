"""Fields that many routes have: the model, truncation, prompts, and texts in their forms."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..pipelines.options import ERROR, TRUNCATE, WINDOWS
from .failures import empty, validation
from .json_body import Fields
from .served_model import ServedModel
from .settings import ServeSettings

LONG_TEXTS = (TRUNCATE, ERROR, WINDOWS)


def model_name(fields: Fields) -> str | None:
    """The name in the field `model`; None where it is missing or is no string, as TEI ignores the field."""
    name = fields.values.get("model")
    return fields.as_text(name, "model") if isinstance(name, str) else None


def long_text_of(fields: Fields, settings: ServeSettings) -> str:
    """What is done with long texts: by `long_text`, which is not TEI's; by `truncate`; or by the settings."""
    if fields.has("long_text"):
        return fields.choice("long_text", LONG_TEXTS, settings.long_text)
    truncate = fields.flag_or_none("truncate")
    if truncate is None:
        return settings.long_text
    return TRUNCATE if truncate else ERROR


def left_of(fields: Fields) -> bool:
    """Whether long texts lose their beginnings."""
    return fields.choice("truncation_direction", ("right", "left"), "right") == "left"


def prompt_of(fields: Fields, model: ServedModel) -> str:
    """The text before each text. Raises Failure (422) for an unknown prompt."""
    try:
        return model.prompt(fields.text_or_none("prompt_name"))
    except InputError as error:
        raise validation(str(error), "prompt_name") from None


def texts_or_ids(fields: Fields, name: str = "inputs") -> tuple[list[Any], bool]:
    """The items of TEI's `inputs`, each a text or a list of token ids, and whether there may be several.

    A list of ids alone is one text. Raises Failure (400) for an empty list or text.
    """
    value = fields.raw(name)
    if isinstance(value, str):
        return [_not_empty(fields.as_text(value, name), name)], False
    if not isinstance(value, list):
        raise fields.wrong(name, value, "a string, token ids, or a list of these")
    if not value:
        raise empty(name)
    if type(value[0]) is int:  # one text
        return [fields.as_ids(value, name)], False
    fields.check_count(value)
    items = []
    for index, one in enumerate(value):
        place = f"{name}[{index}]"
        item = fields.as_ids(one, place) if isinstance(one, list) else fields.as_text(one, place)
        items.append(_not_empty(item, name))
    return items, True


def texts_of(fields: Fields, name: str = "inputs") -> tuple[list[str], bool]:
    """One text or a list of them, and whether it was a list. Raises Failure (400) for an empty one."""
    value = fields.raw(name)
    if isinstance(value, str):
        return [_not_empty(fields.as_text(value, name), name)], False
    texts = fields.texts(name)
    if not texts:
        raise empty(name)
    return [_not_empty(text, name) for text in texts], True


def singles_or_pairs(fields: Fields) -> tuple[list[Any], bool]:
    """TEI's `inputs` of /predict: "a" and ["a"] are one text, ["a", "b"] one pair, lists of lists several.

    Raises Failure (400) for an empty text, or a pair of two.
    """
    value = fields.raw("inputs")
    if isinstance(value, str):
        return [_not_empty(fields.as_text(value, "inputs"), "inputs")], False
    if not isinstance(value, list):
        raise fields.wrong("inputs", value, "a string, a pair, or a list of these")
    if not value:
        raise empty("inputs")
    if not isinstance(value[0], list):
        return [_single_or_pair(fields, value, "inputs")], False
    fields.check_count(value)
    items = []
    for index, one in enumerate(value):
        if not isinstance(one, list):
            raise fields.wrong(f"inputs[{index}]", one, "a list of one or two strings")
        items.append(_single_or_pair(fields, one, f"inputs[{index}]"))
    return items, True


def _single_or_pair(fields: Fields, value: list[Any], name: str) -> Any:
    if len(value) not in (1, 2):
        expected = "one or two strings; a batch is a list of such lists"
        raise fields.mistyped(f"found {len(value)} items, expected {expected}", name)
    texts = tuple(fields.as_text(one, f"{name}[{index}]") for index, one in enumerate(value))
    if not any(texts):
        raise empty("inputs")
    # An empty second text means none, as in the offline pipelines.
    return texts if len(texts) == 2 else texts[0]


def _not_empty(item: Any, name: str) -> Any:
    if not item:
        raise empty(name)
    return item


def width_of(fields: Fields, model: ServedModel) -> int | None:
    """The field `dimensions`. Raises Failure (422) for more than the model has, or none."""
    if not fields.has("dimensions"):
        return None
    width = fields.count("dimensions")
    assert width is not None
    if not 1 <= width <= model.width:
        raise validation(f"`dimensions` must be from 1 to {model.width}", "dimensions")
    return width


def best_first(scores: list[float]) -> list[int]:
    """Indexes by descending score; equal scores keep their order."""
    return sorted(range(len(scores)), key=lambda index: -scores[index])
