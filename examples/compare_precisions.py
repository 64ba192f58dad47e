"""Compares the precisions on lines of text: time per text, and labels that differ from float32's.

    python examples/compare_precisions.py < lines.txt

`roberta-c quantize-report` shows more; this script shows the calls that a comparison takes.
"""

from __future__ import annotations

import argparse
import sys
import time

from roberta_c import pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="folder or Hub repository; default: the bundled model")
    options = parser.parse_args()

    texts = [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if not texts:
        parser.error("no texts on standard input")
    expected: list[str] = []
    for dtype in ("float32", "bfloat16", "int8"):
        classify = pipeline("text-classification", model=options.model, dtype=dtype)
        begin = time.perf_counter()
        labels = [result["label"] for result in classify(texts, batch_size=32)]
        seconds = time.perf_counter() - begin
        expected = expected or labels
        changed = sum(label != other for label, other in zip(labels, expected, strict=True))
        time_per_text = f"{1000 * seconds / len(texts):.3f} ms per text"
        print(f"{dtype:8}  {time_per_text}, {changed} of {len(texts)} labels changed")


if __name__ == "__main__":
    main()
