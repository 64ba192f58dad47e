"""What a command does with long texts, and how much of each text its results say was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..errors import mismatch
from .options import AtLeast, Command

if TYPE_CHECKING:
    from ..pipelines.windows import Coverage
    from .results import PredictionForm

_TRUNCATE, _ERROR, _WINDOWS = "truncate", "error", "windows"
_LENGTHS = {"n_tokens": "int64", "truncated": "bool", "windows": [["int64"]]}
# Of the second text of a pair; `truncated` is about both.
_LENGTHS_OF_PAIR = {"n_tokens_pair": "int64", "windows_pair": [["int64"]]}


def long_text_options(*, has_scores: bool = False, has_stride: bool = True) -> Callable[[Command], Command]:
    """--long-text, --stride, --window-scores for tasks that score texts, --lengths and --max-length.

    has_stride: whether --stride is added here.
    """
    added: list[Callable[..., Any]] = [
        click.option(
            "--long-text",
            type=click.Choice((_TRUNCATE, _ERROR, _WINDOWS)),
            help="What to do with a text of too many tokens. truncate: cut it, which is the default. error: "
            "stop. windows: read all of it, in windows that overlap.",
        ),
        lengths_option,
        click.option(
            "--max-length",
            type=AtLeast(1),
            metavar="N",
            help="How many tokens a text may have; with --long-text windows, a window. Default: the model's "
            "limit.",
        ),
    ]
    if has_scores:
        scores = click.option(
            "--window-scores",
            type=click.Choice(("mean", "max")),
            help="How the scores of windows become those of the text: their mean, the default, or the "
            "highest of each label.",
        )
        added.insert(1, scores)
    if has_stride:
        stride = click.option(
            "--stride",
            type=AtLeast(0),
            metavar="N",
            help="Windows overlap by N tokens. Default: an eighth of a window.",
        )
        added.insert(1, stride)
    return lambda command: _with_all(command, added)


lengths_option = click.option(
    "--lengths",
    is_flag=True,
    help="Add n_tokens, truncated, and windows: the characters that were read, as pairs of start and end.",
)


def _with_all(command: Command, added: Sequence[Callable[..., Any]]) -> Command:
    for parameter in reversed(added):
        command = parameter(command)
    return command


def long_text_arguments(options: dict[str, Any], stride_alone: bool = False) -> dict[str, Any]:
    """The pipeline's arguments for the options of this file, which are taken out of those of a command.

    stride_alone: whether --stride has a meaning without --long-text. Raises UsageError for options without
    effect.
    """
    long_text = options.pop("long_text")
    stride, window_scores = options.pop("stride", None), options.pop("window_scores", None)
    for name, value in (("--stride", stride), ("--window-scores", window_scores)):
        is_alone = name == "--stride" and stride_alone and long_text is None
        if value is not None and long_text != _WINDOWS and not is_alone:
            found = "no --long-text" if long_text is None else f"--long-text {long_text}"
            raise click.UsageError(mismatch(name, found, "--long-text windows"))
    given = {
        "long_text": long_text,
        "stride": stride,
        "window_scores": window_scores,
        "return_lengths": options.pop("lengths"),
        "max_length": options.pop("max_length", None),
    }
    return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class LengthsForm:
    """A form of results, and how much of each text was read.

    is_pair: whether predictions have a `coverage_pair`, of a second text.
    """

    form: PredictionForm
    is_pair: bool = False

    @property
    def _columns(self) -> dict[str, Any]:
        return {**_LENGTHS, **_LENGTHS_OF_PAIR} if self.is_pair else _LENGTHS

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the form, and those of --lengths."""
        return {**self.form.columns, **self._columns}

    @property
    def names(self) -> list[str]:
        """The members of an object in JSON."""
        return list(dict.fromkeys([*self.form.names, *self._columns]))

    def members(self, prediction: Any) -> dict[str, Any]:
        """The members of the form, and those of --lengths."""
        return {**self.form.members(prediction), **self._lengths(prediction)}

    def cells(self, prediction: Any) -> dict[str, Any]:
        """The cells of the form, and those of --lengths."""
        return {**self.form.cells(prediction), **self._lengths(prediction)}

    def lines(self, prediction: Any) -> str:
        """The lines of the form, and one about the length."""
        coverages = [prediction.coverage, *([prediction.coverage_pair] if self.is_pair else [])]
        return f"{self.form.lines(prediction)}\n  {' | '.join(map(_line, coverages))}"

    def _lengths(self, prediction: Any) -> dict[str, Any]:
        lengths = {
            "n_tokens": prediction.coverage.n_tokens,
            "truncated": prediction.truncated,
            "windows": [list(span) for span in prediction.coverage.windows],
        }
        if self.is_pair:
            lengths["n_tokens_pair"] = prediction.coverage_pair.n_tokens
            lengths["windows_pair"] = [list(span) for span in prediction.coverage_pair.windows]
        return lengths


def _line(coverage: Coverage) -> str:
    count = len(coverage.windows or ())
    read = f" in {count} windows" if count > 1 else ""
    return f"{coverage.n_tokens} tokens{', truncated' if coverage.truncated else read}"
