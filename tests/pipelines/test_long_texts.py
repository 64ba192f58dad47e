"""Long texts: how they are divided, what results say was read, and options that contradict one another."""

from __future__ import annotations

from itertools import pairwise

import pytest
from samples.long_texts import by_hand
from samples.rerankers import make_small_xlmr_tokenizer

from roberta_c import AutoTokenizer, pipeline
from roberta_c.errors import InputError
from roberta_c.pipelines.long_texts import encode_in_windows, own_tokens, parts
from roberta_c.pipelines.rows import TextRow
from roberta_c.pipelines.task_windows import encode_questions
from roberta_c.pipelines.truncation import PIECE, count_tokens
from roberta_c.tokenizer.text_beginnings import LONG_TEXT

from .conftest import ADVICE, CALLS, LABELS

EMOJI = "👩‍👩‍👧 東京は日本の首都です。  naïve 🇯🇵\n" * 30


# ---- windows -------------------------------------------------------------------------------------------


def test_parts_and_their_own_tokens():
    for count in (1, 2, 7, 30, 31):
        for room in (1, 2, 5, 8, 40):
            for stride in range(room):
                divided = parts(count, room, stride)
                windows, chosen = by_hand(count, room, stride)
                assert [(part.start, part.stop) for part in divided] == windows
                own = own_tokens(divided)
                assert [index for index, tokens in enumerate(own) for _ in tokens] == chosen


@pytest.fixture(scope="module")
def tokenizers(classify, test_data, tmp_path_factory):
    """Byte-level BPE and Unigram."""
    xlmr = make_small_xlmr_tokenizer(tmp_path_factory.mktemp("xlmr"), test_data)
    return {"bpe": classify.tokenizer, "unigram": AutoTokenizer.from_pretrained(xlmr)}


def is_end(text, place):
    """Whether a word ends there."""
    return text[place].isspace() and not text[place - 1].isspace()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("stride", [None, 0, 30])
def test_windows_read_all_tokens_and_characters(kind, stride, tokenizers, reviews):
    tokenizer, limit = tokenizers[kind], 64
    texts = [*reviews, EMOJI, "  a" * 200 + "  ", "<mask> </s>" * 90, "東京" * 100]
    room = limit - 2
    step = room - (room // 8 if stride is None else stride)
    again = 0
    for text, windows in zip(
        texts, encode_in_windows(tokenizer, list(map(TextRow, texts)), limit, stride, str), strict=True
    ):
        complete = tokenizer(text)
        ids, offsets = complete["input_ids"], complete.encodings[0].offsets
        assert len(windows) > 1
        for index, window in enumerate(windows):
            first = 1 + index * step
            stop = min(first + room, len(ids) - 1)
            assert window.ids == [ids[0], *ids[first:stop], ids[-1]]
            assert (window.n_tokens, window.truncated) == (len(ids), False)
            start, end = window.span
            assert all(start <= one[0] <= one[1] <= end for one in offsets[first:stop])
            if text.isascii() and kind == "bpe":
                assert tokenizer.decode(ids[first:stop]) == text[start:end]
            # Tokens depend on the word that they are in: only windows of complete words have the same.
            if text.isascii() and all(
                place in (0, len(text)) or is_end(text, place) for place in window.span
            ):
                assert tokenizer(text[start:end])["input_ids"] == window.ids
                again += 1
        spans = [window.span for window in windows]
        assert (spans[0][0], spans[-1][1]) == (0, len(text))
        assert all(after[0] <= before[1] for before, after in pairwise(spans))
        merged = [window.ids[place] for window in windows for place in window.own]
        assert merged == ids
        assert sum(window.part.weight for window in windows) == len(ids) - 2
    assert again > 3


def test_a_pair_has_its_first_text_in_each_window(tokenizers, reviews):
    for tokenizer in tokenizers.values():
        (windows,) = encode_in_windows(tokenizer, [TextRow("what of it", reviews[0])], 64, 10, str)
        first, second = (tokenizer(text)["input_ids"][1:-1] for text in ("what of it", reviews[0]))
        complete = tokenizer("what of it", reviews[0])["input_ids"]
        room = 64 - 4 - len(first)
        expected = by_hand(len(second), room, 10)[0]
        joined = tokenizer.build_inputs_with_special_tokens
        assert [window.ids for window in windows] == [joined(first, second[a:b]) for a, b in expected]
        assert [window.ids[place] for window in windows for place in window.own] == complete
        assert sum(window.part.weight for window in windows) == len(second)
        assert windows[0].n_tokens == len(complete)
        assert (windows[0].span[0], windows[-1].span[1]) == (0, len(reviews[0]))


@pytest.mark.parametrize("side", ["right", "left"])
def test_questions_have_the_windows_of_the_tokenizers_library(side, tokenizers, reviews, task_pipeline):
    """Its overflowing parts are what transformers reads; here they are sliced."""
    options = task_pipeline("question-answering").options
    for tokenizer in tokenizers.values():
        tokenizer.truncation_side = side
        try:
            questions, contexts = ["who is it?", "when?"] * 3, [*reviews[:4], EMOJI, "a short one"]
            windows = encode_questions(tokenizer, questions, contexts, 100, 30, options, str)
            library = tokenizer(questions, contexts, truncation="only_second", max_length=100, stride=30)
            for encoding, found, context in zip(library.encodings, windows, contexts, strict=True):
                theirs = [encoding, *encoding.overflowing]
                assert [window.ids for window in found] == [part.ids for part in theirs]
                for window, part in zip(found, theirs, strict=True):
                    assert [i for i, one in enumerate(part.sequence_ids) if one == 1] == list(window.own)
                assert {(0, len(context))} >= {(found[0].span[0], found[-1].span[1])} or side == "left"
        finally:
            tokenizer.truncation_side = "right"


# ---- every task ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", CALLS)
def test_windows_have_the_same_bits_in_any_company(task, run_of, reviews, tweets):
    run = run_of(task)
    texts = [text for pair in zip(reviews, tweets, strict=False) for text in pair]
    if task == "fill-mask":
        texts = [f"{text[: len(text) // 2]} <mask> {text[len(text) // 2 :]} <mask>" for text in texts]
    options = {"long_text": "windows", "max_length": 64, **CALLS[task]}
    results = run(texts, **options)
    assert run(texts, batch_size=3, **options) == results
    assert list(run(iter(texts[::-1]), **options))[::-1] == results
    assert run(texts[0], **options) == results[0]
    two_threads = pipeline(task, run.model.name_or_path, num_threads=2, **CALLS[task])
    assert two_threads(texts[:4], **options) == results[:4]
    short = texts[1::2]
    assert run(short, **{**options, "max_length": 512}) == run(short, **CALLS[task])


@pytest.mark.parametrize("task", CALLS)
def test_results_say_what_was_read(task, run_of, reviews, caplog):
    run = run_of(task)
    text = f"a <mask> {reviews[0]}"
    offsets = run.tokenizer(text).encodings[0].offsets
    n_tokens, read = len(offsets), 62
    if task == "zero-shot-classification":
        longest = len(run.tokenizer(f"This example is {LABELS[2]}.")["input_ids"]) - 2
        n_tokens, read = n_tokens + 2 + longest, 60 - longest
    options = {**CALLS[task], "max_length": 64}
    result = run([text], **options, return_lengths=True)
    (result,) = result if isinstance(result, list) else [result]
    without = run([text], **options)
    assert result["result"] == (without[0] if task != "fill-mask" else without)
    assert (result["n_tokens"], result["truncated"]) == (n_tokens, True)
    assert result["windows"] == [[0, offsets[read][1]]]
    assert caplog.messages[-1] == f"1 of 1 texts truncated: longer than 64 tokens{ADVICE}"
    caplog.clear()

    result = run(text, **options, long_text="windows", return_lengths=True)
    assert (result["n_tokens"], result["truncated"]) == (n_tokens, False)
    if task == "fill-mask":
        assert len(result["windows"]) == 1  # no other has a mask
    else:
        assert len(result["windows"]) > 3
        assert (result["windows"][0][0], result["windows"][-1][1]) == (0, len(text))
    assert caplog.messages == []

    result = run("so <mask> good", **CALLS[task], return_lengths=True)
    assert (result["truncated"], result["windows"]) == (False, [[0, 14]])
    (prediction,) = run.predictions(["so <mask> good"], **CALLS[task])
    assert (prediction.n_tokens, prediction.truncated) == (result["n_tokens"], False)
    assert prediction.windows == ((0, 14),)
    (prediction,) = run.predictions([text], **options)
    assert (prediction.n_tokens, prediction.truncated, prediction.windows) == (None, True, None)
    with pytest.raises(
        InputError, match=rf"texts: found {n_tokens} tokens.*, expected at most 64; long_text"
    ):
        run(text, **options, long_text="error")


def test_very_long_texts_are_counted_in_pieces(run_of, tweets, reviews):
    run = run_of("text-classification")
    words = " ".join(tweets[:300]) + " " + "<mask>  \n x " * 50
    for text in (words, words * 9, EMOJI * 90, "ab" * LONG_TEXT, " " * LONG_TEXT + reviews[0]):
        assert len(text) > LONG_TEXT
        n_tokens = len(run.tokenizer(text)["input_ids"])
        assert count_tokens(run.tokenizer, TextRow(text)) == n_tokens
        assert run(text, return_lengths=True)["n_tokens"] == n_tokens
        with pytest.raises(InputError, match=rf"^texts: found {n_tokens} tokens, expected at most 512"):
            run(text, truncation=False)
    assert len(words * 9) > 2 * PIECE
    n_tokens = len(run.tokenizer("a b", words)["input_ids"])
    assert run({"text": "a b", "text_pair": words}, return_lengths=True)["n_tokens"] == n_tokens


def test_a_tokenizer_that_cuts_the_beginning(run_of, reviews, tmp_path):
    run = run_of("text-classification")
    run.tokenizer.save_pretrained(tmp_path)
    left = AutoTokenizer.from_pretrained(tmp_path, truncation_side="left")
    cut = pipeline("text-classification", run.model, tokenizer=left)
    result = cut(reviews[0], max_length=64, return_lengths=True)
    ((start, end),) = result["windows"]
    assert end == len(reviews[0])
    assert left(reviews[0][start:])["input_ids"][2:] == left(reviews[0])["input_ids"][-62:]
    options = {"max_length": 64, "long_text": "windows"}
    assert cut(reviews[0], **options) == run(reviews[0], **options)


# ---- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long_text": "cut"}, "long_text: found 'cut', expected one of None, truncate, error, windows"),
        ({"long_text": True}, "long_text: found True"),
        ({"long_text": "windows", "truncation": False}, "truncation: found False with long_text='windows'"),
        ({"long_text": "truncate", "truncation": False}, "truncation: found False with long_text='truncate'"),
        (
            {"long_text": "windows", "truncation": "only_first"},
            "truncation: found 'only_first' with long_text",
        ),
        ({"long_text": "error", "truncation": "only_first"}, "truncation: found 'only_first' with long_text"),
        ({"stride": 5}, "stride: found 5 without windows, expected long_text='windows' too"),
        ({"stride": 5, "long_text": "error"}, "stride: found 5 without windows"),
        ({"stride": -1, "long_text": "windows"}, "stride: found -1, expected an integer of at least 0"),
        ({"stride": 510, "long_text": "windows"}, "stride: found 510, expected less than 510, the tokens of"),
        ({"max_length": 2, "long_text": "windows"}, "max_length: found 2, expected more than 2"),
        ({"window_scores": "max"}, "window_scores: found 'max' without windows"),
        ({"window_scores": "best", "long_text": "windows"}, "window_scores: found 'best', expected one of"),
        ({"return_lengths": 1}, "return_lengths: found 1, expected True or False"),
    ],
    ids=str,
)
def test_refusals_of_options(options, message, classify):
    with pytest.raises(InputError, match=message):
        classify("a text", **options)


def test_options_of_the_pipeline_and_of_a_call(run_of, reviews):
    run = run_of("text-classification")
    windows = pipeline("text-classification", run.model, tokenizer=run.tokenizer, long_text="windows")
    text = reviews[0] * 3
    assert windows(text) == run(text, long_text="windows") != run(text)
    assert windows(text, truncation=True) == windows(text, long_text="truncate") == run(text)
    assert run("a", long_text="error", truncation=False, max_length=9) == run("a")
    options = {"long_text": "windows", "stride": 20, "window_scores": "max"}
    strided = pipeline("text-classification", run.model, tokenizer=run.tokenizer, **options)
    assert strided(text, truncation=True) == strided(text, long_text="truncate") == run(text)
    with pytest.raises(InputError, match="stride: found 5 without windows"):
        strided(text, long_text="truncate", stride=5)
    with pytest.raises(InputError, match="expected at most 3; long_text="):
        windows("one two three", long_text="error", max_length=3)


def test_what_leaves_no_room(run_of, reviews):
    classify, zero_shot, tag = map(
        run_of, ("text-classification", "zero-shot-classification", "token-classification")
    )
    windows = {"long_text": "windows", "max_length": 64}
    long_first = {"text": reviews[0], "text_pair": "b"}
    with pytest.raises(
        InputError, match=r"texts\[1\]: text: found \d+ tokens with the special ones, expected at most 63"
    ):
        classify(["a", long_first], **windows)
    with pytest.raises(
        InputError, match=r"with the special ones, expected at most 4, so that 60 of 64 are left"
    ):
        classify({"text": "a b", "text_pair": reviews[0]}, stride=59, **windows)
    with pytest.raises(InputError, match=r"stride: found 55, expected less than 5., the tokens of a window"):
        zero_shot("a", LABELS, stride=55, **windows)
    with pytest.raises(InputError, match="stride: found 62, expected less than 62"):
        tag("a", stride=62, **windows)
    with pytest.raises(InputError, match="stride: found 5 without windows"):
        tag("a", stride=5, long_text="truncate")


def test_tokenizers_without_places_are_refused(classify):
    def tokenizer(texts, **options):
        return {"input_ids": [[0, 2] for _ in texts]}

    run = pipeline("text-classification", classify.model, tokenizer=tokenizer)
    assert run("a")
    for options in ({"long_text": "windows"}, {"return_lengths": True}):
        with pytest.raises(InputError, match="expected it to be left out, or a tokenizer of roberta_c"):
            run("a", **options)
        with pytest.raises(InputError, match="expected it to be left out, or a tokenizer of roberta_c"):
            pipeline("text-classification", classify.model, tokenizer=tokenizer, **options)
