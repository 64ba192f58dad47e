"""The keys of config.json that this package uses: their defaults, limits and checks."""

from __future__ import annotations

import math
import numbers
from typing import Any

from ..errors import mismatch, shown
from .plain_values import plain_value

# Limits on sizes, far above those of any published model. They keep products of sizes inside 64 bits and
# loops over layers short, whatever a file says.
MAX_DIMENSION = 2**31 - 1
MAX_MATRIX_ELEMENTS = 2**40
MAX_LAYERS = 1024

# transformers' activation name → the kernel with the same formula. `gelu` is x·Φ(x) with the exact erf,
# `gelu_new` its tanh approximation. gelu_fast uses √(2/π) with fewer digits: the difference of 4e-12 is below
# float32's precision.
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

# Keys that every transformers config has. The printed form omits them if they have these values.
GENERIC_DEFAULTS: dict[str, Any] = {
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
FAMILY_DEFAULTS: dict[str, Any] = {
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
# Each of these is the number of rows of a weight matrix with `hidden_size` columns.
_ROWS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_PROBABILITIES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")

# The keys that the parts of a model are made from: those of another value describe another model.
BUILT_FROM = (
    *_ROWS,
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "layer_norm_eps",
    "pad_token_id",
    "tie_word_embeddings",
)


class BadField(Exception):
    """A key has an impossible value. The caller knows where the key came from, and raises the final error."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(mismatch(field, shown(value), expected))


def check_fields(values: dict[str, Any]) -> None:
    """Check every key that this package uses. Integers of other types (numpy's) become int in place, and
    other numbers float.

    Raises BadField.
    """
    for field in ("layer_norm_eps", "initializer_range", *_PROBABILITIES):
        if isinstance(values[field], numbers.Real) and type(values[field]) not in (bool, int, float):
            values[field] = float(values[field])
    for field in (*_ROWS, "num_attention_heads"):
        _check_integer(values, field, 1, MAX_DIMENSION)
    _check_integer(values, "num_hidden_layers", 1, MAX_LAYERS)
    _check_integer(values, "chunk_size_feed_forward", 0, MAX_DIMENSION)  # changes no result
    hidden = values["hidden_size"]
    if hidden % values["num_attention_heads"]:
        expected = f"a divisor of hidden_size {hidden}"
        raise BadField("num_attention_heads", values["num_attention_heads"], expected)
    for field in _ROWS:
        if values[field] * hidden > MAX_MATRIX_ELEMENTS:
            expected = f"at most {MAX_MATRIX_ELEMENTS} elements with hidden_size {hidden}"
            raise BadField(field, values[field], expected)

    # position_limit() must be at least 1: max_position_embeddings - pad_token_id - 1 >= 1.
    last_pad = min(values["vocab_size"] - 1, values["max_position_embeddings"] - 2)
    limits = "below vocab_size and max_position_embeddings - 1"
    if last_pad < 0:
        raise BadField("max_position_embeddings", values["max_position_embeddings"], "at least 2")
    _check_integer(values, "pad_token_id", 0, last_pad, limits)
    for field in ("bos_token_id", "eos_token_id"):
        for token_id in values[field] if isinstance(values[field], list) else [values[field]]:
            if token_id is not None and not is_integer(token_id):
                raise BadField(field, values[field], "an integer or null")

    if not isinstance(values["hidden_act"], str) or values["hidden_act"] not in ACTIVATIONS:
        raise BadField("hidden_act", values["hidden_act"], f"one of {', '.join(ACTIVATIONS)}")
    if not _is_number(values["layer_norm_eps"]) or not 0 < values["layer_norm_eps"] < 1:
        raise BadField("layer_norm_eps", values["layer_norm_eps"], "a number between 0 and 1")
    if not _is_number(values["initializer_range"]):
        raise BadField("initializer_range", values["initializer_range"], "a number")
    for field in _PROBABILITIES:
        unset = field == "classifier_dropout" and values[field] is None
        if not unset and (not _is_number(values[field]) or not 0 <= values[field] <= 1):
            raise BadField(field, values[field], "a number from 0 to 1")

    for field in ("output_hidden_states", "output_attentions", "return_dict", "tie_word_embeddings"):
        if not isinstance(values[field], bool):
            raise BadField(field, values[field], "true or false")
    for field in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        if values[field] is not False:
            raise BadField(field, values[field], "false: only encoders are supported")
    if values.get("position_embedding_type", "absolute") != "absolute":
        expected = "'absolute', the only kind supported"
        raise BadField("position_embedding_type", values["position_embedding_type"], expected)
    if values.get("pruned_heads"):
        raise BadField("pruned_heads", values["pruned_heads"], "none: pruned models are not supported")
    if values["problem_type"] is not None and values["problem_type"] not in PROBLEM_TYPES:
        raise BadField("problem_type", values["problem_type"], f"null or one of {', '.join(PROBLEM_TYPES)}")
    names = values["architectures"]
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise BadField("architectures", names, "null or a list of class names")


def is_integer(value: object) -> bool:
    """Whether `value` is an integer of any type but bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and bool(-math.inf < value < math.inf)


def _check_integer(values: dict[str, Any], field: str, least: int, most: int, limits: str = "") -> None:
    value = plain_value(values[field])
    if not is_integer(value) or not least <= value <= most:
        limits = f" ({limits})" if limits else ""
        raise BadField(field, value, f"an integer from {least} to {most}{limits}")
    values[field] = value
