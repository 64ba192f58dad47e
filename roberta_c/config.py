"""A model's shape and labels: the object behind `config.json`, under transformers' names.

Every key of the file is an attribute. The keys that this package uses are checked when a config is
made, the others are kept as they came and written back. Defaults and printed form follow
transformers 5.23; what a checkpoint may not ask for here (a decoder, relative positions) is an error.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import numbers
import os
import re
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

from .errors import InputError, ModelFileError, shown
from .files import hub

logger = logging.getLogger(__name__)

FILE_NAME = "config.json"

# Limits on what a file may ask for, far above any published model; they keep sums of sizes inside
# 64 bits and loops over layers or labels short, whatever the file says.
MAX_DIMENSION = 2**31 - 1
MAX_MATRIX_ELEMENTS = 2**40
MAX_LAYERS = 1024
MAX_LABELS = 2**20

# transformers' activation name → the kernel with the same formula. `gelu` is x·Φ(x) with the exact
# erf, `gelu_new` the tanh formula; gelu_fast's shorter √(2/π) differs by 4e-12, below float32.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_python_tanh": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
    "tanh": "tanh",
}
PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

# Keys of every transformers config: left out of the printed form while they hold these values.
_GENERIC_DEFAULTS: dict[str, Any] = {
    "transformers_version": None,
    "architectures": None,
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "dtype": None,
    "chunk_size_feed_forward": 0,
    "is_encoder_decoder": False,
    "id2label": {0: "LABEL_0", 1: "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "problem_type": None,
}
_FAMILY_DEFAULTS: dict[str, Any] = {
    "vocab_size": 50265,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "use_cache": True,
    "classifier_dropout": None,
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
# Sizes that some matrix has rows of, each `hidden_size` wide.
_ROWS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)

_Config = TypeVar("_Config", bound="RobertaConfig")


class RobertaConfig:
    """Configuration of a RoBERTa encoder; keyword arguments are the keys of `config.json`.

    `num_labels=`, `id2label=` and `label2id=` may be given in any combination that agrees.
    Raises InputError naming the argument that is out of range or of the wrong type.
    """

    model_type: ClassVar[str] = "roberta"
    _family_defaults: ClassVar[dict[str, Any]] = _FAMILY_DEFAULTS

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
    # Keys live apart from the object's own names, so that none in a file can replace a method.
    _values: dict[str, Any]

    def __init__(self, /, **values: Any) -> None:
        try:
            self._fill(values)
        except _BadField as bad:
            raise InputError(str(bad)) from None

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any]) -> _Config:
        """The config that these keys describe. Raises InputError naming the bad key."""
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise InputError(f"values is {shown(values)}, expected a dict with the keys of {FILE_NAME}")
        return cls(**values)

    @classmethod
    def from_json_file(cls: type[_Config], path: str | os.PathLike[str]) -> _Config:
        """The config that this file describes. Raises ModelFileError naming file and key."""
        path = Path(path)
        return cls._from_file(path, hub.read_json_object(path))

    @classmethod
    def from_pretrained(
        cls: type[_Config],
        path_or_id: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        **overrides: Any,
    ) -> _Config:
        """The config in a local folder or Hub repository; `overrides` replace keys of the file.

        Raises HubError where the file cannot be had, ModelFileError where it is missing or bad,
        InputError for a bad argument.
        """
        options = hub.HubOptions(revision, token, cache_dir, local_files_only)
        return load_config(path_or_id, options, overrides, cls)

    @classmethod
    def _from_file(cls: type[_Config], path: Path, values: dict[str, Any]) -> _Config:
        family = values.get("model_type")
        if family is not None and family != cls.model_type:
            _class_for(path, values)  # raises unless it is the other family, whose arithmetic is the same
            logger.warning("%s: model_type is %s, read as %s", path, family, cls.model_type)
            values = {**values, "model_type": cls.model_type}
        config = cls.__new__(cls)
        try:
            config._fill(values)
        except _BadField as bad:
            raise ModelFileError(f"{path}: {bad}") from None
        return config

    def _fill(self, values: dict[str, Any]) -> None:
        if values.get("model_type") not in (None, self.model_type):
            raise _BadField("model_type", values["model_type"], f"{self.model_type!r}")
        values = {key: value for key, value in values.items() if key != "model_type"}
        # Files written by transformers 4 still say where they were trained from.
        origin = values.pop("_name_or_path", None)
        origin = values.pop("name_or_path", origin)
        merged = {**_GENERIC_DEFAULTS, **self._family_defaults, **values}
        merged["id2label"], merged["label2id"] = _agreed_labels(
            values.get("num_labels"), values.get("id2label"), values.get("label2id")
        )
        merged.pop("num_labels", None)
        if merged["pad_token_id"] is None:
            merged["pad_token_id"] = self._family_defaults["pad_token_id"]
            logger.warning("pad_token_id is null in the config, taken as %d", merged["pad_token_id"])
        _check_fields(merged)
        object.__setattr__(self, "name_or_path", origin if isinstance(origin, str) else "")
        object.__setattr__(self, "_values", copy.deepcopy(merged))

    def with_overrides(self: _Config, origin: str, overrides: dict[str, Any]) -> _Config:
        """This config with `overrides` in place of its keys, and `origin` as its name_or_path."""
        config = self
        if overrides:
            values = self.to_dict()
            for name in overrides.keys() - values.keys() - {"num_labels"}:
                raise InputError(f"{name} is neither an option here nor a key of {origin}'s {FILE_NAME}")
            if "id2label" in overrides or "label2id" in overrides:
                del values["id2label"], values["label2id"]
            config = type(self)(**{**values, **overrides})
        config.name_or_path = origin
        return config

    @property
    def num_labels(self) -> int:
        """How many outputs a classification head has: the length of `id2label`."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, count: int) -> None:
        if count == self.num_labels and not isinstance(count, bool):
            return
        try:
            self.id2label, self.label2id = _agreed_labels(count, None, None)
        except _BadField as bad:
            raise InputError(str(bad)) from None

    @property
    def max_tokens(self) -> int:
        """The longest sequence in tokens: positions start at `pad_token_id + 1`."""
        return self.max_position_embeddings - self.pad_token_id - 1

    @property
    def activation(self) -> str:
        """The kernel for `hidden_act`: "gelu" (exact erf), "gelu_new" (tanh), "relu" or "tanh"."""
        return ACTIVATIONS[self.hidden_act]

    def validate(self) -> None:
        """Check the keys again, after they were assigned to. Raises InputError naming the key."""
        object.__setattr__(self, "_values", type(self)(**self.to_dict())._values)

    def to_dict(self) -> dict[str, Any]:
        """Every key and its value, copied; `from_dict` makes an equal config of it."""
        return {**copy.deepcopy(self._values), "model_type": self.model_type}

    def to_json_string(self) -> str:
        """The text of `config.json`: sorted keys, generic ones only where not at their default."""
        try:
            return json.dumps(self._printed(), indent=2, sort_keys=True, allow_nan=False) + "\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"the config has a key that JSON cannot hold: {error}") from None

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `config.json` into `folder`, made if need be; a reader never sees half a file.

        Raises InputError where `folder` is a file, ModelFileError where it cannot be written.
        """
        folder = Path(folder)
        if folder.is_file():
            raise InputError(f"{folder} is a file, expected a folder to write {FILE_NAME} into")
        text = self.to_json_string()
        path = folder / FILE_NAME
        unfinished = folder / f".{FILE_NAME}.{os.urandom(8).hex()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with open(unfinished, "x", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be written: {error.strerror or error}") from error

    def _printed(self) -> dict[str, Any]:
        return {
            key: value
            for key, value in self.to_dict().items()
            if key not in _GENERIC_DEFAULTS or value != _GENERIC_DEFAULTS[key]
        }

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name_or_path" or isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, value)
        else:
            self._values[name] = value

    def __copy__(self: _Config) -> _Config:
        return copy.deepcopy(self)  # a shallow one would share the keys

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RobertaConfig):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable, as transformers' are

    def __repr__(self) -> str:
        text = json.dumps(self._printed(), indent=2, sort_keys=True, default=repr)
        return f"{type(self).__name__} {text}\n"


class XLMRobertaConfig(RobertaConfig):
    """Configuration of an XLM-RoBERTa encoder: the same keys, another family name and vocabulary."""

    model_type = "xlm-roberta"
    _family_defaults: ClassVar[dict[str, Any]] = {**_FAMILY_DEFAULTS, "vocab_size": 30522}


CONFIG_CLASSES: dict[str, type[RobertaConfig]] = {
    config_class.model_type: config_class for config_class in (RobertaConfig, XLMRobertaConfig)
}


@overload
def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: hub.HubOptions = ...,
    overrides: dict[str, Any] | None = ...,
    config_class: None = ...,
) -> RobertaConfig: ...


@overload
def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: hub.HubOptions,
    overrides: dict[str, Any] | None,
    config_class: type[_Config],
) -> _Config: ...


def load_config(
    path_or_id: str | os.PathLike[str],
    hub_options: hub.HubOptions = hub.DEFAULT_OPTIONS,
    overrides: dict[str, Any] | None = None,
    config_class: type[RobertaConfig] | None = None,
) -> RobertaConfig:
    """The config in a local folder or Hub repository; `overrides` replace keys of the file.

    config_class: the class of the result; None: the class that the file's `model_type` names, or
    `architectures` if it has no `model_type`. Raises as `RobertaConfig.from_pretrained` does.
    """
    path = hub.resolve(path_or_id, hub.CONFIG, hub_options) / FILE_NAME
    values = hub.read_json_object(path)
    config_class = config_class or _class_for(path, values)
    return config_class._from_file(path, values).with_overrides(str(path_or_id), overrides or {})


class _BadField(Exception):
    """A key with an impossible value; whoever knows where the key came from words the error."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} is {shown(value)}, expected {expected}")


def _class_for(path: Path, values: dict[str, Any]) -> type[RobertaConfig]:
    supported = " or ".join(CONFIG_CLASSES)
    family = values.get("model_type")
    if family is not None:
        if not isinstance(family, str) or family not in CONFIG_CLASSES:
            raise ModelFileError(f"{path}: model_type is {shown(family)}, supported are {supported}")
        return CONFIG_CLASSES[family]
    architectures = values.get("architectures")
    for architecture in architectures if isinstance(architectures, list) else []:
        # Not XLMRobertaXL or RobertaPreLayerNorm: those compute something else.
        match = re.fullmatch(r"(XLMRoberta|Roberta)(Model|For\w+)", str(architecture))
        if match:
            return XLMRobertaConfig if match[1] == "XLMRoberta" else RobertaConfig
    raise ModelFileError(
        f"{path}: model_type is absent and architectures is {shown(architectures)}, "
        f"expected a model_type of {supported}"
    )


def _check_fields(values: dict[str, Any]) -> None:
    """Check every key that is used here, turning integer-like numbers into int in place."""
    for field in (*_ROWS, "num_attention_heads"):
        _check_integer(values, field, 1, MAX_DIMENSION)
    _check_integer(values, "num_hidden_layers", 1, MAX_LAYERS)
    _check_integer(values, "chunk_size_feed_forward", 0, MAX_DIMENSION)  # changes no result
    hidden = values["hidden_size"]
    if hidden % values["num_attention_heads"]:
        expected = f"a divisor of hidden_size {hidden}"
        raise _BadField("num_attention_heads", values["num_attention_heads"], expected)
    for field in _ROWS:
        if values[field] * hidden > MAX_MATRIX_ELEMENTS:
            expected = f"at most {MAX_MATRIX_ELEMENTS} elements with hidden_size {hidden}"
            raise _BadField(field, values[field], expected)

    # At least one position must remain behind the padding one.
    last_pad = min(values["vocab_size"] - 1, values["max_position_embeddings"] - 2)
    limits = "below vocab_size and max_position_embeddings - 1"
    if last_pad < 0:
        raise _BadField("max_position_embeddings", values["max_position_embeddings"], "at least 2")
    _check_integer(values, "pad_token_id", 0, last_pad, limits)
    for field in ("bos_token_id", "eos_token_id"):
        for token_id in values[field] if isinstance(values[field], list) else [values[field]]:
            if token_id is not None and not _is_integer(token_id):
                raise _BadField(field, values[field], "an integer or null")

    if not isinstance(values["hidden_act"], str) or values["hidden_act"] not in ACTIVATIONS:
        raise _BadField("hidden_act", values["hidden_act"], f"one of {', '.join(ACTIVATIONS)}")
    if not _is_number(values["layer_norm_eps"]) or not 0 < values["layer_norm_eps"] < 1:
        raise _BadField("layer_norm_eps", values["layer_norm_eps"], "a number between 0 and 1")
    if not _is_number(values["initializer_range"]):
        raise _BadField("initializer_range", values["initializer_range"], "a number")
    for field in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
        unset = field == "classifier_dropout" and values[field] is None
        if not unset and (not _is_number(values[field]) or not 0 <= values[field] <= 1):
            raise _BadField(field, values[field], "a number from 0 to 1")

    for field in ("output_hidden_states", "output_attentions", "return_dict", "tie_word_embeddings"):
        if not isinstance(values[field], bool):
            raise _BadField(field, values[field], "true or false")
    for field in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        if values[field] is not False:
            raise _BadField(field, values[field], "false: only encoders are supported")
    if values.get("position_embedding_type", "absolute") != "absolute":
        expected = "'absolute', the only kind supported"
        raise _BadField("position_embedding_type", values["position_embedding_type"], expected)
    if values.get("pruned_heads"):
        raise _BadField("pruned_heads", values["pruned_heads"], "none: pruned models are not supported")
    if values["problem_type"] is not None and values["problem_type"] not in PROBLEM_TYPES:
        raise _BadField("problem_type", values["problem_type"], f"null or one of {', '.join(PROBLEM_TYPES)}")
    names = values["architectures"]
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise _BadField("architectures", names, "null or a list of class names")


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and bool(-math.inf < value < math.inf)


def _check_integer(values: dict[str, Any], field: str, least: int, most: int, limits: str = "") -> None:
    value = values[field]
    if not _is_integer(value) or not least <= value <= most:
        limits = f" ({limits})" if limits else ""
        raise _BadField(field, value, f"an integer from {least} to {most}{limits}")
    values[field] = int(value)


def _agreed_labels(num_labels: Any, id2label: Any, label2id: Any) -> tuple[dict[int, str], dict[str, int]]:
    """`id2label` and `label2id` as the three say them together; names nobody chose (LABEL_3) give way."""
    if num_labels is not None and not (_is_integer(num_labels) and 0 <= num_labels <= MAX_LABELS):
        raise _BadField("num_labels", num_labels, f"an integer from 0 to {MAX_LABELS}")
    label_by_id = None if id2label is None else _checked_id2label(id2label)
    id_by_label = None if label2id is None else _checked_label2id(label2id)
    if num_labels is not None:
        if label_by_id is not None and len(label_by_id) != num_labels:
            if not _is_unnamed(label_by_id.values()):
                raise _BadField("num_labels", num_labels, f"{len(label_by_id)}, the length of id2label")
            logger.warning("id2label has %d labels, dropped: num_labels is %d", len(label_by_id), num_labels)
            label_by_id = None
        if id_by_label is not None and label_by_id is None and len(id_by_label) != num_labels:
            if not _is_unnamed(id_by_label):
                raise _BadField("num_labels", num_labels, f"{len(id_by_label)}, the length of label2id")
            id_by_label = None
    if label_by_id is None:
        if id_by_label is None:
            count = 2 if num_labels is None else int(num_labels)
            label_by_id = {index: f"LABEL_{index}" for index in range(count)}
        else:
            label_by_id = {index: label for label, index in id_by_label.items()}
            label_by_id = dict(sorted(label_by_id.items()))
            if list(label_by_id) != list(range(len(id_by_label))):
                raise _BadField("label2id", label2id, f"the ids 0 to {len(id_by_label) - 1}, each once")
    if id_by_label is not None:
        contradicted = [label for label, index in id_by_label.items() if label_by_id.get(index) != label]
        if not contradicted:
            return label_by_id, id_by_label
        if not _is_unnamed(id_by_label):
            label = contradicted[0]
            expected = f"what id2label says ({shown(label_by_id.get(id_by_label[label]))})"
            raise _BadField("label2id", {label: id_by_label[label]}, expected)
        logger.warning("label2id does not name the labels of id2label, which are taken")
    return label_by_id, {label: index for index, label in label_by_id.items()}


def _checked_id2label(id2label: Any) -> dict[int, str]:
    if not isinstance(id2label, dict):
        raise _BadField("id2label", id2label, "a map from ids to labels")
    label_by_id = {_label_id("id2label", key): label for key, label in id2label.items()}
    if len(label_by_id) != len(id2label) or sorted(label_by_id) != list(range(len(label_by_id))):
        raise _BadField("id2label", id2label, f"the ids 0 to {len(id2label) - 1}, each once")
    for label in label_by_id.values():
        _check_label("id2label", label)
    return dict(sorted(label_by_id.items()))


def _checked_label2id(label2id: Any) -> dict[str, int]:
    if not isinstance(label2id, dict):
        raise _BadField("label2id", label2id, "a map from labels to ids")
    for label in label2id:
        _check_label("label2id", label)
    return {label: _label_id("label2id", index) for label, index in label2id.items()}


def _label_id(field: str, value: Any) -> int:
    # JSON has only strings for keys; some files write the ids of label2id as strings as well.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}", value):
        value = int(value)
    if not _is_integer(value) or not 0 <= value < MAX_LABELS:
        raise _BadField(f"an id in {field}", value, f"an integer from 0 to {MAX_LABELS - 1}")
    return int(value)


def _check_label(field: str, label: Any) -> None:
    # A lone surrogate could be neither printed nor written.
    if not isinstance(label, str) or any("\ud800" <= character <= "\udfff" for character in label):
        raise _BadField(f"a label in {field}", label, "text")


def _is_unnamed(labels: Any) -> bool:
    return all(re.fullmatch(r"LABEL_[0-9]+", label) for label in labels)
