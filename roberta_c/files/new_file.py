"""Writing a file so that no reader sees an incomplete one, and making the folder that it is written into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError, ModelFileError, mismatch, shown


def is_file_name(value: object) -> bool:
    """Whether `value` is a str that the system can take as a path."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:  # a lone half of a surrogate pair
        return False
    return True


def as_folder(save_directory: str | os.PathLike[str]) -> Path:
    """The path of a folder that may not exist yet. Raises InputError for what is no path."""
    is_path = isinstance(save_directory, (str, os.PathLike))
    # Path("") is the current folder, which nobody means by an empty name.
    if not is_path or not is_file_name(os.fspath(save_directory)) or not os.fspath(save_directory):
        raise InputError(mismatch("save_directory", shown(save_directory), "the path of a folder"))
    return Path(save_directory)


def make_folder(save_directory: str | os.PathLike[str]) -> Path:
    """The folder, made if it is missing. Raises InputError for what cannot be one, ModelFileError."""
    folder = as_folder(save_directory)
    if os.path.isfile(folder):  # which never raises
        raise InputError(mismatch(folder, "a file", "a folder to write into"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder


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
