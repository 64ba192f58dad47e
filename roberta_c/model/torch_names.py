"""What code written for torch and transformers calls on a model besides the forward pass.

A call that changes nothing here returns the model; any other is an error that says what to do instead.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import numpy as np

from ..config.fields import BUILT_FROM
from ..config.load_keywords import MODEL_KEYWORDS, SAVE_KEYWORDS, without_foreign
from ..errors import InputError, mismatch, shown
from ..files.new_file import make_folder
from ..machine.devices import CPU, Device, is_cpu
from .dtypes import DTYPES, HALF, dtype_name

if TYPE_CHECKING:
    from ..config import RobertaConfig
    from .leaves import Embedding, Linear
    from .roberta import RobertaModel
    from .stored_parameters import StoredParameters

Self = TypeVar("Self", bound="TorchNames")


class TorchNames:
    """Methods and properties of torch.nn.Module and of transformers' models, for PreTrainedModel."""

    config: RobertaConfig
    dtype: str
    # The config that the model was made from; `config` may be changed after that.
    _built_from: RobertaConfig
    # Whether the model's outputs are as many as the config has labels.
    counts_labels: ClassVar[bool] = False
    training = False
    is_loaded_in_8bit = False
    is_gradient_checkpointing = False
    base_model_prefix = "roberta"
    main_input_name = "input_ids"

    # ---- where and in which type ---------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """The CPU."""
        return CPU

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """The model itself, for the CPU and for the dtype it has; InputError for any other."""
        for name, value in [*(("to", value) for value in args), *kwargs.items()]:
            if name not in ("to", "device", "dtype", "non_blocking", "copy", "memory_format"):
                raise InputError(mismatch(f"model.to({name}=…)", "an unknown keyword", "device or dtype"))
            if name in ("non_blocking", "copy", "memory_format"):
                continue
            if name == "dtype" or (name == "to" and _names_dtype(value)):
                self._check_same_dtype("dtype", value)
            elif not is_cpu(value):
                raise InputError(mismatch("device", shown(value), "'cpu'"))
        return self

    def cpu(self: Self) -> Self:
        """The model itself."""
        return self

    def cuda(self, device: Any = None) -> NoReturn:
        """InputError: there is no GPU."""
        raise InputError(mismatch("model.cuda()", "a call", "no call: this package runs on the CPU"))

    def float(self: Self) -> Self:
        """The model itself if its arithmetic is float32, else InputError."""
        self._check_same_dtype("model.float()", "float32")
        return self

    def bfloat16(self: Self) -> Self:
        """The model itself if its arithmetic is bfloat16, else InputError."""
        self._check_same_dtype("model.bfloat16()", "bfloat16")
        return self

    def half(self: Self) -> Self:
        """InputError: no CPU computes float16 products faster than float32's."""
        self._check_same_dtype("model.half()", "float16")
        return self

    def _stored(self) -> StoredParameters:
        parameters: StoredParameters = self._parameters()[0]  # type: ignore[attr-defined]
        return parameters

    def _check_same_dtype(self, what: str, dtype: Any) -> None:
        wanted = "bfloat16" if isinstance(dtype, str) and dtype in HALF else dtype_name(dtype)
        if wanted != self.dtype or (isinstance(dtype, str) and dtype in HALF):
            found = f"{dtype!s} for a model loaded in {self.dtype}"
            expected = f'from_pretrained(…, dtype="{wanted}"): a loaded model does not change'
            raise InputError(mismatch(what, found, expected))

    # ---- training, which there is not ----------------------------------------------------------------

    def eval(self: Self) -> Self:
        """The model itself: there is no training mode."""
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """InputError, for `mode` True: nothing is trained here."""
        if mode is not False:
            found, expected = "a call", "no call: train with transformers, and load what it saves"
            raise InputError(mismatch("model.train()", found, expected))
        return self

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """The model itself, for False; InputError for True: there are no gradients."""
        if requires_grad is not False:
            raise InputError(mismatch("requires_grad", shown(requires_grad), "False: there are no gradients"))
        return self

    def can_generate(self) -> bool:
        """False: there are no decoders."""
        return False

    def set_attn_implementation(self, attn_implementation: Any) -> None:
        """Does nothing, for "eager" and "sdpa"; InputError for any other: there is one attention."""
        without_foreign({"attn_implementation": attn_implementation}, MODEL_KEYWORDS)

    def tie_weights(self) -> None:
        """Does nothing: tied weights are one array."""

    # ---- parts ---------------------------------------------------------------------------------------

    @property
    def base_model(self) -> RobertaModel:
        """The encoder below the head, or the model itself."""
        raise NotImplementedError

    def get_input_embeddings(self) -> Embedding:
        """The table of the tokens' embeddings."""
        return self.base_model.embeddings.word_embeddings

    def get_output_embeddings(self) -> Linear | None:
        """The decoder of a masked language model; None for other heads."""
        return None

    # ---- parameters ----------------------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "") -> dict[str, np.ndarray]:
        """`named_parameters` as a dict, with the names of tied copies too, and `prefix` before each name."""
        return {prefix + name: values for name, values in self._stored().state_dict().items()}

    @property
    def num_labels(self) -> int:
        """The config's."""
        return self.config.num_labels

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """How many numbers the parameters hold, tied ones once."""
        return self._stored().count(exclude_embeddings)

    def save_pretrained(self, save_directory: str | os.PathLike[str], **keywords: Any) -> None:
        """Write config.json and model.safetensors, which this package and transformers load as this model.

        The weights are those of the file this model came from, bit for bit, under transformers' names.
        Raises InputError if `save_directory` is no path or a file, ModelFileError if it cannot be written.
        """
        for name in without_foreign(keywords, SAVE_KEYWORDS):
            raise InputError(mismatch(name, "an unknown keyword", "save_directory"))
        config = self.config.__copy__()
        config.architectures = [type(self).__name__]
        config.validate()
        self._check_same_parts(config)
        folder = make_folder(save_directory)
        self._stored().write(folder)  # before the config: it takes longer, and a full disk stops it here
        config.save_pretrained(folder)

    def _check_same_parts(self, config: RobertaConfig) -> None:
        """Raise InputError unless the config describes this model's parts, as it did when it was loaded."""
        for name in (*BUILT_FROM, *(["num_labels"] if self.counts_labels else [])):
            found, loaded = getattr(config, name), getattr(self._built_from, name)
            if found != loaded:
                expected = f"{shown(loaded)}, as when the model was loaded"
                raise InputError(mismatch(f"config.{name}", shown(found), expected))


def _names_dtype(value: Any) -> bool:
    """Whether a positional argument of `to` is a dtype and not a device."""
    is_name = isinstance(value, str) and value in (*DTYPES, *HALF)
    return is_name or type(value).__qualname__ == "dtype"
