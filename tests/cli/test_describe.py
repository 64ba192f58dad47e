"""`roberta-c describe`: the same facts as text and as JSON."""

from __future__ import annotations

import json

import torch


def test_describe(run, library, tweet_sentiment_small, tmp_path):
    result = run("describe", tweet_sentiment_small)
    assert (result.exit_code, result.stderr) == (0, "")
    assert repr(library.model) in result.stdout
    assert repr(library.tokenizer) in result.stdout
    for line in (
        "position limit           512 tokens",
        "labels                   negative, neutral, positive",
    ):
        assert line in result.stdout
    assert "unexpected  roberta.pooler.dense.weight, roberta.pooler.dense.bias" in result.stdout
    facts = json.loads(run("describe", tweet_sentiment_small, "--format", "json").stdout)
    assert facts["tree"] == repr(library.model)
    assert facts["position_limit"] == 512
    assert facts["labels"] == ["negative", "neutral", "positive"]
    assert facts["load_report"]["unexpected"] == ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]
    assert facts["format"] == "torch-zip"

    # Without a head it is the base model. A tokenizer is not required.
    weights = torch.load(tweet_sentiment_small / "pytorch_model.bin", weights_only=True)
    torch.save(
        {name: one for name, one in weights.items() if "classifier" not in name},
        tmp_path / "pytorch_model.bin",
    )
    (tmp_path / "config.json").write_bytes((tweet_sentiment_small / "config.json").read_bytes())
    facts = json.loads(run("describe", tmp_path, "--format", "json").stdout)
    assert facts["class"] == "RobertaModel"
    assert facts["tokenizer"].startswith(f"no tokenizer: {tmp_path}")
