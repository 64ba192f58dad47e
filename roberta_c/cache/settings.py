"""Where packed weights are kept: the argument `cache`, ROBERTA_C_CACHE, the user's cache folder, limits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, mismatch, shown
from ..files.new_file import is_file_name
from .errors import UnusableError

VARIABLE = "ROBERTA_C_CACHE"
OFF, AUTO = "off", "auto"

# What a model must have in weight files, and a part of it in packed weights, to be cached: below, packing
# takes a few milliseconds.
MIN_BYTES = 16 << 20
# All files of a folder together; those that were not used for the longest time are removed first.
MAX_FOLDER_BYTES = 8 << 30
# What a disk must have left after a file is written.
FREE_BYTES = 1 << 30
# How long a weight file must have been unchanged. A file system's clock moves in steps, of 2 seconds at
# worst: a file that is changed again within a step could keep its times (Git knows such entries as racy).
# `auto` leaves out files that somebody may be working on, and what a program has written through a map of a
# file: Linux sets the times at the first change of a page after it was last saved, which takes half a minute.
SETTLED_SECONDS = 2
AUTO_SETTLED_SECONDS = 60


@dataclass(frozen=True)
class Choice:
    """A folder, and whether a file is written before the model is returned, or meanwhile."""

    folder: Path
    waits: bool


def chosen(cache: Any, environment: Mapping[str, str] = os.environ) -> Choice | None:
    """Where `cache`, an argument of `from_pretrained`, says that packed weights are kept; None: nowhere.

    "auto": where ROBERTA_C_CACHE says, which is "off", "auto" or a folder; else in `user_folder`. None or
    "off": nowhere. A path: there, and a file that is missing is written at once. Raises InputError for
    another argument, UnusableError where the user has no folder.
    """
    waits = True
    if isinstance(cache, str) and cache == AUTO:
        cache, waits = environment.get(VARIABLE) or AUTO, False
        if cache.startswith("~"):  # in a file of settings, which no shell reads
            cache = os.path.expanduser(cache)
            if cache.startswith("~"):
                raise UnusableError(f"{VARIABLE}: this user has no home folder")
    if cache is None or (isinstance(cache, str) and cache == OFF):
        return None
    if isinstance(cache, str) and cache == AUTO:
        return Choice(user_folder(environment), waits)
    if (
        not isinstance(cache, (str, os.PathLike))
        or not is_file_name(os.fspath(cache))
        or not os.fspath(cache)
    ):
        raise InputError(mismatch("cache", shown(cache), "'auto', None or the path of a folder"))
    return Choice(Path(absolute(cache)), waits)


def absolute(cache: Any) -> Any:
    """A relative folder as an absolute one: the program may change its own. Other values as they are."""
    is_folder = isinstance(cache, (str, os.PathLike)) and cache not in (AUTO, OFF) and bool(os.fspath(cache))
    return os.path.abspath(cache) if is_folder else cache


def user_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """roberta_c in XDG_CACHE_HOME or ~/.cache. Raises UnusableError for a user without a home folder."""
    given = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given, "roberta_c")
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise UnusableError("this user has no home folder")
    with contextlib.suppress(OSError):
        if os.geteuid() == 0 and os.stat(home).st_uid != 0:  # sudo: the user could not use the folder later
            raise UnusableError(f"{home} belongs to another user, and root makes nothing there")
    return Path(home, ".cache", "roberta_c")
