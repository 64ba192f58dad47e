"""FlagReranker: its published formula, computed with transformers, and its names, bits and errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import transformers
from samples.rerankers import make_cross_encoder, make_small_xlmr_tokenizer, sentence_pairs

from roberta_c import CrossEncoder, FlagReranker
from roberta_c.errors import InputError, MissingNameError, ModelFileError
from roberta_c.sentence.missing_names import FLAG_NAMES

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def folder(test_data, tmp_path_factory):
    tokenizer_folder = make_small_xlmr_tokenizer(tmp_path_factory.mktemp("xlmr"), test_data)
    return make_cross_encoder(tmp_path_factory.mktemp("reranker"), tokenizer_folder, 1, "xlm-roberta").folder


@pytest.fixture(scope="module")
def pairs(test_data):
    return sentence_pairs(test_data, 60)


@pytest.fixture(scope="module")
def published(folder):
    """`published(pairs, max_length, query_length)`: the logits. Query and passage are tokenized and cut
    alone, then the pair of them, in its passage (FlagEmbedding 1.4.2, inference/reranker/encoder_only)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id

    def score(pair, max_length, query_length):
        query, passage = (
            tokenizer(text, add_special_tokens=False, max_length=length, truncation=True)["input_ids"]
            for text, length in zip(pair, (query_length, max_length), strict=True)
        )
        ids = [start, *query, end, end, *passage[: max_length - 4 - len(query)], end]
        with torch.no_grad():
            return float(model(torch.tensor([ids])).logits[0, 0])

    return lambda pairs, *lengths: np.array([score(pair, *lengths) for pair in pairs])


@pytest.mark.parametrize(("max_length", "query_max_length"), [(None, None), (24, None), (24, 5)])
def test_scores_are_the_published_ones(max_length, query_max_length, folder, pairs, published):
    pairs = [*pairs, (" ".join(pair[0] for pair in pairs), "short"), ("", "")]
    length = max_length or 512
    expected = published(pairs, length, query_max_length or length * 3 // 4)
    reranker = FlagReranker(folder, use_fp16=True, max_length=max_length, query_max_length=query_max_length)
    scores = reranker.compute_score(pairs)
    assert all(type(score) is float for score in scores)
    assert np.abs(scores - expected).max() < TOLERANCE
    assert np.ptp(scores) > 0.3
    later = FlagReranker(folder).compute_score(
        pairs, max_length=max_length, query_max_length=query_max_length
    )
    assert later == scores
    normalized = reranker.compute_score(pairs, normalize=True)
    assert np.abs(normalized - 1 / (1 + np.exp(-expected))).max() < TOLERANCE
    options = {"max_length": max_length, "query_max_length": query_max_length, "normalize": True}
    assert FlagReranker(folder, **options).compute_score(pairs) == normalized


@pytest.mark.parametrize("lengths", [(512, 512), (24, 20), (24, 600)])
def test_a_short_query_fits_whatever_length_is_allowed(lengths, folder, pairs, published):
    max_length, query_max_length = lengths
    short = [(" ".join(query.split()[:5]), passage) for query, passage in pairs[:10]]
    reranker = FlagReranker(folder, max_length=max_length, query_max_length=query_max_length)
    assert np.abs(reranker.compute_score(short) - published(short, *lengths)).max() < TOLERANCE


def test_a_progress_bar_for_more_pairs_than_a_batch(folder, pairs, capsys, monkeypatch):
    reranker = FlagReranker(folder, batch_size=4)
    reranker.compute_score(pairs[:5])
    assert capsys.readouterr().err == ""  # no terminal
    reranker.compute_score(pairs[:2], show_progress_bar=True)
    assert "Pairs: 100%" in capsys.readouterr().err
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    for count, options, is_shown in ((5, {}, True), (4, {}, False), (5, {"show_progress_bar": False}, False)):
        reranker.compute_score(pairs[:count], **options)
        assert ("Pairs: 100%" in capsys.readouterr().err) == is_shown


def test_instructions(folder, pairs):
    reranker = FlagReranker(
        folder,
        query_instruction_for_rerank="find",
        query_instruction_format="{}:\\n{}",
        passage_instruction_for_rerank="text",
    )
    written = [(f"find:\n{query}", f"text{passage}") for query, passage in pairs]
    assert reranker.compute_score(pairs) == FlagReranker(folder).compute_score(written)


def test_a_pair_has_the_same_bits_in_any_company(folder, pairs):
    reranker = FlagReranker(folder, num_threads=1, max_length=24)
    scores = reranker.compute_score(pairs)
    assert reranker.compute_score(pairs, batch_size=3) == scores
    assert reranker.compute_score(pairs[::-1])[::-1] == scores
    assert [reranker.compute_score(pair)[0] for pair in pairs[:10]] == scores[:10]
    assert reranker.compute_score(list(pairs[0])) == scores[:1]
    assert FlagReranker(folder, num_threads=2, max_length=24).compute_score(pairs) == scores
    by_name = CrossEncoder(folder, max_length=24, score_convention="flag-embedding").predict(pairs)
    assert by_name.tolist() == scores


# What FlagEmbedding 1.4.2's class has beside what is missing here.
NAMES = (
    *("model_name_or_path", "use_fp16", "query_instruction_for_rerank", "query_instruction_format"),
    *("passage_instruction_for_rerank", "passage_instruction_format", "batch_size", "query_max_length"),
    *("max_length", "normalize", "model", "tokenizer", "stop_self_pool", "get_detailed_instruct"),
    *("get_detailed_inputs", "compute_score"),
)


def test_names(folder):
    reranker = FlagReranker(folder, False, trust_remote_code=False, devices=["cpu"])
    assert (reranker.batch_size, reranker.max_length, reranker.query_max_length) == (128, 512, None)
    assert reranker.compute_score([]) == []
    assert reranker.tokenizer.cls_token == "<s>"
    assert all(hasattr(reranker, name) for name in NAMES)
    reranker.stop_self_pool()
    assert repr(reranker).startswith("FlagReranker(XLMRobertaForSequenceClassification '")
    assert reranker.get_detailed_inputs(("a", "b")) == [["a", "b"]]
    assert reranker.get_detailed_instruct("{}: {}", "find", "a") == "find: a"
    for name in FLAG_NAMES:
        with pytest.raises(MissingNameError, match=f"FlagReranker.{name}: found no such name"):
            getattr(reranker, name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 513}, "max_length: found 513, expected at most 512, the model's limit"),
        ({"max_length": 0}, "max_length: found 0, expected an integer from 1 to 512"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"use_fp16": "yes"}, "use_fp16: found 'yes', expected True or False"),
        ({"devices": ["cuda:0"]}, r"devices: found \['cuda:0'\], expected 'cpu' or None"),
        ({"normalize": 2}, "normalize: found 2"),
        ({"query_max_length": 0}, "query_max_length: found 0, expected an integer of at least 1, or None"),
        ({"query_max_length": "long"}, "query_max_length: found 'long'"),
        ({"max_length": 3}, "max_length: found 3, expected at least 4, the special tokens"),
        (
            {"nonsense": 2},
            "nonsense: found an unknown keyword, expected one of FlagReranker's",
        ),
        (
            {"query_instruction_for_rerank": "a", "query_instruction_format": "{}{}{}"},
            "query_instruction_format: found '{}{}{}', expected a str with two {}",
        ),
        (
            {"passage_instruction_for_rerank": "a", "passage_instruction_format": "{}"},
            "passage_instruction_format: found '{}', expected a str with two {}",
        ),
        (
            {"query_instruction_for_rerank": "a", "query_instruction_format": "{:>100000000}{}"},
            "query_instruction_format: found '{:>100000000}{}', expected a str with two {}",
        ),
        (
            {"query_instruction_for_rerank": "a", "query_instruction_format": "{0.__class__}{1}"},
            r"query_instruction_format: found '\{0\.__class__\}\{1\}'",
        ),
        ({"passage_instruction_for_rerank": 3}, "passage_instruction: found 3, expected a str or None"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refusals_of_the_constructor(options, message, folder):
    with pytest.raises(InputError, match=message) as raised:
        FlagReranker(folder, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        ("text", {}, "sentence_pairs: found str 'text', expected a list of pairs"),
        ([("a", "b", "c")], {}, r"sentence_pairs\[0\]: found a list of 3, expected a pair"),
        ([("a", None)], {}, r"sentence_pairs\[0\]\[1\]: found None"),
        ([("a", "b")], {"max_length": 900}, "max_length: found 900, expected at most 512"),
        (
            [("a", "b"), ("a " * 600, "b c d")],
            {"query_max_length": 508},
            r"pairs\[1\]: found a query that leaves no room for its passage with max_length 512, expected",
        ),
        ([("a", "b")], {"query_max_length": 0}, "query_max_length: found 0"),
        ([("a " * 9, "b")], {"max_length": 8}, r"pairs\[0\]: found a query that leaves no room"),
        ([("a", "b")], {"max_length": 3}, "max_length: found 3, expected at least 4, the special tokens"),
        ([("a", "b")], {"show_progress_bar": 3}, "show_progress_bar: found 3"),
        ([("a", "b")], {"device": "cuda"}, "device: found 'cuda'"),
    ],
    ids=range(10),
)
def test_refusals_of_calls(pairs, options, message, folder):
    with pytest.raises(InputError, match=message) as raised:
        FlagReranker(folder).compute_score(pairs, **options)
    assert "\n" not in str(raised.value)


def test_a_model_of_several_labels(tweet_sentiment_small, tmp_path):
    make_cross_encoder(tmp_path / "model", tweet_sentiment_small, 3)
    with pytest.raises(ModelFileError, match="num_labels: found 3, expected 1: a reranker's one score"):
        FlagReranker(tmp_path / "model")
