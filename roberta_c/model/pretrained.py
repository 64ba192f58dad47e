"""What all models share: loading from files, the forward pass around the encoder, printing.

from_pretrained: files → config, checkpoint → packed parts.  Calling: ids → PackedBatch → encoder → head.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..checkpoint import open_checkpoint
from ..config import RobertaConfig, load_config
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..kernels import HAS_OPENMP, Kernels
from ..machine.threads import chosen_num_threads
from .batch import PackedBatch, pack_batch
from .module import Module
from .outputs import Hidden, ModelOutput
from .weights import LoadReport, WeightSource

if TYPE_CHECKING:
    from .roberta import RobertaModel

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8")

Model = TypeVar("Model", bound="PreTrainedModel")


def check_dtype(dtype: Any) -> None:
    """InputError unless it is one of DTYPES."""
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise InputError(mismatch("dtype", shown(dtype), f"one of {', '.join(DTYPES)}"))


class PreTrainedModel(Module):
    """What all models share: loading from files, the base model's forward, printing.

    Attributes: `config`, `load_report` (missing, unexpected, tied tensors), `kernels` (the instruction set
    in use), `num_threads`, `dtype`. A loaded model does not change; any number of threads may call it.
    """

    config_class: type[RobertaConfig] = RobertaConfig
    part_prefix = "Roberta"

    def __init__(self, config: RobertaConfig, source: WeightSource) -> None:
        super().__init__(self.part_prefix)
        self.config = config
        self.kernels = source.kernels
        self.num_threads = source.num_threads
        self.dtype = source.dtype
        self.name_or_path = config.name_or_path
        self.load_report = LoadReport()

    @classmethod
    def from_pretrained(
        cls: type[Model],
        path_or_id: str | Path,
        *,
        config: RobertaConfig | None = None,
        dtype: str = "float32",
        num_threads: int | None = None,
        isa: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **config_overrides: Any,
    ) -> Model:
        """Loads a model from a folder or a Hub repository, as published: safetensors or torch's .bin.

        dtype: what the encoder layers compute their products in, whatever type the file holds: "float32",
        "bfloat16" or "int8"; the rest is float32. num_threads: None for what this process may use. isa: None
        for the best this CPU has. Other keywords replace fields of config.json. Raises ModelFileError,
        UnsafeFileError, HubError, InputError.
        """
        return cls.load(
            path_or_id,
            hub.HubOptions(revision, token, cache_dir, local_files_only),
            config=config,
            dtype=dtype,
            num_threads=num_threads,
            isa=isa,
            **config_overrides,
        )

    @classmethod
    def load(
        cls: type[Model],
        path_or_id: str | Path,
        hub_options: hub.HubOptions,
        /,
        *,
        config: RobertaConfig | None = None,
        dtype: str = "float32",
        num_threads: int | None = None,
        isa: str | None = None,
        **config_overrides: Any,
    ) -> Model:
        """As `from_pretrained`, with the Hub's options in one object."""
        check_dtype(dtype)
        threads, _ = chosen_num_threads(num_threads)
        if threads > 1 and not HAS_OPENMP:
            if num_threads is not None:
                logger.warning("num_threads: found %d, but this build has no OpenMP: using 1", threads)
            threads = 1
        kernels = Kernels(isa)
        if not isinstance(config, RobertaConfig | None):
            raise InputError(mismatch("config", shown(config), "a RobertaConfig or None"))
        if config is None:
            config = load_config(path_or_id, hub_options, None, cls.config_class)
        config.validate()  # it may have been changed since it was read
        if config_overrides:
            config = config.with_overrides(str(path_or_id), config_overrides)
        if config.model_type != cls.config_class.model_type:
            raise ModelFileError(
                mismatch(
                    f"{path_or_id}: config.json: model_type",
                    shown(config.model_type),
                    f"{cls.config_class.model_type!r} for {cls.__name__}",
                )
            )
        if config.output_attentions:
            logger.warning(
                "%s: output_attentions is set, but attentions are not supported and not returned", path_or_id
            )
        checkpoint = open_checkpoint(hub.resolve(path_or_id, hub.WEIGHTS, hub_options))
        source = WeightSource(checkpoint, config, kernels, threads, dtype)
        model = cls(config, source)
        model.name_or_path = str(path_or_id)
        model.load_report = source.report()
        return model

    def display_name(self) -> str:
        """The class's own name."""
        return type(self).__name__

    def eval(self: Model) -> Model:
        """The model itself: there is no training mode. Kept for code written for transformers."""
        return self

    def to(self: Model, device: Any) -> Model:
        """The model itself, which is on the CPU; InputError for any other device. Kept as `eval` is."""
        if str(device) not in ("cpu", "cpu:0"):
            raise InputError(mismatch("device", shown(device), "'cpu'"))
        return self

    @property
    def base_model(self) -> RobertaModel:
        """The encoder below the head, or the model itself."""
        raise NotImplementedError

    def _rows_wanted(self, batch: PackedBatch) -> np.ndarray | None:
        """The packed tokens whose last-layer rows `_output` reads: int64 (R), ascending; None: all."""
        return None

    def _output(
        self, last_rh: np.ndarray, batch: PackedBatch, hidden_states: tuple[Hidden, ...] | None
    ) -> ModelOutput:
        """The output of the model from the last layer's rows (R, H) of the tokens in `_rows_wanted`."""
        raise NotImplementedError

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        *,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **unsupported: Any,
    ) -> Any:
        """One forward pass.

        input_ids: integers (S, width), with attention_mask of 0 and 1 (S, width) where padded; or ragged
        lists of ids, for which hidden states come as lists of (len, H). Hidden states are float32, zero at
        masked places. return_dict=False gives a tuple of the output's fields. Raises InputError.
        """
        batch = self._packed(input_ids, attention_mask, token_type_ids, position_ids, unsupported)
        with_states = self._wants_hidden_states(output_hidden_states)
        last_rh, states = self.base_model.encode(batch, with_states, self._rows_wanted(batch))
        hidden_states = None if states is None else tuple(batch.unpack(state) for state in states)
        output = self._output(last_rh, batch, hidden_states)
        return output.to_tuple() if return_dict is False else output

    def _packed(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        position_ids: Any,
        unsupported: dict[str, Any],
    ) -> PackedBatch:
        for name, value in unsupported.items():
            # transformers' callers pass these as None or False when they do not want them.
            if value is not None and value is not False:
                raise InputError(mismatch(name, shown(value), "it to be left out: not supported"))
        if input_ids is None:
            raise InputError(
                mismatch("input_ids", "None", "an array (batch, length) or a list of lists of ids")
            )
        limits = self.base_model.embeddings.limits
        return pack_batch(input_ids, attention_mask, token_type_ids, position_ids, limits)

    def _wants_hidden_states(self, output_hidden_states: bool | None) -> bool:
        if output_hidden_states is None:
            return bool(self.config.output_hidden_states)
        if not isinstance(output_hidden_states, bool):
            raise InputError(
                mismatch("output_hidden_states", shown(output_hidden_states), "True, False or None")
            )
        return output_hidden_states
