"""The models and texts of embeddings.py, and the files that its other engines read.

A model is a folder saved by sentence-transformers itself: random weights, a real tokenizer. Its graphs are
exported from it. sentence-transformers exports them with optimum-onnx and optimum-intel, which refuse
transformers 5.23; the same is done here with torch.onnx and openvino.convert_model.
"""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import transformers
from base_model import HIDDEN, LAYERS, VOCABULARY, spread_weights
from engines import TOKEN_AXES, eager_attention, export_graph, optimize_onnx
from quantization import CALIBRATION_TEXTS, quantize_onnx, quantize_openvino
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules


class Design(NamedTuple):
    """A model of base width."""

    family: str  # of transformers
    layers: int
    most_tokens: int
    pooling: str
    tokenizer: dict[str, str]  # file below --data → its name in a folder


DISTILROBERTA = Design(
    "roberta",
    6,
    512,
    "mean",
    {"data/roberta/vocab.json": "vocab.json", "data/roberta/merges.txt": "merges.txt"},
)
LONG = Design(
    "xlm-roberta",
    LAYERS,
    8192,
    "cls",
    {"data/xlmr/sentencepiece.bpe.rebuilt.model": "sentencepiece.bpe.model"},
)
STSB, IMDB = "data/stsb/stsb-en-test.csv", "data/docs/imdb_test_sample.jsonl"
STSB_DEV = "data/stsb/stsb-en-dev.csv"  # for calibration


class Work(NamedTuple):
    """Texts for one model."""

    design: Design
    file: str  # below --data
    batch_size: int  # of the other engines; sentence-transformers' default is 32
    checked: int  # how many texts' vectors are compared before the timing


# ONNX Runtime holds attention's scores of a batch, 3 GB for one text of 8,192 tokens.
WORKS = {
    "STS-B": Work(DISTILROBERTA, STSB, 32, 32),
    "IMDB": Work(DISTILROBERTA, IMDB, 32, 8),
    "full length": Work(LONG, IMDB, 1, 1),
}


def sentences(path: Path) -> list[str]:
    """The distinct sentences of an STS-B file, in order: roberta_c would compute equal ones once."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(text for row in csv.reader(file) for text in row[:2]))


def texts_of(name: str, data: Path, count: int, size: int = 50_000) -> list[str]:
    """At most `count` texts of a work. Full-length ones are `size` characters of joined reviews: 50,000 are
    more than 8,192 tokens."""
    path = data / WORKS[name].file
    if name == "STS-B":
        return sentences(path)[:count]
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    reviews = [json.loads(line)["text"] for line in lines]
    if name == "IMDB":
        return reviews[:: len(reviews) // count][:count]
    joined = " ".join(reviews)
    begins = (index * (size + 1) % (len(joined) - size) for index in range(count))
    return [joined[begin : begin + size] for begin in begins]


def save_model(design: Design, folder: Path, data: Path, layers: int) -> None:
    """Saves a model with random weights in `folder`, by sentence-transformers."""
    parts = folder.with_name(f"{folder.name}_parts")
    parts.mkdir()
    for source, name in design.tokenizer.items():
        shutil.copyfile(data / source, parts / name)
    is_roberta = design.family == "roberta"
    config = transformers.AutoConfig.for_model(
        design.family,
        vocab_size=VOCABULARY if is_roberta else 250_002,
        max_position_embeddings=design.most_tokens + 2,
        type_vocab_size=1,
        num_hidden_layers=layers,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(0)
    encoder = transformers.AutoModel.from_config(config).eval()
    spread_weights(encoder)
    encoder.save_pretrained(parts)
    SentenceTransformer(
        modules=[
            modules.Transformer(str(parts), max_seq_length=design.most_tokens),
            modules.Pooling(HIDDEN, design.pooling),
            modules.Normalize(),
        ],
        device="cpu",
    ).save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(parts)


class LastState(torch.nn.Module):
    """Ids and mask → the last layer's rows, without the pooler."""

    def __init__(self, encoder: transformers.PreTrainedModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export_graphs(model: Path, graphs: Path, engines: list[str], dtype: str, data: Path) -> None:
    """Writes into `graphs` the files that `engines` read: <engine>.onnx or .xml, and the tokenizer's.

    int8: quantized as sentence-transformers does, weights of ONNX graphs in advance and activations at run
    time; OpenVINO's with ranges of activations from sentences.
    """
    graphs.mkdir()
    with_onnx = {"onnxruntime", "onnxruntime fused", "fastembed"} & set(engines)
    if not with_onnx and "openvino" not in engines:
        return
    loaded = SentenceTransformer(str(model), device="cpu")
    encoder = loaded.transformers_model
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (model / name).exists():
            shutil.copyfile(model / name, graphs / name)
    plain = graphs / "plain.onnx"
    if with_onnx:
        with eager_attention(encoder):
            export_graph(LastState(encoder), plain, {"last_hidden_state": TOKEN_AXES})
    for name in with_onnx:
        exact = graphs / ("fused.onnx" if name == "onnxruntime fused" else "plain.onnx")
        if name == "onnxruntime fused":
            print("onnxruntime fused:", optimize_onnx(plain, exact))
        if dtype == "int8" and not exact.with_suffix(".int8.onnx").exists():
            quantize_onnx(exact, exact.with_suffix(".int8.onnx"))
        finished = exact.with_suffix(".int8.onnx") if dtype == "int8" else exact
        (graphs / f"{name}.onnx").symlink_to(finished.name)
    if "openvino" in engines:
        import openvino

        example = {name: torch.tensor([[0, 100, 200, 2]]) for name in ("input_ids", "attention_mask")}
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(LastState(encoder), example_input=example)
        path = graphs / "openvino.xml"
        openvino.save_model(graph, path, compress_to_fp16=False)
        if dtype == "int8":
            ids = loaded.tokenizer(sentences(data / STSB_DEV)[:CALIBRATION_TEXTS])["input_ids"]
            rows = [np.array([row], dtype=np.int64) for row in ids]
            samples = [{"input_ids": row, "attention_mask": np.ones_like(row)} for row in rows]
            quantized = graphs / "openvino.int8.xml"
            openvino.save_model(quantize_openvino(path, samples), quantized, compress_to_fp16=False)
