"""A cache folder as people see it: its files, and what each was made of."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from . import folder as private
from . import settings
from .errors import DamagedError, UnusableError


def cache_facts() -> dict[str, Any]:
    """The folder that `cache="auto"` uses and what decided it, the number and size of its files, its limit.

    folder is None if the cache is off. problem: why the folder cannot be used, or None.
    """
    chosen_by = settings.VARIABLE if os.environ.get(settings.VARIABLE) else "default"
    facts = {"folder": None, "chosen_by": chosen_by, "files": 0, "bytes": 0, "problem": None}
    facts["limit_bytes"] = settings.MAX_FOLDER_BYTES
    try:
        choice = settings.chosen(settings.AUTO)
        if choice is not None:
            facts["folder"] = str(choice.folder)
            with private.opened_folder(choice.folder) as folder:
                found = private.entries(folder)
            facts["files"], facts["bytes"] = len(found), sum(entry.size for entry in found)
    except FileNotFoundError:
        pass
    except (OSError, UnusableError) as error:
        facts["problem"] = getattr(error, "strerror", None) or str(error)
    return facts


def listed(path: Path) -> list[dict[str, Any]]:
    """Each file of a folder: name, bytes, time of last use, and the facts of its header, empty if it is
    damaged. The one used last comes first. Raises UnusableError, OSError."""
    from .reader import read_header

    rows = []
    with contextlib.suppress(FileNotFoundError), private.opened_folder(path) as folder:
        for entry in reversed(private.entries(folder)):
            facts: dict[str, Any] = {}
            with contextlib.suppress(DamagedError, UnusableError, OSError):
                descriptor = private.open_file(folder, entry.name)
                try:
                    facts = read_header(descriptor).facts
                finally:
                    os.close(descriptor)
            rows.append({"name": entry.name, "bytes": entry.size, "used": entry.used, **facts})
    return rows


def clear(path: Path) -> tuple[int, int]:
    """Remove all cache files of a folder, finished and unfinished; returns how many, and their bytes.

    Processes that map one keep it. Raises UnusableError, OSError.
    """
    count = size = 0
    with contextlib.suppress(FileNotFoundError), private.opened_folder(path) as folder:
        for entry in private.entries(folder, private.LATE):
            private.remove(folder, entry.name, entry.inode)
        for entry in (*private.entries(folder), *private.entries(folder, private.UNFINISHED)):
            if private.remove(folder, entry.name, entry.inode):
                count, size = count + 1, size + entry.size
    return count, size
