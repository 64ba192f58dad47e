"""Time and label changes of each precision on lines of text: python examples/compare_precisions.py < lines.txt

`roberta-c quantize-report` tells much more; this shows the calls that such a comparison takes.
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
    expected: list[str] = []
    for dtype in ("float32", "bfloat16", "int8"):
        classify = pipeline("text-classification", model=options.model, dtype=dtype)
        begin = time.perf_counter()
        labels = [result["label"] for result in classify(texts, batch_size=32)]
        seconds = time.perf_counter() - begin
        expected = expected or labels
        changed = sum(label != other for label, other in zip(labels, expected, strict=True))
        print(
            f"{dtype:8}  {1000 * seconds / len(texts):.3f} ms a text, {changed} of {len(texts)} labels changed"
        )


if __name__ == "__main__":
    main()
