"""The pipelines against transformers' on real text, both families: same words, offsets, labels and order.

Each test takes a part of the text by default, every so many pieces of it, and with `-m slow` all of it.

Scores are softmax of float32 logits, whose bound is 1e-5 relative to their size; 1e-4 leaves room for that.
"""

from __future__ import annotations

import csv
import functools
import json
import warnings

import numpy as np
import pytest
import torch
import transformers
from samples.task_models import ENTITIES, NLI_LABELS, entity_sentences, make_task_model, same_results, sharpen
from transformers.pipelines.token_classification import AggregationStrategy

import roberta_c

from .both_tokenizers import ODD_TEXTS, give_mask_lstrip, load_both

TOLERANCE = 1e-4
FAMILIES = ["roberta", "xlm-roberta"]


def every(step):
    """Parametrizes a test by the step through its texts: `step`, and 1 where the test is slow."""
    return pytest.mark.parametrize("step", [step, pytest.param(1, marks=pytest.mark.slow)])


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """torch runs these small models faster on one thread than on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def both(tweet_sentiment_small, small_xlmr_folder, tmp_path_factory):
    """`both(task, family, head, labels)` are our pipeline and transformers' of one random model."""
    made = {}

    def make(task, family, head, labels=None, factor=1.0):
        key = task, family
        if key not in made:
            tokenizer_folder = tweet_sentiment_small if family == "roberta" else small_xlmr_folder
            folder = tmp_path_factory.mktemp("task")
            model = make_task_model(folder, tokenizer_folder, family, head, labels)
            if factor != 1:
                sharpen(model, factor)
            our_tokenizer, their_tokenizer = load_both(tokenizer_folder)
            give_mask_lstrip(their_tokenizer)
            their_tokenizer.model_max_length = 512
            made[key] = (
                roberta_c.pipeline(task, folder, tokenizer=our_tokenizer, num_threads=1),
                transformers.pipeline(task, model=model.model, tokenizer=their_tokenizer),
            )
        return made[key]

    return make


# ---- token classification --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentences(test_data):
    """WNUT17's training and development sentences."""
    files = ("data/wnut17/wnut17train.conll", "data/wnut17/emerging.dev.conll")
    return [sentence for name in files for sentence in entity_sentences(test_data(name))]


@pytest.fixture(scope="module")
def taggers(both):
    return lambda family: both("token-classification", family, "ForTokenClassification", ENTITIES, 3.0)


@pytest.fixture(scope="module")
def forwarded(taggers, sentences):
    """`forwarded(family, step)`: the texts, and what transformers' model gives for each. A pipeline computes
    this first, whatever the strategy."""

    @functools.cache
    def run(family, step):
        _, theirs = taggers(family)
        texts = [" ".join(sentence) for sentence in sentences[::step]] + ODD_TEXTS[1:]
        with torch.inference_mode():
            return texts, [
                [theirs.forward(window) for window in theirs.preprocess(text, is_split_into_words=False)]
                for text in texts
            ]

    return run


@every(16)
@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("family", FAMILIES)
def test_entities_of_wnut17(family, strategy, step, taggers, forwarded):
    ours, theirs = taggers(family)
    texts, outputs = forwarded(family, step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "Tokenizer does not support real words"
        expected = [theirs.postprocess(one, AggregationStrategy(strategy)) for one in outputs]
        assert theirs(texts[:3], aggregation_strategy=strategy) == expected[:3]
    found = ours(texts, aggregation_strategy=strategy)
    assert sum(map(len, found)) > 100
    same_results(found, expected, TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
def test_entities_of_words_and_with_other_labels_ignored(family, taggers, sentences):
    ours, theirs = taggers(family)
    options = {"is_split_into_words": True, "aggregation_strategy": "simple", "ignore_labels": ["B-person"]}
    for delimiter in (None, "", "_"):
        expected = theirs(sentences[:60], delimiter=delimiter, **options)
        same_results(ours(sentences[:60], delimiter=delimiter, **options), expected, TOLERANCE)
    same_results(ours(sentences[0], **options), theirs(sentences[0], **options), TOLERANCE)
    same_results(ours(sentences[0][0]), theirs(sentences[0][0]), TOLERANCE)


@pytest.mark.parametrize("stride", [0, 10, 100])
@pytest.mark.parametrize("family", FAMILIES)
def test_entities_of_long_texts_in_windows(family, stride, taggers, sentences):
    ours, theirs = taggers(family)
    words = [word for sentence in sentences[:400] for word in sentence]
    texts = [" ".join(words[first : first + 900]) for first in range(0, 3600, 900)]
    expected = theirs(texts, aggregation_strategy="simple", stride=stride)
    same_results(ours(texts, aggregation_strategy="simple", stride=stride), expected, TOLERANCE)


# ---- fill-mask -------------------------------------------------------------------------------------------


def same_fillings(ours, theirs):
    """As same_results, but tokens whose scores are equal to rounding may stand in the other order."""
    if not isinstance(theirs[0], dict):
        assert len(ours) == len(theirs)
        for our_part, their_part in zip(ours, theirs, strict=True):
            same_fillings(our_part, their_part)
        return
    by_token = {one["token"]: one for one in theirs}
    for rank, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one["token"] != other["token"]:
            assert abs(one["score"] - other["score"]) <= 1e-5 * other["score"], rank
            other = by_token.get(one["token"])  # the last one's equal may be missing
        if other is not None:
            same_results(one, other, TOLERANCE)


@every(80)
@pytest.mark.parametrize("family", FAMILIES)
def test_masks_in_tweets(family, step, both, tweets_of_four_languages):
    ours, theirs = both("fill-mask", family, "ForMaskedLM")
    rng = np.random.default_rng(0)
    texts = []
    for tweet in tweets_of_four_languages[::step]:
        words = tweet.split()
        if not words:
            continue
        for place in rng.choice(len(words), size=min(len(words), int(rng.integers(1, 4))), replace=False):
            words[place] = "<mask>"
        texts.append(" ".join(words))
    assert sum(text.count("<mask>") > 1 for text in texts) > 20
    with torch.inference_mode():
        for options in ({}, {"top_k": 2}, {"targets": ["a", "the", "e"]}, {"targets": "the", "top_k": 3}):
            some = texts if not options else texts[:40]
            same_fillings(ours(some, **options), theirs(some, **options))
        same_fillings(ours(texts[0]), theirs(texts[0]))
        same_fillings(ours([texts[0]]), theirs([texts[0]]))
        unknown = {"targets": ["unbelievable thing", "the"]}
        same_fillings(ours(texts[:5], **unknown), theirs(texts[:5], **unknown))


# ---- zero-shot classification ----------------------------------------------------------------------------


@every(60)
@pytest.mark.parametrize("family", FAMILIES)
def test_news_by_topic(family, step, both, test_data):
    ours, theirs = both("zero-shot-classification", family, "ForSequenceClassification", NLI_LABELS, 2.0)
    with open(test_data("data/docs/ag_news_test.csv"), encoding="utf-8", newline="") as file:
        texts = [row[-1] for row in csv.reader(file)][::step]
    topics = ["politics", "sports", "science and technology", "business"]
    with torch.inference_mode():
        for options in (
            {},
            {"multi_label": True},
            {"hypothesis_template": "Das Thema ist {}, oder?"},
        ):
            some = texts if not options else texts[:40]
            same_results(ours(some, topics, **options), theirs(some, topics, **options), TOLERANCE)
        one = texts[0]
        same_results(ours(one, "sports, business"), theirs(one, "sports, business"), TOLERANCE)
        same_results(
            ours(one, candidate_labels=["sports"]), theirs(one, candidate_labels=["sports"]), TOLERANCE
        )
        same_results(ours([one], topics), theirs([one], topics), TOLERANCE)
        long = " ".join(texts[:40])
        same_results(ours(long, topics), theirs(long, topics), TOLERANCE)


# ---- feature extraction ----------------------------------------------------------------------------------


@every(400)
@pytest.mark.parametrize("family", FAMILIES)
def test_features_of_tweets_and_reviews(family, step, both, tweets_of_four_languages, test_data):
    ours, theirs = both("feature-extraction", family, "Model")
    lines = test_data("data/docs/imdb_test_sample.jsonl").read_text("utf-8").split("\n")
    reviews = [json.loads(line)["text"] for line in lines if line]
    texts = [*tweets_of_four_languages[::step], *reviews[:: step // 2 or 1]]
    with torch.inference_mode():
        tensors = theirs(texts, return_tensors=True, tokenize_kwargs={"truncation": True})
        lists = theirs(texts[:3])
        one = theirs(texts[0])
    arrays = ours(texts, return_tensors=True)
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_allclose(array, tensor.numpy(), atol=2e-5)
        assert array.dtype == np.float32
    found = ours(texts[:3])
    assert isinstance(found[0][0][0][0], float)
    for ours_of_one, theirs_of_one in zip(found, lists, strict=True):
        np.testing.assert_allclose(ours_of_one, theirs_of_one, atol=2e-5)
    np.testing.assert_allclose(ours(texts[0]), one, atol=2e-5)
