"""The options that all tasks share, and the checks of options."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from ..config.load_keywords import CALL_KEYWORDS, without_foreign
from ..errors import InputError, mismatch, shown
from ..tokenizer.encode_options import DO_NOT_TRUNCATE, LONGEST_FIRST, PADDINGS, TRUNCATIONS

_Options = TypeVar("_Options", bound="PipelineOptions")


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """How texts are read and batched. Each option may be given to `pipeline(…)` and to each call.

    A task derives its own options from this class: more fields, and their checks in `_check`. A field with
    metadata {"derived": True} is computed from other keywords; callers cannot set it.

    batch_size: how many texts go through the model together. Results do not depend on it. With 1, a call
        on an iterator computes each text's result before it takes the next text.
    truncation: True or "longest_first"; "only_first"; "only_second"; False or "do_not_truncate", with which
        a text of too many tokens is an InputError.
    max_length: how many tokens to truncate to, special tokens included; None for as many as the model takes.
    padding: accepted because code written for transformers passes it; it has no effect, as nothing is padded.
    """

    batch_size: int = 32
    truncation: bool | str = True
    max_length: int | None = None
    padding: bool | str = False

    # Keywords of `changed` that are not fields.
    keywords_without_field: ClassVar[tuple[str, ...]] = ()

    def changed(self: _Options, given: Mapping[str, Any]) -> _Options:
        """A copy with the `given` options changed. Raises InputError for an unknown name or a bad value."""
        given = _without_foreign_calls(given)
        names = [field.name for field in dataclasses.fields(self) if not field.metadata.get("derived")]
        for name in given:
            if name not in (*names, *self.keywords_without_field):
                expected = OLD_NAMES.get(name, f"one of {', '.join(names)}")
                raise InputError(mismatch(name, "an unknown keyword", expected))
        options = dataclasses.replace(self, **self._field_values(given))
        options._check()
        return options

    @property
    def truncation_name(self) -> str:
        """`truncation` by its name, as the tokenizer takes it."""
        if isinstance(self.truncation, str):
            return self.truncation
        return LONGEST_FIRST if self.truncation else DO_NOT_TRUNCATE

    def _field_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of fields that the `given` keywords set."""
        return dict(given)

    def _check(self) -> None:
        """Raise InputError for the first option with a bad value."""
        check_choice("truncation", self.truncation, (True, False, *TRUNCATIONS))
        check_choice("padding", self.padding, (True, False, *PADDINGS))
        check_count("batch_size", self.batch_size, "an integer of at least 1")
        if self.max_length is not None:
            check_count("max_length", self.max_length, "an integer of at least 1, or None for the model's")
            if self.truncation_name == DO_NOT_TRUNCATE:
                raise InputError(mismatch("max_length", f"{self.max_length} with truncation=False", None))


# Keywords of older calls → what to write in their place.
OLD_NAMES = {
    "topk": "top_k",
    "multi_class": "multi_label",
    "grouped_entities": 'aggregation_strategy="simple"',
    "ignore_subwords": 'aggregation_strategy="first"',
}


def _without_foreign_calls(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` without what transformers' calls take and needs nothing done here; the options inside
    `tokenizer_kwargs` and `tokenize_kwargs` stand beside the others. Raises InputError."""
    options = without_foreign(dict(given), CALL_KEYWORDS)
    for name in ("tokenizer_kwargs", "tokenize_kwargs"):
        inner = options.pop(name, None)
        if inner is None:
            continue
        if not isinstance(inner, dict) or not all(isinstance(key, str) for key in inner):
            raise InputError(mismatch(name, shown(inner), "a dict of options"))
        for key in inner.keys() & options.keys():
            raise InputError(mismatch(key, f"it in {name} too", "it once"))
        options |= without_foreign(inner, CALL_KEYWORDS)
    return options


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise InputError unless `value` is a str, a bool or None, and one of `choices`."""
    if not isinstance(value, (str, bool, type(None))) or value not in choices:
        raise InputError(mismatch(name, shown(value), f"one of {', '.join(map(str, choices))}"))


def check_count(name: str, value: Any, expected: str, least: int = 1) -> None:
    """Raise InputError, saying what is `expected`, unless `value` is an integer of at least `least`."""
    try:
        is_count = not isinstance(value, bool) and operator.index(value) >= least
    except TypeError:
        is_count = False
    if not is_count:
        raise InputError(mismatch(name, shown(value), expected))
