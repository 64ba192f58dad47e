"""python -m tests.process.soak HOURS [BATCHES]: mixed texts through pipelines of three dtypes.

The same batches again and again; after each round a line of JSON: texts so far, memory in KiB, open files,
threads. At the end the slope of memory, from the first 10 minutes on (of a shorter run: its first third),
and at least from the second round on. The exit code is 1 if memory grows by more than 1 MiB an hour (in a run
below one hour: 1 MiB in all), if files or threads have changed, or if a text got another answer than before.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time

import numpy as np
from samples.texts import made_texts

from roberta_c import pipeline
from roberta_c.files.bundled import bundled_model_path

from .small_model import open_files, resident_kib, thread_count

DTYPES = ("float32", "bfloat16", "int8")
BATCHES = 400
LEAST_ROUNDS = 6
MAX_KIB_AN_HOUR = 1024
ODD_TEXTS = ("", " ", "\0", "</s><mask>", "é" * 700, "a" * 3000, "🙂" * 300, "\u0301" * 500, "１２３")


def main(hours: float, batches: int = BATCHES) -> None:
    logging.disable(logging.WARNING)  # of texts that are truncated
    seconds = hours * 3600
    folder = bundled_model_path()
    pipelines = {
        dtype: pipeline("text-classification", folder, dtype=dtype, top_k=None, truncation=True)
        for dtype in DTYPES
    }
    made = text_batches(batches)
    answers: dict[tuple[str, str], object] = {}
    samples: list[tuple[float, int, int, int]] = []
    began, texts_done, wrong = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds or len(samples) < LEAST_ROUNDS:
        for texts, batch_size in made:
            for dtype in DTYPES:
                results = pipelines[dtype](texts, batch_size=batch_size)
                texts_done += len(texts)
                for text, result in zip(texts, results, strict=True):
                    wrong += answers.setdefault((dtype, text), result) != result
        wait_for_threads(samples[0][3] if samples else 0)
        samples.append((time.monotonic() - began, resident_kib(), open_files(), thread_count()))
        shown = dict(zip(("seconds", "kib", "files", "threads"), samples[-1], strict=True))
        print(json.dumps({"texts": texts_done, **shown}), flush=True)
    report(samples, seconds, texts_done, wrong)


def wait_for_threads(count: int) -> None:
    """Wait a moment for threads that are ending: those that tokenize ahead of a call."""
    for _ in range(100):
        if thread_count() <= count:
            return
        time.sleep(0.01)


def text_batches(count: int) -> list[tuple[list[str], int]]:
    """Batches of 1 to 65 texts of all languages and lengths, and how many texts are computed together."""
    rng = random.Random(0)
    texts = made_texts(2000)
    batches = []
    for number in range(count):
        size, odd = (8, 1, 64, 2)[number % 4], ODD_TEXTS[number % len(ODD_TEXTS)]
        batches.append(([*rng.sample(texts, size), odd], rng.choice((1, 8, 32))))
    return batches


def report(samples: list[tuple[float, int, int, int]], seconds: float, texts: int, wrong: int) -> None:
    warm = max(min(600.0, seconds / 3), samples[1][0])
    later = [one for one in samples if one[0] >= warm]
    times, kib = np.array([one[0] for one in later]), np.array([one[1] for one in later])
    slope = float(np.polyfit(times, kib, 1)[0]) * 3600  # KiB an hour
    limit = MAX_KIB_AN_HOUR * max(1.0, 3600 / (times[-1] - times[0]))
    counts = {one[2:] for one in later}
    print(f"{texts} texts, {slope:+.0f} KiB an hour, files and threads {sorted(counts)}, {wrong} wrong")
    if slope > limit or len(counts) > 1 or wrong:
        raise SystemExit(f"expected at most {limit:.0f} KiB an hour, files and threads unchanged, 0 wrong")


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(int, sys.argv[2:]))
