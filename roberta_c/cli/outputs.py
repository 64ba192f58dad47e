"""What the commands print: results, tensor lists and descriptions, for people or as JSON."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError, ModelFileError, shown

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..pipelines.text_classification import Prediction

# Some readers of lines break them at these too; inside JSON they may as well be spelled out.
_JSON_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Output:
    """A stream of bytes, flushed with every result, so that each is seen as soon as it is there.

    JSON is UTF-8 wherever it goes; the odd bytes of a path are escaped in it. In text for people, characters
    that `encoding` lacks are escaped.
    `aside` makes room on a terminal that a progress bar is on as well.
    """

    def __init__(
        self, stream: BinaryIO, encoding: str, aside: Callable[[], AbstractContextManager] = nullcontext
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._aside = aside

    def text(self, text: str) -> None:
        """One or more lines for people."""
        self._write(f"{text}\n".encode(self._encoding, "backslashreplace"))

    def document(self, value: Any) -> None:
        """One JSON value."""
        self._write(f"{_json_text(value, indent=2)}\n".encode("utf-8", "backslashreplace"))

    def lines(self, rows: Iterable[Any]) -> None:
        """JSON values, a line each, as they come."""
        for row in rows:
            self._write(f"{_json_text(row)}\n".encode())

    def array(self, rows: Iterable[Any]) -> None:
        """JSON values as they come, in one array."""
        before = "[\n"
        for row in rows:
            self._write(f"{before}{_json_text(row)}".encode())
            before = ",\n"
        self._write(b"[]\n" if before == "[\n" else b"\n]\n")

    def _write(self, data: bytes) -> None:
        with self._aside():
            while data:  # an unbuffered stream (python -u) may take only a part
                data = data[self._stream.write(data) or 0 :]
            self._stream.flush()


def open_output(aside: Callable[[], Any] = nullcontext) -> Output:
    """Standard output; InputError where it is closed."""
    if sys.stdout is None:
        raise InputError("standard output: found it closed, expected it open")
    return Output(sys.stdout.buffer, sys.stdout.encoding or "utf-8", aside)


def is_terminal(stream: Any) -> bool:
    """Whether a person sees what is written there."""
    return stream is not None and stream.isatty()


def _json_text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).translate(_JSON_LINE_ENDS)


def printable(text: str) -> str:
    """`text` on one line and without what could move a terminal's cursor or turn its writing direction."""
    if text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if _is_unprintable(c) else c for c in text)


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI_CONTROLS


# ---- classify ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreBars:
    """Scores of 0 to 1 as bars for a terminal: red and green where labels say negative and positive.

    colours: whether the terminal may be sent any. blocks: whether it shows block characters; else "#".
    """

    colours: bool
    blocks: bool

    def bar(self, score: float, width: int, label: str) -> str:
        """A label's bar, padded to `width` columns."""
        eighths = round(score * width * 8)
        bar = (
            _BLOCKS[-1] * (eighths // 8) + _BLOCKS[eighths % 8] if self.blocks else "#" * round(score * width)
        )
        padding = " " * (width - len(bar))
        if self.colours and bar:
            bar = f"\x1b[{_COLOURS.get(label.lower(), _OTHER_COLOUR)}m{bar}\x1b[0m"
        return bar + padding


# Eighths of a column, from none to all of it.
_BLOCKS = ("", *"▏▎▍▌▋▊▉█")
_COLOURS = {"negative": 31, "neutral": 33, "positive": 32}  # red, yellow, green
_OTHER_COLOUR = 36  # cyan: other labels are neither good nor bad


def score_bars(stream: Any, environment: Mapping[str, str] = os.environ) -> ScoreBars | None:
    """The bars that `stream` can show: none unless a terminal, no colours with NO_COLOR (no-color.org)."""
    if stream is None or not stream.isatty():
        return None
    try:
        "".join(_BLOCKS).encode(stream.encoding or "ascii")
        blocks = True
    except UnicodeEncodeError:
        blocks = False
    return ScoreBars(not environment.get("NO_COLOR") and environment.get("TERM", "dumb") != "dumb", blocks)


@dataclass(frozen=True)
class ResultForm:
    """How predictions are shown: their labels, in the scores' order, and how many of these per text.

    every_score: whether JSON rows have the object `scores`, and people see a block of labels per text.
    bars: what people see beside the scores, if anything.
    """

    labels: list[str]
    top_k: int | None
    every_score: bool
    bars: ScoreBars | None = None

    def check_labels(self) -> None:
        """ModelFileError where a JSON object could not hold all labels."""
        repeated = [label for label in self.labels if self.labels.count(label) > 1]
        if self.every_score and repeated:
            raise ModelFileError(
                f"config.json: id2label: found {shown(repeated[0])} twice, expected different labels to list"
            )

    def json_row(self, prediction: Prediction) -> dict[str, Any]:
        """A text's result: text, text_pair of a pair, label, score, truncated where true, scores if asked."""
        row: dict[str, Any] = {"text": prediction.row.text}
        if prediction.row.text_pair is not None:
            row["text_pair"] = prediction.row.text_pair
        best = self._best(prediction)
        row["label"], row["score"] = best[0]
        if prediction.truncated:
            row["truncated"] = True
        if self.every_score:
            row["scores"] = dict(best)
        return row

    def lines(self, prediction: Prediction) -> str:
        """A text's result for people: a line, or the text and below it a line per label."""
        parts = [part for part in prediction.row if part is not None]
        text = " | ".join(map(printable, parts)) + (" [truncated]" if prediction.truncated else "")
        width = max(len(printable(label)) for label in self.labels)
        lines = []
        for label, score in self._best(prediction):
            line = f"{printable(label):{width}}  {score:7.4f}"
            if self.bars is not None:
                line += f"  {self.bars.bar(score, 24 if self.every_score else 10, label)}"
            lines.append(line)
        if not self.every_score:
            return f"{lines[0]}  {text}"
        return "\n  ".join([text, *map(str.rstrip, lines)])

    def _best(self, prediction: Prediction) -> list[tuple[str, float]]:
        """The labels to show and their scores, best first."""
        order = prediction.best_first()[: self.top_k]
        return [(self.labels[index], float(prediction.scores_c[index])) for index in order]


# ---- keys --------------------------------------------------------------------------------------------


def tensor_rows(checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    """Name, dtype and shape of each tensor, in the file's order."""
    for info in checkpoint.tensors.values():
        yield {"name": info.name, "dtype": info.dtype, "shape": list(info.shape)}


def tensor_lines(checkpoint: Checkpoint) -> str:
    """The same as an aligned table."""
    rows = [(printable(info.name), info.dtype, str(info.shape)) for info in checkpoint.tensors.values()]
    return aligned(rows)


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of text, two spaces apart."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


# ---- describe ----------------------------------------------------------------------------------------


def description_lines(facts: dict[str, Any]) -> str:
    """A `description` as text: the tree, the tokenizer, the load report, the rest as a table."""
    rows = {**model_rows(facts), "files": ", ".join(facts["files"])}
    return "\n\n".join(
        (
            _printable_lines(facts["tree"]),
            _printable_lines(facts["tokenizer"]),
            "Load report\n" + table(load_report_rows(facts)),
            "Model\n" + table(rows),
        )
    )


def load_report_rows(facts: dict[str, Any]) -> dict[str, str]:
    """What loading found, of a `description`."""
    report = facts["load_report"]
    tied = [" = ".join(pair) for pair in report["tied"]]
    loaded = {"missing": report["missing"], "unexpected": report["unexpected"], "tied": tied}
    return {name: ", ".join(found) or "none" for name, found in loaded.items()}


def model_rows(facts: dict[str, Any]) -> dict[str, Any]:
    """A model's kind, sizes and limits, of a `description`."""
    stored = (f"{facts['stored_values']:,} values", ", ".join(facts["stored_dtypes"]), facts["format"])
    return {
        **{name: facts[name] for name in ("model", "class", "model_type")},
        **facts["config"],
        "position limit": f"{facts['position_limit']} tokens",
        "problem_type": facts["problem_type"],
        "labels": ", ".join(map(str, facts["labels"])),
        "stored": ", ".join(stored),
        "arithmetic": f"{facts['arithmetic']}, {facts['isa']}, {facts['num_threads']} threads",
    }


def table(values: Mapping[str, Any]) -> str:
    """Names and values, a line each, below a heading."""
    rows = [(f"  {name}", printable(str(value))) for name, value in values.items()]
    return aligned(rows)


def byte_size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
