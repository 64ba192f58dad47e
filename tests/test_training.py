"""training/: tweets are cleaned, TweetEval's val and test are kept out, and the script runs from start to
end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import roberta_c

FOLDER = Path(__file__).resolve().parent.parent / "training"


@pytest.fixture(scope="module", autouse=True)
def folder_of_modules():
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def tweets():
    import tweets

    return tweets


@pytest.fixture
def train(monkeypatch):
    """`train(*words)` is train.py in this process, which has imported torch already."""
    import torch
    import train

    threads = torch.get_num_threads()

    def run(*words):
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        train.main()

    yield run
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (r"I\u2019m here \ud83d\ude00", "I\u2019m here \U0001f600"),
        ("a &amp; b &lt;3 &amp;amp; c", "a & b <3 & c"),
        ("hi @Jane_Doe: see https://t.co/x?y=1&z and www.example.org!", "hi @user: see http and http"),
        ("me@example.org stays", "me@example.org stays"),
        ('said ""yes"" and\\n  left ', 'said "yes" and left'),
        (r"lone \ud83d half", "lone \ufffd half"),
    ],
)
def test_cleaned(tweets, raw, expected):
    assert tweets.cleaned(raw) == expected
    assert tweets.key(raw) == tweets.key(expected)


def test_no_judged_tweet_is_learned_from(tweets, test_data):
    data = test_data.real("data/semeval2017_4a").parent
    texts, labels = tweets.labelled(data)
    more = tweets.unlabelled(data)
    assert more[: len(texts)] == texts  # the teacher's file is in this order
    judged = {text for split in ("val", "test") for text in tweets.tweeteval(data, split)[0]}
    assert len(judged) > 14_000
    # No judged tweet is in `more` as it stands; below, none is by its letters alone.
    assert judged.isdisjoint(more)

    def letters(text: str) -> str:
        return "".join(filter(str.isalpha, text.replace("@user", "").replace("http", ""))).lower()

    assert {letters(text) for text in judged}.isdisjoint(map(letters, more))
    assert len(texts) == 47_353
    assert np.bincount(labels).tolist() == [7376, 21241, 18736]
    assert len(more) == 65_819


def test_the_script_makes_a_model_that_runs(tmp_path, train, capsys):
    """All stages, on two hundred made tweets. One word of a tweet determines its label."""
    words = {"negative": "awful", "neutral": "plain", "positive": "lovely"}
    rng = np.random.default_rng(0)

    def tweet(label: str) -> str:
        filler = " ".join(rng.choice(["we", "saw", "the", "game", "today", "again", "with", "friends"], 5))
        return f"{filler} {words[label]} {filler}"

    data = tmp_path / "data"
    (data / "semeval2017_4a").mkdir(parents=True)
    (data / "tweeteval/sentiment").mkdir(parents=True)
    drawn = rng.choice(list(words), 200)
    rows = [f"{number}\t{label}\t{tweet(label)}" for number, label in enumerate(drawn)]
    (data / "semeval2017_4a/a.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for split in ("val", "test"):
        labels = rng.integers(0, 3, 60)
        lines = [tweet(list(words)[label]) for label in labels]
        folder = data / "tweeteval/sentiment"
        (folder / f"{split}_text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"{split}_labels.txt").write_text("\n".join(map(str, labels)) + "\n", encoding="utf-8")

    (data / "tweeteval/irony").mkdir()
    more = [tweet(label) for label in rng.choice(list(words), 20)]
    (data / "tweeteval/irony/train_text.txt").write_text("\n".join(more) + "\n", encoding="utf-8")

    small = "--hidden 32 --layers 1 --vocab-size 400 --pretrain-epochs 1 --generations 2 --epochs 20"
    command = [
        sys.executable,
        FOLDER / "train.py",
        "--data",
        data,
        "--work",
        tmp_path / "work",
        "--threads",
        "1",
    ]
    done = subprocess.run(
        [*command, *small.split(), "--rate", "1e-2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "student 1 epoch 20" in done.stdout
    assert "val: macro recall" in done.stdout
    assert "test: macro recall" not in done.stdout  # only the "test" stage prints it
    train(*command[1:], "test")
    assert capsys.readouterr().out.startswith("test: macro recall")

    model = tmp_path / "work/model"
    assert json.loads((model / "config.json").read_text())["id2label"]["2"] == "positive"
    classify = roberta_c.pipeline("text-classification", model, num_threads=1)
    texts, labels = zip(*((tweet(label), label) for label in rng.choice(list(words), 60)), strict=True)
    found = [result["label"] for result in classify(list(texts))]
    assert np.mean([a == b for a, b in zip(found, labels, strict=True)]) > 0.9
    assert {path.name for path in model.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }

    with pytest.raises(SystemExit) as wrong:
        train(*command[1:], "exprot")
    assert wrong.value.code == 2
    assert "found stage 'exprot'" in capsys.readouterr().err
