"""weights.py: a loaded model holds packed weights, and no pages of the file stay in its memory."""

from __future__ import annotations

import mmap
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from roberta_c import RobertaForSequenceClassification, RobertaModel
from roberta_c.checkpoint import open_checkpoint
from roberta_c.model import weights


def resident_kib(path: Path) -> int:
    """KiB of this process's resident memory that belong to maps of the file."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("file_name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("model_class", [RobertaForSequenceClassification, RobertaModel])
def test_packed_weights_do_not_stay_resident(
    tweet_sentiment_small, tmp_path, file_name, model_class, monkeypatch
):
    monkeypatch.setattr(weights, "READ_ROWS_FROM", 1 << 20)  # bytes; the made checkpoint's table is small
    shutil.copyfile(tweet_sentiment_small / "config.json", tmp_path / "config.json")
    path = tmp_path / file_name
    source = open_checkpoint(tweet_sentiment_small)
    tensors = {name: torch.from_numpy(source.read(name).copy()) for name in source}
    (save_file if file_name.endswith(".safetensors") else torch.save)(tensors, path)
    model = model_class.from_pretrained(tmp_path)
    assert str(path) in Path("/proc/self/maps").read_text(), "the word table is mapped"
    assert resident_kib(path) == 0
    model([[0, 100, 657, 2]])
    assert resident_kib(path) == 0, "rows are read, not mapped in"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_are_packed_as_float32(tweet_sentiment_small, tmp_path, dtype):
    """The same logits as from a float32 file with the same values."""
    source = open_checkpoint(tweet_sentiment_small)
    rounded = {name: torch.from_numpy(source.read(name).copy()).to(dtype) for name in source}
    logits = []
    for folder, tensors in (
        ("rounded", rounded),
        ("widened", {name: tensor.float() for name, tensor in rounded.items()}),
    ):
        (tmp_path / folder).mkdir()
        shutil.copyfile(tweet_sentiment_small / "config.json", tmp_path / folder / "config.json")
        torch.save(tensors, tmp_path / folder / "pytorch_model.bin")
        model = RobertaForSequenceClassification.from_pretrained(tmp_path / folder)
        logits.append(model([[0, 100, 657, 2]]).logits)
    assert np.array_equal(*logits)


def test_a_system_that_keeps_the_pages(tweet_sentiment_small, monkeypatch):
    """A model loads also where pages cannot be dropped: locked memory (EINVAL), or a system without
    MADV_DONTNEED."""
    ids = [[0, 100, 657, 2]]
    expected = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    monkeypatch.setattr(mmap, "MADV_DONTNEED", 1 << 20)
    locked = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    monkeypatch.delattr(mmap, "MADV_DONTNEED")
    other = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    assert np.array_equal(locked, expected)
    assert np.array_equal(other, expected)
