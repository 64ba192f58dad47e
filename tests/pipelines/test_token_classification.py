"""Token classification: groups, words, windows and refusals; parity/test_task_pipelines.py has real text."""

from __future__ import annotations

import pytest

from roberta_c.errors import InputError
from roberta_c.pipelines.token_classification import (
    Labelled,
    Token,
    TokenClassificationPipeline,
    _groups,
    _words,
    without_overlaps,
)

from .conftest import ADVICE


@pytest.fixture(scope="module")
def tag(task_pipeline):
    return task_pipeline("token-classification")


def labels_of_groups(*labels):
    labelled = [Labelled("w", label, 0.5, index, index + 1, index) for index, label in enumerate(labels)]
    return [[one.label for one in group] for group in _groups(labelled)]


def test_neighbours_of_one_label_are_a_group_until_one_begins():
    assert labels_of_groups() == []
    assert labels_of_groups("I-a", "I-a", "I-b") == [["I-a", "I-a"], ["I-b"]]
    assert labels_of_groups("B-a", "I-a", "B-a", "B-a") == [["B-a", "I-a"], ["B-a"], ["B-a"]]
    assert labels_of_groups("a", "a", "O", "I-a") == [["a", "a"], ["O"], ["I-a"]]


def test_tokens_are_put_together_to_words():
    tokens = [
        Token("t", None, 0, 1, index, continues) for index, continues in enumerate([True, True, False, True])
    ]
    assert [[token.index for token in word] for word in _words(tokens)] == [[0, 1], [2, 3]]
    assert list(_words([])) == []


def test_of_overlapping_groups_the_longer_or_better_one_is_kept():
    def group(start, end, score):
        return {"start": start, "end": end, "score": score}

    assert without_overlaps([group(4, 8, 0.5), group(0, 3, 0.5)]) == [group(0, 3, 0.5), group(4, 8, 0.5)]
    assert without_overlaps([group(0, 3, 0.9), group(2, 8, 0.1)]) == [group(2, 8, 0.1)]
    assert without_overlaps([group(0, 3, 0.1), group(0, 3, 0.9)]) == [group(0, 3, 0.9)]
    assert without_overlaps([group(0, 3, 0.9), group(0, 3, 0.1)]) == [group(0, 3, 0.9)]
    assert without_overlaps([]) == []


def test_places_are_those_of_the_text(tag, tweets):
    for text, entities in zip(tweets[:50], tag(tweets[:50], aggregation_strategy="simple"), strict=True):
        for one in entities:
            if "\ufffd" not in one["word"]:  # a token can be a part of a character
                assert text[one["start"] : one["end"]].split() == one["word"].split()
            assert 0 < one["score"] <= 1


def test_words_and_their_text(tag):
    words = ["Ada", "Lovelace", "saw", "London"]
    (found,) = tag(words, is_split_into_words=True, ignore_labels=[])
    text = " ".join(words)
    assert all(text[one["start"] : one["end"]] in text for one in found)
    assert found[-1]["end"] == len(text)
    (joined,) = tag(words, is_split_into_words=True, ignore_labels=[], delimiter="")
    assert joined[-1]["end"] == len("".join(words))


def test_long_texts_are_truncated_with_a_warning_or_read_in_windows(tag, tweets, caplog):
    text = " ".join(tweets[:80])
    cut = tag(text, aggregation_strategy="simple")
    assert caplog.messages == [f"1 of 1 texts truncated: longer than 512 tokens{ADVICE}"]
    caplog.clear()
    complete = tag(text, aggregation_strategy="simple", stride=50)
    assert caplog.messages == []
    assert complete[-1]["end"] > cut[-1]["end"]
    with pytest.raises(InputError, match=r"texts: found \d+ tokens, expected at most 512"):
        tag(text, truncation=False)


def test_words_by_spaces_are_warned_of(tag, recwarn):
    """As in transformers: such tokenizers do not mark which tokens continue a word."""
    for strategy in ("none", "simple"):
        tag("two words", aggregation_strategy=strategy)
    assert not recwarn
    with pytest.warns(UserWarning, match="aggregation_strategy: found 'first' for a tokenizer") as caught:
        tag("two words", aggregation_strategy="first")
    assert caught[0].filename == __file__
    words = TokenClassificationPipeline(tag.model, tag.tokenizer, aggregation_strategy="max")
    for call in (words.predict, words.transform):
        with pytest.warns(UserWarning, match="'max'") as caught:
            assert call(["two words"]) == words(["two words"])
        assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"aggregation_strategy": "best"},
            "aggregation_strategy: found 'best', expected one of none",
        ),
        ({"stride": 5}, "stride: found 5 with aggregation_strategy='none'"),
        ({"stride": -1, "aggregation_strategy": "simple"}, "stride: found -1"),
        ({"stride": 510, "aggregation_strategy": "simple"}, "stride: found 510, expected less than 510"),
        ({"ignore_labels": "O"}, "ignore_labels: found 'O', expected a list of labels"),
        ({"is_split_into_words": 1}, "is_split_into_words: found 1"),
        ({"grouped_entities": True}, "grouped_entities: found an unknown keyword"),
    ],
    ids=str,
)
def test_refusals_of_options(options, message, tag):
    with pytest.raises(InputError, match=message):
        tag("a text", **options)


def test_refusals_of_texts(tag):
    with pytest.raises(InputError, match=r"texts\[0\]: found str, expected a list of words"):
        tag(["a", ["b"]], is_split_into_words=True)
    with pytest.raises(InputError, match=r"texts\[0\]: found list"):
        tag([["a", "b"]])
    with pytest.raises(InputError, match="texts: found dict"):
        tag({"text": "a"})
