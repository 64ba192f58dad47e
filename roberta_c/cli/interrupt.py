"""Ctrl-C ends the program at once, with exit code 130 and without a traceback.

It does not raise KeyboardInterrupt: an import that is interrupted by an exception may report another error.
This file imports almost nothing, so that it can be in effect before all other imports.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

INTERRUPTED = 130

# Files that are written beside their final place, and are removed if the program ends early.
unfinished_files: set[str] = set()


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Within this context SIGINT ends the process; afterwards, while Python exits, it is ignored.

    Nothing changes where the caller has SIGINT ignored, as shells do with `&`.
    """
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, lambda *_: _end())
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end() -> None:
    if "tqdm" in sys.modules and sys.stderr is not None and sys.stderr.isatty():
        os.write(2, b"\n")  # a progress bar may stand on the line
    for path in list(unfinished_files):
        with contextlib.suppress(OSError):
            os.unlink(path)
    os._exit(INTERRUPTED)
