"""Hugging Face's parameter names, which no other module uses: their canonical form, and all shapes.

Names in a checkpoint may have the prefix `roberta.` (models with a head have it, the base model has not),
DataParallel's prefix `module.`, and TensorFlow's `gamma` and `beta` for LayerNorm's weight and bias.
Canonical names have none of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ModelFileError, mismatch, shown

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from ..config import RobertaConfig

Shape = tuple[int, ...]

EMBEDDINGS = {
    "word": "embeddings.word_embeddings.weight",
    "position": "embeddings.position_embeddings.weight",
    "token_type": "embeddings.token_type_embeddings.weight",
    "norm_weight": "embeddings.LayerNorm.weight",
    "norm_bias": "embeddings.LayerNorm.bias",
}
LAYER = {
    "query_weight": "attention.self.query.weight",
    "query_bias": "attention.self.query.bias",
    "key_weight": "attention.self.key.weight",
    "key_bias": "attention.self.key.bias",
    "value_weight": "attention.self.value.weight",
    "value_bias": "attention.self.value.bias",
    "attention_output_weight": "attention.output.dense.weight",
    "attention_output_bias": "attention.output.dense.bias",
    "attention_norm_weight": "attention.output.LayerNorm.weight",
    "attention_norm_bias": "attention.output.LayerNorm.bias",
    "up_weight": "intermediate.dense.weight",
    "up_bias": "intermediate.dense.bias",
    "down_weight": "output.dense.weight",
    "down_bias": "output.dense.bias",
    "output_norm_weight": "output.LayerNorm.weight",
    "output_norm_bias": "output.LayerNorm.bias",
}
POOLER = {"weight": "pooler.dense.weight", "bias": "pooler.dense.bias"}
CLASSIFICATION_HEAD = {
    "dense_weight": "classifier.dense.weight",
    "dense_bias": "classifier.dense.bias",
    "out_proj_weight": "classifier.out_proj.weight",
    "out_proj_bias": "classifier.out_proj.bias",
}
# Token classification has this with shape (C, H), multiple choice with (1, H).
CLASSIFIER = {"weight": "classifier.weight", "bias": "classifier.bias"}
QUESTION_ANSWERING_HEAD = {"weight": "qa_outputs.weight", "bias": "qa_outputs.bias"}
# The decoder's weight and bias are apart (`decoder_names`): files may omit tied ones.
LM_HEAD = {
    "dense_weight": "lm_head.dense.weight",
    "dense_bias": "lm_head.dense.bias",
    "norm_weight": "lm_head.layer_norm.weight",
    "norm_bias": "lm_head.layer_norm.bias",
}

# For each head, one tensor that only this head has: messages use it to name the heads of a file.
HEAD_MARKS = {
    "sequence classification": "classifier.out_proj.weight",
    "token classification or multiple choice": "classifier.weight",
    "question answering": "qa_outputs.weight",
    "masked language modelling": "lm_head.dense.weight",
}

# Tied tensors: a copy → its original. Some versions of transformers store the copies, others omit them.
TIED = {
    "lm_head.decoder.weight": "embeddings.word_embeddings.weight",
    "lm_head.decoder.bias": "lm_head.bias",
}

# The parts of the base model: models with a head have these names with BASE_PREFIX before them.
BASE_PARTS = ("embeddings.", "encoder.", "pooler.")
BASE_PREFIX = "roberta."

# Constants, not weights, that old versions of transformers saved.
BUFFERS = frozenset({"embeddings.position_ids", "embeddings.token_type_ids"})


def layer_name(index: int, part: str) -> str:
    """The canonical name of one part of encoder layer `index`, counted from 0."""
    return f"encoder.layer.{index}.{LAYER[part]}"


def canonical_name(name: str) -> str:
    """`name` without prefixes, and with `weight` and `bias` for LayerNorm's `gamma` and `beta`."""
    name = name.removeprefix("module.").removeprefix(BASE_PREFIX)
    stem, _, last = name.rpartition(".")
    if stem.endswith("LayerNorm") and last in ("gamma", "beta"):
        return f"{stem}.{'weight' if last == 'gamma' else 'bias'}"
    return name


def transformers_name(canonical: str, has_head: bool) -> str:
    """The name that transformers gives a tensor of the base model or, with `has_head`, of one with a head."""
    return f"{BASE_PREFIX}{canonical}" if has_head and canonical.startswith(BASE_PARTS) else canonical


def canonical_names(names: Iterable[str], source: str) -> dict[str, str]:
    """Canonical name → name in the file. ModelFileError if two names in the file mean the same tensor."""
    found: dict[str, str] = {}
    for name in names:
        canonical = canonical_name(name)
        if canonical in found:
            both = f"both {shown(found[canonical])} and {shown(name)}"
            raise ModelFileError(mismatch(source, both, "one of them"))
        found[canonical] = name
    return found


def encoder_shapes(config: RobertaConfig) -> dict[str, Shape]:
    """Shape of every tensor of the embeddings and the encoder, by canonical name."""
    hidden, feed_forward = config.hidden_size, config.intermediate_size
    shapes: dict[str, Shape] = {
        EMBEDDINGS["word"]: (config.vocab_size, hidden),
        EMBEDDINGS["position"]: (config.max_position_embeddings, hidden),
        EMBEDDINGS["token_type"]: (config.type_vocab_size, hidden),
        EMBEDDINGS["norm_weight"]: (hidden,),
        EMBEDDINGS["norm_bias"]: (hidden,),
    }
    for index in range(config.num_hidden_layers):
        for part in LAYER:
            shape: Shape = (hidden,)
            if part == "up_weight":
                shape = (feed_forward, hidden)
            elif part == "up_bias":
                shape = (feed_forward,)
            elif part == "down_weight":
                shape = (hidden, feed_forward)
            elif part.endswith("_weight") and not part.endswith("norm_weight"):
                shape = (hidden, hidden)
            shapes[layer_name(index, part)] = shape
    return shapes


def pooler_shapes(config: RobertaConfig) -> dict[str, Shape]:
    """Shapes of the base model's pooler, by canonical name."""
    return {POOLER["weight"]: (config.hidden_size,) * 2, POOLER["bias"]: (config.hidden_size,)}


def classification_head_shapes(config: RobertaConfig) -> dict[str, Shape]:
    """Shapes of the sequence-classification head, by canonical name."""
    hidden, labels = config.hidden_size, config.num_labels
    return {
        CLASSIFICATION_HEAD["dense_weight"]: (hidden, hidden),
        CLASSIFICATION_HEAD["dense_bias"]: (hidden,),
        CLASSIFICATION_HEAD["out_proj_weight"]: (labels, hidden),
        CLASSIFICATION_HEAD["out_proj_bias"]: (labels,),
    }


def classifier_shapes(config: RobertaConfig, labels: int) -> dict[str, Shape]:
    """Shapes of the one linear layer of token classification and multiple choice, by canonical name."""
    return {CLASSIFIER["weight"]: (labels, config.hidden_size), CLASSIFIER["bias"]: (labels,)}


def question_answering_head_shapes(config: RobertaConfig) -> dict[str, Shape]:
    """Shapes of the head that scores each token as the start and as the end of the answer."""
    return {
        QUESTION_ANSWERING_HEAD["weight"]: (2, config.hidden_size),
        QUESTION_ANSWERING_HEAD["bias"]: (2,),
    }


def lm_head_shapes(config: RobertaConfig, present: Container[str]) -> dict[str, Shape]:
    """Shapes of the masked-language-modelling head, by canonical name; `present`: those of the file."""
    hidden, vocabulary = config.hidden_size, config.vocab_size
    shapes: dict[str, Shape] = dict.fromkeys(LM_HEAD.values(), (hidden,))
    shapes[LM_HEAD["dense_weight"]] = (hidden, hidden)
    weight, bias = decoder_names(config.tie_word_embeddings, present)
    return {**shapes, weight: (vocabulary, hidden), bias: (vocabulary,)}


def decoder_names(tied: bool, present: Container[str]) -> tuple[str, str]:
    """Canonical names of the tensors that the decoder of the LM head reads as its weight and its bias.

    tied: `tie_word_embeddings` of the config. Tied, the weight is that of the word embeddings, and the bias
    is lm_head.bias; a file may hold copies of both, or the bias under the copy's name alone.
    """
    (weight_copy, weight), (bias_copy, bias) = TIED.items()
    if not tied:
        return weight_copy, bias if bias_copy not in present and bias in present else bias_copy
    return weight, bias_copy if bias not in present and bias_copy in present else bias


def heads_present(canonical: Iterable[str]) -> list[str]:
    """Descriptions of the heads that have their tensor of HEAD_MARKS among these tensors."""
    names = set(canonical)
    return [head for head, mark in HEAD_MARKS.items() if mark in names]
