"""What all models share: loading from files, the forward pass around the encoder, copies.

from_pretrained: files → config, checkpoint → packed parts.  Calling: ids → PackedBatch → encoder → head.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..cache import CacheReport, open_cache
from ..cache.settings import absolute
from ..checkpoint import open_checkpoint
from ..config import RobertaConfig, given_config, load_config
from ..config.load_keywords import MODEL_KEYWORDS, without_foreign
from ..errors import InputError, ModelFileError, mismatch, shown
from ..files import hub
from ..files.file_sets import weights
from ..files.hub_options import HubOptions
from ..kernels import HAS_THREADS, Kernels
from ..machine.threads import chosen_num_threads
from .batch import NO_RESULTS, PackedBatch, ResultSize, pack_batch
from .dtypes import dtype_name
from .module import Module
from .outputs import LayerOutputs, ModelOutput
from .torch_names import TorchNames
from .weights import LoadReport, WeightSource

logger = logging.getLogger(__name__)

# Arguments of transformers' forward that belong to what is not here → what to do without them.
FOREIGN_INPUTS = {
    "inputs_embeds": "input_ids: embeddings are rows of the model's own table",
    "labels": "it to be left out: there is no training, and so no loss",
    "start_positions": "it to be left out: there is no training, and so no loss",
    "end_positions": "it to be left out: there is no training, and so no loss",
    **dict.fromkeys(
        ("encoder_hidden_states", "encoder_attention_mask", "past_key_values", "use_cache"),
        "it to be left out: encoders are supported, without a decoder or cross-attention",
    ),
}

Model = TypeVar("Model", bound="PreTrainedModel")


class PreTrainedModel(TorchNames, Module):
    """What all models share: loading from files, and the forward pass around the encoder.

    Attributes: `config`, `load_report` (missing, unexpected, tied tensors), `cache_report` (what was read
    from the cache of packed weights), `kernels` (the instruction set in use), `num_threads`, `dtype`.
    A loaded model does not change; any number of threads may call it.
    """

    config_class: type[RobertaConfig] = RobertaConfig
    part_prefix = "Roberta"
    # What a pickle holds beside the config: path or name, the Hub's options, the other arguments.
    _origin: tuple[Any, HubOptions, dict[str, Any]]
    # Keywords of `from_pretrained` that go to the constructor.
    constructor_keywords: ClassVar[tuple[str, ...]] = ()
    assignable = ("config", "name_or_path")

    def __init__(self, config: RobertaConfig, source: WeightSource) -> None:
        super().__init__(self.part_prefix)
        self.config = config
        self._built_from = config.__copy__()
        self.kernels = source.kernels
        self.num_threads = source.num_threads
        self.dtype = source.dtype
        self.name_or_path = config.name_or_path
        self.load_report = LoadReport()
        self.cache_report = CacheReport()

    def __new__(cls, config: Any = None, source: Any = None, **parts: Any) -> Any:
        """InputError without a source of weights: there are no random ones."""
        if not isinstance(source, WeightSource):
            expected = f"{cls.__name__}.from_pretrained(folder): models are made from files"
            raise InputError(mismatch(f"{cls.__name__}(…)", "a call", expected))
        return super().__new__(cls)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        config: RobertaConfig | str | os.PathLike[str] | None = None,
        dtype: Any = None,
        num_threads: int | None = None,
        isa: str | None = None,
        allow_nonfinite: bool = False,
        cache: str | os.PathLike[str] | None = "auto",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **config_overrides: Any,
    ) -> Model:
        """Loads a model from a folder or a Hub repository, as published: safetensors or torch's .bin.

        dtype: what the encoder layers compute their products in, whatever type the file holds: "float32"
        (None), "bfloat16" or "int8", or torch's or numpy's object of that name; the rest is float32.
        num_threads: None for what this process may use. isa: None for the best this CPU has.
        allow_nonfinite: True loads weights that are NaN or infinite, which are an error else. cache: where
        packed weights are kept, so that the next load need not pack them (docs/cache.md): "auto", the path of
        a folder, or None for nowhere. Other keywords replace fields of config.json, but for those of
        transformers that need nothing done here (config/load_keywords.py). Raises ModelFileError,
        UnsafeFileError, HubError, InputError.
        """
        return cls.load(
            pretrained_model_name_or_path,
            HubOptions(revision, token, cache_dir, local_files_only),
            config=config,
            dtype=dtype,
            num_threads=num_threads,
            isa=isa,
            allow_nonfinite=allow_nonfinite,
            cache=cache,
            **config_overrides,
        )

    @classmethod
    def load(
        cls: type[Model],
        path_or_id: str | Path,
        hub_options: HubOptions,
        /,
        *,
        config: RobertaConfig | str | os.PathLike[str] | None = None,
        dtype: Any = None,
        torch_dtype: Any = None,
        use_safetensors: bool | None = None,
        num_threads: int | None = None,
        isa: str | None = None,
        allow_nonfinite: bool = False,
        cache: str | os.PathLike[str] | None = "auto",
        **overrides: Any,
    ) -> Model:
        """As `from_pretrained`, with the Hub's options in one object.

        torch_dtype: transformers 4's name of dtype. use_safetensors: False and True leave out the other kind
        of weight file.
        """
        dtype = dtype_name(dtype, torch_dtype)
        if not isinstance(allow_nonfinite, bool):
            raise InputError(mismatch("allow_nonfinite", shown(allow_nonfinite), "True or False"))
        overrides = without_foreign(overrides, MODEL_KEYWORDS)
        parts = {name: overrides.pop(name) for name in cls.constructor_keywords if name in overrides}
        files = weights(use_safetensors)
        threads, _ = chosen_num_threads(num_threads)
        if threads > 1 and not HAS_THREADS:
            if num_threads is not None:
                logger.warning("num_threads: found %d, but this build has no threads: using 1", threads)
            threads = 1
        kernels = Kernels(isa)
        if config is None or hub.is_same_place(config, path_or_id):
            hub_options = hub.pinned(path_or_id, hub_options)
        config = given_config(config, hub_options)
        if config is None:
            config = load_config(path_or_id, hub_options, None, cls.config_class)
        config.validate()  # it may have been changed since it was read
        if overrides:
            config = config.with_overrides(str(path_or_id), overrides)
        if config.model_type != cls.config_class.model_type:
            raise ModelFileError(
                mismatch(
                    f"{path_or_id}: config.json: model_type",
                    shown(config.model_type),
                    f"{cls.config_class.model_type!r} for {cls.__name__}",
                )
            )
        file_names = tuple(name for choice in files.choices for name in choice)
        model_files = hub.ModelFiles(path_or_id, hub_options)
        checkpoint = open_checkpoint(model_files.fetch(files), file_names)
        packed = open_cache(cache, checkpoint, kernels, dtype, allow_nonfinite, threads)
        source = WeightSource(checkpoint, config, kernels, threads, dtype, allow_nonfinite, packed)
        model = cls(config, source, **parts)
        packed.finish()
        model.cache_report = packed.report
        model.name_or_path = str(path_or_id)
        model.load_report = source.report()
        hub_of_pickle = dataclasses.replace(model_files.hub_options, token=None)
        given = {
            "dtype": dtype,
            "use_safetensors": use_safetensors,
            "num_threads": num_threads,
            "isa": isa,
            "allow_nonfinite": allow_nonfinite,
            "cache": absolute(cache),
        }
        model._origin = _origin(path_or_id), hub_of_pickle, {**given, **parts}
        base = model.base_model
        if base is not model:  # the encoder below a head can be saved and pickled like a model
            base.name_or_path, base.load_report = model.name_or_path, model.load_report
            base.cache_report = model.cache_report
            parts = {"add_pooling_layer": base.pooler is not None}
            base._origin = *model._origin[:2], {**given, **parts}
            model.set_places(source.parameters(has_head=True))
        base.set_places(source.parameters(has_head=False))
        return model

    @property
    def hub_options(self) -> HubOptions:
        """The Hub's options that load this model again, with its commit and without the token."""
        return self._origin[1]

    def __reduce__(self) -> tuple[Any, ...]:
        """A model pickles as its config and the arguments it was loaded with, without the Hub's token."""
        path_or_id, hub_options, given = self._origin
        return _load_again, (type(self), path_or_id, hub_options, self.config, given)

    def __deepcopy__(self: Model, memo: Any) -> Model:
        """A model with a config of its own; the parts, which do not change, are shared."""
        copied = object.__new__(type(self))
        vars(copied).update(vars(self), config=copy.deepcopy(self.config, memo))
        if self.base_model is not self:
            base = vars(copied)[self.base_model_prefix] = object.__new__(type(self.base_model))
            vars(base).update(vars(self.base_model), config=copied.config)
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "config" and not isinstance(value, RobertaConfig):
            raise InputError(mismatch("config", shown(value), "a RobertaConfig"))
        super().__setattr__(name, value)

    def display_name(self) -> str:
        """The class's own name."""
        return type(self).__name__

    def _rows_wanted(self, batch: PackedBatch) -> np.ndarray | None:
        """The packed tokens whose last-layer rows `_output` reads: int64 (R), ascending; None: all."""
        return None

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        """The output of the model from the last layer's rows (R, H) of the tokens in `_rows_wanted`, and from
        what was asked of all layers."""
        raise NotImplementedError

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        **foreign: Any,
    ) -> Any:
        """One forward pass.

        input_ids: integers (S, width), with attention_mask of 0 and 1 (S, width) where padded; or ragged
        lists of ids, for which outputs of tokens come as lists of (len, …). Hidden states and attention
        weights are float32, zero at masked places. return_dict=False gives a tuple of the output's fields.
        Raises InputError; ResourceError, before anything is computed, if memory is too small for the results.
        """
        with_states = self._wants("output_hidden_states", output_hidden_states)
        with_attentions = self._wants("output_attentions", output_attentions)
        results = self._result_size(with_states or with_attentions, with_attentions)
        batch = self._packed(input_ids, attention_mask, token_type_ids, position_ids, foreign, results)
        base = self.base_model
        last_rh, states = base.encode(batch, with_states or with_attentions, self._rows_wanted(batch))
        hidden_states = attentions = None
        if states is not None and with_states:
            hidden_states = tuple(batch.unpack(state) for state in states)
        if states is not None and with_attentions:
            attentions = base.encoder.attentions(states, batch)
        output = self._output(last_rh, batch, LayerOutputs(hidden_states, attentions))
        return output if self._wants("return_dict", return_dict) else output.to_tuple()

    def _packed(
        self,
        input_ids: Any,
        attention_mask: Any,
        token_type_ids: Any,
        position_ids: Any,
        foreign: dict[str, Any],
        results: ResultSize = NO_RESULTS,
    ) -> PackedBatch:
        for name, value in foreign.items():
            # transformers' callers pass these as None or False when they do not want them.
            if value is not None and value is not False:
                expected = FOREIGN_INPUTS.get(name, "it to be left out: not supported")
                raise InputError(mismatch(name, shown(value), expected))
        if input_ids is None:
            raise InputError(
                mismatch("input_ids", "None", "an array (batch, length) or a list of lists of ids")
            )
        limits = self.base_model.embeddings.limits
        return pack_batch(input_ids, attention_mask, token_type_ids, position_ids, limits, results)

    @property
    def _columns(self) -> int:
        """How many numbers the output has for each token; 0 for a model that reads a few of the tokens."""
        return 0

    def _result_size(self, with_states: bool, with_attentions: bool) -> ResultSize:
        """What the results of a call take, all of which are float32.

        Of each token these are the last layer's rows, with the output or, before that, while the rows of
        several passes are put together, as much again; or the states of all layers, and the output.
        """
        built, columns = self._built_from, self._columns
        hidden, layers = built.hidden_size, built.num_hidden_layers
        if with_states:
            states = hidden * (layers + 1)
            pairs = built.num_attention_heads * layers if with_attentions else 0
            return ResultSize(4 * (states + columns), 4 * (states + columns), 4 * pairs)
        if not columns:
            return NO_RESULTS
        return ResultSize(4 * (hidden + max(hidden, columns)), 4 * columns)

    def _wants(self, name: str, given: bool | None) -> bool:
        """Whether a call returns what the option `name` asks for; None: as the config says."""
        if given is None:
            return bool(getattr(self.config, name))
        if not isinstance(given, bool):
            raise InputError(mismatch(name, shown(given), "True, False or None"))
        return given

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """A call of the model, under torch's name."""
        return self(*args, **kwargs)


def _origin(path_or_id: Any) -> Any:
    """A folder's absolute path, which a process in another folder finds; a repository's name unchanged."""
    return os.path.abspath(path_or_id) if os.path.isdir(path_or_id) else path_or_id


def _load_again(
    model_class: type[Model], path_or_id: Any, hub_options: HubOptions, config: Any, given: dict[str, Any]
) -> Model:
    return model_class.load(path_or_id, hub_options, config=config, **given)
