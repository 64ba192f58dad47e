"""Texts → lexical weights of tokens, and bge-m3's three representations at once, as pipelines.

SPLADE, of a masked language model's logits x: w_v = max over tokens t of log(1 + relu(x_tv)).
bge-m3: sentence/bge_m3.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..model import RobertaForMaskedLM
from ..model.batch import PackedBatch
from ..pipelines.base import check_finite
from ..pipelines.options import PipelineOptions
from ..pipelines.rows import plain_text
from ..pipelines.windows import Window
from ..sentence.bge_m3_heads import COLBERT, SPARSE, BGEM3Heads
from ..sentence.bge_m3_outputs import M3Output, Wanted, largest_positive_weights
from ..sentence.chain import Chain
from ..sentence.long_vectors import largest_weights, mean_vector, merged_token_vectors
from ..sentence.similarity import normalized
from ..sentence.text_encoding import LimitedText, TextEncoding

# Rows of logits at once: a vocabulary has 50,000 to 250,000 columns.
_ROWS_AT_ONCE = 64


class _PromptedEncoding(TextEncoding):
    """A TextEncoding whose texts have a prompt before them."""

    prompt = ""

    def _row(self, text: Any, name: str, options: PipelineOptions) -> LimitedText:
        plain = plain_text(text, name)
        return LimitedText(self.prompt + plain, self.limits[0], len(self.prompt))


class SpladeEncoding(_PromptedEncoding):
    """`output` of a prediction: {token id as str: weight}, of weights above 0."""

    def __init__(self, model: RobertaForMaskedLM, tokenizer: Any, max_tokens: int, **reading: Any) -> None:
        def compute(batch: PackedBatch, last_rh: np.ndarray) -> Sequence[dict[str, float]]:
            return [_largest_logits(model, last_rh[begin:end]) for begin, end in pairwise(batch.seq_starts_s)]

        merge = lambda windows, outputs: largest_weights(outputs)  # noqa: E731
        super().__init__(model.base_model, tokenizer, 32, (max_tokens,), compute, merge=merge, **reading)


def _largest_logits(model: RobertaForMaskedLM, rows_th: np.ndarray) -> dict[str, float]:
    largest_v: np.ndarray | None = None
    for first in range(0, len(rows_th), _ROWS_AT_ONCE):
        logits_rv = np.asarray(model.lm_head(rows_th[first : first + _ROWS_AT_ONCE]))
        check_finite(logits_rv, model)
        most_v = logits_rv.max(axis=0)
        largest_v = most_v if largest_v is None else np.maximum(largest_v, most_v)
    assert largest_v is not None  # a text has tokens
    ids = np.flatnonzero(largest_v > 0)
    weights = np.log1p(largest_v[ids])
    return {str(token_id): weight for token_id, weight in zip(ids.tolist(), weights.tolist(), strict=True)}


class MultiEncoding(_PromptedEncoding):
    """bge-m3's representations, of one pass of the encoder; `output` of a prediction is an M3Output."""

    def __init__(
        self, chain: Chain, heads: BGEM3Heads, wanted: Wanted, prompt: str, max_tokens: int, **reading: Any
    ) -> None:
        super().__init__(
            chain.encoder.auto_model,
            chain.encoder.tokenizer,
            32,
            (max_tokens,),
            lambda batch, last_rh: [],
            merge=_merged,
            **reading,
        )
        self.prompt, self._chain, self._heads, self._kinds = prompt, chain, heads, wanted

    def _outputs(self, windows: Sequence[Window], options: PipelineOptions) -> Sequence[M3Output]:
        batch = self.model.pack([window.ids for window in windows])
        rows_th, dense_sh = self._chain.outputs(batch, 0)
        check_finite(rows_th, self.model)
        check_finite(dense_sh, self.model)
        spans = list(pairwise(batch.seq_starts_s.tolist()))
        nothing: list[Any] = [None] * len(spans)
        dense, weights, vectors = nothing, nothing, nothing
        if self._kinds.dense:
            dense = list(normalized(dense_sh))
        if self._kinds.sparse:
            weights_t = self._heads.needed(SPARSE)(rows_th)[:, 0]
            check_finite(weights_t, self.model)
            names = ("cls_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
            unused = {getattr(self.tokenizer, name) for name in names}
            weights = [
                largest_positive_weights(batch.token_ids_t[begin:end], weights_t[begin:end], unused)
                for begin, end in spans
            ]
        if self._kinds.colbert:
            vectors_tc = self._heads.needed(COLBERT)(rows_th)
            check_finite(vectors_tc, self.model)
            vectors_tc = normalized(vectors_tc)
            vectors = [vectors_tc[begin + 1 : end].copy() for begin, end in spans]
        return [M3Output(*of_text) for of_text in zip(dense, weights, vectors, strict=True)]


def _merged(windows: Sequence[Window], outputs: Sequence[M3Output]) -> M3Output:
    """The representations of a text from those of its windows."""
    if len(windows) == 1:
        return outputs[0]
    dense, weights, vectors = zip(*outputs, strict=True)
    return M3Output(
        None if dense[0] is None else normalized(mean_vector(windows, dense, True)),
        None if weights[0] is None else largest_weights(weights),
        None if vectors[0] is None else merged_token_vectors(windows, vectors),
    )
