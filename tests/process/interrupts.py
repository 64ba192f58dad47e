"""python -m tests.process.interrupts [LAYERS HIDDEN]: how long Ctrl-C takes to end what takes long.

The largest batch of the largest model (24 layers of 1,024 in float32 unless told otherwise: 8,192 tokens are
computed together), its encoder on a million rows of hidden states, and a text of 20 MB. Each is interrupted
INTERRUPTS times, at moments all over its time; the exit code is 1 if the median of these is above 200 ms, or
if what is computed afterwards has other bits. The median, since a virtual machine may be stopped for a while.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from samples.tiny_model import make_tiny_model

from roberta_c import RobertaModel, pipeline
from roberta_c.files.bundled import bundled_model_path

INTERRUPTS = 5
MOST_SECONDS = 0.2
VOCABULARY = 1000


def seconds_to_end(call: Callable[[], object], after: float) -> float:
    """From SIGINT, so many seconds after the call began, to its KeyboardInterrupt."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        call()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    finally:
        timer.join()
    raise AssertionError(f"the call ended before it was interrupted after {after:.2f} s")


def measure(name: str, call: Callable[[], object], longest: float) -> bool:
    """Interrupts the call at moments from 50 ms to `longest` seconds; whether the median is short enough."""
    moments = np.linspace(0.05, longest, INTERRUPTS).tolist()
    times = [seconds_to_end(call, moment) for moment in moments]
    median = statistics.median(times)
    print(f"{name}: median {1e3 * median:.0f} ms, most {1e3 * max(times):.0f} ms", flush=True)
    return median <= MOST_SECONDS


def main(layers: int = 24, hidden: int = 1024) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background job it is ignored
    sizes = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": hidden // 64}
    sizes |= {"intermediate_size": 4 * hidden, "vocab_size": VOCABULARY, "max_position_embeddings": 514}
    with tempfile.TemporaryDirectory() as folder:
        model = RobertaModel.from_pretrained(make_tiny_model(Path(folder), **sizes), add_pooling_layer=False)
    rng = np.random.default_rng(0)
    batch = rng.integers(3, VOCABULARY, (64, 512))
    few = batch[:1, :16]
    expected = model(few).last_hidden_state
    found = [measure(f"64 x 512 tokens, {layers} layers of {hidden}", lambda: model(batch), 1.0)]

    narrow = {"num_hidden_layers": 12, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 256}
    with tempfile.TemporaryDirectory() as folder:
        small = RobertaModel.from_pretrained(make_tiny_model(Path(folder), **narrow), add_pooling_layer=False)
    rows = rng.standard_normal((10_000, 100, 64), np.float32)
    found.append(measure("10^6 rows of hidden states", lambda: small.encoder(rows), 1.0))

    classify = pipeline("text-classification", bundled_model_path())
    text = "never so many words " * 1_000_000
    options = {"long_text": "windows"}
    found.append(measure("a text of 20 MB", lambda: classify(text, **options), 1.0))
    found.append(measure("its tokens", lambda: classify.tokenizer(text), 0.5))

    same = model(few).last_hidden_state.tobytes() == expected.tobytes()
    print("the same bits afterwards" if same else "other bits afterwards")
    sys.exit(0 if same and all(found) else 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
