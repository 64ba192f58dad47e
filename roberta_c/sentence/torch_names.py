"""What SentenceTransformer and CrossEncoder have of a model of torch: where it is, in which type."""

from __future__ import annotations

from typing import Any, TypeVar

from ..config import RobertaConfig
from ..machine.devices import CPU, Device
from ..missing_names import HasMissingNames
from ..model.pretrained import PreTrainedModel

Self = TypeVar("Self", bound="TorchModelNames")


class TorchModelNames(HasMissingNames):
    """A model on the CPU. A class derived from it has `transformers_model`."""

    training = False  # there is no training mode

    @property
    def transformers_model(self) -> PreTrainedModel:
        """The model of transformers' names."""
        raise NotImplementedError

    @property
    def config(self) -> RobertaConfig:
        """The model's config."""
        return self.transformers_model.config

    @config.setter
    def config(self, value: RobertaConfig) -> None:
        self.transformers_model.config = value

    @property
    def device(self) -> Device:
        """The CPU."""
        return CPU

    @property
    def dtype(self) -> str:
        """The arithmetic of the model's layers."""
        return self.transformers_model.dtype

    @property
    def modalities(self) -> list[str]:
        """What a model reads: ["text"]."""
        return ["text"]

    def supports(self, modality: Any) -> bool:
        """Whether the model reads this: "text" alone."""
        return modality in self.modalities

    @property
    def backend(self) -> str:
        """ "torch", the name of the backend that this package takes the place of."""
        return "torch"

    def get_backend(self) -> str:
        """`backend`."""
        return self.backend

    def eval(self: Self) -> Self:
        """The model itself: there is no training mode."""
        return self

    def cpu(self: Self) -> Self:
        """The model itself."""
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """The model itself, for the CPU and for the dtype it has; InputError for any other."""
        self.transformers_model.to(*args, **kwargs)
        return self

    def float(self: Self) -> Self:
        """The model itself if its arithmetic is float32, else InputError."""
        self.transformers_model.float()
        return self

    def bfloat16(self: Self) -> Self:
        """The model itself if its arithmetic is bfloat16, else InputError."""
        self.transformers_model.bfloat16()
        return self
