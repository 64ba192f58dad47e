"""modules.json of a sentence-transformers model: the modules and the folders of their files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..errors import ModelFileError, mismatch, shown
from .json_object import read_array

_IS_FOLDER = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)*", re.ASCII)
_MOST_CHARACTERS = 255  # of a folder: messages about its files have all of them


class ListedModule(NamedTuple):
    """One module.

    kind: its class's name, such as "Pooling"; "" for a class of other code than sentence-transformers'.
    type_name: the name with its package. folder: below the model's, "" for this itself.
    """

    kind: str
    type_name: str
    folder: str


def read_module_list(path: Path) -> list[ListedModule]:
    """The modules of a file, in order; at least one. Raises ModelFileError."""
    listed = []
    for index, entry in enumerate(read_array(path)):
        place = f"{path}: [{index}]"
        if not isinstance(entry, dict):
            raise ModelFileError(mismatch(place, shown(entry), "an object with type and path"))
        type_name, folder = entry.get("type"), entry.get("path")
        if not isinstance(type_name, str):
            expected = "a name such as sentence_transformers.models.Pooling"
            raise ModelFileError(mismatch(f"{place}: type", shown(type_name), expected))
        if (
            not isinstance(folder, str)
            or len(folder) > _MOST_CHARACTERS
            or (folder and not _IS_FOLDER.fullmatch(folder))
        ):
            raise ModelFileError(mismatch(f"{place}: path", shown(folder), "a folder below this one"))
        is_theirs = type_name.startswith("sentence_transformers.")
        listed.append(ListedModule(type_name.rpartition(".")[2] if is_theirs else "", type_name, folder))
    if not listed:
        raise ModelFileError(mismatch(path, "no modules", "a Transformer first"))
    return listed
