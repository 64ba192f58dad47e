"""Ctrl-C ends the program at once, with exit code 130 and without a traceback.

SIGTERM and SIGHUP end it as they do any program, after unfinished files have been removed.

Ctrl-C does not raise KeyboardInterrupt: an import that an exception interrupts may report another error.
This file imports almost nothing, so that it can be in effect before all other imports.
"""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from typing import Any
else:
    # _signal has the functions and numbers of signal, but does not import enum: Ctrl-C during that import
    # would print a traceback.
    import _signal as signal

INTERRUPTED = 130
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

# Files that are written beside their final place, and are removed if the program ends early.
unfinished_files: set[str] = set()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within this context SIGINT ends the process; afterwards, while Python exits, it is ignored.

    SIGTERM and SIGHUP end the process as they do without a handler, but unfinished files are removed before.
    Nothing changes for a signal that the caller has ignored, as shells do with SIGINT for `&` and nohup with
    SIGHUP.
    """
    ending = [number for number in ENDING_SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in ending:
        signal.signal(number, _terminate)
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, lambda *_: _end())
    try:
        yield
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)
        if is_ours:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _terminate(number: int, _: Any) -> None:
    _remove_unfinished_files()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end() -> None:
    if "tqdm" in sys.modules and sys.stderr is not None and sys.stderr.isatty():
        os.write(2, b"\n")  # a progress bar may stand on the line
    _remove_unfinished_files()
    os._exit(INTERRUPTED)


def _remove_unfinished_files() -> None:
    for path in list(unfinished_files):
        with contextlib.suppress(OSError):
            os.unlink(path)
