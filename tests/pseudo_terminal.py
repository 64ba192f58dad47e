"""Runs a command in a terminal of its own, for what only people at one would see."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

ROWS, COLUMNS = 24, 100


def in_terminal(words, environment, **options) -> tuple[int, str]:
    """Exit code, and all that was shown. `options` go to Popen; of its streams they replace the terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    streams = {"stdin": follower, "stdout": follower, "stderr": follower}
    process = subprocess.Popen(words, env={**environment, "TERM": "xterm"}, **{**streams, **options})
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:  # how Linux says that nobody has the other end open any more
        pass
    os.close(leader)
    return process.wait(60), shown.decode().replace("\r\n", "\n")
