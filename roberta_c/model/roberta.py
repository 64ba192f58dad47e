"""The models people load: RobertaModel, RobertaForSequenceClassification and their XLM names."""

from __future__ import annotations

import numpy as np

from ..checkpoint import names
from ..config import RobertaConfig, XLMRobertaConfig
from .batch import PackedBatch
from .encoder import CHUNK_TOKENS, Embeddings, Encoder, Layer, Pooler
from .heads import ClassificationHead
from .outputs import BaseModelOutputWithPooling, Hidden, ModelOutput, SequenceClassifierOutput
from .pretrained import PreTrainedModel
from .weights import WeightSource


class RobertaModel(PreTrainedModel):
    """The encoder and, where the checkpoint has one, the pooler.

    `model(input_ids, attention_mask)` → BaseModelOutputWithPooling. Reference: transformers' RobertaModel.
    """

    def __init__(self, config: RobertaConfig, source: WeightSource, add_pooling_layer: bool = True) -> None:
        super().__init__(config, source)
        family, threads = self.family, source.num_threads
        source.require(names.encoder_shapes(config), "encoder")
        self.embeddings = Embeddings(family, config, source.embeddings(), source.kernels, threads)
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

    def encode(
        self, batch: PackedBatch, with_states: bool, first_tokens_only: bool = False
    ) -> tuple[np.ndarray, list[np.ndarray] | None]:
        """Packed tokens → last layer's x_th (T, H), and all L + 1 states where asked for.

        With `first_tokens_only` each sequence's first token alone, (S, H): the same bits for less work.
        """
        hidden, layers = self.config.hidden_size, len(self.encoder.layer)
        lasts: list[np.ndarray] = []
        collected = np.empty((layers + 1, len(batch.token_ids_t) if with_states else 0, hidden), np.float32)
        for sequences, tokens in batch.chunks(CHUNK_TOKENS):
            starts = batch.seq_starts_s[sequences.start : sequences.stop + 1] - tokens.start
            x_th = self.embeddings.embed_batch(batch, tokens)
            if not with_states:
                lasts.append(self.encoder.run(x_th, starts, first_tokens_only=first_tokens_only))
                continue
            states = np.empty((layers, *x_th.shape), np.float32)
            last = self.encoder.run(x_th, starts, states=states)
            lasts.append(last[starts[:-1]] if first_tokens_only else last)
            collected[0, tokens], collected[1:, tokens] = x_th, states
        empty = np.empty((0, hidden), dtype=np.float32)
        last = lasts[0] if len(lasts) == 1 else np.concatenate([empty, *lasts])
        return last, list(collected) if with_states else None

    def _output(
        self, last_th: np.ndarray, batch: PackedBatch, hidden_states: tuple[Hidden, ...] | None
    ) -> ModelOutput:
        pooled = None if self.pooler is None else self.pooler.pool(last_th[batch.first_tokens_s])
        return BaseModelOutputWithPooling(batch.unpack(last_th), pooled, hidden_states)


class RobertaForSequenceClassification(PreTrainedModel):
    """The encoder and a classification head on `<s>`; logits (S, C) for `config.num_labels` classes.

    Reference: transformers' RobertaForSequenceClassification.
    """

    base_class: type[RobertaModel] = RobertaModel
    reads_first_tokens_only = True

    def __init__(self, config: RobertaConfig, source: WeightSource) -> None:
        super().__init__(config, source)
        shapes = names.classification_head_shapes(config)
        source.require(shapes, "sequence classification head")
        self.roberta = self.base_class(config, source, add_pooling_layer=False)
        dense, out_proj = (
            source.linear(names.CLASSIFICATION_HEAD[part].removesuffix(".weight"))
            for part in ("dense_weight", "out_proj_weight")
        )
        self.classifier = ClassificationHead(self.family, config, dense, out_proj, source.num_threads)

    @property
    def base_model(self) -> RobertaModel:
        """The encoder below the head."""
        return self.roberta

    def _output(
        self, last_th: np.ndarray, batch: PackedBatch, hidden_states: tuple[Hidden, ...] | None
    ) -> ModelOutput:
        return SequenceClassifierOutput(self.classifier.classify(last_th), hidden_states)


class XLMRobertaModel(RobertaModel):
    """RobertaModel under XLM-RoBERTa's names: the same computation."""

    config_class = XLMRobertaConfig
    part_prefix = "XLMRoberta"


class XLMRobertaForSequenceClassification(RobertaForSequenceClassification):
    """RobertaForSequenceClassification under XLM-RoBERTa's names: the same computation."""

    config_class = XLMRobertaConfig
    part_prefix = "XLMRoberta"
    base_class = XLMRobertaModel
