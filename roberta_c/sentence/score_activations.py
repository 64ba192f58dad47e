"""Functions from a cross-encoder's logits to scores, by name, by torch's name, or the caller's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, mismatch, shown
from ..pipelines.text_classification import apply_function

# A name → the class in torch.nn of the same function, and the function of float64 (S, C).
_FUNCTIONS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "identity": ("linear.Identity", lambda x_sc: x_sc),
    "sigmoid": ("activation.Sigmoid", lambda x_sc: apply_function("sigmoid", x_sc)),
    "softmax": ("activation.Softmax", lambda x_sc: apply_function("softmax", x_sc)),
    "tanh": ("activation.Tanh", np.tanh),
    "relu": ("activation.ReLU", lambda x_sc: np.maximum(x_sc, 0.0)),
    "logsigmoid": ("activation.LogSigmoid", lambda x_sc: -np.logaddexp(0.0, -x_sc)),
    "logsoftmax": ("activation.LogSoftmax", lambda x_sc: x_sc - np.logaddexp.reduce(x_sc, 1, keepdims=True)),
}
_NAMES = ", ".join(_FUNCTIONS)


class ScoreActivation:
    """A function of logits, called with a float array (S, C), which gives float32 scores (S, C).

    name: "identity", "sigmoid", "softmax" (over a row), "tanh", "relu", "logsigmoid" or "logsoftmax".
    Raises InputError for any other.
    """

    def __init__(self, name: str) -> None:
        key = _key(name)
        if key not in _FUNCTIONS:
            raise InputError(
                mismatch("activation_fn", shown(name), f"a function of arrays or one of {_NAMES}")
            )
        self.name = key
        self._torch_name, self._function = _FUNCTIONS[key]

    @property
    def dotted_name(self) -> str:
        """torch's name of the function, as config.json holds it: "torch.nn.modules.activation.Sigmoid"."""
        return f"torch.nn.modules.{self._torch_name}"

    def __call__(self, logits_sc: Any) -> np.ndarray:
        """Scores, float32 (S, C)."""
        x_sc = np.asarray(logits_sc, np.float64)
        return self._function(x_sc).astype(np.float32)

    def __repr__(self) -> str:
        return f"{self._torch_name.rpartition('.')[2]}()"

    def __reduce__(self) -> tuple[Any, ...]:
        return ScoreActivation, (self.name,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoreActivation) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


Activation = ScoreActivation | Callable[[np.ndarray], Any]


def as_activation(value: Any) -> Activation:
    """A caller's activation: a name, alone or with torch's module before it; an object, class or function of
    torch, by its name alone, since torch is not imported; or a function of arrays (S, C).

    Raises InputError for anything else.
    """
    if isinstance(value, ScoreActivation):
        return value
    if isinstance(value, str):
        return ScoreActivation(value.rpartition(".")[2] if value.startswith("torch.") else value)
    if value is not None and _is_torch(value):
        dim = getattr(value, "dim", None)
        if dim not in (None, -1, 1):
            raise InputError(mismatch("activation_fn", f"dim={shown(dim)}", "a function of each row, dim=1"))
        named = value if hasattr(value, "__name__") else type(value)
        return ScoreActivation(named.__name__)
    if not callable(value):
        raise InputError(mismatch("activation_fn", shown(value), f"a function of arrays or one of {_NAMES}"))
    function: Callable[[np.ndarray], Any] = value
    return function


def apply_activation(activation: Activation, logits_sc: np.ndarray) -> np.ndarray:
    """The scores, float32 (S, C) or, as a caller's function may give them, (S).

    Raises InputError if a caller's function gives something else than a number, or row, for each row.
    """
    scores = np.asarray(activation(logits_sc))
    is_numbers = scores.dtype.kind in "fiub" and scores.ndim in (1, 2) and 0 not in scores.shape[1:]
    if not is_numbers or len(scores) != len(logits_sc):
        found = f"{scores.dtype} of shape {scores.shape}"
        raise InputError(mismatch("activation_fn's result", found, f"numbers of shape {logits_sc.shape}"))
    return scores.astype(np.float32, copy=False)


def scores_of_logits(logits_sc: np.ndarray, activation: Activation, softmax: bool) -> np.ndarray:
    """The scores, float32 (S, C), or (S) for one label: the activation's; with `softmax` that of its rows.

    Raises as `apply_activation` does.
    """
    scores = apply_activation(activation, logits_sc)
    if scores.ndim == 2 and logits_sc.shape[1] == 1:
        scores = scores[:, 0]
    if softmax and scores.ndim == 2:
        scores = apply_function("softmax", scores).astype(np.float32)
    return scores


def is_known(name: str) -> bool:
    """Whether torch's class of this dotted name is one of the functions that are here."""
    return _key(name.rpartition(".")[2]) in _FUNCTIONS


def _key(name: str) -> str:
    return name.lower().replace("_", "")


def _is_torch(value: Any) -> bool:
    kind = value if isinstance(value, type) else type(value)
    modules = (getattr(value, "__module__", None), kind.__module__)
    return any(isinstance(module, str) and module.partition(".")[0] == "torch" for module in modules)
