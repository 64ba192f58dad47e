"""Adds the columns label and score to a CSV file.

    python examples/classify_csv.py in.csv out.csv --column text

Rows are read, classified and written as a stream, so the file may be larger than memory.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path

from roberta_c import pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("--model", help="folder or Hub repository; default: the bundled model")
    options = parser.parse_args()

    classify = pipeline("text-classification", model=options.model)
    with (
        options.source.open(newline="", encoding="utf-8") as source,
        options.target.open("w", newline="", encoding="utf-8") as target,
    ):
        reader = csv.DictReader(source)
        rows, rows_for_texts = itertools.tee(reader)
        texts = (row[options.column] for row in rows_for_texts)
        writer = csv.DictWriter(target, [*(reader.fieldnames or []), "label", "score"])
        writer.writeheader()
        for row, result in zip(rows, classify(texts, batch_size=64), strict=True):
            writer.writerow({**row, "label": result["label"], "score": f"{result['score']:.4f}"})


if __name__ == "__main__":
    main()
