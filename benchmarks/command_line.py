"""How long do the commands take for a CSV of 12,284 tweets, and how much memory?

    python benchmarks/command_line.py --output benchmarks/results/command_line.json

Each run is a process of its own, timed from outside, from start to end: it reads the CSV, whose fields hold
quotes, commas, newlines and nothing, and writes another with all columns and the results. The model is the
bundled one, its heads for the other commands are random: what is shown is the commands, not a large model.
Medians over rounds of the time; the largest resident size of any round.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bundled_heads import save_bundled_with_head
from machine import description, save

TWEETS = "data/tweeteval/sentiment/test_text.txt"
MADE_TWEETS = 2000
COLUMNS = ["id", "text", "masked", "question", "context"]
# A command → the head of its model (None: the bundled model as it is) and its options.
COMMANDS = {
    "classify": (None, ["--column", "text"]),
    "classify --all": (None, ["--column", "text"]),
    "ner": ("ForTokenClassification", ["--column", "text"]),
    "qa": ("ForQuestionAnswering", []),
    "fill-mask": ("ForMaskedLM", ["--column", "masked"]),
    "zero-shot": ("ForSequenceClassification", ["--column", "text", "--labels", "sports,politics"]),
}


def tweets(data: Path) -> list[str]:
    """TweetEval's test tweets, or made-up ones where they are absent."""
    if (data / TWEETS).exists():
        return (data / TWEETS).read_text("utf-8").removesuffix("\n").split("\n")
    return [
        f'@user said "no", number {index}, and left :( ' * (1 + index % 3) for index in range(MADE_TWEETS)
    ]


def write_csv(path: Path, texts: list[str]) -> None:
    """Every 10th text has a newline, every 100th is empty."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index, text in enumerate(texts):
            shown = "" if index % 100 == 99 else text.replace(" ", "\n", 1) if index % 10 == 9 else text
            writer.writerow([index, shown, f"{text} <mask>", "Who said it?", text])


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and the largest resident size in bytes of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with status {status}")
    return seconds, usage.ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    texts = tweets(options.data.resolve())
    if options.rounds == 1:
        texts = texts[:500]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / "tweets.csv", texts)
        heads = [head for head, _ in COMMANDS.values() if head is not None]
        models = {head: save_bundled_with_head(folder / head, head) for head in heads}
        for _ in range(options.rounds):
            for name, (head, arguments) in COMMANDS.items():
                paths = ["--file", str(folder / "tweets.csv"), "-o", str(folder / "out.csv")]
                command = [sys.executable, "-m", "roberta_c", *name.split(), *arguments, *paths]
                command += ["--overwrite", "--threads", str(options.threads)]
                command += [] if head is None else ["--model", str(models[head])]
                found[name].append(run(command))
                check(folder / "out.csv", len(texts))
    rows = {
        name: {
            "s": round(statistics.median(seconds for seconds, _ in runs), 3),
            "peak_mb": round(max(size for _, size in runs) / 1e6, 1),
        }
        for name, runs in found.items()
    }
    result = description(("roberta_c", "numpy", "tokenizers"))
    result |= {"threads": options.threads, "rounds": options.rounds, "texts": len(texts), "commands": rows}
    for name, row in rows.items():
        print(f"{name:<16} {row['s']:8.2f} s {len(texts) / row['s']:10,.0f} texts/s {row['peak_mb']:8.0f} MB")
    if options.output:
        save(options.output, result)


def check(path: Path, expected: int) -> None:
    """SystemExit unless the output has a row for each text, with the input's columns first."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        head, rows = next(reader), list(reader)
    numbers = [row[0] for row in rows]
    if head[: len(COLUMNS)] != COLUMNS or numbers != [str(index) for index in range(expected)]:
        expected_rows = f"{expected} in the input's order"
        raise SystemExit(f"{path}: found {len(rows)} rows of {head}, expected {expected_rows}")


if __name__ == "__main__":
    main()
