"""Small random encoders with a real tokenizer, models that sentence-transformers saves, and sentences."""

from __future__ import annotations

import csv
import functools
import os

import pytest
import torch
from samples.task_models import make_task_model
from samples.texts import made_texts
from sentence_transformers import SentenceTransformer as Original
from sentence_transformers.sentence_transformer import modules

STSB = ("data/stsb/stsb-en-dev.csv", "data/stsb/stsb-en-test.csv")
HIDDEN = 48


def stsb_sentences(test_data) -> list[str]:
    """Every sentence of STS-B's development and test sets, or made ones where they are absent."""
    if not test_data.has_real(STSB[0]) and not os.environ.get("CI"):
        return made_texts(400, seed=1)
    rows = []
    for path in STSB:
        with test_data.real(path).open(encoding="utf-8", newline="") as file:
            rows += list(csv.reader(file))
    return [sentence for row in rows for sentence in row[:2]]


@pytest.fixture(scope="session")
def all_sentences(test_data):
    return stsb_sentences(test_data)


@pytest.fixture(scope="session")
def sentences(all_sentences):
    """300 of them: long and short ones, some twice, an empty one."""
    return [*all_sentences[:: max(1, len(all_sentences) // 280)][:280], *all_sentences[:19], ""]


@pytest.fixture(scope="session")
def encoder_folder(tweet_sentiment_small, tmp_path_factory):
    """A small random encoder of width HIDDEN, without modules.json."""
    folder = tmp_path_factory.mktemp("encoder")
    make_task_model(folder, tweet_sentiment_small, "roberta", "Model")
    return folder


@pytest.fixture(scope="session")
def saved_model(encoder_folder, tmp_path_factory):
    """`saved_model("mean", "cls", then=("dense", "normalize"), …)`: a folder saved by sentence-transformers,
    and its model. Keywords are those of the original's SentenceTransformer."""

    @functools.cache
    def save(*modes, then=(), include_prompt=True, activation="Tanh", prompts=(), **keywords):
        torch.manual_seed(3)
        width = HIDDEN * len(modes)
        parts = [modules.Transformer(str(encoder_folder), max_seq_length=keywords.pop("max_seq_length", 128))]
        parts.append(modules.Pooling(HIDDEN, modes, include_prompt=include_prompt))
        for name in then:
            if name == "normalize":
                parts.append(modules.Normalize())
                continue
            out = 40 if name == "dense" else width
            function = getattr(torch.nn, activation)()
            residual = name == "residual dense"
            parts.append(
                modules.Dense(width, out, name != "dense without bias", function, use_residual=residual)
            )
            with torch.no_grad():
                for parameter in parts[-1].parameters():
                    parameter.mul_(3.0)  # some outputs are then in the flat parts of the activation
            width = out
        model = Original(modules=parts, device="cpu", prompts=dict(prompts), **keywords)
        folder = tmp_path_factory.mktemp("saved")
        model.save(str(folder), create_model_card=False)
        return folder, model

    return save
