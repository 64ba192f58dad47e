"""Long texts: cut before they are tokenized, interruptible, and refused where memory is too small."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from samples.tokenizers import assert_one_line

from roberta_c.errors import InputError, ResourceError
from roberta_c.tokenizer import AutoTokenizer, library_calls, memory, text_beginnings
from roberta_c.tokenizer.own_backend import OwnBackend

ROBERTA_TEXTS = {
    "words": "The quick brown fox, don't it? " * 1000,
    "white space before <mask>": "a" + " " * 20_000 + "<mask> b c" * 3000,
    "white space to the end": "a b c " + " \n" * 10_000,
    "no space": "日本語のテキスト，" * 4000,
    "one word": "ab" * 20_000,
    "marks": "e" + "\u0301" * 30_000,
    "special tokens": "x<s></s> <mask> </s>y" * 2000,
    "lines": "あいう\r\n\r\nえお" * 4000,
    "a space, then no space": "a " * 4150 + "b" * 30_000,
}


def assert_same_as_uncut(tokenizer, text, pair=None, **options):
    options = {"truncation": True, "max_length": 40, "return_offsets_mapping": True, **options}
    cut = tokenizer(text, pair, **options)
    complete = tokenizer(text, pair, return_overflowing_tokens=True, **options)
    for name in ("input_ids", "offset_mapping"):
        assert cut[name] == complete[name][0]
    assert cut.word_ids() == complete.word_ids()


@pytest.mark.parametrize("name", ROBERTA_TEXTS)
def test_a_cut_text_has_the_ids_of_the_complete_one(roberta, name):
    text = ROBERTA_TEXTS[name]
    assert_same_as_uncut(roberta, text)
    assert text.startswith(roberta.text_beginning(text, 38))


@pytest.mark.parametrize("is_split", [False, True])
def test_cut_pairs(roberta, is_split):
    """Of an odd number of tokens the longer text keeps one more, also if both are cut before they are
    tokenized."""
    text, other = ROBERTA_TEXTS["words"], ROBERTA_TEXTS["lines"]
    options = {"is_split_into_words": is_split}
    for first, second in ((text, other), (other, text), (text, text), (text, "b c"), (other, text * 2)):
        if is_split:
            first, second = first.split(), second.split()
        ids = [roberta(one, add_special_tokens=False, **options).input_ids for one in (first, second)]
        for room in (1, 36):
            most = [room // 2, room - room // 2]
            if len(ids[0]) > len(ids[1]):
                most.reverse()
            if len(ids[1]) <= most[1]:
                most = [room - len(ids[1]), len(ids[1])]
            expected = [0, *ids[0][: most[0]], 2, 2, *ids[1][: most[1]], 2]
            cut = roberta(first, second, truncation=True, max_length=room + 4, **options)
            assert cut.input_ids == expected


def test_cut_words_and_one_text_of_a_pair(roberta):
    text = ROBERTA_TEXTS["words"]
    for options in ({"truncation": "only_first"}, {"split_special_tokens": True}):
        assert_same_as_uncut(roberta, text, "b c", **options)
    assert_same_as_uncut(roberta, (text * 4).split(), is_split_into_words=True)


@pytest.mark.parametrize("options", [{"return_overflowing_tokens": True}, {"is_split_into_words": True}])
def test_pairs_of_which_the_library_would_make_millions_of_parts(roberta, options):
    text = "ab" * 20_000
    text = [text] if "is_split_into_words" in options else text
    with pytest.raises(ResourceError) as raised:
        roberta([text], [text], truncation=True, max_length=9, **options)
    assert_one_line(raised.value, "text[0]: found 20000 and 20000 tokens to truncate to 9, expected")


def test_what_is_tokenized_of_a_long_text(roberta, monkeypatch):
    sizes = []
    encode = library_calls._encode
    monkeypatch.setattr(
        library_calls,
        "_encode",
        lambda backend, items, *given, **named: (
            sizes.append(sum(map(len, items))) or encode(backend, items, *given, **named)
        ),
    )
    rows = OwnBackend.rows
    monkeypatch.setattr(
        OwnBackend,
        "rows",
        lambda own, items, *given: sizes.append(sum(map(len, items))) or rows(own, items, *given),
    )
    for name in ("words", "no space", "one word", "marks", "lines", "a space, then no space"):
        text = ROBERTA_TEXTS[name] * 20
        roberta(text, truncation=True, max_length=40)
        assert max(sizes) < len(text) / 2, name
    sizes.clear()
    roberta(ROBERTA_TEXTS["words"], truncation=True, max_length=40, return_overflowing_tokens=True)
    assert sizes == [len(ROBERTA_TEXTS["words"])]


def test_a_token_longer_than_the_cut(bpe_folder):
    """An added token that reads beyond the place of a cut, which would otherwise have other tokens before."""
    tokenizer = AutoTokenizer.from_pretrained(bpe_folder)
    long_token = "a b " * 3000 + "c"
    tokenizer.add_tokens([long_token])
    text = long_token + " a b c" * 9000
    assert tokenizer(text, truncation=True, max_length=9).input_ids[1] == len(tokenizer) - 1
    assert_same_as_uncut(tokenizer, text, max_length=9)


def test_a_unigram_word_whose_tokens_depend_on_its_end(unigram_folder):
    """Of "▁aaa…" every second place could begin a token: the length of the word decides."""
    from samples.tokenizers import unigram_proto

    model = unigram_proto([("aa", -1, 1), ("a", -3, 1), ("aab", -0.5, 1)])
    (unigram_folder / "sentencepiece.bpe.model").write_bytes(model.SerializeToString())
    tokenizer = AutoTokenizer.from_pretrained(unigram_folder)
    for count in (30_000, 30_001):
        for end in ("", "b", " a b" * 9000):
            assert_same_as_uncut(tokenizer, "a" * count + end)


def test_text_beginning_checks_its_arguments(roberta):
    for text, count in ((b"a", 5), (None, 5), ("a", 0), ("a", "5")):
        with pytest.raises(InputError) as raised:
            roberta.text_beginning(text, count)
        assert_one_line(raised.value)
    assert roberta.text_beginning("short", 5) == "short"
    with pytest.raises(InputError, match="lone surrogate"):
        roberta("\ud800" + "a b " * 9000, truncation=True, max_length=9)


class Interrupted(Exception):
    pass


def test_a_signal_interrupts_a_long_text(roberta, monkeypatch):
    """Also while its encoder is at work, here until the test is over."""
    text = "the quick brown fox " * 20_000
    expected = roberta("the quick").input_ids
    rows = OwnBackend.rows
    is_over = threading.Event()

    def wait(own, items, *given):
        if threading.current_thread().name == "roberta_c tokenizer":
            assert is_over.wait(60)
        return rows(own, items, *given)

    monkeypatch.setattr(OwnBackend, "rows", wait)

    def handler(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            roberta(text)
        workers = [one for one in threading.enumerate() if one.name == "roberta_c tokenizer"]
        assert len(workers) == 1  # it is still at the text
        assert roberta("the quick").input_ids == expected
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        is_over.set()
    workers[0].join()


def test_other_threads_go_on_during_a_long_text(roberta):
    """The longest time in which this thread did not get its turn is a part of what the text takes."""
    own = roberta._backend
    text = "the quick brown fox " * 400_000
    times = []

    def work():
        start = time.perf_counter()
        own.encoder.encode(text, own._added_strings, 1)
        times.append(time.perf_counter() - start)

    thread = threading.Thread(target=work)
    thread.start()
    longest, before = 0.0, time.perf_counter()
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    thread.join()
    assert longest < times[0] / 2


def test_batches_in_groups_and_in_other_threads(roberta, monkeypatch):
    texts = ["a b", "", "the quick brown fox " * 9, "c"] * 3
    expected = [roberta(text).input_ids for text in texts]
    monkeypatch.setattr(library_calls, "UNINTERRUPTED", 10)
    monkeypatch.setattr(library_calls, "GROUP", 60)
    assert roberta(texts).input_ids == expected
    pairs = [(text, "d") for text in texts]
    assert roberta(pairs).input_ids == [roberta(*pair).input_ids for pair in pairs]
    assert roberta([["a", " b"], ["c"] * 40], is_split_into_words=True).word_ids(1)[-2] == 39
    with pytest.raises(InputError, match=r"text\[1\]: found the lone surrogate U\+D800 at position 20"):
        roberta(["a" * 20, "a" * 20 + "\ud800"])
    results = []
    thread = threading.Thread(target=lambda: results.append(roberta(texts).input_ids))
    thread.start()
    thread.join()
    assert results == [expected]

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(library_calls._LibraryThreads, "are_there", None)
    assert roberta(texts).input_ids == expected
    assert library_calls._LibraryThreads.are_there is None


def test_texts_that_do_not_fit_into_memory(roberta, monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: 100 << 20)
    with pytest.raises(ResourceError) as raised:
        roberta("a b " * 300_000)
    assert_one_line(raised.value, "text: found 1200000 bytes in 1 texts, which need 286 MiB", "100 MiB")
    roberta("a b " * 300_000, truncation=True, max_length=9)
    monkeypatch.undo()
    assert memory.memory_bytes() <= 2**60


LIMITED = """
import os, resource, sys
os.environ["RAYON_NUM_THREADS"] = "2000"
from roberta_c.tokenizer import AutoTokenizer
from roberta_c.tokenizer.memory import memory_bytes
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
one = tokenizer("a b").input_ids
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29),) * 2)
assert memory_bytes() <= 1 << 29
assert tokenizer(["a b"] * 3).input_ids == [one] * 3
assert tokenizer(["a b"] * 3).input_ids == [one] * 3
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_a_batch_where_threads_cannot_be_started(bpe_folder):
    """The library would panic: each of its threads needs a stack, for which there is no address space."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(bpe_folder)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_threads_of_the_library_are_given_up_after_a_panic(roberta, monkeypatch):
    class PanicException(BaseException):
        pass

    class Backend:
        def encode_batch(self, items, **options):
            raise PanicException("The global thread pool has not been initialized.")

        def encode(self, *item, **options):
            return roberta.backend_tokenizer.encode(*item, **options)

    monkeypatch.setattr(library_calls._LibraryThreads, "are_there", True)
    encodings = library_calls.encode_items(Backend(), ["a", "b"], False, False, True)
    assert [one.ids for one in encodings] == roberta(["a", "b"]).input_ids
    assert library_calls._LibraryThreads.are_there is False
    assert text_beginnings.LONG_TEXT < library_calls.UNINTERRUPTED
