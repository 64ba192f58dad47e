"""transformers' `logging`: how much this package logs, and whether downloads show progress bars.

>>> from roberta_c import logging
>>> logging.get_verbosity()  # logging.WARNING; set_verbosity_error() leaves out warnings
30

The messages go to the loggers below "roberta_c", and from there where the program sends its log lines.
"""

from __future__ import annotations

import logging as _logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, NOTSET, WARN, WARNING

from .errors import InputError, mismatch, shown
from .files import hub

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "NOTSET",
    "WARN",
    "WARNING",
    "disable_progress_bar",
    "enable_progress_bar",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
    "set_verbosity_debug",
    "set_verbosity_error",
    "set_verbosity_info",
    "set_verbosity_warning",
]

_NAME = "roberta_c"


def get_logger(name: str | None = None) -> _logging.Logger:
    """The logger of this name; None: this package's."""
    return _logging.getLogger(_NAME if name is None else name)


def get_verbosity() -> int:
    """The level from which on messages are logged, as one of Python's numbers: 30 is WARNING."""
    return get_logger().getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Log messages from this level on. Raises InputError for what is no level."""
    if isinstance(verbosity, bool) or not isinstance(verbosity, int) or verbosity < 0:
        raise InputError(mismatch("verbosity", shown(verbosity), "a level of Python's logging, such as 30"))
    get_logger().setLevel(verbosity)


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


def disable_progress_bar() -> None:
    """Show no bars while files are fetched from the Hub."""
    hub.show_progress_bars(False)


def enable_progress_bar() -> None:
    """Show bars while files are fetched from the Hub."""
    hub.show_progress_bars(True)
