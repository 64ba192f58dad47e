"""Fill-mask: forms of results, targets and refusals; parity/test_task_pipelines.py has real text."""

from __future__ import annotations

import numpy as np
import pytest

from roberta_c import AutoTokenizer, pipeline
from roberta_c.errors import InputError


@pytest.fixture(scope="module")
def fill(task_pipeline):
    return task_pipeline("fill-mask")


def test_forms_of_results(fill):
    one = fill("This is <mask>.")
    assert len(one) == 5
    assert list(one[0]) == ["score", "token", "token_str", "sequence"]
    assert [entry["score"] for entry in one] == sorted((entry["score"] for entry in one), reverse=True)
    assert fill(["This is <mask>."]) == one
    assert fill(["This is <mask>.", "And <mask>?"])[0] == one
    two = fill("A <mask> of <mask>.", top_k=2)
    assert [len(entries) for entries in two] == [2, 2]
    assert "<mask>" in two[0][0]["sequence"]
    for entry in one:
        assert entry["sequence"] == f"This is{entry['token_str']}."


def test_scores_are_shares_of_the_vocabulary(fill):
    everything = fill("This is <mask>.", top_k=10**6)
    assert len(everything) == fill.model.config.vocab_size
    assert sum(entry["score"] for entry in everything) == pytest.approx(1)
    by_token = {entry["token"]: entry["score"] for entry in everything}
    for entry in fill("This is <mask>.", targets=["a", "the", "a"]):
        assert entry["score"] == by_token[entry["token"]]
    assert len(fill("This is <mask>.", targets=["a", "the", "a"])) == 2


def test_many_masks_take_bounded_memory(fill):
    """More masks than are scored at once give what they give alone."""
    texts = [f"{'word ' * index}<mask> and <mask>" for index in range(40)]
    assert fill(texts) == [fill(text) for text in texts]


def test_targets_that_are_no_tokens(fill, caplog):
    found = fill("This is <mask>.", targets=["unbelievably long", "the"])
    assert len(found) == 2
    assert "targets: 'unbelievably long' is no token: its first one" in caplog.messages[0]
    with pytest.raises(InputError, match=r"targets: found .*, expected at least one token"):
        fill("This is <mask>.", targets=[])
    with pytest.raises(InputError, match="targets: found 3, expected a str or a list of str"):
        fill("This is <mask>.", targets=3)


def test_refusals(fill, tweets, task_folder):
    with pytest.raises(InputError, match="texts: found a text without a mask, expected <mask> in it"):
        fill("no mask")
    with pytest.raises(InputError, match=r"texts\[1\]: found a text without a mask"):
        fill(["a <mask>", "none"])
    with pytest.raises(InputError, match="texts: found a mask after the first 512 tokens"):
        fill(" ".join(tweets[:100]) + " <mask>")
    with pytest.raises(InputError, match="texts: found a mask after the first 512 tokens"):
        fill("a <mask> " + "mid " * 600 + "<mask>")
    with pytest.raises(InputError, match="top_k: found 0"):
        fill("a <mask>", top_k=0)
    without = AutoTokenizer.from_pretrained(task_folder("fill-mask"))
    without.mask_token = None
    with pytest.raises(InputError, match="tokenizer: found no mask_token"):
        pipeline("fill-mask", task_folder("fill-mask"), tokenizer=without)


def test_equal_scores_are_in_the_order_of_their_tokens(fill):
    logits = np.zeros((1, 7), np.float32)
    tokens, scores = fill._best(logits, fill.options.changed({"top_k": 3}))
    assert tokens[0] == sorted(tokens[0])
    assert scores[0] == pytest.approx([1 / 7] * 3)
