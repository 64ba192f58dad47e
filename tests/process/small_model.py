"""A model whose calls are short and still run on several threads; this process in numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from samples.tiny_model import make_tiny_model

from roberta_c import RobertaModel

SIZES = {
    "hidden_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "vocab_size": 100,
    "max_position_embeddings": 130,
}


def load_small_model(folder: Path, num_threads: int = 2) -> RobertaModel:
    """The model, in the folder for processes that load it again."""
    make_tiny_model(folder, **SIZES)
    return RobertaModel.from_pretrained(folder, add_pooling_layer=False, num_threads=num_threads)


def batch(number: int) -> list[list[int]]:
    """Two rows of ids, together about 100 tokens; different ones for each of many numbers."""
    rng = np.random.default_rng(number)
    return [rng.integers(3, SIZES["vocab_size"], length).tolist() for length in (60 - number % 20, 40)]


def answer(model: RobertaModel, number: int) -> bytes:
    """The bits of the model's output for `batch(number)`."""
    return b"".join(row.tobytes() for row in model(batch(number)).last_hidden_state)


def resident_kib() -> int:
    """The memory of this process that is in RAM, without pages of files."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def thread_count() -> int:
    return len(os.listdir("/proc/self/task"))
