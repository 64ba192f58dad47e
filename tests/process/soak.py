"""python -m tests.process.soak HOURS: mixed texts through pipelines of three dtypes.

A line of JSON each minute, or 20 lines if that is more: texts so far, memory in KiB, open files, threads. At
the end the slope of memory, from the first 10 minutes on (of a shorter run: its first third). The exit code
is 1 if memory grows by more than 1 MiB an hour (in a run below one hour: 1 MiB in all), if files or threads
have changed, or if a text got another answer than the first time.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator

import numpy as np
from samples.texts import made_texts

from roberta_c import pipeline
from roberta_c.files.bundled import bundled_model_path

from .small_model import open_files, resident_kib, thread_count

DTYPES = ("float32", "bfloat16", "int8")
MAX_KIB_AN_HOUR = 1024
ODD_TEXTS = ("", " ", "\0", "</s><mask>", "é" * 700, "a" * 3000, "🙂" * 300, "\u0301" * 500, "１２３")


def main(hours: float) -> None:
    seconds = hours * 3600
    pipelines = {
        dtype: pipeline("text-classification", bundled_model_path(), dtype=dtype, top_k=None)
        for dtype in DTYPES
    }
    batches = text_batches()
    answers: dict[tuple[str, str], object] = {}
    samples: list[tuple[float, int, int, int]] = []
    began, texts_done, wrong = time.monotonic(), 0, 0
    step = min(60.0, seconds / 20)
    while (elapsed := time.monotonic() - began) < seconds or len(samples) < 6:
        for dtype in DTYPES:
            texts, options = next(batches)
            results = pipelines[dtype](texts, **options)
            texts_done += len(texts)
            for text, result in zip(texts, results, strict=True):
                if (
                    len(answers) < 1000 and len(text) < 200
                ):  # kept from the beginning, so memory stays the same
                    answers.setdefault((dtype, text), result)
                wrong += answers.get((dtype, text), result) != result
        if elapsed >= step * (len(samples) + 1):
            samples.append((elapsed, resident_kib(), open_files(), thread_count()))
            names = ("seconds", "kib", "files", "threads")
            print(json.dumps({"texts": texts_done, **dict(zip(names, samples[-1], strict=True))}), flush=True)
    report(samples, seconds, texts_done, wrong)


def text_batches() -> Iterator[tuple[list[str], dict[str, object]]]:
    """Batches of 1 to 64 texts of all languages and lengths, and options of a call."""
    rng = random.Random(0)
    texts = made_texts(2000)
    while True:
        batch = rng.sample(texts, rng.choice((1, 2, 8, 64)))
        if rng.random() < 0.3:
            batch.append(rng.choice(ODD_TEXTS))
        yield batch, {"batch_size": rng.choice((1, 8, 32)), "truncation": True}


def report(samples: list[tuple[float, int, int, int]], seconds: float, texts: int, wrong: int) -> None:
    warm = min(600.0, seconds / 3)
    later = [one for one in samples if one[0] >= warm]
    times, kib = np.array([one[0] for one in later]), np.array([one[1] for one in later])
    slope = float(np.polyfit(times, kib, 1)[0]) * 3600  # KiB an hour
    limit = MAX_KIB_AN_HOUR * max(1.0, 3600 / seconds)
    counts = {one[2:] for one in later}
    print(f"{texts} texts, {slope:+.0f} KiB an hour, files and threads {sorted(counts)}, {wrong} wrong")
    if slope > limit or len(counts) > 1 or wrong:
        raise SystemExit(f"expected at most {limit:.0f} KiB an hour, files and threads unchanged, 0 wrong")


if __name__ == "__main__":
    main(float(sys.argv[1]))
