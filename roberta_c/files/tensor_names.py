"""Limits on the number and the names of tensors, in weight files and in shard indexes."""

from __future__ import annotations

from ..errors import ModelFileError, mismatch, shown

MAX_TENSORS = 20_000  # in one checkpoint; models of 24 layers have about 400
MAX_NAME_LENGTH = 1000


def check_tensor_count(count: int, place: object) -> None:
    """Raise ModelFileError, beginning with `place`, if a file lists more than MAX_TENSORS tensors."""
    if count > MAX_TENSORS:
        raise ModelFileError(mismatch(place, f"{count} tensors", f"at most {MAX_TENSORS}"))


def check_tensor_name(name: object, place: object) -> None:
    """Raise ModelFileError, beginning with `place`, for a name that is long or unsafe to print."""
    place = f"{place}: tensor name"
    if type(name) is not str:
        raise ModelFileError(mismatch(place, type(name).__name__, "str"))
    if len(name) > MAX_NAME_LENGTH:
        raise ModelFileError(mismatch(place, f"{len(name)} characters", f"at most {MAX_NAME_LENGTH}"))
    if not name.isprintable():  # control characters could change a terminal's state
        raise ModelFileError(mismatch(place, shown(name), "printable characters only"))
