"""The base model: embeddings, encoder, pooler. Those with a head are in task_models.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checkpoint import names
from ..config import RobertaConfig, XLMRobertaConfig
from ..errors import InputError, mismatch, shown
from ..kernels import aligned_empty
from .batch import PackedBatch, pack_batch
from .encoder import CHUNK_TOKENS, Embeddings, Encoder, Layer, Pooler
from .outputs import BaseModelOutputWithPooling, LayerOutputs, ModelOutput
from .pretrained import PreTrainedModel
from .weights import WeightSource


class RobertaModel(PreTrainedModel):
    """The encoder and, where the checkpoint has one, the pooler; `add_pooling_layer=False` leaves it out.

    `model(input_ids, attention_mask)` → BaseModelOutputWithPooling. Reference: transformers' RobertaModel.
    """

    constructor_keywords = ("add_pooling_layer",)

    def __init__(self, config: RobertaConfig, source: WeightSource, add_pooling_layer: bool = True) -> None:
        super().__init__(config, source)
        if not isinstance(add_pooling_layer, bool):
            raise InputError(mismatch("add_pooling_layer", shown(add_pooling_layer), "True or False"))
        family, threads = self.family, source.num_threads
        source.require(names.encoder_shapes(config), "encoder")
        tables = source.embeddings()
        self.embeddings = Embeddings(family, config, tables, source.kernels, threads, source.allow_nonfinite)
        self.encoder = Encoder(
            family,
            [
                Layer(family, config, source.layer(index), threads)
                for index in range(config.num_hidden_layers)
            ],
        )
        self.pooler: Pooler | None = None
        shapes = names.pooler_shapes(config)
        if add_pooling_layer and source.has_all(shapes):
            source.require(shapes, "pooler")
            dense = source.linear(names.POOLER["weight"].removesuffix(".weight"))
            self.pooler = Pooler(family, dense, threads)

    @property
    def base_model(self) -> RobertaModel:
        """The model itself."""
        return self

    def pack(self, input_ids: Any, attention_mask: Any = None) -> PackedBatch:
        """Ids, ragged or padded as a call takes them, as a batch for `encode`. Raises InputError."""
        return pack_batch(input_ids, attention_mask, None, None, self.embeddings.limits)

    def encode(
        self, batch: PackedBatch, with_states: bool = False, rows_wanted_r: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[np.ndarray] | None]:
        """Packed tokens → the last layer's rows (T, H), and with `with_states` all L + 1 states, else None.

        rows_wanted_r: int64 (R), ascending indices of the tokens whose rows are wanted, (R, H): the same bits
        for less work; None: all.
        """
        hidden, tokens = self.config.hidden_size, len(batch.token_ids_t)
        layers = len(self.encoder.layer)
        collected_lth = aligned_empty((layers + 1, tokens, hidden)) if with_states else None
        lasts: list[np.ndarray] = []
        for part, chunk in batch.chunks(CHUNK_TOKENS):
            if collected_lth is not None:
                one_pass = len(chunk.token_ids_t) == tokens
                shape = (layers + 1, len(chunk.token_ids_t), hidden)
                states_lth = collected_lth if one_pass else aligned_empty(shape)
                self.encoder.encode(self.embeddings, chunk, states_lth=states_lth)
                if not one_pass:
                    collected_lth[:, part] = states_lth
            else:
                rows_r = rows_wanted_r
                if rows_r is not None and chunk is not batch:
                    first, last = np.searchsorted(rows_r, (part.start, part.stop))
                    rows_r = rows_r[first:last] - part.start
                lasts.append(self.encoder.encode(self.embeddings, chunk, rows_r))
        if collected_lth is not None:
            last_th = collected_lth[-1]
            return last_th if rows_wanted_r is None else last_th[rows_wanted_r], list(collected_lth)
        return _joined(lasts, hidden), None

    def pooled(self, batch: PackedBatch, pooling: tuple[str, ...], skipped: int = 0) -> np.ndarray:
        """Packed tokens → one row for each sequence, pooled where the last layer's rows are: (S, modes * H).

        pooling: names as `Kernels.pool` takes them. skipped: how many tokens at the beginning are left out.
        """
        width = len(pooling) * self.config.hidden_size
        if pooling == ("lasttoken",):  # the last layer's other rows are not needed
            return self.encode(batch, rows_wanted_r=batch.seq_starts_s[1:] - 1)[0]
        if pooling == ("cls",) and not skipped:
            return self.encode(batch, rows_wanted_r=batch.first_tokens_s)[0]
        parts = [
            self.encoder.encode(self.embeddings, chunk, pooling=pooling, skipped=skipped)
            for _, chunk in batch.chunks(CHUNK_TOKENS)
        ]
        return _joined(parts, width)

    @property
    def _columns(self) -> int:
        return self._built_from.hidden_size

    def _output(self, last_rh: np.ndarray, batch: PackedBatch, of_layers: LayerOutputs) -> ModelOutput:
        pooled = None if self.pooler is None else self.pooler.pool(last_rh[batch.first_tokens_s])
        return BaseModelOutputWithPooling(batch.unpack(last_rh), pooled, *of_layers)


class XLMRobertaModel(RobertaModel):
    """RobertaModel under XLM-RoBERTa's names: the same computation."""

    config_class = XLMRobertaConfig
    part_prefix = "XLMRoberta"


def _joined(parts: list[np.ndarray], columns: int) -> np.ndarray:
    """The rows of all parts, one after the other; of no part: (0, columns). ResourceError without memory."""
    if len(parts) == 1:
        return parts[0]
    joined = aligned_empty((sum(map(len, parts)), columns))
    return np.concatenate(parts, out=joined) if parts else joined
