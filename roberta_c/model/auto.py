"""Auto classes: config.json's model_type decides which class loads."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from ..checkpoint import names
from ..config import CONFIG_CLASSES, RobertaConfig, given_config, load_config
from ..config.load_keywords import CONFIG_KEYWORDS, without_foreign
from ..errors import InputError, mismatch, shown
from ..files import hub
from ..files.hub_options import HubOptions
from .pretrained import PreTrainedModel
from .roberta import RobertaModel, XLMRobertaModel
from .task_models import (
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    XLMRobertaForMaskedLM,
    XLMRobertaForMultipleChoice,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
)


class AutoConfig:
    """`from_pretrained` gives a RobertaConfig or an XLMRobertaConfig."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> RobertaConfig:
        """The config of a folder or Hub repository; `overrides` replace keys of config.json.

        Raises ModelFileError, HubError, InputError.
        """
        overrides = without_foreign(overrides, CONFIG_KEYWORDS)
        return load_config(
            pretrained_model_name_or_path, HubOptions(revision, token, cache_dir, local_files_only), overrides
        )

    @classmethod
    def for_model(cls, model_type: str, **values: Any) -> RobertaConfig:
        """A new config of this model_type, with these values of its keys. Raises InputError."""
        if not isinstance(model_type, str) or model_type not in CONFIG_CLASSES:
            raise InputError(mismatch("model_type", shown(model_type), " or ".join(CONFIG_CLASSES)))
        return CONFIG_CLASSES[model_type](**values)


class AutoModelClass:
    """Picks the class by model_type; config validation has already refused unknown types."""

    classes: ClassVar[dict[str, type[PreTrainedModel]]]

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **options: Any,
    ) -> Any:
        """Loads the model; options as RobertaModel.from_pretrained's, errors likewise."""
        hub_options = HubOptions(revision, token, cache_dir, local_files_only)
        return cls.load(pretrained_model_name_or_path, hub_options, **options)

    @classmethod
    def from_config(cls, config: Any, **options: Any) -> NoReturn:
        """InputError: models are made from files, not with random weights."""
        raise InputError(mismatch(f"{cls.__name__}.from_config", "a call", "from_pretrained(folder)"))

    @classmethod
    def load(
        cls,
        path_or_id: str | Path,
        hub_options: HubOptions,
        /,
        *,
        config: Any = None,
        **options: Any,
    ) -> Any:
        """As `from_pretrained`, with the Hub's options in one object."""
        if config is None or hub.is_same_place(config, path_or_id):
            hub_options = hub.pinned(path_or_id, hub_options)
        config = given_config(config, hub_options)
        if config is None:
            config = load_config(path_or_id, hub_options)
        return cls.classes[config.model_type].load(path_or_id, hub_options, config=config, **options)


class AutoModel(AutoModelClass):
    """The base model: RobertaModel or XLMRobertaModel."""

    classes: ClassVar = {"roberta": RobertaModel, "xlm-roberta": XLMRobertaModel}


class AutoModelForSequenceClassification(AutoModelClass):
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


class AutoModelForTokenClassification(AutoModelClass):
    """RobertaForTokenClassification or XLMRobertaForTokenClassification."""

    classes: ClassVar = {
        "roberta": RobertaForTokenClassification,
        "xlm-roberta": XLMRobertaForTokenClassification,
    }


class AutoModelForQuestionAnswering(AutoModelClass):
    """RobertaForQuestionAnswering or XLMRobertaForQuestionAnswering."""

    classes: ClassVar = {
        "roberta": RobertaForQuestionAnswering,
        "xlm-roberta": XLMRobertaForQuestionAnswering,
    }


class AutoModelForMaskedLM(AutoModelClass):
    """RobertaForMaskedLM or XLMRobertaForMaskedLM."""

    classes: ClassVar = {"roberta": RobertaForMaskedLM, "xlm-roberta": XLMRobertaForMaskedLM}


class AutoModelForMultipleChoice(AutoModelClass):
    """RobertaForMultipleChoice or XLMRobertaForMultipleChoice."""

    classes: ClassVar = {"roberta": RobertaForMultipleChoice, "xlm-roberta": XLMRobertaForMultipleChoice}


# Each head's Auto class → the key of names.HEAD_MARKS for its tensors.
_HEAD_OF_CLASS: dict[type[AutoModelClass], str] = {
    AutoModelForSequenceClassification: "sequence classification",
    AutoModelForQuestionAnswering: "question answering",
    AutoModelForMaskedLM: "masked language modelling",
    AutoModelForTokenClassification: "token classification or multiple choice",
    AutoModelForMultipleChoice: "token classification or multiple choice",
}


def auto_class_of(config: RobertaConfig, tensors: Container[str]) -> type[AutoModelClass]:
    """The Auto class for a file's head: that of the config's architecture, or else of the tensors it has.

    tensors: their canonical names (checkpoint/names.py). AutoModel for a file without a head.
    """
    present = [auto_class for auto_class, head in _HEAD_OF_CLASS.items() if names.HEAD_MARKS[head] in tensors]
    for architecture in config.architectures or []:
        for auto_class in present:
            if auto_class.classes[config.model_type].__name__ == architecture:
                return auto_class
    return present[0] if present else AutoModel
