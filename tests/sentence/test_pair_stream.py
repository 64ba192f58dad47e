"""PairScores: the scores of CrossEncoder.predict, of an iterator of pairs."""

from __future__ import annotations

import logging
from itertools import count, islice

import pytest
from samples.rerankers import make_cross_encoder, sentence_pairs

from roberta_c import CrossEncoder
from roberta_c.errors import InputError
from roberta_c.sentence.pair_stream import PairScores

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tweet_sentiment_small, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "reranker"
    make_cross_encoder(path, tweet_sentiment_small)
    return path


def as_dicts(pairs):
    return ({"query": query, "document": document} for query, document in pairs)


@pytest.mark.parametrize("settings", [{}, {"prompts": {"p": "Say: "}, "default_prompt_name": "p"}])
@pytest.mark.parametrize("convention", ["sentence-transformers", "flag-embedding", "tei"])
def test_the_scores_of_predict(folder, test_data, convention, settings):
    encoder = CrossEncoder(folder, score_convention=convention, max_length=48, **settings)
    pairs = [*sentence_pairs(test_data, 150), ("long " * 90, "other " * 90), ("", "")]
    found = list(PairScores(encoder, batch_size=4).predictions(as_dicts(pairs)))
    assert [one.score for one in found] == encoder.predict(pairs).astype(float).tolist()
    assert [(one.query, one.document) for one in found] == pairs
    assert [one.truncated for one in found][-2:] == [True, False]
    assert encoder.predict(pairs).std() > 0


def test_pairs_are_read_as_they_are_needed(folder):
    scores = PairScores(CrossEncoder(folder), batch_size=2)
    read = []

    def pairs():
        for number in count():
            read.append(number)
            yield {"query": "a", "document": f"document {number}"}

    assert len(list(islice(scores.predictions(pairs()), 5))) == 5
    assert len(read) <= 14  # blocks of 2, 4 and 8 pairs


def test_one_warning_counts_truncated_pairs(folder, caplog):
    scores = PairScores(CrossEncoder(folder, max_length=16), batch_size=1)
    with caplog.at_level(logging.WARNING, "roberta_c"):
        list(scores.predictions(as_dicts([("a", "word " * 40), ("a", "b"), ("word " * 40, "b")])))
    assert [record.getMessage() for record in caplog.records] == [
        '2 of 3 texts truncated: longer than 16 tokens; long_text="windows" reads all of them'
    ]


def test_refusals(folder, tweet_sentiment_small):
    with pytest.raises(InputError, match="found a model of 3 labels, expected a reranker"):
        PairScores(CrossEncoder(tweet_sentiment_small))
    with pytest.raises(InputError, match="batch_size: found 0"):
        PairScores(CrossEncoder(folder), batch_size=0)
    scores = PairScores(CrossEncoder(folder))
    for pair, place in ((("\ud800", "a"), "query"), (("a", None), "document")):
        with pytest.raises(InputError, match=rf"texts\[1\]\['{place}'\]: found"):
            list(scores.predictions(as_dicts([("a", "b"), pair])))
