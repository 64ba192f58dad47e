"""Dense: a linear layer with an activation, on vectors or on the rows of tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoint import open_checkpoint
from ..checkpoint.safetensors_writer import write_safetensors
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files.file_sets import MODULE_WEIGHTS
from ..files.json_object import check_keys
from ..files.new_file import make_folder
from ..kernels import HAS_THREADS, Kernels, PackedLinear
from ..machine.threads import chosen_num_threads, threads_for
from .modules import VECTORS, RowModule

WEIGHT, BIAS, RESIDUAL = "linear.weight", "linear.bias", "residual.weight"
# The keys of config.json, of all versions of sentence-transformers.
_CONFIG_KEYS = (
    "in_features",
    "out_features",
    "bias",
    "activation_function",
    "module_input_name",
    "module_output_name",
    "use_residual",
)
_DEFAULT_ACTIVATION = "torch.nn.modules.activation.Tanh"
# The activations that the kernels compute together with the product, by the names of torch's classes.
_IN_KERNEL = {"Identity": "none", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu"}


def _sigmoid(x: np.ndarray, kernels: Kernels) -> np.ndarray:
    """1 / (1 + exp(-x)) by the kernels' tanh, whose bits for a number do not depend on its neighbours."""
    half = np.float32(0.5)
    return half + half * kernels.activate(half * x, "tanh")


# The others, with the default arguments of torch's classes: a configuration names no arguments.
_AFTER_KERNEL: dict[str, Callable[[np.ndarray, Kernels], np.ndarray]] = {
    "Sigmoid": _sigmoid,
    "SiLU": lambda x, kernels: x * _sigmoid(x, kernels),
    "LeakyReLU": lambda x, kernels: np.where(x > 0, x, np.float32(0.01) * x),
    "Softsign": lambda x, kernels: x / (1 + np.abs(x)),
}


class _WeightError(InputError):
    """A weight is missing, has another shape, or has numbers that are not finite."""


def activation_path(value: Any) -> str:
    """The dotted name of torch's class that a caller means, such as torch.nn.modules.activation.Tanh.

    value: the name, an object of the class, or None for Identity. Raises InputError for other classes, and
    for an object with other arguments than the default ones: a configuration names no arguments.
    """
    kind = type(value)
    path = value if isinstance(value, str) else f"{kind.__module__}.{kind.__qualname__}"
    if value is None:
        path = "torch.nn.modules.linear.Identity"
    name = path.rpartition(".")[2] if path.startswith("torch.") else ""
    if name not in _IN_KERNEL and name not in _AFTER_KERNEL:
        names = ", ".join((*_IN_KERNEL, *_AFTER_KERNEL))
        raise InputError(mismatch("activation_function", shown(value), f"torch.nn's {names}"))
    # An object's repr shows its arguments.
    if value is not None and not isinstance(value, str) and repr(value) != repr(kind()):
        raise InputError(mismatch("activation_function", shown(value), f"{name} with default arguments"))
    return path


class Dense(RowModule):
    """activation(x W^T + b), and + x or + x R^T with `use_residual`: (n, in_features) → (n, out_features).

    Computed in float32, whatever the arithmetic of the encoder.
    """

    type_name = "sentence_transformers.models.Dense"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation_function: Any = _DEFAULT_ACTIVATION,
        init_weight: Any = None,
        init_bias: Any = None,
        module_input_name: str = VECTORS,
        module_output_name: str | None = None,
        use_residual: bool = False,
        *,
        residual_weight: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
    ) -> None:
        """init_weight (out, in), init_bias (out), residual_weight (out, in): the weights, which are required.

        activation_function: the dotted name of torch's class, an object of it, or None for Identity. Raises
        InputError.
        """
        super().__init__(module_input_name, module_output_name)
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if type(value) is not int or value < 1:
                raise InputError(mismatch(name, shown(value), "an integer of at least 1"))
        for name, flag in (("bias", bias), ("use_residual", use_residual)):
            if not isinstance(flag, bool):
                raise InputError(mismatch(name, shown(flag), "True or False"))
        self.activation_function = activation_path(activation_function)
        self._activation = self.activation_function.rpartition(".")[2]
        self.in_features, self.out_features = in_features, out_features
        self.bias, self.use_residual = bias, use_residual
        shapes = {
            WEIGHT: (out_features, in_features),
            BIAS: (out_features,),
            RESIDUAL: (out_features, in_features),
        }
        given = {WEIGHT: init_weight, BIAS: init_bias, RESIDUAL: residual_weight}
        used = [WEIGHT, *([BIAS] if bias else []), *([RESIDUAL] if self._projects else [])]
        self.weights = {name: _float32(name, given[name], shapes[name]) for name in used}
        self._threads, self._isa = chosen_num_threads(num_threads)[0] if HAS_THREADS else 1, isa
        self._pack()

    @property
    def _projects(self) -> bool:
        """Whether the residual is projected, since its width changes."""
        return self.use_residual and self.in_features != self.out_features

    def _pack(self) -> None:
        kernels = Kernels(self._isa)
        bias = [self.weights[BIAS]] if self.bias else None
        self._linear = kernels.pack_linear([self.weights[WEIGHT]], bias, self._threads)
        self._residual: PackedLinear | None = None
        if self._projects:
            self._residual = kernels.pack_linear([self.weights[RESIDUAL]], None, self._threads)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_linear", "_residual")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._pack()

    def get_embedding_dimension(self) -> int:
        """The width of the result."""
        return self.out_features

    get_sentence_embedding_dimension = get_embedding_dimension

    def get_config_dict(self) -> dict[str, Any]:
        """The settings."""
        settings: dict[str, Any] = {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias,
            "activation_function": self.activation_function,
        }
        # Versions of sentence-transformers before 5 do not know these names.
        if self.module_input_name != VECTORS:
            settings |= {
                "module_input_name": self.module_input_name,
                "module_output_name": self.module_output_name,
            }
        return settings | ({"use_residual": True} if self.use_residual else {})

    def width(self, before: int) -> int:
        """out_features. Raises InputError unless `before` is in_features."""
        if before != self.in_features:
            expected = f"{before}, the width of what it reads"
            raise InputError(mismatch("in_features", self.in_features, expected))
        return self.out_features

    def rows(self, rows_nd: np.ndarray) -> np.ndarray:
        """float32 (n, in_features) → float32 (n, out_features)."""
        x = np.ascontiguousarray(rows_nd, np.float32)
        kernels, threads = self._linear.kernels, threads_for(x.size * self.out_features, self._threads)
        y = kernels.linear(x, self._linear, _IN_KERNEL.get(self._activation, "none"), None, threads)
        if self._activation in _AFTER_KERNEL:
            y = _AFTER_KERNEL[self._activation](y, kernels)
        if self.use_residual:
            y = y + (x if self._residual is None else kernels.linear(x, self._residual, num_threads=threads))
        return np.asarray(y, np.float32)

    def save(self, output_path: Any) -> None:
        """Write config.json and model.safetensors into a folder. Raises InputError, ModelFileError."""
        folder = make_folder(output_path)
        super().save(folder)
        stored = [(name, "float32", values) for name, values in self.weights.items()]
        write_safetensors(folder / "model.safetensors", stored)


def load_dense(folder: Path, settings: dict[str, Any], num_threads: int | None, isa: str | None) -> Dense:
    """The Dense of a folder, whose config.json has `settings`. Raises ModelFileError."""
    path = folder / "config.json"
    check_keys(settings, _CONFIG_KEYS, path)
    for name in ("in_features", "out_features"):
        if name not in settings:
            raise ModelFileError(mismatch(path, f"no {name}", "an integer"))
    checkpoint = open_checkpoint(folder, [name for choice in MODULE_WEIGHTS.choices for name in choice])
    inside, outside = settings["in_features"], settings["out_features"]
    # Before anything is read: a file may hold a tensor of any size.
    for name, shape in ((WEIGHT, (outside, inside)), (BIAS, (outside,)), (RESIDUAL, (outside, inside))):
        info = checkpoint.tensors.get(name)
        is_known = type(inside) is type(outside) is int and inside > 0 and outside > 0  # else: see below
        if info is not None and info.shape != shape and is_known:
            found = f"shape {info.shape}"
            raise ModelFileError(mismatch(f"{checkpoint.files[0]}: {name}", found, f"shape {shape}"))
    arrays: dict[str, Any] = {
        argument: checkpoint.read_float32(name) if name in checkpoint.tensors else None
        for argument, name in (("init_weight", WEIGHT), ("init_bias", BIAS), ("residual_weight", RESIDUAL))
    }
    try:
        dense = Dense(**settings, **arrays, num_threads=num_threads, isa=isa)
    except _WeightError as error:
        raise ModelFileError(f"{checkpoint.files[0]}: {error}") from None
    except InputError as error:
        raise ModelFileError(f"{path}: {error}") from None
    for name in checkpoint.tensors:
        if name not in dense.weights:
            expected = f"{', '.join(dense.weights)} alone, by config.json"
            raise ModelFileError(mismatch(checkpoint.files[0], f"the tensor {shown(name)}", expected))
    return dense


def _float32(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of a weight as float32. Raises _WeightError unless it has this shape and is finite."""
    array = None if value is None else np.array(value, np.float32, order="C")
    if array is None or array.shape != shape:
        found = "no such weight" if array is None else f"shape {array.shape}"
        raise _WeightError(mismatch(name, found, f"shape {shape}"))
    if not np.isfinite(array).all():
        raise _WeightError(mismatch(name, "numbers that are NaN or infinite", "finite ones"))
    return array
