"""The encoder (Vaswani et al. 2017; Liu et al. 2019): embeddings, layers, pooler.

A batch goes through `Encoder.encode`: one call of the kernels, from packed ids to the last layer's rows.
Every part can also be called alone on padded arrays (S, width, H), as in transformers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import EmbeddingTables, Kernels, PackedLayer, PackedLinear, Workspace
from ..machine.threads import threads_for
from .arrays import first_tokens
from .batch import BatchLimits, PackedBatch, Packing, ResultSize, pack_batch, pack_hidden
from .leaves import Activation, Dropout, Embedding, LayerNorm, Linear
from .module import Module, ModuleList

if TYPE_CHECKING:
    from ..config import RobertaConfig

# Tokens per pass: a larger batch goes through the layers in several passes, so that intermediates stay
# bounded, at 20 MB for base size. 512 to 4,096 took the same time within 3 % (AMD Zen 5 server core,
# 2026-11-22).
CHUNK_TOKENS = 1024


class Embeddings(Module):
    """Word + position + token-type rows, then LayerNorm: ids (S, width) → (S, width, H)."""

    kind = "Embeddings"

    def __init__(
        self,
        family: str,
        config: RobertaConfig,
        tables: EmbeddingTables,
        kernels: Kernels,
        num_threads: int,
        allow_nonfinite: bool,
    ) -> None:
        """allow_nonfinite: rows of a word table that stays in its file are not checked."""
        super().__init__(family)
        self.tables, self.kernels, self.num_threads = tables, kernels, num_threads
        self._rows, self._allow_nonfinite = tables.stored_rows, allow_nonfinite
        self.limits = BatchLimits(
            config.vocab_size, config.pad_token_id, config.max_position_embeddings, config.type_vocab_size
        )
        padding = config.pad_token_id
        self.word_embeddings = Embedding(tables.word, tables.word_dtype, padding)
        self.position_embeddings = Embedding(tables.position, padding_idx=padding)
        self.token_type_embeddings = Embedding(tables.token_type)
        self.LayerNorm = LayerNorm(tables.norm, kernels, num_threads)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def __call__(
        self, input_ids: Any, token_type_ids: Any = None, position_ids: Any = None
    ) -> np.ndarray | list[np.ndarray]:
        results = ResultSize(token=4 * self.tables.word.shape[1])
        batch = pack_batch(input_ids, None, token_type_ids, position_ids, self.limits, results)
        return batch.unpack(self.embed(batch))

    def embed(self, batch: PackedBatch) -> np.ndarray:
        """x_th of a batch's packed tokens."""
        ids, positions, types = batch.token_ids_t, batch.position_ids_t, batch.token_type_ids_t
        # Some ten operations on each value of a row: it is gathered, summed and normalized.
        num_threads = threads_for(10 * len(ids) * self.tables.word.shape[1], self.num_threads)
        self.check_rows(ids)
        x_th = self.kernels.embed(self.tables, ids, positions, types, num_threads)
        self.check_file()
        return x_th

    def check_rows(self, ids_t: np.ndarray) -> None:
        """Before a call of the kernels: ModelFileError if a row that it reads from the file is not finite."""
        if self._rows is not None and not self._allow_nonfinite:
            self._rows.check_finite(ids_t)

    def check_file(self) -> None:
        """After it: ModelFileError if the rows may be other ones than those of the file that was opened."""
        if self._rows is not None:
            self._rows.file.check_unchanged()


class SelfAttention(Module):
    """softmax(Q K^T / sqrt(D)) V with query, key and value of one hidden state: (S, width, H) → the same."""

    kind = "SdpaSelfAttention"

    def __init__(
        self, family: str, config: RobertaConfig, qkv: PackedLinear, kernels: Kernels, num_threads: int
    ) -> None:
        super().__init__(family)
        self.qkv, self.heads = Linear(qkv, num_threads), config.num_attention_heads
        self.kernels, self.num_threads = kernels, num_threads
        self.query = Linear(qkv.section(0), num_threads)
        self.key = Linear(qkv.section(1), num_threads)
        self.value = Linear(qkv.section(2), num_threads)
        self.dropout = Dropout(config.attention_probs_dropout_prob)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Query, key and value; not the product of all three, which is the same weights."""
        return ((name, child) for name, child in super().named_children() if name != "qkv")

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        x_th, packing = pack_hidden(hidden_states, attention_mask)
        qkv, dtype = self.qkv(x_th), self.qkv.packed.dtype
        context_th = self.kernels.attention(qkv, packing.seq_starts_s, self.heads, self.num_threads, dtype)
        return packing.pad(context_th)

    def probabilities(self, x_th: np.ndarray, packing: Packing) -> list[np.ndarray]:
        """softmax(Q K^T / sqrt(D)) of every sequence: S arrays, float32 (A, len, len).

        Computed beside the kernels, which never hold these rows: for looking at, not for speed.
        """
        qkv = self.qkv(x_th)
        heads, hidden = self.heads, x_th.shape[1]
        found = []
        for begin, end in pairwise(packing.seq_starts_s):
            q_ald, k_ald = (
                qkv[begin:end, first : first + hidden].reshape(end - begin, heads, -1).swapaxes(0, 1)
                for first in (0, hidden)
            )
            scores_all = q_ald @ k_ald.swapaxes(1, 2) / np.float32(np.sqrt(hidden // heads))
            scores_all -= scores_all.max(axis=2, keepdims=True)
            np.exp(scores_all, out=scores_all)
            scores_all /= scores_all.sum(axis=2, keepdims=True)
            found.append(scores_all)
        return found


class ResidualOutput(Module):
    """layer_norm(dense(x) + residual), the end of both halves of a layer."""

    def __init__(
        self, family: str, kind: str, config: RobertaConfig, dense: PackedLinear, norm: Any, num_threads: int
    ) -> None:
        super().__init__(family)
        self.kind = kind
        self.dense = Linear(dense, num_threads)
        self.LayerNorm = LayerNorm(norm, dense.kernels, num_threads)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def __call__(self, hidden_states: Any, input_tensor: Any) -> np.ndarray:
        return self.LayerNorm(self.dense(hidden_states, residual=input_tensor))


class Attention(Module):
    """Self-attention and its residual output."""

    kind = "Attention"

    def __init__(self, family: str, config: RobertaConfig, layer: PackedLayer, num_threads: int) -> None:
        super().__init__(family)
        self.self = SelfAttention(family, config, layer.qkv, layer.qkv.kernels, num_threads)
        self.output = ResidualOutput(
            family, "SelfOutput", config, layer.attention_output, layer.attention_norm, num_threads
        )

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        return self.output(self.self(hidden_states, attention_mask), hidden_states)


class Intermediate(Module):
    """activation(dense(x)): (…, H) → (…, F)."""

    kind = "Intermediate"

    def __init__(self, family: str, config: RobertaConfig, up: PackedLinear, num_threads: int) -> None:
        super().__init__(family)
        self.dense = Linear(up, num_threads)
        self.intermediate_act_fn = Activation(config.activation, up.kernels, num_threads)

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.dense(hidden_states, activation=self.intermediate_act_fn.name)


class Layer(Module):
    """One post-norm encoder layer: (S, width, H) → the same."""

    kind = "Layer"

    def __init__(self, family: str, config: RobertaConfig, packed: PackedLayer, num_threads: int) -> None:
        super().__init__(family)
        self.packed, self.num_threads = packed, num_threads
        self.attention = Attention(family, config, packed, num_threads)
        self.intermediate = Intermediate(family, config, packed.up, num_threads)
        self.output = ResidualOutput(family, "Output", config, packed.down, packed.output_norm, num_threads)

    def multiply_adds(self, tokens: int) -> int:
        """Multiply-adds of the layer's linear products for `tokens` tokens."""
        return tokens * (4 * self.packed.qkv.k + 2 * self.packed.up.n) * self.packed.qkv.k

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        x_th, packing = pack_hidden(hidden_states, attention_mask)
        kernels, workspace = self.packed.qkv.kernels, Workspace()
        for part, starts in packing.parts(CHUNK_TOKENS):
            threads = threads_for(self.multiply_adds(part.stop - part.start), self.num_threads)
            kernels.encoder_layer(self.packed, x_th[part], starts, workspace, threads)
        return packing.pad(x_th)


class Encoder(Module):
    """The layers, one after the other."""

    kind = "Encoder"

    def __init__(self, family: str, layers: list[Layer]) -> None:
        super().__init__(family)
        self.layer = ModuleList(layers)
        self._workspaces: deque[Workspace] = deque()  # those that no call holds

    def encode(
        self,
        embeddings: Embeddings,
        batch: PackedBatch,
        rows_wanted_r: np.ndarray | None = None,
        states_lth: np.ndarray | None = None,
        pooling: tuple[str, ...] | None = None,
        skipped: int = 0,
    ) -> np.ndarray:
        """Packed ids → the last layer's rows, (T, H) or, with `rows_wanted_r`, those of these tokens, (R, H).

        rows_wanted_r: int64 (R), ascending. The bits are those of the full computation. states_lth, float32
        (L + 1, T, H), receives the embeddings and every layer's output; not together with `rows_wanted_r`.
        pooling, skipped: as `Kernels.pool` takes them, which makes (S, len(pooling) * H); neither beside it.
        """
        if not len(self.layer):
            x_th = embeddings.embed(batch)
            if pooling is not None:
                return embeddings.kernels.pool(x_th, batch.seq_starts_s, pooling, skipped)
            if states_lth is not None:
                states_lth[0] = x_th
            return x_th if rows_wanted_r is None else x_th[rows_wanted_r]
        embeddings.check_rows(batch.token_ids_t)
        with self._workspace() as workspace:
            last = self._kernels.encode(
                embeddings.tables,
                self._packed_layers,
                batch.token_ids_t,
                batch.position_ids_t,
                batch.token_type_ids_t,
                batch.seq_starts_s,
                workspace,
                rows_wanted_r,
                states_lth,
                self._threads_for(len(batch.token_ids_t)),
                pooling,
                skipped,
            )
        embeddings.check_file()
        return last

    def attentions(
        self, states: Sequence[np.ndarray], packing: Packing
    ) -> tuple[np.ndarray | list[np.ndarray], ...]:
        """The attention weights of each layer, from the L + 1 states (T, H): L of (S, A, width, width)."""
        inputs = zip(self.layer, states[:-1], strict=True)
        return tuple(
            packing.unpack_pairs(layer.attention.self.probabilities(x_th, packing)) for layer, x_th in inputs
        )

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        x_th, packing = pack_hidden(hidden_states, attention_mask)
        if len(self.layer):
            with self._workspace() as workspace:
                for part, starts in packing.parts(CHUNK_TOKENS):
                    threads = self._threads_for(part.stop - part.start)
                    x_th[part] = self._kernels.encoder(
                        self._packed_layers, x_th[part], starts, workspace, num_threads=threads
                    )
        return packing.pad(x_th)

    @property
    def _packed_layers(self) -> list[PackedLayer]:
        return [layer.packed for layer in self.layer]

    @property
    def _kernels(self) -> Kernels:
        first: Layer = self.layer[0]
        return first.packed.qkv.kernels

    def _threads_for(self, tokens: int) -> int:
        first = self.layer[0]
        return threads_for(first.multiply_adds(tokens), first.num_threads)

    @contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """An idle workspace, for one call; a new one where concurrent calls hold them all."""
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = Workspace()
        try:
            yield workspace
        finally:
            self._workspaces.append(workspace)


class Pooler(Module):
    """tanh(dense(first token)): (S, width, H) → (S, H)."""

    kind = "Pooler"

    def __init__(self, family: str, dense: PackedLinear, num_threads: int) -> None:
        super().__init__(family)
        self.dense = Linear(dense, num_threads)
        self.activation = Activation("tanh", dense.kernels, num_threads)

    def pool(self, first_sh: np.ndarray) -> np.ndarray:
        """From the first tokens alone, (S, H) → (S, H)."""
        return self.dense.of_rows(first_sh, activation=self.activation.name)

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.pool(first_tokens(hidden_states))
