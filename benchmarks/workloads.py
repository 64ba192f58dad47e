"""The batches that encoder.py and threads.py run: random ids in fixed shapes, and real tweets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from base_model import VOCABULARY

import roberta_c

SHAPES = ((1, 8), (1, 16), (1, 32), (1, 128), (1, 512), (8, 128), (32, 32), (4, 512))
TWEETS, BATCH = 256, 32
TWEETS_NAME = f"{TWEETS} tweets"
NAMES = (*(f"{size} x {length}" for size, length in SHAPES), TWEETS_NAME)


def random_batch(size: int, length: int) -> list[list[int]]:
    """`size` rows of `length` ids, the same for the same shape."""
    rng = np.random.default_rng((size, length))
    return [[0, *rng.integers(3, VOCABULARY - 1, length - 2).tolist(), 2] for _ in range(size)]


def tweets(data: Path) -> list[list[list[int]]]:
    """The first tweets of TweetEval's sentiment test, in order, encoded with RoBERTa-base's vocabulary."""
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(data / "data/roberta")
    text = (data / "data/tweeteval/sentiment/test_text.txt").read_text(encoding="utf-8")
    ids = tokenizer(text.split("\n")[:TWEETS])["input_ids"]
    return [ids[i : i + BATCH] for i in range(0, len(ids), BATCH)]


def workloads(data: Path, wanted: list[str]) -> tuple[dict[str, list[list[list[int]]]], list[str]]:
    """Name → batches of ragged ids; and the workloads that are left out because their data is missing."""
    found = {name: [random_batch(*map(int, name.split(" x ")))] for name in wanted if name != TWEETS_NAME}
    if TWEETS_NAME not in wanted:
        return found, []
    if not (data / "data/tweeteval/sentiment/test_text.txt").exists():
        return found, [f"{TWEETS_NAME} (no data/tweeteval in {data.name}; set --data)"]
    return {**found, TWEETS_NAME: tweets(data)}, []
