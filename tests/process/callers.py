"""python -m tests.process.callers SECONDS [THREADS]: Python threads that call one model and one tokenizer at
the same time.

Every answer must have the bits that they give alone, and memory, files and threads must not grow after
the first quarter of the time and the first calls of each thread.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from samples.odd_texts import ODD_TEXTS
from samples.tokenizers import make_unigram_folder

from roberta_c.checkpoint import tensor_loading
from roberta_c.tokenizer import XLMRobertaTokenizerFast

from .small_model import answer, load_small_model, open_files, resident_kib, thread_count

THREADS = 64
MAX_GROWTH_KIB = 4096  # each thread's allocator keeps what it has freed
WARM_CALLS = 10  # of each thread, before memory is compared


def main(seconds: float, threads: int = THREADS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tensor_loading.THREAD_BYTES = 1  # so that several threads pack even these weights
        model = load_small_model(Path(folder))
        tokenizer = XLMRobertaTokenizerFast.from_folder(make_unigram_folder(Path(folder) / "tokenizer"))

        def result(number: int) -> tuple[bytes, list[int]]:
            text = ODD_TEXTS[number % len(ODD_TEXTS)]
            return answer(model, number), tokenizer(text, truncation=True, max_length=100)["input_ids"]

        expected = [result(number) for number in range(threads)]
        stop, wrong, calls = threading.Event(), [], [0] * threads

        def call(number: int) -> None:
            while not stop.is_set():
                if result(number) != expected[number]:
                    wrong.append(number)
                    return
                calls[number] += 1

        callers = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
        for caller in callers:
            caller.start()
        time.sleep(seconds / 4)
        while min(calls) < WARM_CALLS and not wrong:
            time.sleep(0.05)
        before = resident_kib(), open_files(), thread_count()
        time.sleep(seconds * 3 / 4)
        after = resident_kib(), open_files(), thread_count()
        stop.set()
        for caller in callers:
            caller.join(60)
            assert not caller.is_alive(), "a caller hangs"
    assert not wrong, f"caller {wrong[0]} got another answer"
    assert min(calls) > 0, "a caller got no answer"
    growth = after[0] - before[0]
    print(f"{sum(calls)} calls by {threads} threads, {growth:+} KiB, files {after[1]}, threads {after[2]}")
    assert growth <= MAX_GROWTH_KIB, f"memory grew by {growth} KiB"
    assert after[1:] == before[1:], f"files and threads: {before[1:]} → {after[1:]}"


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(int, sys.argv[2:]))
