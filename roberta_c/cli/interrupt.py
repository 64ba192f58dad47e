"""Ctrl-C ends the program at once, with exit code 130 and without a traceback.

It does not raise KeyboardInterrupt: an import that is interrupted by an exception may report another error.
This file imports almost nothing, so that it can be in effect before all other imports.
"""

from __future__ import annotations

import contextlib
import os
import signal

INTERRUPTED = 130

# Files that are written beside their final place, and are removed if the program ends early.
unfinished_files: set[str] = set()


def end_on_interrupt() -> None:
    """From now on SIGINT ends this process. Not where the caller has it ignored, as shells do with `&`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: _end())


def _end() -> None:
    for path in list(unfinished_files):
        with contextlib.suppress(OSError):
            os.unlink(path)
    os._exit(INTERRUPTED)
