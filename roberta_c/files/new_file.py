"""Writing a file so that no reader sees an incomplete one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelFileError


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """An empty file, which takes the name `path` when the block ends without an exception, else is removed.

    Raises ModelFileError if it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        try:
            with open(unfinished, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be written: {error.strerror or error}") from error
