"""The text-classification pipeline on the trained checkpoint: forms of input and result, batches, bad input.

Equality with transformers is in parity/test_pipeline_parity.py.
"""

from __future__ import annotations

import itertools
import logging
import random
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import roberta_c
from roberta_c import pipeline
from roberta_c.errors import HubError, InputError, ModelFileError, TokenizerFileError
from roberta_c.pipelines.text_classification import (
    ClassifyOptions,
    Prediction,
    TextClassificationPipeline,
    apply_function,
    choose_function,
)
from roberta_c.pipelines.texts import (
    BATCH_TOKENS,
    WINDOW_BATCHES,
    WINDOW_CHARACTERS,
    TextRow,
    batches_by_length,
    encode_rows,
    windows,
)

LABELS = ["negative", "neutral", "positive"]


@pytest.fixture(scope="module")
def classify(tweet_sentiment_small):
    return pipeline("text-classification", tweet_sentiment_small, num_threads=1)


@pytest.fixture(scope="module")
def tweets(test_data):
    text = test_data("data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


class CountingModel:
    """A model that also writes down the batches it was given."""

    def __init__(self, model):
        self.model, self.batches = model, []
        self.config, self.name_or_path = model.config, model.name_or_path

    def __call__(self, ids, **options):
        self.batches.append([tuple(row) for row in ids])
        return self.model(ids, **options)


@pytest.fixture
def counting(classify):
    return TextClassificationPipeline(CountingModel(classify.model), classify.tokenizer)


# ---- results -----------------------------------------------------------------------------------------


def test_reference_scores_of_the_checkpoint(classify, real_checkpoint):
    """The logits in the checkpoint's README, which transformers computed."""
    for text, logits in {
        "I love using the Transformers library!": [-1.921845, 1.118219, 0.669894],
        "this is the worst service ever": [2.746027, -1.453249, -1.541172],
        "The match starts at 9pm.": [-1.717798, 0.906301, 0.805569],
    }.items():
        found = {one["label"]: one["score"] for one in classify(text, top_k=None, function_to_apply="none")}
        assert [found[label] for label in LABELS] == pytest.approx(logits, abs=2e-5)
        exponentials = np.exp(logits)
        best = int(np.argmax(logits))
        assert classify(text) == [
            {"label": LABELS[best], "score": pytest.approx(exponentials[best] / exponentials.sum(), abs=1e-5)}
        ]


def test_forms_of_results(classify):
    one, pair = "I love it", {"text": "I love it", "text_pair": "so much"}
    best = classify([one])[0]
    assert set(best) == {"label", "score"}
    assert type(best["score"]) is float
    assert classify(one) == [best]
    assert classify({"text": one}) == best
    assert classify([one, {"text": one}, {"text": one, "text_pair": None}]) == [best] * 3
    assert classify([]) == []
    assert classify([pair]) == [classify(pair)]
    assert classify([[["I love it", "so much"]]]) == [classify(pair)]
    assert classify(pair) != best
    every = classify(one, top_k=None)
    assert [type(row) for row in every] == [dict] * 3
    assert every[0] == best
    assert sorted((row["score"] for row in every), reverse=True) == [row["score"] for row in every]
    assert sum(row["score"] for row in every) == pytest.approx(1)
    assert classify(one, top_k=1) == [best]
    assert classify([one, one], top_k=2) == [every[:2]] * 2
    assert classify([one], top_k=7) == [every]
    assert classify(pair, top_k=1) == [classify(pair)]


def test_options_of_the_pipeline_are_defaults_of_its_calls(classify):
    every = classify("I love it", top_k=None)
    listing = TextClassificationPipeline(
        classify.model, classify.tokenizer, ClassifyOptions().changed({"top_k": None})
    )
    assert listing("I love it") == [every]
    assert listing(["I love it"]) == [every]
    assert listing("I love it", top_k=1) == every[:1]
    assert "negative" in repr(listing)


def test_results_are_separate_objects(classify):
    first, second = classify(["I love it", "I love it"])
    first["label"] = "changed"
    assert second["label"] == "positive"


def test_return_all_scores(classify):
    with pytest.warns(DeprecationWarning, match="top_k=None") as caught:
        assert classify("I love it", return_all_scores=True) == classify("I love it", top_k=None)
    assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="no top_k"):
        assert classify(["I love it"], return_all_scores=False) == classify(["I love it"])
    with pytest.warns(DeprecationWarning, match="top_k=None") as caught:
        listing = pipeline("text-classification", classify.model, classify.tokenizer, return_all_scores=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert listing(["I love it"]) == classify(["I love it"], top_k=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify("I love it", return_all_scores=None)
        listing(["I love it"])
    with pytest.raises(InputError, match="return_all_scores: found beside top_k"):
        classify("I love it", return_all_scores=True, top_k=2)


def test_unusual_texts_have_results(classify):
    texts = [
        "",
        " ",
        "\n",
        "a\0b",
        "</s>",
        "<mask>",
        "<pad>",
        "\ufdd0\ufeff",
        "\u202eabc",
        "👩‍👩‍👧",
        "e" + "\u0301" * 500,
    ]
    for text, result in zip(texts, classify(texts), strict=True):
        assert result == classify(text)[0]
    assert classify({"text": "a", "text_pair": ""}) == classify({"text": "a"})
    assert classify({"text": "", "text_pair": "a"}) != classify({"text": "a"})


def test_a_str_subclass_counts_by_its_characters(classify):
    class Hostile(str):
        def __len__(self):
            raise RuntimeError

        __hash__ = __eq__ = encode = isascii = __str__ = __getitem__ = __len__

    assert classify([Hostile("I love it")]) == classify(["I love it"])


# ---- batches, windows, duplicates --------------------------------------------------------------------


def test_same_bits_in_any_company(classify, tweets):
    rng = random.Random(3)
    chosen = rng.sample(tweets, 200)
    chosen += [{"text": text, "text_pair": other} for text, other in itertools.pairwise(chosen[:20])]
    alone = [classify([text], top_k=None)[0] for text in chosen]
    for batch_size in (1, 3, 32, 500):
        order = rng.sample(range(len(chosen)), len(chosen))
        found = classify([chosen[index] for index in order], top_k=None, batch_size=batch_size)
        assert found == [alone[index] for index in order]
        found = classify((chosen[index] for index in order), top_k=None, batch_size=batch_size)
        assert list(found) == [alone[index] for index in order]


def test_repeated_texts_are_computed_once(counting, classify):
    pair = {"text": "b", "text_pair": "a"}
    texts = ["a", "b", pair, "a", "c", "b", pair, dict(pair)] * 20
    assert counting(texts, batch_size=2) == classify(texts, batch_size=32)
    assert len([row for batch in counting.model.batches for row in batch]) == 4
    counting.model.batches.clear()
    assert list(counting(iter(texts), batch_size=32)) == classify(texts)
    assert len([row for batch in counting.model.batches for row in batch]) == 4 * len(
        list(windows([TextRow("")] * 160, 32))
    )


def test_batches_hold_texts_of_similar_length(counting, tweets):
    counting(tweets[:512], batch_size=16)
    spreads = [max(map(len, batch)) - min(map(len, batch)) for batch in counting.model.batches]
    assert max(map(len, counting.model.batches)) == 16
    lengths = [len(ids) for ids in counting.tokenizer(tweets[:512])["input_ids"]]
    unsorted = [np.ptp(lengths[begin : begin + 16]) for begin in range(0, 512, 16)]
    assert np.mean(spreads) < 0.28 * np.mean(unsorted)


def test_an_iterator_is_read_a_window_ahead(classify):
    taken = itertools.count()
    texts = (f"text {next(taken)}" for _ in range(2000))
    results = classify(texts, batch_size=4)
    assert next(taken) == 0  # nothing is read before the first result is wanted
    assert [next(results) for _ in range(3)] == classify(["text 1", "text 2", "text 3"])
    assert next(taken) == 5
    for _ in range(500):
        next(results)
    assert next(taken) <= 510 + 4 * WINDOW_BATCHES

    taken = itertools.count()
    results = classify((f"text {next(taken)}" for _ in range(2000)), batch_size=1)
    for count in range(1, 5):
        next(results)
        assert next(taken) == 2 * count - 1


def test_windows_grow_and_end_early_at_long_texts():
    rows = [TextRow("a")] * 1000
    assert [len(window) for window in windows(rows, 8)] == [8, 16, 32, 64] + [128] * 6 + [112]
    assert [len(window) for window in windows(rows[:3], 1)] == [1, 1, 1]
    book = TextRow("a" * WINDOW_CHARACTERS)
    assert [len(window) for window in windows([*rows[:2], book, *rows[:2], book, *rows[:2]], 8)] == [3, 3, 2]
    assert list(windows([], 8)) == []


def test_batches_are_bounded_in_tokens():
    limit = BATCH_TOKENS
    assert list(batches_by_length([1, 5, 3, 3], 3)) == [[1, 2, 3], [0]]
    assert list(batches_by_length([1, limit, limit // 2, limit // 2, limit + 1], 32)) == [
        [4],
        [1],
        [2, 3],
        [0],
    ]
    assert list(batches_by_length([1, 5, 3, 3], 3, 6)) == [[1], [2, 3], [0]]
    assert list(batches_by_length([], 3)) == []


def test_results_before_a_failure_come_first(classify):
    def texts():
        yield "a"
        yield "b"
        raise OSError("the disk is gone")

    results = classify(texts())
    assert [next(results), next(results)] == classify(["a", "b"])
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)
    results = classify(iter(["a", None, "b"]))
    assert [next(results)] == classify(["a"])
    with pytest.raises(InputError, match=r"texts\[1\]: found None"):
        next(results)


# ---- long texts --------------------------------------------------------------------------------------


def test_long_texts_are_truncated_and_counted(classify, caplog):
    long_text, limit = "word " * 600, classify.model.config.max_tokens
    kept = classify.tokenizer(long_text, truncation=True, max_length=limit)["input_ids"]
    logits = classify.model([kept]).logits[0]
    with caplog.at_level(logging.WARNING):
        results = classify([long_text, "short", long_text], top_k=None, function_to_apply="none")
    assert caplog.messages == ["2 of 3 texts truncated: longer than 512 tokens"]
    assert sorted(row["score"] for row in results[0]) == sorted(map(float, logits))
    caplog.clear()
    exact = "word" + " word" * 509  # 510 tokens and two special ones
    assert len(classify.tokenizer(exact)["input_ids"]) == limit
    assert [found.truncated for found in classify.predictions([exact, f"{exact} word"])] == [False, True]
    assert caplog.messages == ["1 of 2 texts truncated: longer than 512 tokens"]
    caplog.clear()
    assert classify("one two three four", max_length=4) == classify("one two")
    assert caplog.messages == ["1 of 1 texts truncated: longer than 4 tokens"]
    pair = {"text": "word", "text_pair": long_text}
    assert (
        classify(pair, truncation="only_second")
        == classify(pair)
        != classify({"text": long_text, "text_pair": "word"})
    )


def test_without_truncation_a_long_text_is_an_error(classify):
    assert classify(["short"], truncation=False) == classify(["short"])
    for options in ({"truncation": False}, {"truncation": "do_not_truncate"}):
        with pytest.raises(InputError, match=r"texts\[1\]: found 602 tokens, expected at most 512"):
            classify(["short", "word" + " word" * 599], **options)
    with pytest.raises(InputError, match=r"texts\[0\]: found 602"):  # the first of equal ones
        classify(["word" + " word" * 599] * 3, truncation=False)
    with pytest.raises(InputError, match=r"texts: found 602 tokens"):
        classify("word" + " word" * 599, truncation=False)
    with pytest.raises(InputError, match=r"texts: found more than \d{4} tokens"):
        classify("word " * 100_000, truncation=False)
    with pytest.raises(InputError, match=r"texts\[40\]: found 602"):
        list(classify(iter(["a"] * 40 + ["word" + " word" * 599]), truncation=False))


def test_tokenizers_own_limit_counts(classify):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(classify.model.name_or_path, model_max_length=4)
    short = TextClassificationPipeline(classify.model, tokenizer)
    assert short("one two three four") == classify("one two")


def long_texts(tweets, test_data):
    words = " ".join(tweets[:400])
    yield words
    yield words.replace(" ", "")
    yield words.replace(" ", " \n\t  ")
    yield " " * 9000 + words
    yield "ab" * 15_000
    yield "<mask> </s>" * 2000
    yield "".join(
        test_data("data/xlm-t/sentiment/arabic/test_text.txt").read_text(encoding="utf-8").split("\n")
    )
    yield "東京は日本の首都です。" * 1000


def test_beginnings_of_very_long_texts_have_the_same_tokens(classify, tweets, test_data):
    """All of such a text would be tokenized in vain; a beginning must give what all of it would."""
    for text in long_texts(tweets, test_data):
        lengths, ids = [], classify.tokenizer(text)["input_ids"]

        def tokenizer(texts, *pairs, lengths=lengths, **arguments):
            lengths += map(len, texts)
            return classify.tokenizer(texts, *pairs, **arguments)

        for limit in (512, 100, 5):
            (row,) = encode_rows(tokenizer, [TextRow(text)], limit, "longest_first", str)
            assert row == ([*ids[: limit - 1], ids[-1]], True)
        (row,) = encode_rows(tokenizer, [TextRow("short one", text)], 512, "longest_first", str)
        whole = classify.tokenizer("short one", text, truncation=True, max_length=512)
        assert row == (whole["input_ids"], True)
        assert max(lengths) < len(text)


def test_a_text_of_100_megabytes(classify):
    (found,) = classify.predictions(["what a day " * (100_000_000 // 11)])
    assert found.truncated
    assert classify("what a day " * 1000, top_k=None)[0]["score"] == max(found.scores_c)


# ---- score functions ---------------------------------------------------------------------------------


def test_score_functions_against_their_formulas():
    logits = np.array([[0.5, -2.0, 3.0], [-1e4, 0.0, 1e4], [88.0, 89.0, -104.0]], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = {name: apply_function(name, logits) for name in ("none", "sigmoid", "softmax")}
    assert np.array_equal(found["none"], logits)
    wide = logits.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore"):
        sigmoid = (1 / (1 + np.exp(-wide))).astype(np.float64)
        assert np.allclose(found["sigmoid"], sigmoid, rtol=1e-14, atol=0)
        exponentials = np.exp(wide - wide.max(axis=1, keepdims=True))
        assert np.allclose(
            found["softmax"], exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-14
        )
    assert all(scores.dtype == np.float64 for scores in found.values())


def test_equal_scores_keep_the_labels_order():
    scores = np.array([0.0, 1.0, 0.0] * 50)
    order = Prediction(TextRow("a"), scores, False).best_first()
    assert order == sorted(range(150), key=lambda index: -scores[index])


def test_a_config_with_an_unknown_function(classify):
    config = SimpleNamespace(problem_type=None, num_labels=0, name_or_path="here", function_to_apply="max")
    with pytest.raises(ModelFileError, match="function_to_apply: found 'max'"):
        choose_function(config)


def test_outputs_that_are_not_numbers(classify):
    def broken(ids, **options):
        return SimpleNamespace(logits=np.array([[0.0, np.nan, 1.0]] * len(ids), dtype=np.float32))

    broken.config, broken.name_or_path = classify.model.config, "some/model"
    with pytest.raises(ModelFileError, match="some/model: found outputs that are NaN or infinite"):
        TextClassificationPipeline(broken, classify.tokenizer)("a")


# ---- bad input ---------------------------------------------------------------------------------------

SURROGATE = "bad \ud800 text"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (b"text", "texts: found bytes, expected str"),
        (None, "texts: found NoneType"),
        (float("nan"), "texts: found float"),
        (("a", "b"), "texts: found tuple"),
        ([b"text"], r"texts\[0\]: found bytes b'text', expected str"),
        (["a", None], r"texts\[1\]: found None"),
        (["a", float("nan")], r"texts\[1\]: found float nan"),
        ([["a", "b"]], r"texts\[0\]: found a list of 2, expected str, or for a pair a dict"),
        ([("a", "b")], r"texts\[0\]: found a tuple of 2"),
        ([[["a", 3]]], r"texts\[0\]\[0\]\[1\]: found int 3"),
        ([{"text_pair": "a"}], r"texts\[0\]: found the keys \['text_pair'\]"),
        ({"text": "a", "other": "b"}, r"texts: found the keys \['text', 'other'\]"),
        ({"text": ["a", "b"]}, r"texts\['text'\]: found list"),
        ([{"text": "a", "text_pair": 3}], r"texts\[0\]\['text_pair'\]: found int 3"),
        (SURROGATE, r"texts: found the lone surrogate U\+D800 at position 4"),
        (
            ["a", {"text": "a", "text_pair": SURROGATE}],
            r"texts\[1\]\['text_pair'\]: found the lone surrogate",
        ),
    ],
)
def test_bad_texts(classify, texts, message):
    with pytest.raises(InputError, match=message) as caught:
        classify(texts)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k: found 0"),
        ({"top_k": -1}, "top_k: found -1"),
        ({"top_k": "all"}, "top_k: found 'all', expected an integer of at least 1, or None"),
        ({"top_k": 1.0}, "top_k: found 1.0"),
        ({"top_k": True}, "top_k: found True"),
        (
            {"function_to_apply": "max"},
            "function_to_apply: found 'max', expected one of None, default, sigmoid",
        ),
        ({"function_to_apply": 3}, "function_to_apply: found 3"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"batch_size": None}, "batch_size: found None"),
        ({"truncation": "middle"}, "truncation: found 'middle'"),
        ({"truncation": None}, "truncation: found None"),
        ({"max_length": 0}, "max_length: found 0"),
        ({"max_length": 513}, "max_length: found 513, expected at most 512"),
        ({"max_length": 1}, "1 tokens"),
        ({"max_length": 10, "truncation": False}, "max_length: found 10 with truncation=False"),
        ({"padding": "widest"}, "padding: found 'widest'"),
        ({"return_all_scores": 1}, "return_all_scores: found 1"),
        ({"topk": 1}, "topk: found an unknown keyword, expected one of top_k, "),
        ({"as_list": True}, "as_list: found an unknown keyword"),
    ],
)
def test_bad_options(classify, options, message):
    with pytest.raises(InputError, match=message):
        classify(["a b c"], **options)
    if options != {"max_length": 1}:  # which only a text shows to be too little
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", classify.model, classify.tokenizer, **options)
        with pytest.raises(InputError, match=message):  # at once, not with the first result
            classify(iter(["a b c"]), **options)


def test_options_that_change_nothing(classify):
    for options in (
        {"padding": True},
        {"padding": "max_length"},
        {"function_to_apply": "default"},
        {"batch_size": np.int64(2)},
    ):
        assert classify("I love it", **options) == classify("I love it")


def test_bad_arguments_of_pipeline(classify, tmp_path):
    model, tokenizer = classify.model, classify.tokenizer
    for arguments, message in (
        (
            ("translation", model),
            "task: found 'translation', expected one of text-classification, sentiment-analysis",
        ),
        ((None, model), "task: found None"),
        ((["text-classification"], model), "task: found"),
        (("text-classification", 3), "model: found int"),
        (("text-classification", model.roberta, tokenizer), "model: found RobertaModel"),
        (("text-classification", model), "tokenizer: found None"),
        (("text-classification", model, 3), "tokenizer: found 3"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline(*arguments)
    for options, message in (
        ({"dtype": "float8"}, "dtype: found 'float8'"),
        ({"num_threads": 7}, "num_threads: found 7"),
        ({"device": 0}, "device: found 0"),
        ({"device": "cuda"}, "device: found 'cuda'"),
        ({"device": [0]}, "device: found"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", model, tokenizer, **options)
    with pytest.raises(InputError, match="dtype: found 'float8'"):
        pipeline("text-classification", model.name_or_path, dtype="float8")
    half = type(model).from_pretrained(model.name_or_path, dtype="bfloat16")
    with pytest.raises(InputError, match="dtype: found 'float32', but the loaded model's is bfloat16"):
        pipeline("text-classification", half, tokenizer, dtype="float32")
    assert pipeline("text-classification", half, tokenizer, dtype="bfloat16").model is half
    with pytest.raises((HubError, ModelFileError, TokenizerFileError), match=str(tmp_path)):
        pipeline("text-classification", tmp_path)
    with pytest.raises(HubError, match="no such folder"):
        pipeline("text-classification", str(tmp_path / "none"), local_files_only=True)


def test_ways_to_name_model_and_tokenizer(classify, tweet_sentiment_small):
    expected = classify("I love it")
    for arguments in (
        ("sentiment-analysis", str(tweet_sentiment_small)),
        ("text-classification", tweet_sentiment_small, str(tweet_sentiment_small)),
        ("text-classification", classify.model, tweet_sentiment_small),
        ("text-classification", classify.model, classify.tokenizer),
    ):
        assert pipeline(*arguments, device="cpu")("I love it") == expected
    assert (
        roberta_c.pipeline("sentiment-analysis", classify.model, classify.tokenizer, device=-1).task
        == "text-classification"
    )
