"""What all tasks share: forms of input, batches, equal texts, blocks, truncation and options.

A small task with a stand-in model and tokenizer shows each rule alone; text classification with the trained
checkpoint shows that they hold for real texts.
"""

from __future__ import annotations

import itertools
import logging
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

import roberta_c
from roberta_c.errors import InputError, ModelFileError
from roberta_c.pipelines.base import Pipeline
from roberta_c.pipelines.options import PipelineOptions
from roberta_c.pipelines.rows import BLOCK_BATCHES, TextRow, blocks
from roberta_c.pipelines.text_classification import TextClassificationPipeline

from .conftest import ADVICE


class WordTokenizer:
    """A stand-in whose token ids are the lengths of the words, between 0 and 2."""

    def __call__(self, texts, pairs=None, *, padding, truncation, max_length, return_attention_mask):
        assert padding is return_attention_mask is False
        joined = texts if pairs is None else map(" ".join, zip(texts, pairs, strict=True))
        rows = [[0, *map(len, text.split()), 2] for text in joined]
        if truncation != "do_not_truncate":
            rows = [[*row[: max_length - 1], 2] if len(row) > max_length else row for row in rows]
        return {"input_ids": rows}


@dataclass(frozen=True)
class Sum:
    row: TextRow
    total: int
    truncated: bool


class SumPipeline(Pipeline[PipelineOptions, TextRow, Sum]):
    """A task that adds up token ids, and records the ids of each batch."""

    task = "sum"
    options_class = PipelineOptions

    def __init__(self, max_tokens=8, options=PipelineOptions()):  # noqa: B008 - it is immutable
        model = SimpleNamespace(config=SimpleNamespace(max_tokens=max_tokens), name_or_path="some/model")
        super().__init__(model, WordTokenizer(), options)
        self.batches = []

    def _outputs(self, windows, options):
        self.batches.append([tuple(window.ids[1:-1]) for window in windows])
        return [sum(window.ids) for window in windows]

    def _prediction(self, row, windows, outputs, options):
        return Sum(row, sum(outputs), windows[0].truncated)

    def _result(self, prediction, options):
        return {"total": prediction.total}


# ---- a small task ------------------------------------------------------------------------------------


def test_forms_of_input():
    add = SumPipeline()
    assert add("a bb") == {"total": 5}
    assert add({"text": "a bb", "text_pair": "ccc"}) == {"total": 8}
    assert add(["a", {"text": "bb"}]) == [{"total": 3}, {"total": 4}]
    assert add([]) == []
    results = add(iter(["a", "bb"]))
    assert next(results) == {"total": 3}
    assert list(results) == [{"total": 4}]
    assert list(add(iter([]))) == []
    assert repr(add) == "SumPipeline(SimpleNamespace 'some/model')"


def test_single_texts_may_have_another_result():
    class Wrapping(SumPipeline):
        def _single_result(self, result, text, options, given):
            return [result, text, given]

    assert Wrapping()("a", batch_size=3) == [{"total": 3}, "a", {"batch_size": 3}]
    assert Wrapping()(["a"], batch_size=3) == [{"total": 3}]


def test_results_follow_the_texts_and_batches_the_lengths():
    add = SumPipeline()
    texts = ["a", "a a a", "a a", "bb", "bb bb bb", "c c c c"]
    assert add(texts, batch_size=6) == [add(text) for text in texts]
    assert add.batches[0] == [(1, 1, 1, 1), (1, 1, 1), (2, 2, 2), (1, 1), (1,), (2,)]
    add.batches.clear()
    add(texts, batch_size=4)
    assert add.batches == [[(1, 1, 1), (1, 1), (1,), (2,)], [(1, 1, 1, 1), (2, 2, 2)]]


def test_equal_texts_are_computed_once_for_a_list_and_once_a_block_for_an_iterator():
    add = SumPipeline()
    texts = ["a", "b", "a"] * 10
    assert add(texts, batch_size=3) == [{"total": 3}] * 30
    assert add.batches == [[(1,), (1,)]]
    add.batches.clear()
    assert list(add(iter(texts), batch_size=3)) == [{"total": 3}] * 30
    assert add.batches == [[(1,), (1,)]] * len(list(blocks([TextRow("")] * 30, 3)))


def test_predictions_of_any_iterable(caplog):
    add = SumPipeline(max_tokens=4)
    found = list(add.predictions(("a", "a b c", {"text": "a", "text_pair": "b"})))
    assert found == [
        Sum(TextRow("a"), 3, False),
        Sum(TextRow("a b c"), 4, True),
        Sum(TextRow("a", "b"), 4, False),
    ]
    assert caplog.messages == ["1 of 3 texts truncated: longer than 4 tokens"]
    caplog.clear()
    predictions = add.predictions(["a b c"] * 9)
    next(predictions)
    assert caplog.messages == []
    predictions.close()  # the warning counts the texts whose predictions were returned
    assert caplog.messages == ["1 of 1 texts truncated: longer than 4 tokens"]


def test_limits_of_model_tokenizer_and_caller():
    add = SumPipeline(max_tokens=6)
    assert add.max_tokens == 6
    add.tokenizer.model_max_length = 5
    assert add.max_tokens == 5
    assert add("a b c d", max_length=6) == {"total": 6}
    assert SumPipeline(8, PipelineOptions(max_length=4))("a b c") == {"total": 4}
    with pytest.raises(InputError, match="max_length: found 9, expected at most 6, the model's limit"):
        add("a", max_length=9)
    with pytest.raises(InputError, match="max_length: found 9, expected at most 8"):
        SumPipeline(8, PipelineOptions(max_length=9))


def test_options_of_a_task():
    @dataclass(frozen=True)
    class OwnOptions(PipelineOptions):
        power: int = 1
        is_odd: bool = field(default=True, metadata={"derived": True})

    assert OwnOptions().changed({"power": 3, "batch_size": 2}) == OwnOptions(3, batch_size=2)
    with pytest.raises(InputError, match=r"is_odd: found an unknown keyword, expected one of .*, power$"):
        OwnOptions().changed({"is_odd": False})


def test_outputs_that_are_not_finite():
    add = SumPipeline()
    add._check_finite(np.zeros(3))
    for bad in (np.nan, np.inf):
        with pytest.raises(ModelFileError, match="some/model: found outputs that are NaN or infinite"):
            add._check_finite(np.array([[0, bad]]))


# ---- text classification with the trained checkpoint -------------------------------------------------


class CountingModel:
    """A model that also records the batches it gets."""

    def __init__(self, model):
        self.model, self.batches = model, []
        self.config, self.name_or_path = model.config, model.name_or_path

    def __call__(self, ids, **options):
        self.batches.append([tuple(row) for row in ids])
        return self.model(ids, **options)


@pytest.fixture
def counting(classify):
    return TextClassificationPipeline(CountingModel(classify.model), classify.tokenizer)


# ---- texts -------------------------------------------------------------------------------------------


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


def test_only_the_characters_of_a_str_subclass_are_used(classify):
    class Hostile(str):
        def __len__(self):
            raise RuntimeError

        __hash__ = __eq__ = encode = isascii = __str__ = __getitem__ = __len__

    assert classify([Hostile("I love it")]) == classify(["I love it"])


SURROGATE = "bad \ud800 text"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (b"text", "texts: found bytes, expected a str"),
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


# ---- batches -----------------------------------------------------------------------------------------


def test_same_bits_whatever_the_other_texts(classify, tweets):
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
        list(blocks([TextRow("")] * 160, 32))
    )


def test_batches_hold_texts_of_similar_length(counting, tweets):
    counting(tweets[:512], batch_size=16)
    spreads = [max(map(len, batch)) - min(map(len, batch)) for batch in counting.model.batches]
    assert max(map(len, counting.model.batches)) == 16
    lengths = [len(ids) for ids in counting.tokenizer(tweets[:512])["input_ids"]]
    unsorted = [np.ptp(lengths[begin : begin + 16]) for begin in range(0, 512, 16)]
    assert np.mean(spreads) < 0.28 * np.mean(unsorted)


def test_an_iterator_is_read_a_block_ahead(classify):
    taken = itertools.count()
    texts = (f"text {next(taken)}" for _ in range(2000))
    results = classify(texts, batch_size=4)
    assert next(taken) == 0  # no text is read before the first result is
    assert [next(results) for _ in range(3)] == classify(["text 1", "text 2", "text 3"])
    assert next(taken) == 1 + 4 + 8  # blocks of one batch and of two
    for _ in range(500):
        next(results)
    assert next(taken) <= 510 + 2 * 4 * BLOCK_BATCHES

    taken = itertools.count()
    results = classify((f"text {next(taken)}" for _ in range(2000)), batch_size=1)
    for count in range(1, 5):
        next(results)
        assert next(taken) == 2 * count - 1


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


# ---- truncation --------------------------------------------------------------------------------------


def test_long_texts_are_truncated_and_counted(classify, caplog):
    long_text, limit = "word " * 600, classify.model.config.max_tokens
    kept = classify.tokenizer(long_text, truncation=True, max_length=limit)["input_ids"]
    logits = classify.model([kept]).logits[0]
    with caplog.at_level(logging.WARNING):
        results = classify([long_text, "short", long_text], top_k=None, function_to_apply="none")
    assert caplog.messages == [f"2 of 3 texts truncated: longer than 512 tokens{ADVICE}"]
    assert sorted(row["score"] for row in results[0]) == sorted(map(float, logits))
    caplog.clear()
    exact = "word" + " word" * 509  # 510 tokens and two special ones
    assert len(classify.tokenizer(exact)["input_ids"]) == limit
    assert [found.truncated for found in classify.predictions([exact, f"{exact} word"])] == [False, True]
    assert caplog.messages == [f"1 of 2 texts truncated: longer than 512 tokens{ADVICE}"]
    caplog.clear()
    assert classify("one two three four", max_length=4) == classify("one two")
    assert caplog.messages == [f"1 of 1 texts truncated: longer than 4 tokens{ADVICE}"]
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
    with pytest.raises(InputError, match=r"texts\[0\]: found 602"):  # the index of the first of equal texts
        classify(["word" + " word" * 599] * 3, truncation=False)
    with pytest.raises(InputError, match=r"texts: found 602 tokens"):
        classify("word" + " word" * 599, truncation=False)
    with pytest.raises(InputError, match=r"texts: found 100003 tokens"):
        classify("word " * 100_000, truncation=False)
    with pytest.raises(InputError, match=r"texts\[40\]: found 602"):
        list(classify(iter(["a"] * 40 + ["word" + " word" * 599]), truncation=False))


def test_the_tokenizers_own_limit(classify):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(classify.model.name_or_path, model_max_length=4)
    short = TextClassificationPipeline(classify.model, tokenizer)
    assert short("one two three four") == classify("one two")


def test_a_text_of_100_megabytes(classify):
    (found,) = classify.predictions(["what a day " * (100_000_000 // 11)])
    assert found.truncated
    assert classify("what a day " * 1000, top_k=None)[0]["score"] == max(found.scores_c)


def test_a_million_combining_marks(classify):
    """One word, without a place where a text is cut."""
    (found,) = classify.predictions(["e" + "\u0301" * 1_000_000])
    assert found.truncated
    assert classify("e" + "\u0301" * 10_000, top_k=None)[0]["score"] == max(found.scores_c)


def test_a_generator_without_end(classify):
    results = classify(f"text {number % 3}" for number in itertools.count())
    assert [next(results) for _ in range(40)] == classify([f"text {number % 3}" for number in range(40)])
    results.close()


# ---- options -----------------------------------------------------------------------------------------


def test_options_that_change_nothing(classify):
    for options in (
        {"padding": True},
        {"padding": "max_length"},
        {"function_to_apply": "default"},
        {"batch_size": np.int64(2)},
    ):
        assert classify("I love it", **options) == classify("I love it")
