"""transformers' `logging`: how much this package logs, and whether downloads show progress bars.

>>> from roberta_c import logging
>>> logging.get_verbosity()  # logging.WARNING; set_verbosity_error() leaves out warnings
30

The messages go to the loggers below "roberta_c", and from there where the program sends its log lines.
"""

from __future__ import annotations

import logging as _logging
import numbers
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, NOTSET, WARN, WARNING
from typing import NoReturn

from .errors import InputError, mismatch, shown
from .files import hub
from .missing_names import missing_name

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "NOTSET",
    "WARN",
    "WARNING",
    "add_handler",
    "disable_progress_bar",
    "disable_propagation",
    "enable_progress_bar",
    "enable_propagation",
    "get_logger",
    "get_verbosity",
    "remove_handler",
    "set_verbosity",
    "set_verbosity_debug",
    "set_verbosity_error",
    "set_verbosity_info",
    "set_verbosity_warning",
]

_NAME = "roberta_c"
_OF_PYTHON = "Python's own: logging.basicConfig(format=…), or add_handler(a handler with its formatter)"
MISSING_NAMES = {
    **dict.fromkeys(
        ("enable_default_handler", "disable_default_handler", "enable_explicit_format", "reset_format"),
        _OF_PYTHON,
    ),
    "captureWarnings": "Python's own: logging.captureWarnings",
    "is_progress_bar_enabled": "huggingface_hub's: utils.are_progress_bars_disabled()",
}


def get_logger(name: str | None = None) -> _logging.Logger:
    """The logger of this name; None: this package's. Raises InputError."""
    if not isinstance(name, str | None):
        raise InputError(mismatch("name", shown(name), "a str or None"))
    return _logging.getLogger(_NAME if name is None else name)


def get_verbosity() -> int:
    """The level from which on messages are logged, as one of Python's numbers: 30 is WARNING."""
    return get_logger().getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Log messages from this level on. Raises InputError for what is no level."""
    is_level = isinstance(verbosity, numbers.Integral) and not isinstance(verbosity, bool)
    if not is_level or verbosity < 0:
        raise InputError(mismatch("verbosity", shown(verbosity), "a level of Python's logging, such as 30"))
    get_logger().setLevel(int(verbosity))


def set_verbosity_debug() -> None:
    """Log all messages."""
    set_verbosity(DEBUG)


def set_verbosity_info() -> None:
    """Log messages from INFO on."""
    set_verbosity(INFO)


def set_verbosity_warning() -> None:
    """Log warnings and errors, as Python does without a setting."""
    set_verbosity(WARNING)


def set_verbosity_error() -> None:
    """Log errors alone."""
    set_verbosity(ERROR)


def add_handler(handler: _logging.Handler) -> None:
    """Send the messages to this handler too. Raises InputError."""
    get_logger().addHandler(_checked(handler))


def remove_handler(handler: _logging.Handler) -> None:
    """Send the messages to this handler no more. Raises InputError."""
    get_logger().removeHandler(_checked(handler))


def _checked(handler: _logging.Handler) -> _logging.Handler:
    if not isinstance(handler, _logging.Handler):
        raise InputError(mismatch("handler", shown(handler), "a handler of Python's logging"))
    return handler


def enable_propagation() -> None:
    """Send the messages to the program's own handlers too, as without a setting."""
    get_logger().propagate = True


def disable_propagation() -> None:
    """Send the messages to the handlers of `add_handler` alone."""
    get_logger().propagate = False


def disable_progress_bar() -> None:
    """Show no bars while files are fetched from the Hub."""
    hub.show_progress_bars(False)


def enable_progress_bar() -> None:
    """Show bars while files are fetched from the Hub."""
    hub.show_progress_bars(True)


def __getattr__(name: str) -> NoReturn:
    if name in MISSING_NAMES:
        raise missing_name("logging", name, MISSING_NAMES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
