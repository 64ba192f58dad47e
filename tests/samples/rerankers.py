"""Small random rerankers and bge-m3 models with real tokenizers, and pairs of sentences for them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sentencepiece import sentencepiece_model_pb2

from roberta_c import bundled_model_path
from roberta_c.checkpoint import open_checkpoint

from .models import RandomModel
from .requirements import DataFiles
from .task_models import make_task_model, sharpen
from .texts import made_texts

HIDDEN = 48


def sentence_pairs(test_data: DataFiles, count: int) -> list[tuple[str, str]]:
    """Pairs of STS-B or, where that is absent, of made sentences."""
    if not test_data.has_real("data/stsb/stsb-en-dev.csv"):
        made = made_texts(2 * count, "english", "german", seed=11)
        texts = [" ".join(text.split()[:12]) for text in made]
        return list(zip(texts[:count], texts[count:], strict=True))
    with open(test_data("data/stsb/stsb-en-dev.csv"), encoding="utf-8", newline="") as file:
        return [(row[0], row[1]) for row, _ in zip(csv.reader(file), range(count), strict=False)]


def make_cross_encoder(
    folder: Path, tokenizer_folder: Path, labels: int = 1, family: str = "roberta", **config
) -> RandomModel:
    """A model of `labels` logits; `config`: more keys of its config.json."""
    made = make_task_model(
        folder,
        tokenizer_folder,
        family,
        "ForSequenceClassification",
        [f"LABEL_{index}" for index in range(labels)],
    )
    sharpen(made, 3.0)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | config), "utf-8")
    return made


def make_small_xlmr_tokenizer(folder: Path, test_data: DataFiles) -> Path:
    """XLM-RoBERTa's sentencepiece model with its first 20,000 pieces alone, which load faster."""
    path = test_data("data/xlmr/sentencepiece.bpe.rebuilt.model")
    model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    del model.pieces[20000:]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    (folder / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}), "utf-8")
    return folder


def make_bge_m3(folder: Path, tokenizer_folder: Path, family: str = "xlm-roberta") -> RandomModel:
    """A model in the layout of bge-m3: an encoder without a head, sparse_linear.pt and colbert_linear.pt."""
    made = make_task_model(folder, tokenizer_folder, family, "Model")
    save_heads(made)
    return made


def save_heads(made: RandomModel, colbert_dim: int = HIDDEN) -> None:
    """The two heads of a model, the sparse one with positive weights for about half of all tokens."""
    generator = torch.Generator().manual_seed(3)
    sparse, colbert = (
        torch.randn(columns, HIDDEN, generator=generator) / HIDDEN**0.5 for columns in (1, colbert_dim)
    )
    ids = torch.randint(3, made.config.vocab_size, (16, 20), generator=generator)
    with torch.no_grad():
        middle = (made.model(ids).last_hidden_state @ sparse[0]).median()
    torch.save({"weight": sparse, "bias": -middle[None]}, made.folder / "sparse_linear.pt")
    bias = torch.randn(colbert_dim, generator=generator) / 10
    torch.save({"weight": colbert, "bias": bias}, made.folder / "colbert_linear.pt")


def make_reranker_of_bundled(folder: Path) -> Path:
    """The bundled model with one logit, the difference of its positive and negative one."""
    tensors, config = _bundled_parts(folder)
    for name in ("classifier.out_proj.weight", "classifier.out_proj.bias"):
        tensors[name] = (tensors[name][2] - tensors[name][0])[None]
    config.pop("label2id", None)
    _write_model(folder, tensors, {**config, "id2label": {"0": "LABEL_0"}})
    return folder


def make_bge_m3_of_bundled(folder: Path) -> Path:
    """The bundled model's encoder with random heads, in the layout of bge-m3."""
    tensors, config = _bundled_parts(folder)
    encoder = {name: values for name, values in tensors.items() if not name.startswith("classifier.")}
    _write_model(folder, encoder, {**config, "architectures": ["RobertaModel"]})
    generator, hidden = torch.Generator().manual_seed(3), config["hidden_size"]
    for name, columns in (("sparse_linear.pt", 1), ("colbert_linear.pt", hidden)):
        weight = torch.randn(columns, hidden, generator=generator) / hidden**0.5
        torch.save({"weight": weight, "bias": torch.zeros(columns)}, folder / name)
    return folder


def _bundled_parts(folder: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The bundled model's tensors and config.json; its tokenizer's files are copied into `folder`."""
    bundled = bundled_model_path()
    weights = ("model.safetensors", "README.md")
    shutil.copytree(bundled, folder, ignore=shutil.ignore_patterns(*weights))
    checkpoint = open_checkpoint(bundled)
    tensors = {name: checkpoint.read_float32(name).copy() for name in checkpoint.tensors}
    return tensors, json.loads((bundled / "config.json").read_text("utf-8"))


def _write_model(folder: Path, tensors: dict[str, np.ndarray], config: dict) -> None:
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
