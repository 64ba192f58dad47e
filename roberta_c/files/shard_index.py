"""The shard index (`*.index.json`) of a checkpoint in several files: which file (shard) has which tensor."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ModelFileError, mismatch, shown
from .json_object import parse_object
from .tensor_names import check_tensor_count, check_tensor_name

# A name that stays in its folder on every system. It cannot be hidden, absolute, or look like an option.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def parse_shard_index(content: bytes, path: Path, suffix: str = "") -> dict[str, str]:
    """Tensor name → shard file name, in the order of the index. Only the key `weight_map` is read.

    suffix: the ending that every shard's name must have. A download checks it, because it fetches these
    files; reading local shards does not, because a file's first bytes show its format.

    Raises ModelFileError for a malformed index, for a bad tensor name, and for a shard that is not a plain
    file name in the folder of the index.
    """
    place = f"{path}: shard index"
    weight_map = parse_object(content, place).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        expected = "an object of tensor names and file names"
        raise ModelFileError(mismatch(f"{place}: weight_map", _found(weight_map), expected))
    check_tensor_count(len(weight_map), place)
    for name, shard in weight_map.items():
        check_tensor_name(name, place)
        if not isinstance(shard, str) or not _PLAIN_NAME.fullmatch(shard) or not shard.endswith(suffix):
            ending = f" that ends in {suffix}" if suffix else ""
            expected = f"a plain file name{ending}, of letters, digits and . _ - only"
            raise ModelFileError(mismatch(f"{place}: shard of tensor {shown(name)}", _found(shard), expected))
    return weight_map


def _found(value: object) -> str:
    if isinstance(value, str):
        return shown(value)
    if value == {}:
        return "an empty object"
    return "nothing" if value is None else f"a JSON {type(value).__name__}"
