"""The library's log messages of level WARNING and above, as lines on standard error."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .messages import report, with_option

# The Hub's client reports every attempt that fails; files/hub.py has one message for all of them.
CLIENT_LOGGERS = ("huggingface_hub.utils._http", "huggingface_hub.file_download")


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """Within this context, roberta_c's warnings and errors are reported; a repeated message only once."""
    handler, logger = _LineHandler(logging.WARNING), logging.getLogger("roberta_c")
    logger.addHandler(handler)
    for name in CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # The help of `ner --strategy` says the same.
            warnings.filterwarnings("ignore", "aggregation_strategy: ")
            yield
    finally:
        logger.removeHandler(handler)


class _LineHandler(logging.Handler):
    """Reports each different message once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._seen:
            self._seen.add(message)
            report("warning" if record.levelno < logging.ERROR else "error", with_option(message))
