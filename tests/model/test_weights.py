"""What a loaded model holds in memory: packed weights, and of the file only what its calls touch."""

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
from roberta_c.kernels import Norm
from roberta_c.model.weights import smoothing


def resident_kib(path: Path) -> int:
    """How much of the file's maps counts as this process's memory."""
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
def test_packed_weights_do_not_stay_resident(tweet_sentiment_small, tmp_path, file_name, model_class):
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
    """Locked memory cannot be dropped (EINVAL), and other systems lack the advice: both load all the same."""
    ids = [[0, 100, 657, 2]]
    expected = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    monkeypatch.setattr(mmap, "MADV_DONTNEED", 1 << 20)
    locked = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    monkeypatch.delattr(mmap, "MADV_DONTNEED")
    other = RobertaForSequenceClassification.from_pretrained(tweet_sentiment_small)(ids).logits
    assert np.array_equal(locked, expected)
    assert np.array_equal(other, expected)


# ---- what is done against outliers in int8 -------------------------------------------------------------


def norm_of(weight, bias=None) -> Norm:
    weight = np.asarray(weight, np.float32)
    return Norm(weight, np.zeros_like(weight) if bias is None else np.asarray(bias, np.float32), 1e-5)


def test_smoothing_leaves_ordinary_dimensions_alone():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((8, 96)).astype(np.float32)]
    assert smoothing(norm_of(rng.uniform(0.6, 1.4, 96)), weights) is None
    weight = np.ones(96)
    weight[7] = 64
    smooth = smoothing(norm_of(weight), weights)
    assert (np.delete(smooth, 7) == 1).all()


def test_smoothing_splits_an_outlier_between_rows_and_weights():
    """64 times the rest, by its weight or by its bias, on either side of zero: rows keep 8 times; where
    weights are 16 times smaller there, they take 4 times as much; where they are 64 times larger, they have
    their share already."""
    ones = np.ones((4, 96), np.float32)
    for value in (64.0, -64.0):
        large = np.ones(96)
        large[7] = value
        for norm in (norm_of(large), norm_of(np.ones(96), np.where(large == 1, 0, value))):
            for factor, expected in ((1, 1 / 8), (1 / 16, 1 / 32), (64, 1), (1000, 1)):
                weights = [ones.copy(), ones.copy()]
                for one in weights:
                    one[:, 7] *= factor
                smooth = smoothing(norm, weights)
                assert smooth.dtype == np.float32
                assert smooth[7] == expected
    weights[1][:, 7] = 0  # what is zero takes all, and the other matrix's is what counts
    weights[0][:, 7] = 1
    assert smoothing(norm_of(large), weights)[7] == 1 / 8
    weights[0][:, 7] = 0
    assert smoothing(norm_of(large), weights)[7] == 2.0**-20


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_smoothing_of_what_is_not_finite_is_none(value):
    weight = np.ones(96)
    weight[[3, 4]] = 50
    for norm in (norm_of(np.where(np.arange(96) == 5, value, weight)), norm_of(np.zeros(96))):
        assert smoothing(norm, [np.ones((4, 96), np.float32)]) is None
    spoilt = np.ones((4, 96), np.float32)
    spoilt[2, 3] = value
    smooth = smoothing(norm_of(weight), [spoilt])
    if np.isnan(value):
        assert smooth is None
    else:  # weights that large take nothing more
        assert smooth[3] == 1
        assert smooth[4] < 1
    assert smoothing(norm_of(np.full(96, 7.0)), [spoilt]) is None
