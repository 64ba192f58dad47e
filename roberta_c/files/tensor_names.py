"""What tensors may be called in weight files and their indexes, and how many there may be."""

from __future__ import annotations

from ..errors import shown

MAX_TENSORS = 20_000  # in one checkpoint; 24-layer models have about 400
MAX_NAME_LENGTH = 1000


def name_problem(name: object) -> str | None:
    """What is wrong with a tensor's name (it will be shown on terminals), or None."""
    if type(name) is not str:
        return f"has a tensor name that is {type(name).__name__}, expected str"
    if len(name) > MAX_NAME_LENGTH:
        return f"has a tensor name of {len(name)} characters, expected at most {MAX_NAME_LENGTH}"
    if not name.isprintable():
        return f"has the tensor name {shown(name)}, expected printable characters only"
    return None
