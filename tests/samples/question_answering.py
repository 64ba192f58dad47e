"""A question answering model that is the same on every machine, and the cases that are recorded with it.

transformers 5 has no question answering pipeline. parity/record_question_answering.py runs that of 4.57 on
these cases, in an environment of its own, and writes its answers to RECORDED.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import roberta_c
from roberta_c.checkpoint import names
from roberta_c.checkpoint.safetensors_writer import write_safetensors

RECORDED = Path(__file__).resolve().parent.parent / "parity" / "recorded_answers.json"
CONFIGS = {"roberta": roberta_c.RobertaConfig, "xlm-roberta": roberta_c.XLMRobertaConfig}


class Case(NamedTuple):
    """Every `step`-th question of XQuAD in `language`, asked with `options`."""

    family: str
    language: str
    step: int
    options: dict[str, Any]


CASES = [
    *(Case(family, language, 1, {}) for family, language in (("roberta", "en"), ("xlm-roberta", "en"))),
    *(Case("xlm-roberta", language, 1, {}) for language in ("de", "ar")),
    *(
        Case(family, language, 12, options)
        for family, language in (("roberta", "en"), ("xlm-roberta", "ar"))
        for options in (
            {"top_k": 3},
            {"top_k": 4, "align_to_words": False},
            {"top_k": 2, "handle_impossible_answer": True},
            {"handle_impossible_answer": True},
            {"max_answer_len": 2},
            {"top_k": 2, "max_seq_len": 150, "doc_stride": 20},
            {"max_seq_len": 140, "doc_stride": 16, "max_answer_len": 40},
        )
    ),
]


def questions(path: Path, step: int = 1) -> list[dict[str, str]]:
    """Questions and contexts of a file in SQuAD's format."""
    found = [
        {"question": qa["question"], "context": paragraph["context"]}
        for article in json.loads(path.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    return found[::step]


def make_question_answering_model(folder: Path, tokenizer_folder: Path, family: str) -> Path:
    """A small model of random weights from numpy's generator, with the tokenizer as tokenizer.json."""
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tokenizer_folder)
    tokenizer.model_max_length = 512
    config = CONFIGS[family](
        vocab_size=len(tokenizer),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=2,
        architectures=[f"{'XLMRoberta' if family == 'xlm-roberta' else 'Roberta'}ForQuestionAnswering"],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    config.save_pretrained(folder)
    rng = np.random.default_rng(11)
    shapes = {**names.encoder_shapes(config), **names.question_answering_head_shapes(config)}
    write_safetensors(
        folder / "model.safetensors",
        [
            (names.transformers_name(name, True), "float32", _weights(rng, name, shape))
            for name, shape in shapes.items()
        ],
    )
    return folder


def _weights(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """As widely distributed as trained weights: spread_weights of models.py says why."""
    mean, deviation = 0.0, 0.3
    if "LayerNorm.weight" in name:
        mean, deviation = 1.0, 0.2
    elif "embeddings" in name and len(shape) == 2:
        deviation = 1.0
    elif len(shape) == 2:
        deviation = (4.0 if name.startswith("qa_outputs") else 1.5) / shape[1] ** 0.5
    return (rng.standard_normal(shape) * deviation + mean).astype(np.float32)


def compact(result: Any) -> list[list[float]]:
    """A result of the pipeline as [score, start, end] of each answer."""
    answers = result if isinstance(result, list) else [result]
    return [[round(one["score"], 7), one["start"], one["end"]] for one in answers]
