"""Rows, blocks of rows, batches, and the token ids of very long texts."""

from __future__ import annotations

from roberta_c.pipelines.batches import BATCH_TOKENS, batches_by_length
from roberta_c.pipelines.rows import BLOCK_CHARACTERS, TextRow, blocks
from roberta_c.pipelines.truncation import encode_rows
from roberta_c.tokenizer.text_beginnings import LONG_TEXT


def test_blocks_grow_and_end_early_at_long_texts():
    rows = [TextRow("a")] * 1000
    assert [len(block) for block in blocks(rows, 8)] == [8, 16, 32, 64] + [128] * 6 + [112]
    assert [len(block) for block in blocks(rows[:40], 8, batches=1)] == [8] * 5
    assert [len(block) for block in blocks(rows[:3], 1)] == [1, 1, 1]
    book = TextRow("a" * BLOCK_CHARACTERS)
    assert [len(block) for block in blocks([*rows[:2], book, *rows[:2], book, *rows[:2]], 8)] == [3, 3, 2]
    words = ("", ("a" * BLOCK_CHARACTERS,))
    assert [len(block) for block in blocks([words, words], 8)] == [1, 1]
    assert list(blocks([], 8)) == []


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
    """Only a beginning of a very long text is tokenized; truncated, it has the ids of the complete text."""
    for text in long_texts(tweets, test_data):
        lengths, ids = [], classify.tokenizer(text)["input_ids"]

        def tokenizer(texts, *pairs, lengths=lengths, **arguments):
            lengths += map(len, texts)
            return classify.tokenizer(texts, *pairs, **arguments)

        tokenizer.text_beginning = classify.tokenizer.text_beginning
        for limit in (512, 100, 5):
            (row,) = encode_rows(tokenizer, [TextRow(text)], limit, "longest_first", str)
            assert (row.ids, row.truncated) == ([*ids[: limit - 1], ids[-1]], True)
        (row,) = encode_rows(tokenizer, [TextRow("short one", text)], 512, "longest_first", str)
        complete = classify.tokenizer("short one", text, truncation=True, max_length=512)
        assert (row.ids, row.truncated) == (complete["input_ids"], True)
        assert max(lengths) < len(text) or len(text) <= 2 * LONG_TEXT
