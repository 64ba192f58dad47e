"""The model that comes with the package: where it lies, and what it is for.

It answers where no model is named. training/ in the repository makes it; README.md beside its files is its
model card.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError

# What is said of it where it answers.
BUNDLED_MODEL = "the bundled model (English tweets: negative, neutral, positive)"


def bundled_model_path() -> Path:
    """The folder of the bundled sentiment model, in the layout of any published checkpoint.

    >>> sorted(path.name for path in bundled_model_path().glob("*.json"))
    ['config.json', 'tokenizer.json', 'tokenizer_config.json']

    Raises ModelFileError where the installation lacks it.
    """
    folder = Path(__file__).resolve().parent / "bundled_model"
    if not (folder / "config.json").is_file():
        raise ModelFileError(
            f"{folder}: the bundled model is not there: install roberta_c again, or name a model"
        )
    return folder
