"""The errors of this package, and the form of their messages.

A message is one line that names the file or argument, what was found and what was expected.
Each class also derives from the built-in exception that transformers users already catch.
"""

from __future__ import annotations


class RobertaCError(Exception):
    """Base of every error raised by roberta_c."""

    def __str__(self) -> str:
        """The message as one line: a path in it may be long, or have a line end in a name."""
        return one_line(super().__str__())


class ModelFileError(RobertaCError, OSError):
    """A config file, weight file or shard index is missing, malformed, or does not fit the model."""


class UnsafeFileError(ModelFileError):
    """A weight file holds something that no weight file needs, such as code or objects of foreign classes."""


class TokenizerFileError(RobertaCError, OSError):
    """A tokenizer file is missing or malformed."""


class HubError(RobertaCError, OSError):
    """A repository or a file could not be fetched from the Hub or found in the cache."""


class InputError(RobertaCError, ValueError):
    """An argument has the wrong type, shape, value or name."""


class MissingNameError(InputError, AttributeError):
    """A name that the class of another package has and this package has not; the message says what to do."""


class ResourceError(RobertaCError, RuntimeError):
    """The machine lacks what a request needs, such as memory or an instruction set."""


class KernelError(RobertaCError, ArithmeticError):
    """The kernels for this machine's instruction set computed a wrong result."""


def shown(value: object, limit: int = 80) -> str:
    """`value` as text for a message: one line of ASCII, cut to `limit` characters. Never raises."""
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape:  # an array's repr has many lines
            return f"a {type(value).__name__} of shape {shape!r:.40}"
        text = ascii(value).replace("\n", " ")
    except Exception:  # a foreign __repr__ may raise anything, and so does an integer of thousands of digits
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def mismatch(place: object, found: object, expected: object) -> str:
    """`place: found …, expected …`: the message about a wrong value, shape, type or name.

    place: the argument or file. found, expected: text; `shown()` turns foreign values into text. Characters
    that cannot be printed, such as a line end in the name of a file, are escaped, and a long place, such as a
    path of many folders, is cut in its middle.

    >>> mismatch("top_k", shown(-1), "an integer of at least 1")
    'top_k: found -1, expected an integer of at least 1'
    """
    return _printable(f"{_cut(_text(place))}: found {_text(found)}, expected {_text(expected)}")


def one_line(message: str, limit: int = 1000) -> str:
    """`message` with its unprintable characters escaped; a long one without its middle.

    >>> one_line("in\\nput.txt: cannot be read")
    'in\\\\nput.txt: cannot be read'
    """
    return _cut(_printable(message), limit)


def _printable(message: str) -> str:
    if message.isprintable():
        return message
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in message)


def _text(part: object) -> str:
    try:
        return str(part)
    except ValueError:  # an integer of more digits than Python turns into text
        return shown(part)


def _cut(text: str, limit: int = 500) -> str:
    """`text` with its beginning and its end, which names the file of a path."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 :]}"
