"""A folder of cache files that nobody else can write: opening it, its files, and which are removed.

Files are never changed: one is written under another name and renamed, and removed by its name. So who maps
one keeps it as it was. Everything happens through the folder's descriptor, so that no link that somebody
puts in its place is followed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import DamagedError, UnusableError

FILE = re.compile(r"[0-9a-f]{16}\.packed")
UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.packed\.[0-9a-f]{16}")
# An empty file that says that a process ended before its file was written, so that short ones wait no more.
LATE = re.compile(r"\.[0-9a-f]{16}\.packed\.late")
LATE_SECONDS = 24 * 3600  # for how long it says so
# An unfinished file is removed if its writer holds no lock on it, but not while its last write is so young:
# the lock may not be taken yet, or be granted to everybody, and the disk may be slow to sync. It is removed
# in any case if it was not written to for so long: a file system may have no locks.
UNLOCKED_SECONDS, ABANDONED_SECONDS = 60, 3600
# A file's time of last use is set once in so many seconds.
USE_SECONDS = 3600


@contextmanager
def opened_folder(path: Path, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder that only this user, or root, can write. make: it is made if it is missing.

    Raises UnusableError for a folder of somebody else, one that others may write, or a link that somebody
    else has made; FileNotFoundError; OSError.
    """
    path = Path(os.path.abspath(path))
    _check_links(path)
    if make:
        os.makedirs(path, mode=0o700, exist_ok=True)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.realpath(path), flags)
    try:
        check_private(os.fstat(descriptor), "the folder")
        yield descriptor
    finally:
        os.close(descriptor)


def _check_links(path: Path) -> None:
    """UnusableError if a part of `path` is a link that neither this user nor root has made."""
    for part in (*reversed(path.parents), path):
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(part)
            if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
                raise UnusableError(f"{part} is a link that another user has made")


def check_private(status: os.stat_result, what: str) -> None:
    """UnusableError unless only this user or root can write it."""
    if status.st_uid not in (0, os.geteuid()):
        raise UnusableError(f"{what} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableError(f"others may write {what} (mode {stat.S_IMODE(status.st_mode):04o})")


def open_file(folder: int, name: str) -> int:
    """The descriptor of a file in the folder, open for reading. Raises UnusableError as `opened_folder`;
    DamagedError for a link, which is not followed, and for what is no regular file; OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        # Of a link, and of a socket.
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise DamagedError("no regular file") from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DamagedError("no regular file")
        try:
            check_private(status, name)
        except UnusableError as error:
            raise UnusableError(f"{error}; `roberta-c cache clear` removes it") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def mark_used(descriptor: int) -> None:
    """Set the file's time of last use, unless that was done not long ago."""
    now = time.time()
    with contextlib.suppress(OSError):
        if abs(now - os.fstat(descriptor).st_mtime) > USE_SECONDS:
            os.utime(descriptor, (now, now))


# ---- what is in it -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A file: its name, its size in bytes, when it was last used (seconds since 1970), and its inode."""

    name: str
    size: int
    used: float
    inode: int


def entries(folder: int, pattern: re.Pattern[str] = FILE) -> list[Entry]:
    """The files whose names match, the one that was not used for the longest time first."""
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            if pattern.fullmatch(name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                found.append(Entry(name, status.st_size, status.st_mtime, status.st_ino))
    return sorted(found, key=lambda entry: (entry.used, entry.name))


def remove(folder: int, name: str, inode: int | None = None) -> bool:
    """Remove a file; with `inode` only if the name is that file's. Returns whether it is removed."""
    with contextlib.suppress(OSError):
        if inode is None or os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino == inode:
            os.unlink(name, dir_fd=folder)
            return True
    return False


def remove_damaged(folder: int, name: str, inode: int | None, reason: str) -> None:
    """Remove what cannot be read. Raises UnusableError, which says how to clean, if it stays there."""
    if remove(folder, name, inode):
        return
    with contextlib.suppress(FileNotFoundError):
        there = os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
        if inode is None or there == inode:
            raise UnusableError(f"{name}: {reason}, which cannot be removed: remove it by hand")


def superfluous(folder: int, size: int, limit: int) -> list[Entry]:
    """The files that were not used for longest, without which `size` more bytes are within `limit`."""
    files = entries(folder)
    total = sum(entry.size for entry in (*files, *entries(folder, UNFINISHED))) + size
    found = []
    for entry in files:
        if total <= limit:
            break
        found.append(entry)
        total -= entry.size
    return found


def remove_abandoned(folder: int) -> None:
    """Remove unfinished files whose writers have ended, and old notes about late ones."""
    now = time.time()
    for entry in entries(folder, LATE):
        if abs(now - entry.used) > LATE_SECONDS:
            remove(folder, entry.name, entry.inode)
    for entry in entries(folder, UNFINISHED):
        age = now - entry.used
        if age > ABANDONED_SECONDS or (age > UNLOCKED_SECONDS and not is_being_written(folder, entry.name)):
            remove(folder, entry.name, entry.inode)


def note_late(folder: int, name: str) -> None:
    """Say that the file of this name was not ready when its process ended."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    remove(folder, f".{name}.late")
    os.close(os.open(f".{name}.late", flags, 0o600, dir_fd=folder))


def was_late(folder: int, name: str) -> bool:
    """Whether `note_late` has said so not long ago."""
    now = time.time()
    return any(
        entry.name == f".{name}.late" and abs(now - entry.used) <= LATE_SECONDS
        for entry in entries(folder, LATE)
    )


def is_being_written(folder: int, name: str) -> bool:
    """Whether a process holds the lock of an unfinished file. Locks save work and guard nothing: a file
    system may have none, and then say that it has."""
    try:
        descriptor = open_file(folder, name)
    except (OSError, UnusableError, DamagedError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
