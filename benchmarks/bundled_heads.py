"""The bundled model's encoder and tokenizer with other heads of random weights, saved as checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import roberta_c
from roberta_c.checkpoint import names
from roberta_c.checkpoint.safetensors_writer import write_safetensors

ENTITIES = ["O", *(f"{place}-{kind}" for kind in ("person", "location", "group") for place in "BI")]
NLI_LABELS = ["contradiction", "neutral", "entailment"]
# A head → the labels of its config.
HEADS = {
    "ForTokenClassification": ENTITIES,
    "ForQuestionAnswering": ["start", "end"],
    "ForMaskedLM": ["0", "1"],
    "ForSequenceClassification": NLI_LABELS,
}


def save_bundled_with_head(folder: Path, head: str) -> Path:
    """The bundled encoder with `head`, one of HEADS, in `folder`."""
    bundled = roberta_c.bundled_model_path()
    encoder = roberta_c.AutoModel.from_pretrained(bundled)
    config = encoder.config.with_overrides("", {"id2label": dict(enumerate(HEADS[head]))})
    config.architectures = [f"Roberta{head}"]
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundled / name, folder)
    shapes = {
        "ForTokenClassification": lambda: names.classifier_shapes(config, len(ENTITIES)),
        "ForQuestionAnswering": lambda: names.question_answering_head_shapes(config),
        "ForMaskedLM": lambda: names.lm_head_shapes(config, ()),
        "ForSequenceClassification": lambda: names.classification_head_shapes(config),
    }[head]()
    rng = np.random.default_rng(0)
    stored = encoder.named_parameters()
    tensors = [(f"roberta.{name}", "float32", np.float32(values)) for name, values in stored]
    tensors += [
        (name, "float32", rng.standard_normal(shape, np.float32) * np.float32(3 / shape[-1] ** 0.5))
        for name, shape in shapes.items()
        if not name.startswith(names.BASE_PARTS)  # the tied decoder is the word embeddings
    ]
    write_safetensors(folder / "model.safetensors", tensors)
    return folder
