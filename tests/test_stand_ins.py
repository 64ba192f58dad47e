"""The files that stand in for absent test data (samples/stand_ins.py) are what they stand for."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sentencepiece
import transformers
from samples.requirements import DataFiles
from samples.stand_ins import MAKERS, make_stand_in
from samples.texts import made_texts

import roberta_c
from roberta_c.checkpoint import open_checkpoint


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


def test_the_checkpoint_is_the_bundled_model_in_the_published_layout(root):
    folder = make_stand_in("models/tweet-sentiment-small", root)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "merges.txt",
        "pytorch_model.bin",
        "special_tokens_map.json",
        "vocab.json",
    }
    assert open_checkpoint(folder).format == "torch-zip"
    autos = (roberta_c.AutoTokenizer, transformers.AutoTokenizer)
    ours, theirs = (auto.from_pretrained(folder, add_prefix_space=True) for auto in autos)
    bundled = roberta_c.bundled_model_path()
    texts = ["i love it", "this is the worst service ever", "see you on monday!"]  # nothing to normalize
    assert ours(texts)["input_ids"] == theirs(texts)["input_ids"]
    assert ours.mask_token_id == len(ours) - 1
    bundled_tokenizer = roberta_c.AutoTokenizer.from_pretrained(bundled)
    for text in texts:
        assert ours(text).tokens() == bundled_tokenizer(text).tokens()
    load = roberta_c.AutoModelForSequenceClassification.from_pretrained
    logits = load(bundled)(bundled_tokenizer(texts)["input_ids"]).logits
    assert np.array_equal(load(folder)(ours(texts)["input_ids"]).logits, logits)


def test_the_sentencepiece_model_encodes_as_its_package_does(root, tmp_path):
    path = make_stand_in("data/xlmr/sentencepiece.bpe.rebuilt.model", root)
    (tmp_path / "sentencepiece.bpe.model").symlink_to(path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))
    texts = made_texts(300, seed=9)
    package = sentencepiece.SentencePieceProcessor(model_file=str(path)).encode(texts)
    encoded = roberta_c.AutoTokenizer.from_pretrained(tmp_path)(texts, add_special_tokens=False)["input_ids"]
    expected = [[piece + 1 if piece else 3 for piece in pieces] for pieces in package]
    assert np.mean([one == other for one, other in zip(encoded, expected, strict=True)]) > 0.98
    assert sum(ids.count(3) for ids in encoded) < sum(map(len, encoded)) / 50  # few unknown pieces


def test_texts_are_always_the_same_ones(root, tmp_path):
    assert len(set(made_texts(500))) > 450
    for name in ("data/tweeteval/sentiment/test_text.txt", "data/xquad/xquad.ar.json"):
        assert make_stand_in(name, root).read_bytes() == make_stand_in(name, tmp_path).read_bytes()


def test_real_files_come_first_and_ci_takes_no_others(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    name = "data/tweeteval/sentiment/val_text.txt"
    files = DataFiles(tmp_path / "real", tmp_path / "made")
    assert files(name) == tmp_path / "made" / name
    with pytest.raises(pytest.skip.Exception, match="test data not found"):
        files.real(name)
    with pytest.raises(pytest.skip.Exception, match="test data not found: seeds"):
        files("seeds")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="test data not found"):
        files(name)
    (tmp_path / "real" / name).parent.mkdir(parents=True)
    (tmp_path / "real" / name).write_text("real")
    assert files(name) == files.real(name) == tmp_path / "real" / name


def test_every_maker_makes_its_folder(root):
    for name in MAKERS:
        assert any(make_stand_in(name, root).iterdir())
    assert make_stand_in("data/roberta/outputs/roberta.base.output.pt", root) is None
    assert make_stand_in("data/stsb", root) is None
