"""`roberta-c keys`: the tensors of a file as torch reads them."""

from __future__ import annotations

import json

import torch
from samples.command_line import rows_of


def test_keys_are_the_files(run, tweet_sentiment_small):
    file = tweet_sentiment_small / "pytorch_model.bin"
    tensors = torch.load(file, weights_only=True)
    expected = [
        {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
        for name, tensor in tensors.items()
    ]
    for path in (file, tweet_sentiment_small):
        assert rows_of(run("keys", path, "--format", "jsonl")) == expected
        assert json.loads(run("keys", path, "--format", "json").stdout) == expected
        lines = run("keys", path).stdout.splitlines()
        assert [line.split()[:2] for line in lines] == [[row["name"], row["dtype"]] for row in expected]
        assert lines[1].endswith(f"  {tuple(expected[1]['shape'])}")
