"""The configuration of a model (`config.json`): its sizes and labels, under transformers' names.

Every key of the file is an attribute. The keys that this package uses are checked when a config is made
(fields.py, labels.py); all others are kept unchanged and written back. Defaults and printed form are those of
transformers 5.23. Keys that describe an unsupported model (a decoder, relative positions) are errors.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

from ..errors import InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..files.file_sets import CONFIG
from ..files.hub_options import DEFAULT_OPTIONS, KEYWORDS, HubOptions
from ..files.json_object import read_object
from ..files.new_file import is_file_name, make_folder, new_file
from ..missing_names import HasMissingNames
from .fields import ACTIVATIONS, FAMILY_DEFAULTS, GENERIC_DEFAULTS, BadField, check_fields, is_integer
from .labels import agreed_labels
from .load_keywords import CONFIG_KEYWORDS, SAVE_KEYWORDS, without_foreign

__all__ = [
    "ACTIVATIONS",
    "CONFIG_CLASSES",
    "RobertaConfig",
    "XLMRobertaConfig",
    "given_config",
    "load_config",
    "position_limit",
]

logger = logging.getLogger(__name__)

FILE_NAME = "config.json"
MISSING_NAMES = {
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
    "register_for_auto_class": "no call: code from a repository is never run",
    "update_from_string": "update(a dict of keys and values)",
}

_Config = TypeVar("_Config", bound="RobertaConfig")


class RobertaConfig(HasMissingNames):
    """Configuration of a RoBERTa encoder; keyword arguments are the keys of `config.json`.

    `num_labels=`, `id2label=` and `label2id=` may be given in any combination without contradictions.
    Raises InputError naming the argument that is out of range or of the wrong type.
    """

    missing_names = MISSING_NAMES
    model_type: ClassVar[str] = "roberta"
    _family_defaults: ClassVar[dict[str, Any]] = FAMILY_DEFAULTS

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float
    classifier_dropout: float | None
    max_position_embeddings: int
    type_vocab_size: int
    initializer_range: float
    layer_norm_eps: float
    pad_token_id: int
    bos_token_id: int | None
    eos_token_id: int | list[int] | None
    tie_word_embeddings: bool
    id2label: dict[int, str]
    label2id: dict[str, int]
    problem_type: str | None
    architectures: list[str] | None
    output_hidden_states: bool
    output_attentions: bool
    return_dict: bool
    name_or_path: str
    # The keys and their values. They are apart from the object's own attributes, so that no key in a file can
    # replace a method.
    _values: dict[str, Any]

    def __init__(self, /, **values: Any) -> None:
        try:
            self._fill(values)
        except BadField as bad:
            raise InputError(str(bad)) from None

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any]) -> _Config:
        """The config that these keys describe. Raises InputError naming the bad key."""
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise InputError(mismatch("values", shown(values), f"a dict with the keys of {FILE_NAME}"))
        return cls(**values)

    @classmethod
    def from_json_file(cls: type[_Config], path: str | os.PathLike[str]) -> _Config:
        """The config that this file describes. Raises ModelFileError naming file and key."""
        path = Path(path)
        return cls._from_file(path, read_object(path))

    @classmethod
    def from_pretrained(
        cls: type[_Config],
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> _Config:
        """The config in a local folder or Hub repository; `overrides` replace keys of the file.

        Raises HubError if the file cannot be fetched, ModelFileError if it is missing or malformed,
        InputError for a bad argument.
        """
        options = HubOptions(revision, token, cache_dir, local_files_only)
        overrides = without_foreign(overrides, CONFIG_KEYWORDS)
        return load_config(pretrained_model_name_or_path, options, overrides, cls)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **keywords: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keys of the file as it is, and the keywords that are not the Hub's.

        Raises as `from_pretrained` does.
        """
        given = {name: keywords.pop(name) for name in KEYWORDS if name in keywords}
        folder = hub.resolve(pretrained_model_name_or_path, CONFIG, HubOptions(**given))
        return read_object(folder / FILE_NAME), keywords

    @classmethod
    def _from_file(cls: type[_Config], path: Path, values: dict[str, Any]) -> _Config:
        family = values.get("model_type")
        if family is not None and family != cls.model_type:
            # Raises ModelFileError unless it is the other supported family, whose formulas are equal.
            _class_for(path, values)
            logger.warning("%s: model_type: found %s, read as %s", path, family, cls.model_type)
            values = {**values, "model_type": cls.model_type}
        config = cls.__new__(cls)
        try:
            config._fill(values)
        except BadField as bad:
            raise ModelFileError(f"{path}: {bad}") from None
        return config

    def _fill(self, values: dict[str, Any]) -> None:
        if values.get("model_type") not in (None, self.model_type):
            raise BadField("model_type", values["model_type"], f"{self.model_type!r}")
        values = {
            key: str.__str__(value) if isinstance(value, str) else value
            for key, value in values.items()
            if key != "model_type"
        }
        # Files written by transformers 4 hold the name of the model that training started from.
        origin = values.pop("_name_or_path", None)
        origin = values.pop("name_or_path", origin)
        merged = {**GENERIC_DEFAULTS, **self._family_defaults, **values}
        merged["id2label"], merged["label2id"] = agreed_labels(
            values.get("num_labels"), values.get("id2label"), values.get("label2id")
        )
        merged.pop("num_labels", None)
        if merged["pad_token_id"] is None:
            merged["pad_token_id"] = self._family_defaults["pad_token_id"]
            logger.warning("pad_token_id: found null in the config, using %d", merged["pad_token_id"])
        check_fields(merged)
        object.__setattr__(self, "name_or_path", origin if isinstance(origin, str) else "")
        object.__setattr__(self, "_values", copy.deepcopy(merged))

    def with_overrides(self: _Config, origin: str, overrides: dict[str, Any]) -> _Config:
        """This config with `overrides` replacing values of its keys, and with `origin` as name_or_path.

        Raises InputError for an override that is no key of this config, or for a bad value.
        """
        config = self
        if overrides:
            values = self.to_dict()
            for name in overrides.keys() - values.keys() - {"num_labels"}:
                raise InputError(
                    mismatch(
                        name,
                        "an unknown option",
                        f"an option of this call or a key of {origin}'s {FILE_NAME}",
                    )
                )
            renames = "id2label" in overrides or "label2id" in overrides
            # As in transformers, another number of labels gives them the names LABEL_0, LABEL_1, …
            count = overrides.get("num_labels", config.num_labels)
            if renames or not is_integer(count) or count != config.num_labels:
                del values["id2label"], values["label2id"]
            config = type(self)(**{**values, **overrides})
        config.name_or_path = origin
        return config

    @property
    def num_labels(self) -> int:
        """The number of outputs of a classification head: the length of `id2label`."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if is_integer(count) and count == self.num_labels:
            return
        try:
            self.id2label, self.label2id = agreed_labels(count, None, None)
        except BadField as bad:
            raise InputError(str(bad)) from None

    @property
    def max_tokens(self) -> int:
        """The length of the longest sequence, in tokens."""
        return position_limit(self.max_position_embeddings, self.pad_token_id)

    @property
    def activation(self) -> str:
        """The kernel for `hidden_act`: "gelu" (exact erf), "gelu_new" (tanh), "relu" or "tanh"."""
        return ACTIVATIONS[self.hidden_act]

    @property
    def use_return_dict(self) -> bool:
        """`return_dict`, under the name of transformers 4."""
        return self.return_dict

    def update(self, values: dict[str, Any]) -> None:
        """Assign each of `values` to its key. Raises InputError."""
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise InputError(mismatch("values", shown(values), f"a dict with the keys of {FILE_NAME}"))
        for name, value in values.items():
            setattr(self, name, value)

    def validate(self) -> None:
        """Check the values again after assignments. Raises InputError naming the bad key."""
        object.__setattr__(self, "_values", type(self)(**self.to_dict())._values)

    def to_dict(self) -> dict[str, Any]:
        """A copy of every key and its value. `from_dict` makes an equal config of it."""
        return {**copy.deepcopy(self._values), "model_type": self.model_type}

    def to_json_string(self) -> str:
        """The text of `config.json`: sorted keys, without generic keys that have their default value."""
        try:
            return json.dumps(self._printed(), indent=2, sort_keys=True, allow_nan=False) + "\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"config: a key has a value that JSON cannot hold: {error}") from None

    def to_diff_dict(self) -> dict[str, Any]:
        """The keys that `to_json_string` writes: not the generic ones that have their default value."""
        return self._printed()

    def save_pretrained(self, save_directory: str | os.PathLike[str], **keywords: Any) -> None:
        """Write `config.json` into the folder, which is made if it is missing.

        No reader sees an incomplete file. Raises InputError for a config with a bad value or what is no
        folder, ModelFileError if the file cannot be written.
        """
        for name in without_foreign(keywords, SAVE_KEYWORDS):
            raise InputError(mismatch(name, "an unknown keyword", "save_directory"))
        self.validate()
        text = self.to_json_string()
        with new_file(make_folder(save_directory) / FILE_NAME) as file:
            file.write(text.encode("utf-8"))

    def to_json_file(self, json_file_path: str | os.PathLike[str], use_diff: bool = True) -> None:
        """Write `to_json_string` into a file. `use_diff`: True alone. Raises as `save_pretrained`."""
        if use_diff is not True:
            raise InputError(mismatch("use_diff", shown(use_diff), "True: default values are left out"))
        if not isinstance(json_file_path, (str, os.PathLike)) or not is_file_name(os.fspath(json_file_path)):
            raise InputError(mismatch("json_file_path", shown(json_file_path), "the path of a file"))
        self.validate()
        with new_file(Path(json_file_path)) as file:
            file.write(self.to_json_string().encode("utf-8"))

    def _printed(self) -> dict[str, Any]:
        return {
            key: value
            for key, value in self.to_dict().items()
            if key not in GENERIC_DEFAULTS or value != GENERIC_DEFAULTS[key]
        }

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        if name == "torch_dtype":  # transformers 4's name
            return values.get("dtype")
        self._raise_missing(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name_or_path" or isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        elif name == "id2label":
            if not isinstance(value, dict):
                raise InputError(mismatch("id2label", shown(value), "a map from ids to labels"))
            try:  # label2id is replaced as well: it would contradict
                self._values["id2label"], self._values["label2id"] = agreed_labels(None, value, None)
            except BadField as bad:
                raise InputError(str(bad)) from None
        else:
            self._values[name] = value

    def __copy__(self: _Config) -> _Config:
        return copy.deepcopy(self)  # a shallow copy would share the keys

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RobertaConfig):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # a config is mutable, as transformers' are

    def __repr__(self) -> str:
        text = json.dumps(self._printed(), indent=2, sort_keys=True, default=repr)
        return f"{type(self).__name__} {text}\n"


class XLMRobertaConfig(RobertaConfig):
    """Configuration of an XLM-RoBERTa encoder: the same keys, another family name and vocabulary."""

    model_type = "xlm-roberta"
    _family_defaults: ClassVar[dict[str, Any]] = {**FAMILY_DEFAULTS, "vocab_size": 30522}


CONFIG_CLASSES: dict[str, type[RobertaConfig]] = {
    config_class.model_type: config_class for config_class in (RobertaConfig, XLMRobertaConfig)
}


@overload
def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: HubOptions = ...,
    overrides: dict[str, Any] | None = ...,
    config_class: None = ...,
) -> RobertaConfig: ...


@overload
def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: HubOptions,
    overrides: dict[str, Any] | None,
    config_class: type[_Config],
) -> _Config: ...


def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: HubOptions = DEFAULT_OPTIONS,
    overrides: dict[str, Any] | None = None,
    config_class: type[RobertaConfig] | None = None,
) -> RobertaConfig:
    """The config in a local folder or Hub repository; `overrides` replace keys of the file.

    config_class: the class of the result; None: the class that the file's `model_type` names, or
    `architectures` if it has no `model_type`. Raises as `RobertaConfig.from_pretrained` does.
    """
    path = hub.resolve(path_or_id, CONFIG, hub_options) / FILE_NAME
    values = read_object(path)
    config_class = config_class or _class_for(path, values)
    return config_class._from_file(path, values).with_overrides(str(path_or_id), overrides or {})


def given_config(config: Any, hub_options: HubOptions) -> RobertaConfig | None:
    """The config that a caller's argument means: itself, that of a folder or Hub repository, or None.

    Raises InputError, and what `load_config` raises.
    """
    if isinstance(config, (str, os.PathLike)):
        return load_config(config, hub_options)
    if not isinstance(config, RobertaConfig | None):
        expected = "a RobertaConfig, a folder or a Hub repository's name, or None"
        raise InputError(mismatch("config", shown(config), expected))
    return config


def position_limit(max_position_embeddings: int, pad_token_id: int) -> int:
    """The length of the longest sequence, in tokens: the position ids of real tokens start at pad + 1."""
    return max_position_embeddings - pad_token_id - 1


def _class_for(path: Path, values: dict[str, Any]) -> type[RobertaConfig]:
    supported = " or ".join(CONFIG_CLASSES)
    family = values.get("model_type")
    if family is not None:
        if not isinstance(family, str) or family not in CONFIG_CLASSES:
            raise ModelFileError(mismatch(f"{path}: model_type", shown(family), supported))
        return CONFIG_CLASSES[family]
    architectures = values.get("architectures")
    for architecture in architectures if isinstance(architectures, list) else []:
        # XLMRobertaXL and RobertaPreLayerNorm do not match: these models compute something else.
        match = re.fullmatch(r"(XLMRoberta|Roberta)(Model|For\w+)", str(architecture))
        if match:
            return XLMRobertaConfig if match[1] == "XLMRoberta" else RobertaConfig
    found = f"nothing, and architectures {shown(architectures)}"
    raise ModelFileError(mismatch(f"{path}: model_type", found, supported))
