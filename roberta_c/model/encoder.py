"""The encoder, as the papers tell it (Vaswani et al. 2017; Liu et al. 2019): embeddings, layers, pooler.

Whole batches go through `Embeddings.embed_batch` and `Encoder.run`, one C call each over packed tokens.
Every part can also be called alone on padded arrays (S, width, H), as in transformers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..kernels import EmbeddingTables, Kernels, PackedLayer, PackedLinear, Workspace
from ..machine.threads import threads_for
from .batch import BatchLimits, PackedBatch, checked_mask, pack_batch
from .leaves import (
    Activation,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ModuleList,
    as_array,
    as_float32,
    first_tokens,
)

if TYPE_CHECKING:
    from ..config import RobertaConfig

# Tokens per pass: what does not fit goes through the layers in several, so that memory stays bounded, at
# 20 MB for base size. It hardly mattered for speed: 512 to 4,096 took the same within 3 % (AMD Zen 5 server
# core, 2026-11-22, kernels of commit 1dff471).
CHUNK_TOKENS = 1024


class Embeddings(Module):
    """Word + position + token-type rows, then LayerNorm: ids (S, width) → (S, width, H)."""

    kind = "Embeddings"

    def __init__(
        self, family: str, config: RobertaConfig, tables: EmbeddingTables, kernels: Kernels, num_threads: int
    ) -> None:
        super().__init__(family)
        self.tables, self.kernels, self.num_threads = tables, kernels, num_threads
        self.limits = BatchLimits(
            config.vocab_size, config.pad_token_id, config.max_position_embeddings, config.type_vocab_size
        )
        padding = config.pad_token_id
        self.word_embeddings = Embedding(tables.word, tables.word_dtype, padding)
        self.position_embeddings = Embedding(tables.position, padding_idx=padding)
        self.token_type_embeddings = Embedding(tables.token_type)
        self.LayerNorm = LayerNorm(tables.norm, kernels, num_threads)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def embed_batch(self, batch: PackedBatch, tokens: slice) -> np.ndarray:
        """x_th for a stretch of a batch's packed tokens."""
        types = None if batch.token_type_ids_t is None else batch.token_type_ids_t[tokens]
        ids, positions = batch.token_ids_t[tokens], batch.position_ids_t[tokens]
        # A row is gathered, summed and normalised: some ten passes over it.
        num_threads = threads_for(10 * len(ids) * self.tables.word.shape[1], self.num_threads)
        return self.kernels.embed(self.tables, ids, positions, types, num_threads)

    def __call__(
        self, input_ids: Any, token_type_ids: Any = None, position_ids: Any = None
    ) -> np.ndarray | list[np.ndarray]:
        batch = pack_batch(input_ids, None, token_type_ids, position_ids, self.limits)
        return batch.unpack(self.embed_batch(batch, slice(0, len(batch.token_ids_t))))


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

    def children(self) -> dict[str, Module]:
        """Query, key and value; not the product of all three, which is the same weights."""
        return {name: child for name, child in super().children().items() if name != "qkv"}

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        packed = PackedHidden(hidden_states, attention_mask)
        qkv = self.qkv(packed.x_th)
        return packed.unpack(
            self.kernels.attention(
                qkv, packed.seq_starts_s, self.heads, self.num_threads, self.qkv.packed.dtype
            )
        )


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
        """Of the layer's linear products over so many tokens."""
        return tokens * (4 * self.packed.qkv.k + 2 * self.packed.up.n) * self.packed.qkv.k

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        packed, kernels = PackedHidden(hidden_states, attention_mask), self.packed.qkv.kernels
        num_threads = threads_for(self.multiply_adds(len(packed.x_th)), self.num_threads)
        kernels.encoder_layer(self.packed, packed.x_th, packed.seq_starts_s, Workspace(), num_threads)
        return packed.unpack(packed.x_th)


class Encoder(Module):
    """The layers, one after the other."""

    kind = "Encoder"

    def __init__(self, family: str, layers: list[Layer]) -> None:
        super().__init__(family)
        self.layer = ModuleList(layers)
        # Idle workspaces: a call takes one, or makes one when concurrent calls hold them all.
        self._workspaces: deque[Workspace] = deque()

    def run(
        self,
        x_th: np.ndarray,
        seq_starts_s: np.ndarray,
        *,
        first_tokens_only: bool = False,
        states: np.ndarray | None = None,
    ) -> np.ndarray:
        """The last layer's output for packed tokens (T, H) or, of each sequence's first token alone, (S, H).

        `states` (L, T, H) receives every layer's; not together with `first_tokens_only`.
        """
        layers = [layer.packed for layer in self.layer]
        if not layers:
            return x_th[seq_starts_s[:-1]] if first_tokens_only else x_th
        num_threads = threads_for(self.layer[0].multiply_adds(len(x_th)), self.layer[0].num_threads)
        kernels = layers[0].qkv.kernels
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = Workspace()
        try:
            return kernels.encoder(
                layers, x_th, seq_starts_s, workspace, first_tokens_only, states, num_threads
            )
        finally:
            self._workspaces.append(workspace)

    def __call__(self, hidden_states: Any, attention_mask: Any = None) -> np.ndarray:
        packed = PackedHidden(hidden_states, attention_mask)
        return packed.unpack(self.run(packed.x_th, packed.seq_starts_s))


class Pooler(Module):
    """tanh(dense(first token)): (S, width, H) → (S, H)."""

    kind = "Pooler"

    def __init__(self, family: str, dense: PackedLinear, num_threads: int) -> None:
        super().__init__(family)
        self.dense = Linear(dense, num_threads)
        self.activation = Activation("tanh", dense.kernels, num_threads)

    def pool(self, first_sh: np.ndarray) -> np.ndarray:
        """From the first tokens alone, (S, H) → (S, H)."""
        return self.dense(first_sh, activation=self.activation.name)

    def __call__(self, hidden_states: Any) -> np.ndarray:
        return self.pool(first_tokens(hidden_states))


class PackedHidden:
    """Hidden states (S, width, H) and a mask (S, width), packed: a fresh x_th of the unmasked tokens."""

    def __init__(self, hidden_states: Any, attention_mask: Any) -> None:
        hidden = as_float32(hidden_states, "hidden_states")
        if hidden.ndim != 3:
            raise InputError(f"hidden_states: found shape {hidden.shape}, expected (batch, length, hidden)")
        self.shape = hidden.shape
        mask = np.ones(hidden.shape[:2], bool)
        if attention_mask is not None:
            mask = as_array(attention_mask, "attention_mask")
        if mask.shape != hidden.shape[:2]:
            raise InputError(f"attention_mask: found shape {mask.shape}, expected {hidden.shape[:2]}")
        self.mask = checked_mask(mask)
        self.x_th = hidden[self.mask]
        self.seq_starts_s = np.concatenate(([0], np.cumsum(self.mask.sum(axis=1)))).astype(np.int64)

    def unpack(self, x_th: np.ndarray) -> np.ndarray:
        """Packed rows (T, any) put back, zeros where masked."""
        padded = np.zeros((*self.shape[:2], x_th.shape[1]), dtype=np.float32)
        padded[self.mask] = x_th
        return padded
