"""The model that comes with the package: its folder and its description.

It is used if the caller names no model. training/ in the repository makes it; its model card is the README.md
in its folder.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError, mismatch

# The model's description in log lines and messages.
BUNDLED_MODEL = "the bundled model (English tweets)"


def bundled_model_path() -> Path:
    """The folder of the bundled sentiment model, in the layout of any published checkpoint.

    >>> sorted(path.name for path in bundled_model_path().glob("*.json"))
    ['config.json', 'tokenizer.json', 'tokenizer_config.json']

    Raises ModelFileError if the installation lacks it.
    """
    folder = Path(__file__).resolve().parent / "bundled_model"
    if not (folder / "config.json").is_file():
        missing = mismatch(folder, "no config.json", "the bundled model")
        raise ModelFileError(f"{missing}: install roberta_c again, or name a model")
    return folder
