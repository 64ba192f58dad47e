"""Which of the project's targets do the results in results/ meet?

    python benchmarks/targets.py
    python benchmarks/targets.py --dtype int8

A target is for RoBERTa-base on 2 threads, in one type, or for the models of embeddings.py (STS-B, IMDB, full
length); "best peer" is the fastest of the other engines in the same run, in that type.
"""

from __future__ import annotations

import argparse
import json
import operator
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
THREADS, BATCHES = 2, 10_000
DTYPES = ("float32", "bfloat16", "int8")
COMPARE = {"≥": operator.ge, "≤": operator.le}


class Target(NamedTuple):
    what: str
    file: str  # the result file of float32; the other types' files end in _<type>
    keys: tuple[str, ...]
    sign: str
    values: tuple[float | None, ...]  # as DTYPES; None: no target
    form: str


def against_peer(work: str, *ratios: float, file: str = "encoder") -> Target:
    keys = ("work", work, "best_peer_over_ours")
    return Target(f"{work}: times faster than the best peer", file, keys, "≥", ratios, ".2f")


SHARE = "share_of_peak"
TARGETS = [
    *(
        Target(
            f"{shape} and its epilogue at M = {rows}: share of the peak",
            "linear",
            ("shapes", shape, "by_rows", str(rows), SHARE),
            "≥",
            (0.95, 0.93, 0.88),
            ".1%",
        )
        for shape in ("qkv", "up", "down")
        for rows in (128, 256, 512, 1024)
    ),
    Target(
        "8 x 128, complete forward pass: share of the peak",
        "encoder",
        ("work", "8 x 128", SHARE),
        "≥",
        (0.93, 0.87, 0.75),
        ".1%",
    ),
    *(against_peer(work, 1.2, 1.15, 1.25) for work in ("8 x 128", "32 x 32", "4 x 512")),
    against_peer("1 x 128", 1.4, 1.3, 1.7),
    against_peer("1 x 32", 1.7, 1.7, 1.8),
    Target(
        "1 x 8: time over the memory floor",
        "encoder",
        ("work", "1 x 8", "over_memory_floor"),
        "≤",
        (1.1, 1.25, 1.4),
        ".2f",
    ),
    against_peer("256 tweets", 1.5, 1.9, 2.0),
    *(against_peer(work, 2.0, 2.0, 2.0, file="embeddings") for work in ("STS-B", "IMDB")),
    against_peer("full length", 1.15, 1.15, 1.15, file="embeddings"),
    Target(
        "8 x 128: times faster on 2 threads than on 1",
        "threads",
        ("work", "8 x 128", "times_faster", "2"),
        "≥",
        (1.9, 1.9, 1.85),
        ".2f",
    ),
    Target(
        "tweets beside a busy process: over one thread alone",
        "neighbours",
        ("beside", "by_engine", "roberta_c", "beside_over_one_thread"),
        "≥",
        (1.25, None, None),
        ".2f",
    ),
    Target(
        "tweets beside a busy process: times faster than the best peer",
        "neighbours",
        ("beside", "over_best_peer"),
        "≥",
        (1.2, None, None),
        ".2f",
    ),
    Target(
        "tweets in 4 processes: all threads each over one thread each",
        "neighbours",
        ("processes", "roberta_c", "ratio"),
        "≥",
        (0.97, None, None),
        ".2f",
    ),
    Target(
        "tweets by 8 callers: over one caller",
        "neighbours",
        ("callers", "ratio"),
        "≥",
        (1.0, None, None),
        ".2f",
    ),
    Target(
        "tweets by 8 callers: 99th percentile over median of a call",
        "neighbours",
        ("callers", "p99_over_p50"),
        "≤",
        (3.0, None, None),
        ".1f",
    ),
    Target(
        "8 x 128 with AVX2 forced: share of the 256-bit peak",
        "encoder_avx2",
        ("work", "8 x 128", SHARE),
        "≥",
        (0.9, None, None),
        ".1%",
    ),
    Target(
        "process start to first logits, files in the page cache, ms",
        "startup",
        ("from_outside_ms", "roberta_c"),
        "≤",
        (400, 400, 500),
        ".0f",
    ),
    Target(
        "peak memory over (packed encoder weights + 60 MB)",
        "memory",
        ("peak_over_packed_and_allowance",),
        "≤",
        (1.1, 1.1, 1.1),
        ".2f",
    ),
    Target(
        "memory growth over 10,000 batches of random shapes",
        "memory",
        ("growth",),
        "≤",
        (0.02, 0.02, 0.02),
        ".2%",
    ),
]


class Finding(NamedTuple):
    what: str
    dtype: str
    wanted: str
    figure: str
    verdict: str  # met, missed or not measured


def measured(target: Target, dtype: str, results: Path) -> float | None:
    """The figure, or None if it has not been measured with these threads and so many batches."""
    path = results / f"{target.file if dtype == 'float32' else f'{target.file}_{dtype}'}.json"
    if not path.exists():
        return None
    found: Any = json.loads(path.read_text(encoding="utf-8"))
    if found.get("batches", BATCHES) < BATCHES or found.get("threads") not in (THREADS, [1, THREADS]):
        return None  # another question
    for key in target.keys:
        if key not in found:
            return None
        found = found[key]
    return found


def findings(results: Path = RESULTS) -> list[Finding]:
    """Every target in every type that has one."""
    found = []
    for target in TARGETS:
        for dtype, wanted in zip(DTYPES, target.values, strict=True):
            if wanted is None:
                continue
            value = measured(target, dtype, results)
            meets = value is not None and COMPARE[target.sign](value, wanted)
            verdict = "not measured" if value is None else "met" if meets else "missed"
            figure = "" if value is None else format(value, target.form)
            wanted_in_words = f"{target.sign} {format(wanted, target.form)}"
            found.append(Finding(target.what, dtype, wanted_in_words, figure, verdict))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--dtype", choices=DTYPES, help="this type alone")
    options = parser.parse_args()
    found = findings(options.results)
    for dtype in DTYPES if options.dtype is None else (options.dtype,):
        print(dtype)
        of_type = [one for one in found if one.dtype == dtype]
        for one in of_type:
            print(f"  {one.what:60} {one.wanted:>9} {one.figure:>9}  {one.verdict}")
        verdicts = [one.verdict for one in of_type]
        counts = (f"{verdicts.count(verdict)} {verdict}" for verdict in ("met", "missed", "not measured"))
        print(f"  {', '.join(counts)}")


if __name__ == "__main__":
    main()
