"""The options that all tasks share, and the checks of options."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, ClassVar, TypeVar

from ..config.load_keywords import CALL_KEYWORDS, without_foreign
from ..config.plain_values import plain_value
from ..errors import InputError, mismatch, shown
from ..tokenizer.encode_options import DO_NOT_TRUNCATE, LONGEST_FIRST, PADDINGS, TRUNCATIONS

# What is done with a text of too many tokens.
TRUNCATE, ERROR, WINDOWS = "truncate", "error", "windows"
# How the scores of windows become those of a text.
MEAN, MAX = "mean", "max"
# The options of windows.
OF_WINDOWS = frozenset(("stride", "window_scores"))

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
    max_length: how many tokens a text, or with "windows" a window, may have, special tokens included; None
        for as many as the model takes.
    padding: accepted because code written for transformers passes it; it has no effect, as nothing is padded.
    long_text: what is done with a text of more tokens: "truncate"; "error", an InputError that names it; or
        "windows": all of it is read, in windows that overlap. None: what `truncation` says.
    stride: how many tokens of the text a window repeats of the one before it; None for an eighth of its room.
    return_lengths: whether each text's result is {"result": what it is otherwise, "n_tokens": int,
        "truncated": bool, "windows": [[start, end], …]}, the windows' characters; see Coverage.
    """

    batch_size: int = 32
    truncation: bool | str = True
    max_length: int | None = None
    padding: bool | str = False
    long_text: str | None = None
    stride: int | None = None
    return_lengths: bool = False

    # Keywords of `changed` that are not fields.
    keywords_without_field: ClassVar[tuple[str, ...]] = ()

    def changed(self: _Options, given: Mapping[str, Any]) -> _Options:
        """A copy with the `given` options changed. Raises InputError for an unknown name or a bad value."""
        given = {name: plain_value(value) for name, value in _without_foreign_calls(given).items()}
        names = [field.name for field in dataclasses.fields(self) if not field.metadata.get("derived")]
        for name in given:
            if name not in (*names, *self.keywords_without_field):
                expected = OLD_NAMES.get(name, f"one of {', '.join(names)}")
                raise InputError(mismatch(name, "an unknown keyword", expected))
        values = self._field_values(given)
        if "truncation" in given:  # a call's truncation counts, not the pipeline's long_text
            values.setdefault("long_text", None)
        long_text = values.get("long_text", WINDOWS)
        if self.long_text == WINDOWS and isinstance(long_text, str | None) and long_text != WINDOWS:
            for name in OF_WINDOWS & set(
                names
            ):  # the pipeline's own options for windows have no meaning then
                values.setdefault(name, None)
        options = dataclasses.replace(self, **values)
        options._check()
        return options

    @property
    def truncation_name(self) -> str:
        """What the tokenizer is to cut, by its names for `truncation`; nothing if long texts are errors."""
        if self.long_text == ERROR:
            return DO_NOT_TRUNCATE
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
            if self._never_truncates and self.long_text is None:
                raise InputError(mismatch("max_length", f"{self.max_length} with truncation=False", None))
        self._check_long_text()
        check_flag("return_lengths", self.return_lengths)

    @property
    def _never_truncates(self) -> bool:
        return self.truncation in (False, DO_NOT_TRUNCATE)

    def _check_long_text(self) -> None:
        """Raise InputError for `long_text` and what depends on it."""
        check_choice("long_text", self.long_text, (None, TRUNCATE, ERROR, WINDOWS))
        # truncation=True, the default, says no more than that a text may be long.
        fitting = ERROR if self._never_truncates else TRUNCATE
        if self.long_text not in (None, fitting) and self.truncation is not True:
            found = f"{shown(self.truncation)} with long_text={self.long_text!r}"
            raise InputError(mismatch("truncation", found, "one of the two"))
        if self.stride is not None:
            check_count("stride", self.stride, "an integer of at least 0, or None", least=0)
            self._check_stride()

    def _check_stride(self) -> None:
        """Raise InputError unless the other options leave a meaning to `stride`, which was given."""
        check_needs_windows("stride", self.stride, self)


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


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """`value` if it is a str, a bool or None, and one of `choices`; a plain str. Raises InputError."""
    value = plain_value(value)
    if not isinstance(value, (str, bool, type(None))) or value not in choices:
        raise InputError(mismatch(name, shown(value), f"one of {', '.join(map(str, choices))}"))
    return value


def has_places(template: Any, count: int) -> bool:
    """Whether `template` is a str with `count` places for other texts, each "{}" as in str.format.

    "{{" and "}}" are braces. Other forms of places are refused: one such as "{:>999999}" makes a text of any
    size.
    """
    try:
        parts = list(Formatter().parse(template))
    except (TypeError, ValueError):  # not a str, or a single brace
        return False
    return [tuple(place) for _, *place in parts if place[0] is not None] == [("", "", None)] * count


def check_flag(name: str, value: Any) -> None:
    """Raise InputError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise InputError(mismatch(name, shown(value), "True or False"))


def check_needs_windows(name: str, value: Any, options: PipelineOptions) -> None:
    """Raise InputError if the option `name` was given, but no windows are asked for."""
    if value is not None and options.long_text != WINDOWS:
        raise InputError(mismatch(name, f"{shown(value)} without windows", "long_text='windows' too"))


def check_window_scores(value: Any, options: PipelineOptions) -> None:
    """Raise InputError for a bad value of the option `window_scores`."""
    check_choice("window_scores", value, (None, MEAN, MAX))
    check_needs_windows("window_scores", value, options)


def check_count(name: str, value: Any, expected: str, least: int = 1) -> int:
    """`value` as Python's int: numpy's integers overflow, as np.uint8(255) + 1 does.

    Raises InputError, saying what is `expected`, unless it is an integer of at least `least`.
    """
    try:
        count = operator.index(value)
    except TypeError:
        raise InputError(mismatch(name, shown(value), expected)) from None
    if isinstance(value, bool) or count < least:
        raise InputError(mismatch(name, shown(value), expected))
    return count
