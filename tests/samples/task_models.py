"""Random models with a head and a real tokenizer beside them, for the tests of pipelines."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

from roberta_c import AutoTokenizer

from .models import RandomModel, make_random_model

TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "sentencepiece.bpe.model",
)
ENTITIES = ["O", *(f"{place}-{kind}" for kind in ("person", "location", "group") for place in "BI")]
NLI_LABELS = ["contradiction", "neutral", "entailment"]


def make_task_model(
    folder: Path, tokenizer_folder: Path, family: str, head: str, labels: list[str] | None = None, **sizes
) -> RandomModel:
    """A small model with random weights, so spread that its answers vary from text to text."""
    sizes = {
        "hidden_size": 48,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "intermediate_size": 96,
        "max_position_embeddings": 514,
        "vocab_size": len(AutoTokenizer.from_pretrained(tokenizer_folder)),
        "pad_token_id": 1,
        **sizes,
    }
    if labels is not None:
        sizes["id2label"] = dict(enumerate(labels))
        sizes["label2id"] = {label: index for index, label in enumerate(labels)}
        sizes["num_labels"] = len(labels)
    made = make_random_model(folder, family, head=head, **sizes)
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).exists():
            shutil.copy(tokenizer_folder / name, folder / name)
    return made


def sharpen(made: RandomModel, factor: float) -> None:
    """Multiplies the last layer's weights: labels of random models change from token to token then."""
    with torch.no_grad():
        for name, parameter in made.model.named_parameters():
            if name.startswith(("classifier", "qa_outputs")):
                parameter.mul_(factor)
    torch.save(made.model.state_dict(), made.folder / "pytorch_model.bin")


def entity_sentences(path: Path) -> list[list[str]]:
    """The sentences of a file in CoNLL's format, as lists of words."""
    sentences: list[list[str]] = [[]]
    for line in path.read_text("utf-8").splitlines():
        word = line.partition("\t")[0]
        if word.strip():
            sentences[-1].append(word)
        elif sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def same_results(ours, theirs, tolerance: float, path: str = "result") -> None:
    """The same nested lists and dicts: equal texts, labels and numbers, and scores within the tolerance."""
    if isinstance(theirs, (list, tuple)):
        assert isinstance(ours, list), path
        assert len(ours) == len(theirs), f"{path}: {len(ours)} and {len(theirs)} parts"
        for index, (our_part, their_part) in enumerate(zip(ours, theirs, strict=True)):
            same_results(our_part, their_part, tolerance, f"{path}[{index}]")
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), path
        for key, value in theirs.items():
            same_results(ours[key], value, tolerance, f"{path}[{key!r}]")
    elif isinstance(theirs, (float, np.floating)):
        assert type(ours) is float, path
        assert abs(ours - float(theirs)) <= tolerance, f"{path}: {ours} and {theirs}"
    else:
        assert ours == theirs, f"{path}: {ours!r} and {theirs!r}"
