"""A model's modules and settings → a folder that sentence-transformers and this package load.

Files and names are those that sentence-transformers wrote before version 6, which every version reads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..files.file_sets import MODULES, SETTINGS
from ..files.new_file import make_folder
from .modules import Module, write_json


def write_folder(path: str | os.PathLike[str], modules: Sequence[Module], settings: dict[str, Any]) -> None:
    """Write each module into a folder of its own, the first beside modules.json, and the settings.

    Raises InputError, ModelFileError.
    """
    folder = make_folder(path)
    listed = []
    for index, module in enumerate(modules):
        below = "" if index == 0 else f"{index}_{type(module).__name__}"
        module.save(folder / below if below else folder)
        listed.append({"idx": index, "name": str(index), "path": below, "type": module.type_name})
    write_json(folder / SETTINGS, {"model_type": "SentenceTransformer", **settings})
    write_json(folder / MODULES, listed)  # last: a folder without it is an encoder's alone
