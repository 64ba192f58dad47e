"""`*.index.json`: which shard file holds which tensor of a checkpoint too large for one file."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError, shown
from .json_object import parse_object
from .tensor_names import MAX_TENSORS, name_problem

_MAX_FILE_NAME = 255


def parse_shard_index(content: bytes, path: Path) -> dict[str, str]:
    """Tensor name to shard file name, in the index's order. Only `weight_map` counts.

    Raises ModelFileError for a malformed index, or a shard name that is not a plain name of a file in the
    index's own folder.
    """
    index = parse_object(content, f"{path}: index")
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelFileError(
            f"{path}: is JSON but no shard index: weight_map is {_kind(weight_map)}, "
            "expected an object of tensor names and file names"
        )
    if len(weight_map) > MAX_TENSORS:
        raise ModelFileError(f"{path}: lists {len(weight_map)} tensors, expected at most {MAX_TENSORS}")
    for name, shard in weight_map.items():
        problem = name_problem(name)
        if problem is not None:
            raise ModelFileError(f"{path}: {problem}")
        if not _is_plain_name(shard):
            found = shown(shard) if isinstance(shard, str) else _kind(shard)
            raise ModelFileError(
                f"{path}: tensor {shown(name)} is in shard {found}, "
                "expected the plain name of a file in the same folder"
            )
    return weight_map


def _is_plain_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and name.isprintable()
        and 0 < len(name) <= _MAX_FILE_NAME
        and name not in (".", "..")
        and not any(character in name for character in "/\\:")
        and Path(name).name == name
    )


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "empty"
    return "missing" if value is None else f"a JSON {type(value).__name__}"
