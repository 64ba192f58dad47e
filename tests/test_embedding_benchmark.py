"""The parts of benchmarks/embeddings.py that decide what its results say, on made-up times and vectors."""

from __future__ import annotations

import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SECONDS = {"roberta_c": [2.0, 1.0, 4.0], "torch": [9.0, 6.0, 6.0], "openvino": [3.0, 3.0, 3.0]}
MEMORY = {"roberta_c": 200.0, "torch": 900.0, "openvino": 1500.4}


@pytest.fixture(scope="module")
def benchmark():
    """A module of benchmarks/ by its name."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def row(benchmark):
    flops = benchmark("base_model").flops_of_lengths([10, 30], 6)
    made = benchmark("embeddings").row_of([10, 30], flops, SECONDS, MEMORY, [400.0, 500.0, 450.0])
    return made | {"max_relative_difference": {"roberta_c": 1e-6, "torch": 0.0, "openvino": 2e-6}}


def test_a_row_is_of_medians_and_the_fastest_other_engine(benchmark, row):
    assert row["ms"] == {"roberta_c": 2000, "torch": 6000, "openvino": 3000}
    assert (row["best_peer"], row["best_peer_over_ours"]) == ("openvino", 1.5)
    flops = benchmark("base_model").flops_of_lengths([10, 30], 6)
    assert row["gflops"] == round(flops / 2 / 1e9, 1)
    shares = sorted(flops / s / p / 1e9 for s, p in zip([2, 1, 4], [400, 500, 450], strict=True))
    assert row["share_of_peak"] == round(shares[1], 4)
    alone = benchmark("embeddings").row_of([8], 1e9, {"roberta_c": [1.0]}, {}, [None])
    assert not {"best_peer", "share_of_peak"} & alone.keys()


def test_the_last_layer_computes_one_query_where_only_first_rows_are_wanted(benchmark):
    """It needs keys and values of all 10 tokens, and everything else of one."""
    base = benchmark("base_model")
    of_tokens, of_texts = 4 * 768**2 * 10, 4 * 768**2 + 4 * 768 * 3072 + 4 * 768 * 10
    assert base.flops_of_lengths([10], 1, first_row_only=True) == of_tokens + of_texts
    assert base.flops_of_lengths([10], 1) == of_tokens + 10 * of_texts
    assert base.flops_of_lengths([10], 3, True) == 2 * base.flops_of_lengths([10], 1) + of_tokens + of_texts


def test_tables_and_targets_are_of_the_results(benchmark, row, tmp_path):
    result = {
        "engines": ["roberta_c", "torch", "openvino", "fastembed"],
        "work": {"STS-B": row},
        "threads": 2,
    }
    table = "\n".join(benchmark("report").embeddings(result))
    assert (
        "STS-B: 2 texts, 40 tokens | 1.000 (200 MB) | 0.333 (900 MB) | **0.667 (1,500 MB)** |  | 1.50"
        in table
    )
    assert "its length: roberta_c 1.0e-06, openvino 2.0e-06." in table
    lines = benchmark("report").embedding_speed(result, {**result, "dtype": "int8"})
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| STS-B (20 tokens a text), float32",
        "| STS-B (20 tokens a text), int8",
    ]
    (tmp_path / "embeddings.json").write_text(json.dumps(result), encoding="utf-8")
    found = {
        one.what: one for one in benchmark("targets").findings(tmp_path) if one.verdict != "not measured"
    }
    assert [(one.figure, one.verdict) for one in found.values()] == [("1.50", "missed")]


class FakeProcess:
    """Stands for an engine's process: constant vectors, 1 s a call; "openvino" ends at its second call."""

    log: list[str]

    def __init__(self, python, name, folder, dtype, threads):
        self.name, self.calls = name, 0
        self.facts = {"versions": {name: "1"}, **({"isa": "avx2"} if name == "roberta_c" else {})}
        self.log.append(f"start {name}")

    def ask(self, texts, count, batch_size, vectors=None):
        processes = sys.modules["embedding_processes"]
        self.calls += 1
        self.log.append(self.name)
        if self.name == "openvino" and self.calls == 2:
            raise processes.EngineError("its process ended with status -9")
        if vectors:
            off = 1e-3 if self.name == "fastembed" else 0
            np.save(vectors, np.ones((count, 4)) * (1 + off))
        return {"seconds": 1.0, "peak_mb": 100.0}

    def close(self):
        self.log.append(f"end {self.name}")


@pytest.fixture
def bench(benchmark, monkeypatch, tmp_path):
    processes = benchmark("embedding_processes")
    FakeProcess.log = []
    monkeypatch.setattr(processes, "Process", FakeProcess)
    options = Namespace(dtype="float32", threads=1, fastembed_python=None)
    made = processes.Bench(tmp_path, 1, options)
    monkeypatch.setattr(made, "measured_peak", lambda: 100.0)
    return made


def test_engines_take_turns_and_one_that_fails_is_left_out(bench, tmp_path):
    found = bench.turns(["roberta_c", "openvino", "torch"], tmp_path, 32, 2, stay=True)
    starts = ["start roberta_c", "roberta_c", "start openvino", "openvino", "start torch", "torch"]
    assert FakeProcess.log == [*starts, "roberta_c", "openvino", "end openvino", "torch"]
    assert found[0] == {"roberta_c": [1.0, 1.0], "torch": [1.0, 1.0]}
    assert bench.failed == {"openvino": "its process ended with status -9"}
    assert (found[2], bench.isa) == ([100.0, 100.0], "avx2")
    bench.close()
    assert FakeProcess.log[-2:] == ["end roberta_c", "end torch"]


def test_processes_of_full_length_texts_end_with_their_turn(bench, tmp_path):
    bench.turns(["roberta_c", "torch"], tmp_path, 1, 2, stay=False)
    turn = [f"{word}{name}" for name in ("roberta_c", "torch") for word in ("start ", "", "end ")]
    assert FakeProcess.log == turn * 2


def test_other_vectors_are_refused(bench, tmp_path):
    expected = {"roberta_c": 0, "torch": 0}
    assert bench.differences(["roberta_c", "torch"], tmp_path, 3, 32, stay=True) == expected
    with pytest.raises(AssertionError, match="fastembed: vectors differ"):
        bench.differences(["fastembed"], tmp_path, 3, 32, stay=True)


def test_full_length_texts_are_as_many_as_asked_for_and_different(benchmark, tmp_path):
    models = benchmark("embedding_models")
    path = tmp_path / models.IMDB
    path.parent.mkdir(parents=True)
    lines = [json.dumps({"text": f"review {number} " * 500}) for number in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    texts = models.texts_of("full length", tmp_path, 12)
    assert [len(text) for text in texts] == [50_000] * 12
    assert len(set(texts)) == 12
    assert len(set(models.texts_of("IMDB", tmp_path, 7))) == 7
