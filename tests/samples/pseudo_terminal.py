"""Runs a command in a terminal of its own, for tests of what it prints to people at a terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

ROWS, COLUMNS = 24, 100
SECONDS = 120


def in_terminal(words, environment, **options) -> tuple[int, str]:
    """The exit code and all output. `options` go to Popen; streams among them replace the terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    streams = {"stdin": follower, "stdout": follower, "stderr": follower}
    process = subprocess.Popen(words, env={**environment, "TERM": "xterm"}, **{**streams, **options})
    os.close(follower)
    shown, deadline = b"", time.monotonic() + SECONDS
    try:
        while select.select([leader], [], [], max(0, deadline - time.monotonic()))[0]:
            chunk = os.read(leader, 4096)
            if not chunk:
                break
            shown += chunk
        else:
            process.kill()
            raise TimeoutError(f"{words}: no end after {SECONDS} s; shown so far: {shown.decode()}")
    except OSError as error:
        if error.errno != errno.EIO:  # EIO: on Linux, no process has the other end open
            raise
    finally:
        os.close(leader)
    return process.wait(SECONDS), shown.decode().replace("\r\n", "\n")
