"""The bundled model: part of the package, small, the default, and right for plain sentences."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import roberta_c
from roberta_c.cli.main import program
from roberta_c.errors import InputError, ModelFileError
from roberta_c.files import bundled

NOTE = f"roberta-c: note: using {bundled.BUNDLED_MODEL}; see --model\n"

PLAIN_SENTENCES = {
    "positive": [
        "I love this!",
        "What a wonderful day",
        "Thank you so much, this made me very happy",
        "The food was delicious and the staff were friendly",
        "Best concert I have ever been to",
        "Congratulations, you did a great job!",
        "I'm so excited to see you tomorrow",
        "This phone is amazing, I highly recommend it",
        "She has a beautiful voice",
        "Happy birthday my friend, have a great day",
        "I really enjoyed the movie",
        "So proud of our team tonight!",
        "Good morning everyone, hope you have a lovely weekend",
        "That was an excellent goal",
    ],
    "negative": [
        "this is the worst service ever",
        "I hate this",
        "What a terrible day",
        "I'm so disappointed with this phone",
        "The food was awful and the waiter was rude",
        "This movie is boring and stupid",
        "My flight is delayed again, this is so annoying",
        "I feel sick and tired",
        "He is a liar and a disgrace",
        "The app keeps crashing, it is useless",
        "So sad to hear about the attack",
        "I am angry about the new rules",
        "That was a horrible mistake",
        "Worst game of the season, we played so badly",
    ],
    "neutral": [
        "The meeting is on Monday at ten",
        "The train leaves from platform four",
        "He works for a bank in London",
        "The report will be published on Thursday",
        "What time does the game start tomorrow?",
        "The president will visit Germany in May",
        "The store is on the second floor",
        "She moved to Chicago in 2012",
        "The album comes out on Friday",
        "Who is playing on Sunday?",
        "The city council meets on the 3rd",
        "Apple will announce a new phone in September",
    ],
}


@pytest.fixture(scope="module")
def classify():
    return roberta_c.pipeline("text-classification", num_threads=1)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.delenv("ROBERTA_C_MODEL", raising=False)
    return lambda *words: CliRunner().invoke(program, [*map(os.fspath, words)], prog_name="roberta-c")


def test_forty_plain_sentences(classify):
    wrong = [
        (sentence, found)
        for label, sentences in PLAIN_SENTENCES.items()
        for sentence, found in zip(sentences, classify(sentences), strict=True)
        if found["label"] != label
    ]
    assert sum(map(len, PLAIN_SENTENCES.values())) == 40
    assert len(wrong) <= 4, wrong


def test_it_is_inside_the_package_and_small():
    folder = roberta_c.bundled_model_path()
    assert folder.parent == Path(roberta_c.__file__).resolve().parent / "files"
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(sizes) == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(sizes.values()) <= 8 * 2**20


def test_an_installation_without_the_model(monkeypatch, tmp_path, run):
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "bundled.py"))
    with pytest.raises(ModelFileError, match=r"found no config\.json, expected the bundled model"):
        roberta_c.pipeline("text-classification")
    result = run("classify", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "found no config.json, expected the bundled model" in result.stderr


def test_the_pipeline_without_a_model(classify, caplog):
    caplog.set_level(logging.INFO, "roberta_c")
    assert roberta_c.pipeline("sentiment-analysis").labels == ["negative", "neutral", "positive"]
    assert f"no model named: using {bundled.BUNDLED_MODEL}" in caplog.messages
    by_path = roberta_c.pipeline("text-classification", str(roberta_c.bundled_model_path()))
    assert by_path("so so", top_k=None) == classify("so so", top_k=None)
    for option in ({"tokenizer": str(roberta_c.bundled_model_path())}, {"revision": "main"}):
        (name,) = option
        with pytest.raises(InputError, match=f"^{name}: found .* without a model"):
            roberta_c.pipeline("text-classification", **option)


def test_the_command_line_says_once_that_the_bundled_model_is_used(run, tweet_sentiment_small):
    result = run("classify", "I love this!", "this is the worst service ever")
    assert (result.exit_code, result.stderr) == (0, NOTE)
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["positive", "negative"]
    assert run("classify", "a", "--model", roberta_c.bundled_model_path()).stderr == ""
    assert run("classify", "a", "--model", tweet_sentiment_small).stderr == ""


def test_raw_tweets_need_no_preparation(classify):
    """The tokenizer masks names and links, and folds case and curly quotes, as in the training texts."""
    tokenizer = classify.tokenizer
    raw = "@Jane_Doe99 DON\u2019T miss https://example.org/x?y=1 or www.example.org"
    assert tokenizer(raw)["input_ids"] == tokenizer("@user don't miss http or http")["input_ids"]
    assert tokenizer("write to me@example.org")["input_ids"] != tokenizer("write to me@user.org")["input_ids"]


def test_a_long_text_is_read_to_its_end(classify):
    """The training texts are tweets, which are short: later positions must work as well."""
    filler = "it was a day like any other and we went to the shop . " * 12
    praise, blame = "i love it , best thing ever , so happy !", "i hate it , worst thing ever , so sad !"
    good, bad = classify([filler + praise * 3, filler + blame * 3], top_k=None)
    scores = [{one["label"]: one["score"] for one in found} for found in (good, bad)]
    assert scores[0]["positive"] > scores[1]["positive"] + 0.1
    assert scores[0]["negative"] < scores[1]["negative"] - 0.1
    assert len(classify.tokenizer(filler + praise)["input_ids"]) > 150
