"""The padding, truncation and tensor arguments of a tokenizer call: checked, with defaults filled in."""

from __future__ import annotations

import logging
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, ResourceError, mismatch, shown
from .memory import memory_bytes
from .special_tokens import check_side

logger = logging.getLogger(__name__)

DO_NOT_PAD, LONGEST, MAX_LENGTH = "do_not_pad", "longest", "max_length"
DO_NOT_TRUNCATE, LONGEST_FIRST = "do_not_truncate", "longest_first"
_MAX_COUNT = 2**31 - 1
# The widest padding of rows that are all shorter. Models of this family take at most 8,192 tokens, and the
# longest that any published model takes is 10 million; a row of this width has 128 MiB in each field.
MAX_WIDTH = 2**24
# Bytes of a padded token: int64 ids and their mask, or pointers to Python's integers, which are of one size.
_BYTES_OF_TOKEN = 16
# Batches of up to as many padded tokens (256 MiB) are made without a look at the machine's memory.
_SURELY_FITTING = 2**24
PADDINGS = (LONGEST, MAX_LENGTH, DO_NOT_PAD)
TRUNCATIONS = (LONGEST_FIRST, "only_first", "only_second", DO_NOT_TRUNCATE)


@dataclass(frozen=True)
class EncodeOptions:
    """The arguments of a call as the encoder needs them. Lengths include special tokens.

    truncate_to: None if nothing is truncated.
    pad_to: None if rows are padded to the longest row, or not padded.
    length_name: what messages call the argument or limit that `truncate_to` and `pad_to` are from.
    """

    padding: str
    pad_to: int | None
    padding_side: str
    pad_to_multiple_of: int | None
    truncation: str
    truncate_to: int | None
    stride: int
    as_numpy: bool
    length_name: str


def resolve_options(
    *,
    padding: Any,
    truncation: Any,
    max_length: Any,
    stride: Any,
    pad_to_multiple_of: Any,
    padding_side: Any,
    return_tensors: Any,
    limit: int | None,
) -> EncodeOptions:
    """The options of one call. `limit` is how many tokens the model takes, None if unknown.

    As in transformers, `max_length` without padding and truncation truncates.
    Raises InputError, whose message names the argument.
    """
    if max_length is not None:
        max_length = _as_count("max_length", max_length, least=1)
    stride = _as_count("stride", stride, least=0)
    if pad_to_multiple_of is not None:
        pad_to_multiple_of = _as_count("pad_to_multiple_of", pad_to_multiple_of, least=1)
    padding_side = check_side("padding_side", padding_side)
    is_padded = not isinstance(padding, bool | np.bool_) or bool(padding)
    if truncation is None and max_length is not None and not is_padded:
        truncation = LONGEST_FIRST
    if truncation is None:
        truncation = False
    padding = _as_choice("padding", padding, {True: LONGEST, False: DO_NOT_PAD}, PADDINGS)
    truncation = _as_choice(
        "truncation", truncation, {True: LONGEST_FIRST, False: DO_NOT_TRUNCATE}, TRUNCATIONS
    )
    length = max_length if max_length is not None else limit
    if padding == MAX_LENGTH and length is None:
        expected = "a number, because neither the tokenizer nor config.json gives a limit"
        raise InputError(mismatch("max_length", "None with padding='max_length'", expected))
    if truncation != DO_NOT_TRUNCATE and length is None:
        logger.warning(
            "truncation without max_length has no effect: neither the tokenizer nor config.json gives a limit"
        )
        truncation = DO_NOT_TRUNCATE
    if max_length is not None and padding != MAX_LENGTH and truncation == DO_NOT_TRUNCATE:
        logger.warning("max_length=%d has no effect without truncation or padding='max_length'", max_length)
    if pad_to_multiple_of is not None and padding == DO_NOT_PAD:
        logger.warning("pad_to_multiple_of=%d has no effect without padding", pad_to_multiple_of)
    truncate_to = length if truncation != DO_NOT_TRUNCATE else None
    if truncate_to and padding != DO_NOT_PAD and pad_to_multiple_of and truncate_to % pad_to_multiple_of:
        expected = f"a divisor of {truncate_to}, the length that rows are truncated to"
        raise InputError(mismatch("pad_to_multiple_of", pad_to_multiple_of, expected))
    return EncodeOptions(
        padding=padding,
        pad_to=length if padding == MAX_LENGTH else None,
        padding_side=padding_side,
        pad_to_multiple_of=pad_to_multiple_of,
        truncation=truncation,
        truncate_to=truncate_to,
        stride=stride,
        as_numpy=_wants_numpy(return_tensors),
        length_name="max_length" if max_length is not None else "the tokenizer's limit",
    )


def padded_width(options: EncodeOptions, lengths: list[int]) -> int | None:
    """The length that shorter rows are padded to; None if rows are not padded.

    Raises InputError for a width that no model takes, ResourceError if the machine's memory is too small for
    the padded rows.
    """
    if options.padding == DO_NOT_PAD or not lengths:
        return None
    longest = max(lengths)
    width = longest if options.pad_to is None else options.pad_to
    multiple = options.pad_to_multiple_of or 1
    padded = -(-width // multiple) * multiple
    if padded > max(longest, MAX_WIDTH):
        name = options.length_name if width > MAX_WIDTH else "pad_to_multiple_of"
        value = width if width > MAX_WIDTH else multiple
        raise InputError(mismatch(name, f"{value} with padding={options.padding!r}", f"at most {MAX_WIDTH}"))
    tokens = padded * len(lengths)
    if tokens > _SURELY_FITTING and tokens > (most := memory_bytes() // _BYTES_OF_TOKEN):
        found = f"{len(lengths)} rows of {padded} tokens"
        expected = f"at most {most} tokens in all, which this machine's memory can hold"
        raise ResourceError(mismatch(f"padding={options.padding!r}", found, expected))
    return padded


def _as_count(name: str, value: Any, *, least: int) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if isinstance(value, bool) or not least <= count <= _MAX_COUNT:
        raise InputError(mismatch(name, shown(value), f"an integer from {least} to {_MAX_COUNT}"))
    return count


def _as_choice(name: str, value: Any, by_bool: dict[bool, str], choices: tuple[str, ...]) -> str:
    if isinstance(value, bool | np.bool_):
        return by_bool[bool(value)]
    for choice in choices:  # compared with ==, which also accepts transformers' enums: they derive from str
        if isinstance(value, str) and value == choice:
            return choice
    raise InputError(mismatch(name, shown(value), f"True, False or one of {', '.join(choices)}"))


def _wants_numpy(return_tensors: Any) -> bool:
    if return_tensors is None:
        return False
    if isinstance(return_tensors, str) and return_tensors == "np":
        return True
    raise InputError(mismatch("return_tensors", shown(return_tensors), "'np' (NumPy arrays) or None"))
