"""Small random rerankers and bge-m3 models with real tokenizers, and pairs of sentences for them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import torch
from sentencepiece import sentencepiece_model_pb2

from .models import RandomModel
from .requirements import DataFiles
from .task_models import make_task_model, sharpen
from .texts import made_texts

HIDDEN = 48


def sentence_pairs(test_data: DataFiles, count: int) -> list[tuple[str, str]]:
    """Pairs of STS-B or, where that is absent, of made sentences."""
    if not test_data.has_real("data/stsb/stsb-en-dev.csv"):
        texts = made_texts(2 * count, "english", "german", seed=11)
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
