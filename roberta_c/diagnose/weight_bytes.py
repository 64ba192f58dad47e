"""The memory that the weights of two models take: one in float32, one in a lower precision."""

from __future__ import annotations

from typing import Any

from ..model import RobertaForSequenceClassification


def memory_facts(
    full: RobertaForSequenceClassification, lower: RobertaForSequenceClassification
) -> dict[str, Any]:
    """Bytes of packed weights for each model. Word embeddings stay in the file, the same for both."""
    return {
        "layers_bytes": {"float32": _layers_bytes(full), "lower": _layers_bytes(lower)},
        "other_bytes": {"float32": _other_bytes(full), "lower": _other_bytes(lower)},
        "word_vectors_bytes": full.base_model.embeddings.tables.word.nbytes,
    }


def _layers_bytes(model: RobertaForSequenceClassification) -> int:
    """Bytes of the linear weights in the encoder's layers."""
    layers = [layer.packed for layer in model.base_model.encoder.layer]
    return sum(
        linear.nbytes
        for layer in layers
        for linear in (layer.qkv, layer.attention_output, layer.up, layer.down)
    )


def _other_bytes(model: RobertaForSequenceClassification) -> int:
    """Bytes of LayerNorms, position and token-type embeddings, and the head."""
    tables, head = model.base_model.embeddings.tables, model.classifier
    norms = [tables.norm]
    for layer in model.base_model.encoder.layer:
        norms += [layer.packed.attention_norm, layer.packed.output_norm]
    return (
        sum(norm.weight.nbytes + norm.bias.nbytes for norm in norms)
        + tables.position.nbytes
        + tables.token_type.nbytes
        + head.dense.packed.nbytes
        + head.out_proj.packed.nbytes
    )
