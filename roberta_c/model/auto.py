"""Auto classes: config.json's model_type decides which class loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..config import RobertaConfig, config_from_pretrained
from .pretrained import PreTrainedModel
from .roberta import (
    RobertaForSequenceClassification,
    RobertaModel,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only")


class AutoConfig:
    """`from_pretrained` gives a RobertaConfig or an XLMRobertaConfig."""

    @classmethod
    def from_pretrained(cls, path_or_id: str | Path, **options: Any) -> RobertaConfig:
        """The config of a folder or Hub repository. Raises ModelFileError, HubError, InputError."""
        return config_from_pretrained(path_or_id, **options)


class _AutoModelClass:
    """Picks the class by model_type; config validation has already refused unknown types."""

    classes: ClassVar[dict[str, type[PreTrainedModel]]]

    @classmethod
    def from_pretrained(cls, path_or_id: str | Path, **options: Any) -> Any:
        """Loads the model; options as RobertaModel.from_pretrained's, errors likewise."""
        config = options.pop("config", None)
        if config is None:
            where = {name: options[name] for name in HUB_OPTIONS if name in options}
            config = AutoConfig.from_pretrained(path_or_id, **where)
        return cls.classes[config.model_type].from_pretrained(path_or_id, config=config, **options)


class AutoModel(_AutoModelClass):
    """The base model: RobertaModel or XLMRobertaModel."""

    classes: ClassVar = {"roberta": RobertaModel, "xlm-roberta": XLMRobertaModel}


class AutoModelForSequenceClassification(_AutoModelClass):
    """RobertaForSequenceClassification or XLMRobertaForSequenceClassification.

    >>> from roberta_c import bundled_model_path
    >>> model = AutoModelForSequenceClassification.from_pretrained(bundled_model_path())
    >>> model([[0, 300, 400, 2], [0, 500, 2]]).logits.shape  # ragged lists of ids need no padding
    (2, 3)
    >>> [model.config.id2label[index] for index in range(3)]
    ['negative', 'neutral', 'positive']
    """

    classes: ClassVar = {
        "roberta": RobertaForSequenceClassification,
        "xlm-roberta": XLMRobertaForSequenceClassification,
    }
