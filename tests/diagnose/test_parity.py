"""The comparison of a model's outputs with the oracle's: the input of the digests, and the errors."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct

import numpy as np
import pytest
import torch
from samples.task_models import make_task_model

import roberta_c
from roberta_c.diagnose import parity
from roberta_c.diagnose.doctor import diagnose
from roberta_c.errors import KernelError, ModelFileError
from roberta_c.kernels import available_isas


@pytest.fixture(scope="module")
def check(tweet_sentiment_small):
    diagnosis = diagnose(tweet_sentiment_small, num_threads=2)
    assert diagnosis.errors == []
    return diagnosis.facts["check"]


def test_texts_of_several_scripts():
    assert "" in parity.TEXTS
    characters = "".join(parity.TEXTS)
    for first, last in ((0x20, 0x7E), (0xE0, 0xFF), (0x3040, 0x309F), (0x4E00, 0x9FFF), (0x1F600, 0x1F64F)):
        assert any(first <= ord(character) <= last for character in characters)


def test_what_the_digests_are_of(check, tweet_sentiment_small):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small, num_threads=1)
    ids = [tokenizer(text)["input_ids"] for text in parity.TEXTS]
    logits = np.concatenate([model([row]).logits for row in ids])
    data = b"".join(struct.pack(f"<{len(row) + 1}q", len(row), *row) for row in ids)
    assert check["token_digest"] == hashlib.sha256(data).hexdigest()[:16]
    data = struct.pack(f"<{logits.size}f", *logits.ravel().tolist())
    assert check["output_digest"] == hashlib.sha256(data).hexdigest()[:16]
    assert np.abs(np.array(check["logits"]) - logits).max() < 1e-6
    assert (check["texts"], check["tokens"]) == (list(parity.TEXTS), sum(map(len, ids)))
    assert (check["output"], check["agrees"], check["same_bits"]) == ("logits", True, True)


def test_outputs_depend_neither_on_the_threads_nor_much_on_the_isa(tweet_sentiment_small, monkeypatch):
    checks = {}
    for isa in (*available_isas(), "reference"):
        monkeypatch.setenv("ROBERTA_C_ISA", isa)
        counts = (1, 3)  # each run includes one by the reference kernels, which takes a second
        for threads in counts:
            facts = diagnose(tweet_sentiment_small, num_threads=threads).facts
            assert (facts["problems"], facts["model"]["num_threads"]) == ([], facts["threads"]["number"])
            checks[isa, threads] = facts["check"]
        assert len({checks[isa, threads]["output_digest"] for threads in counts}) == 1
    assert len({check["token_digest"] for check in checks.values()}) == 1
    assert checks["reference", 1]["largest_difference"] == 0
    for (isa, _), check in checks.items():
        assert check["isa"] == isa
        # Measured: at most 1.8e-6 (2026-11-22), two orders of magnitude below the bound.
        assert check["largest_difference"] <= 1e-5 < check["bound"]
        largest = np.abs(np.array(checks["reference", 1]["logits"])).max()
        assert check["bound"] == pytest.approx(1e-4 * largest, rel=1e-5)


def test_a_base_model(tweet_sentiment_small, tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(tweet_sentiment_small, folder, copy_function=shutil.copyfile)
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    kept = {name: one for name, one in weights.items() if "classifier" not in name}
    torch.save(kept, folder / "pytorch_model.bin")
    facts = diagnose(folder).facts
    check = facts["check"]
    assert (facts["problems"], facts["model"]["class"]) == ([], "RobertaModel")
    assert (check["output"], check["logits"], check["agrees"]) == ("hidden states of <s>", None, True)
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(folder)
    model = roberta_c.AutoModel.from_pretrained(folder)
    states = [model([tokenizer(text)["input_ids"]]).last_hidden_state[0][0] for text in check["texts"]]
    assert check["output_digest"] == hashlib.sha256(np.stack(states).astype("<f4").tobytes()).hexdigest()[:16]


def test_a_text_that_is_not_the_same_alone(tweet_sentiment_small):
    """Outputs that depend on the batch are found, even if only the last bit differs."""
    model = roberta_c.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(tweet_sentiment_small)

    class Nudged:
        kernels = model.kernels

        def __call__(self, ids, **_):
            output = model(ids)
            if len(ids) == 1:
                output.logits[:] = np.nextafter(output.logits, np.float32(np.inf))
            return output

    facts = parity.parity_facts(Nudged(), model, tokenizer)
    json.dumps(facts, allow_nan=False)
    assert (facts["agrees"], facts["largest_difference"], facts["same_bits"]) == (True, 0, False)
    assert "found other output bits for a text alone" in str(parity.parity_error(facts, "m"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"agrees": False, "largest_difference": 0.5}, KernelError),
        ({"agrees": False, "finite": False, "largest_difference": None}, KernelError),
        ({"same_bits": False}, KernelError),
        ({"agrees": False, "finite": False, "oracle_finite": False, "bound": None}, ModelFileError),
    ],
)
def test_errors(check, changed, expected):
    error = parity.parity_error({**check, **changed}, "org/name")
    assert type(error) is (expected or type(None))
    assert expected is None or str(error).startswith("org/name: ")


@pytest.mark.parametrize(
    ("head", "output"),
    [
        ("ForMaskedLM", "logits of <s>"),
        ("ForMultipleChoice", "logits"),
        ("ForQuestionAnswering", "logits of <s>"),
        ("ForTokenClassification", "logits of <s>"),
        ("Model", "hidden states of <s>"),
    ],
)
def test_every_head_is_loaded_and_compared(head, output, tweet_sentiment_small, tmp_path):
    make_task_model(tmp_path, tweet_sentiment_small, "roberta", head)
    diagnosis = diagnose(tmp_path, num_threads=1)
    assert diagnosis.errors == []
    assert diagnosis.facts["model"]["class"] == f"Roberta{head}"
    assert diagnosis.facts["check"]["output"] == output
    assert diagnosis.facts["check"]["agrees"]
    assert diagnosis.facts["check"]["same_bits"]
