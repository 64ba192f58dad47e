"""Every error this package raises on purpose, under one base class.

A message is one line that names the file or argument, what was found and what was expected.
Each class also derives from the built-in exception that transformers users already catch.
"""

from __future__ import annotations


class RobertaCError(Exception):
    """Base of every error raised by roberta_c."""


class ModelFileError(RobertaCError, OSError):
    """A config, weight or index file is missing, malformed, or does not fit the model."""


class UnsafeFileError(ModelFileError):
    """A weight file asks for something that a weight file never needs (code, foreign objects)."""


class TokenizerFileError(RobertaCError, OSError):
    """A tokenizer file is missing or malformed."""


class HubError(RobertaCError, OSError):
    """A repository or file could not be had from the Hub or its cache."""


class InputError(RobertaCError, ValueError):
    """An argument has the wrong type, shape, value or name."""


class ResourceError(RobertaCError, RuntimeError):
    """The machine lacks something that the request needs (memory, an instruction set)."""


class KernelError(RobertaCError, ArithmeticError):
    """The kernels of this machine's instruction set computed something wrong."""


def shown(value: object, limit: int = 80) -> str:
    """`value` as it may appear in a message: on one line, ASCII, cut to `limit` characters, never raising."""
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, type):  # an array's repr is long, and many lines
        return f"a {type(value).__name__} of shape {shape!r:.40}"
    try:
        text = ascii(value).replace("\n", " ")
    except Exception:  # a repr may be anyone's, and Python refuses to print integers of thousands of digits
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def mismatch(place: object, found: object, expected: object) -> str:
    """`place: found …, expected …`: the message for a value, a shape, a type or a name that does not fit.

    place: the argument or file. found, expected: text for the message; `shown()` makes it of foreign values.

    >>> mismatch("top_k", shown(-1), "an integer of at least 1")
    'top_k: found -1, expected an integer of at least 1'
    """
    return f"{place}: found {found}, expected {expected}"
