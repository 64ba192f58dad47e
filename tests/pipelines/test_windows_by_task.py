"""Results of long texts in windows, task by task, against references that slice the ids by hand.

A model that sees no context gives each token the same results in any window: its results in windows are those
of the complete text. A random model with context shows which window a token's results come from.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
import torch
from samples.long_texts import by_hand, softmax

from roberta_c import pipeline
from roberta_c.errors import InputError

from .conftest import LABELS


@pytest.fixture(scope="module")
def without_context(task_folder, tmp_path_factory):
    """`without_context(task)` is a pipeline whose model computes each token from itself alone."""

    def make(task, **options):
        folder = shutil.copytree(task_folder(task), tmp_path_factory.mktemp("model") / "model")
        weights = torch.load(folder / "pytorch_model.bin")
        for name, tensor in weights.items():
            if "attention.output.dense" in name or "position_embeddings" in name:
                tensor.zero_()
        torch.save(weights, folder / "pytorch_model.bin")
        return pipeline(task, folder, num_threads=1, **options)

    return make


@pytest.mark.parametrize("stride", [None, 50])
def test_classification_by_mean_and_highest_scores(stride, classify, reviews):
    for text in [*reviews[:3], {"text": "is it good?", "text_pair": reviews[3]}]:
        pair = ("is it good?", text["text_pair"]) if isinstance(text, dict) else (text,)
        halves = [classify.tokenizer(one)["input_ids"][1:-1] for one in pair]
        room = 128 - (2 if len(pair) == 1 else 4 + len(halves[0]))
        windows, chosen = by_hand(len(halves[-1]), room, room // 8 if stride is None else stride)
        joined = classify.tokenizer.build_inputs_with_special_tokens
        rows = [joined(*halves[:-1], halves[-1][first:stop]) for first, stop in windows]
        scores = softmax(classify.model(rows).logits)
        weights = np.bincount(chosen, minlength=len(windows))
        for how, expected in (("mean", weights @ scores / weights.sum()), ("max", scores.max(axis=0))):
            results = classify(
                text, top_k=None, long_text="windows", stride=stride, window_scores=how, max_length=128
            )
            found = {one["label"]: one["score"] for one in results}
            assert [found[label] for label in classify.labels] == pytest.approx(expected, rel=1e-12)
        (default,) = classify.predictions([text], long_text="windows", stride=stride, max_length=128)
        assert default.scores_c == pytest.approx(weights @ scores / weights.sum(), rel=1e-12)
        assert len(default.windows) == len(windows) > 1


def test_logits_of_windows_are_averaged_without_a_function(classify, reviews):
    options = {"long_text": "windows", "max_length": 128, "function_to_apply": "none", "top_k": None}
    ids = classify.tokenizer(reviews[0])["input_ids"][1:-1]
    windows, chosen = by_hand(len(ids), 126, 15)
    logits = classify.model([[0, *ids[first:stop], 2] for first, stop in windows]).logits.astype(np.float64)
    weights = np.bincount(chosen)
    found = {one["label"]: one["score"] for one in classify(reviews[0], **options)}
    expected = weights @ logits / weights.sum()
    assert [found[label] for label in classify.labels] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("multi_label", [False, True])
def test_zero_shot_labels_by_mean_and_highest_scores(multi_label, run_of, reviews):
    run = run_of("zero-shot-classification")
    ids = run.tokenizer(reviews[0])["input_ids"][1:-1]
    labels = [run.tokenizer(f"This example is {label}.")["input_ids"][1:-1] for label in LABELS]
    windows, chosen = by_hand(len(ids), 100 - 4 - max(map(len, labels)), 9)
    joined = run.tokenizer.build_inputs_with_special_tokens
    logits = np.stack(
        [run.model([joined(ids[first:stop], label) for label in labels]).logits for first, stop in windows]
    )
    scores = softmax(logits[:, :, [0, 2]])[:, :, 1] if multi_label else softmax(logits[:, :, 2])
    weights = np.bincount(chosen)
    for how, expected in ((None, weights @ scores / weights.sum()), ("max", scores.max(axis=0))):
        result = run(
            reviews[0],
            LABELS,
            multi_label=multi_label,
            long_text="windows",
            stride=9,
            window_scores=how,
            max_length=100,
        )
        by_label = dict(zip(result["labels"], result["scores"], strict=True))
        assert [by_label[label] for label in LABELS] == pytest.approx(expected, rel=1e-12)
        assert result["scores"] == sorted(result["scores"], reverse=True)


def test_entities_of_windows_are_those_of_the_text(without_context, reviews):
    """With every strategy, and of words: as if the model had read the text at once."""
    tag = without_context("token-classification", aggregation_strategy="simple")
    texts = [text for text in reviews if len(tag.tokenizer(text)["input_ids"]) < 512]
    assert len(texts) > 2
    for strategy in ("none", "simple", "first", "average", "max"):
        for stride in (None, 0, 31):
            windows = {"long_text": "windows", "max_length": 64, "stride": stride}
            options = {"aggregation_strategy": strategy, "ignore_labels": []}
            with (
                pytest.warns(UserWarning, match=strategy)
                if strategy not in ("none", "simple")
                else nullcontext()
            ):
                assert tag(texts, **options, **windows) == tag(texts, **options)
    words = texts[0].split()
    options = {"is_split_into_words": True, "ignore_labels": []}
    assert tag(words, **options, max_length=64, long_text="windows") == tag(words, **options)
    result = tag(words, **options, max_length=64, long_text="windows", return_lengths=True)
    assert result["result"] == tag(words, **options)
    joined = " ".join(words)
    spans = result["windows"]
    assert (spans[0][0], spans[-1][1]) == (0, len(joined))
    assert all(after[0] <= before[1] for before, after in pairwise(spans))


def test_a_token_has_the_scores_of_the_window_with_most_context(run_of, reviews):
    tag = run_of("token-classification")
    ids = tag.tokenizer(reviews[0])["input_ids"][1:-1]
    windows, chosen = by_hand(len(ids), 62, 25)
    logits = tag.model([[0, *ids[first:stop], 2] for first, stop in windows]).logits
    expected = [
        softmax(logits[index][1 + token - windows[index][0]]).max() for token, index in enumerate(chosen)
    ]
    options = {"aggregation_strategy": "none", "ignore_labels": []}
    found = tag(reviews[0], **options, long_text="windows", max_length=64, stride=25)
    assert [one["score"] for one in found] == pytest.approx(expected, rel=1e-12)
    assert [one["index"] for one in found] == list(range(1, len(ids) + 1))


def test_stride_alone_reads_the_windows_of_transformers(run_of, reviews):
    tag = run_of("token-classification")
    result = tag(reviews[0], max_length=64, stride=20, return_lengths=True)
    assert result["result"] == tag(reviews[0], max_length=64, stride=20)
    assert result["n_tokens"] == len(tag.tokenizer(reviews[0])["input_ids"])
    library = tag.tokenizer(reviews[0], truncation=True, max_length=64, stride=20).encodings[0]
    parts_of_library = [library, *library.overflowing]
    assert [span[0] for span in result["windows"]] == [part.offsets[1][0] for part in parts_of_library]
    assert [span[1] for span in result["windows"]] == [part.offsets[-2][1] for part in parts_of_library]


def test_features_of_windows(run_of, without_context, reviews):
    extract = run_of("feature-extraction")
    options = {"long_text": "windows", "max_length": 64, "stride": 25, "return_tensors": True}
    ids = extract.tokenizer(reviews[0])["input_ids"]
    windows, chosen = by_hand(len(ids) - 2, 62, 25)
    states = extract.model([[0, *ids[1:-1][first:stop], 2] for first, stop in windows])[0]
    expected = [states[0][0]]
    expected += [states[index][1 + token - windows[index][0]] for token, index in enumerate(chosen)]
    expected.append(states[len(windows) - 1][1 + windows[-1][1] - windows[-1][0]])
    found = extract(reviews[0], **options)
    np.testing.assert_array_equal(found, np.stack(expected)[None])
    alone = without_context("feature-extraction")
    for text in (reviews[0], {"text": "a pair", "text_pair": reviews[1]}):
        np.testing.assert_array_equal(alone(text, **options), alone(text, return_tensors=True))


def test_masks_anywhere_in_a_long_text(without_context, run_of, reviews):
    text = f"one <mask> {reviews[0]} two <mask> {reviews[1][:600]} three <mask>"
    windows = {"long_text": "windows", "max_length": 64, "top_k": 3}
    alone = without_context("fill-mask")
    assert len(alone.tokenizer(text)["input_ids"]) <= 512
    assert alone(text, **windows) == alone(text, top_k=3)
    result = alone(text, **windows, return_lengths=True)
    assert [len(found) for found in result["result"]] == [3, 3, 3]
    assert len(result["windows"]) == 3

    fill = run_of("fill-mask")
    ids = fill.tokenizer(text)["input_ids"][1:-1]
    parts_by_hand, chosen = by_hand(len(ids), 62, 7)
    for place, found in zip(
        [index for index, token in enumerate(ids) if token == fill.mask_id],
        fill(text, **windows),
        strict=True,
    ):
        first, stop = parts_by_hand[chosen[place]]
        (logits,) = fill.model([[0, *ids[first:stop], 2]]).logits
        scores = softmax(logits[1 + place - first])
        assert [one["token"] for one in found] == np.argsort(-scores, kind="stable")[:3].tolist()
        assert [one["score"] for one in found] == pytest.approx(np.sort(scores)[::-1][:3], rel=1e-5)
    with pytest.raises(InputError, match="texts: found a text without a mask, expected <mask> in it"):
        fill(reviews[0], **windows)


def test_answers_say_what_was_read(task_pipeline, reviews):
    answer = task_pipeline("question-answering")
    result = answer(question="who?", context=reviews[0], max_seq_len=100, return_lengths=True)
    assert result["result"] == answer(question="who?", context=reviews[0], max_seq_len=100)
    assert result["n_tokens"] == len(answer.tokenizer("who?", reviews[0])["input_ids"])
    assert not result["truncated"]
    assert len(result["windows"]) > 3
    assert (result["windows"][0][0], result["windows"][-1][1]) == (0, len(reviews[0]))
    short = {"question": "who?", "context": "it is Bob"}
    assert answer(short, long_text="error") == answer(short, long_text="windows") == answer(short)
    with pytest.raises(InputError, match=rf"^texts: found {result['n_tokens']} tokens, expected at most 100"):
        answer(question="who?", context=reviews[0], max_seq_len=100, long_text="error")
    for options, message in (
        ({"long_text": "truncate"}, "long_text: found 'truncate', expected windows or error"),
        ({"stride": 5}, "stride: found 5, expected doc_stride in its place"),
    ):
        with pytest.raises(InputError, match=message):
            answer(short, **options)
