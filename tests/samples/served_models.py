"""Small random models of every kind that a server takes, made without torch, which takes long to import."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import numpy as np

from roberta_c import RobertaConfig, bundled_model_path
from roberta_c.checkpoint import names
from roberta_c.checkpoint.safetensors_writer import write_safetensors

HIDDEN, VOCABULARY = 48, 10000  # the latter is the bundled tokenizer's
PROMPTS = {"query": "query: ", "passage": "passage: "}
ENTITIES = ["O", *(f"{place}-{kind}" for kind in ("person", "location") for place in "BI")]
LABELS = {
    "sentiment": ["negative", "neutral", "positive"],
    "nli": ["contradiction", "neutral", "entailment"],
    "ranker": ["LABEL_0"],
    "tagger": ENTITIES,
}
HEADS = {
    "sentiment": "ForSequenceClassification",
    "nli": "ForSequenceClassification",
    "ranker": "ForSequenceClassification",
    "tagger": "ForTokenClassification",
    "answerer": "ForQuestionAnswering",
    "masked": "ForMaskedLM",
    "embedder": "Model",
    "m3": "Model",
}


def make_served_models(root: Path, *kinds: str) -> dict[str, str]:
    """Kind → the folder of a model; all of HEADS, or these kinds."""
    return {kind: str(make_served_model(root / kind, kind)) for kind in kinds or HEADS}


def make_served_model(folder: Path, kind: str) -> Path:
    """A model of a kind of HEADS, with the bundled model's tokenizer. Its weights never change."""
    labels = LABELS.get(kind, ["LABEL_0", "LABEL_1"])
    config = RobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        architectures=[f"Roberta{HEADS[kind]}"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundled_model_path() / name, folder / name)
    config.save_pretrained(folder)
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    shapes = {**names.encoder_shapes(config), **_head_shapes(kind, config, len(labels))}
    tensors = [
        (names.transformers_name(name, HEADS[kind] != "Model"), "float32", _weights(rng, name, shape))
        for name, shape in shapes.items()
    ]
    write_safetensors(folder / "model.safetensors", tensors)
    if kind == "embedder":
        _write_modules(folder)
    if kind == "m3":
        for name, columns in (("sparse_linear.pt", 1), ("colbert_linear.pt", HIDDEN)):
            weight = rng.standard_normal((columns, HIDDEN)).astype(np.float32)
            bias = np.zeros(columns, np.float32)
            write_safetensors(folder / name, [("weight", "float32", weight), ("bias", "float32", bias)])
    return folder


def _head_shapes(kind: str, config: RobertaConfig, labels: int):
    head = HEADS[kind]
    if head == "ForSequenceClassification":
        return names.classification_head_shapes(config)
    if head == "ForTokenClassification":
        return names.classifier_shapes(config, labels)
    if head == "ForQuestionAnswering":
        return names.question_answering_head_shapes(config)
    return names.lm_head_shapes(config, ()) if head == "ForMaskedLM" else {}


def _weights(rng: np.random.Generator, name: str, shape) -> np.ndarray:
    """As widely distributed as trained weights: spread_weights of models.py says why."""
    mean, deviation = 0.0, 0.3
    if "LayerNorm.weight" in name or "layer_norm.weight" in name:
        mean, deviation = 1.0, 0.2
    elif "embeddings" in name and len(shape) == 2:
        deviation = 1.0
    elif len(shape) == 2:
        is_head = name.startswith(("classifier", "qa_outputs"))
        deviation = (4.0 if is_head else 1.5) / shape[1] ** 0.5
    return (rng.standard_normal(shape) * deviation + mean).astype(np.float32)


def _write_modules(folder: Path) -> None:
    """What makes a folder one of sentence-transformers: mean pooling, prompts, 32 tokens."""
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate((("", "Transformer"), ("1_Pooling", "Pooling")))
    ]
    (folder / "1_Pooling").mkdir()
    for name, value in (
        ("modules.json", modules),
        ("1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, "pooling_mode_mean_tokens": True}),
        ("sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": False}),
        ("config_sentence_transformers.json", {"prompts": PROMPTS}),
    ):
        (folder / name).write_text(json.dumps(value), "utf-8")
