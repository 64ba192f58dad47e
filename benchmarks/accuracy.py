"""How close to float64 are the hidden states and logits of each engine in each type, on models of base size?

    python benchmarks/accuracy.py --output benchmarks/results/accuracy.json

There are two models (base_model.py): random weights, and random weights with outlier dimensions like those of
trained models, which make int8 less accurate. The texts are tweets of mixed lengths, in batches; other tweets
calibrate OpenVINO's int8. An error is sqrt(Σ (x - x64)² / Σ x64²) over real tokens, where x64 comes from
transformers' model in float64. Outlier dimensions would dominate that sum, so the error is also given without
them ("ordinary"). CTranslate2 gives only its last hidden state. ONNX Runtime's fused graph is left out: its
errors are within a tenth of the plain graph's.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
import transformers
from base_model import (
    HIDDEN,
    LAYERS,
    OUTLIER_DIMENSIONS,
    save_outlier_base_model,
    save_random_base_model,
)
from engines import (
    Batch,
    CTranslate2,
    OnnxRuntime,
    OpenVino,
    Ours,
    Torch,
    convert_to_ctranslate2,
    export_onnx,
    installed,
    padded,
)
from machine import description, save
from quantization import CALIBRATION_TEXTS, calibration_samples, quantize_onnx, quantize_openvino
from workloads import tweets

from roberta_c.model import weights

TEXTS, BATCH = 48, 16
MODELS = {"random": save_random_base_model, "outliers": save_outlier_base_model}
# roberta_c: name → type, and whether outlier dimensions are smoothed.
OURS = {
    "roberta_c": ("float32", True),
    "roberta_c bfloat16": ("bfloat16", True),
    "roberta_c int8": ("int8", True),
    "roberta_c int8, outliers as they are": ("int8", False),
}
COLUMNS = (0, 1, 2, 4, 6, 8, 10, LAYERS)  # the hidden states that are printed; all are saved


class Answers(NamedTuple):
    """Hidden states (tokens, H) of each layer, None where an engine has none; logits (S, C)."""

    states: list[np.ndarray | None]
    logits: np.ndarray


def joined(outputs: Iterator[tuple[list[np.ndarray], np.ndarray]]) -> Answers:
    """Joins the hidden states (real tokens only) and the logits of all batches."""
    states, logits = zip(*outputs, strict=True)
    return Answers(
        [np.concatenate(of_layer) for of_layer in zip(*states, strict=True)], np.concatenate(logits)
    )


def by_torch(model: transformers.PreTrainedModel, batches: list[Batch]) -> Answers:
    def outputs() -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        for batch in batches:
            ids, mask = map(torch.from_numpy, padded(batch))
            with torch.inference_mode():
                output = model(ids, mask, output_hidden_states=True)
            # to float64, because numpy has no bfloat16
            yield (
                [state[mask.bool()].double().numpy() for state in output.hidden_states],
                output.logits.double().numpy(),
            )

    return joined(outputs())


def by_ours(folder: Path, threads: int, name: str, batches: list[Batch]) -> Answers:
    dtype, sees_to_outliers = OURS[name]
    smoothing = weights.smoothing if sees_to_outliers else lambda norm, weights: None
    with mock.patch.object(weights, "smoothing", smoothing):
        model = Ours(folder, threads, dtype=dtype).model
    outputs = [model(batch, output_hidden_states=True) for batch in batches]
    return joined(([np.concatenate(state) for state in one.hidden_states], one.logits) for one in outputs)


def by_graph(run: Callable[[dict[str, np.ndarray]], list[np.ndarray]], batches: list[Batch]) -> Answers:
    """`run` computes the logits and hidden states of a padded batch."""

    def outputs() -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
        for batch in batches:
            ids, mask = padded(batch)
            logits, *states = run({"input_ids": ids, "attention_mask": mask})
            yield [state[mask.astype(bool)] for state in states], logits

    return joined(outputs())


def by_onnxruntime(graph: Path, threads: int, batches: list[Batch]) -> Answers:
    session = OnnxRuntime("", graph, threads).session
    return by_graph(lambda inputs: session.run(None, inputs), batches)


def by_openvino(model: object, threads: int, dtype: str, batches: list[Batch]) -> Answers:
    request = OpenVino(model, threads, dtype).request
    return by_graph(lambda inputs: [of.copy() for of in request.infer(inputs).values()], batches)


def by_ctranslate2(engine: CTranslate2, batches: list[Batch]) -> Answers:
    last, logits = [], []
    for batch in batches:
        prepared = engine.prepare(batch)
        state = np.array(engine.encoder.forward_batch(*prepared).last_hidden_state)
        last.append(state[padded(batch)[1].astype(bool)])
        logits.append(engine.logits(prepared))
    return Answers([*[None] * LAYERS, np.concatenate(last)], np.concatenate(logits))


def answers(
    reference: transformers.PreTrainedModel,
    folder: Path,
    vocabulary: Path,
    threads: int,
    batches: list[Batch],
    samples: list[dict[str, np.ndarray]],
) -> Iterator[tuple[str, Answers]]:
    """Each engine's name and answers. `folder` holds the model in `checkpoint`."""
    for name in OURS:
        yield name, by_ours(folder / "checkpoint", threads, name, batches)
    yield "torch", by_torch(Torch(reference, threads).model, batches)
    yield "torch bfloat16", by_torch(Torch(reference, threads, "bfloat16").model, batches)
    plain = folder / "plain.onnx"
    if installed("onnx"):
        export_onnx(reference, plain, hidden_states=True)
    if installed("onnx") and installed("onnxruntime"):
        yield "onnxruntime", by_onnxruntime(plain, threads, batches)
        quantized = folder / "quantized.onnx"
        for per_channel in (False, True):
            quantize_onnx(plain, quantized, per_channel)
            name = f"onnxruntime int8{', a scale a column' if per_channel else ''}"
            yield name, by_onnxruntime(quantized, threads, batches)
    if installed("onnx") and installed("openvino"):
        yield "openvino", by_openvino(plain, threads, "float32", batches)
        yield "openvino bfloat16", by_openvino(plain, threads, "bfloat16", batches)
    if all(map(installed, ("onnx", "openvino", "nncf"))):
        yield "openvino int8", by_openvino(quantize_openvino(plain, samples), threads, "int8", batches)
    if installed("ctranslate2") and vocabulary.exists():
        convert_to_ctranslate2(folder / "checkpoint", vocabulary, folder / "ctranslate2")
        for dtype in ("float32", "int8"):
            engine = CTranslate2(folder / "ctranslate2", reference, threads, dtype)
            yield engine.name, by_ctranslate2(engine, batches)


def relative(x: np.ndarray, expected: np.ndarray) -> float:
    """The relative error, to three digits."""
    return float(f"{np.sqrt(np.square(x - expected).sum() / np.square(expected).sum()):.2e}")


def errors(found: Answers, expected: Answers, ordinary: np.ndarray) -> dict[str, float | list[float | None]]:
    pairs = list(zip(found.states, expected.states, strict=True))
    row: dict[str, float | list[float | None]] = {
        "states": [None if x is None else relative(x, x64) for x, x64 in pairs],
        "logits": relative(found.logits, expected.logits),
    }
    if not ordinary.all():
        row["ordinary_states"] = [
            None if x is None else relative(x[:, ordinary], x64[:, ordinary]) for x, x64 in pairs
        ]
    return row


def texts(data: Path) -> tuple[list[Batch], list[dict[str, np.ndarray]], str]:
    """Batches to compare on, samples to calibrate on, and a name for the texts."""
    if not (data / "data/tweeteval/sentiment/test_text.txt").exists():
        samples = calibration_samples(TEXTS + CALIBRATION_TEXTS)
        rows, kind = [sample["input_ids"][0].tolist() for sample in samples], "random ids"
    else:
        rows, kind = [row for batch in tweets(data) for row in batch], "tweets"
    to_compare, to_calibrate = rows[:TEXTS], rows[TEXTS : TEXTS + CALIBRATION_TEXTS]
    samples = [dict(zip(("input_ids", "attention_mask"), padded([row]), strict=True)) for row in to_calibrate]
    return [to_compare[i : i + BATCH] for i in range(0, TEXTS, BATCH)], samples, kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    data = options.data.resolve()
    batches, samples, kind = texts(data)
    packages = (
        "roberta_c",
        "torch",
        "transformers",
        "onnxruntime",
        "openvino",
        "nncf",
        "ctranslate2",
        "numpy",
    )
    result = description(packages)
    result |= {"threads": options.threads, "texts": f"{TEXTS} {kind}", "models": {}}
    for title in options.models:
        ordinary = np.ones(HIDDEN, dtype=bool)
        ordinary[OUTLIER_DIMENSIONS] = title != "outliers"
        with tempfile.TemporaryDirectory() as folder:
            reference = MODELS[title](Path(folder) / "checkpoint")
            expected = by_torch(copy.deepcopy(reference).double(), batches)
            rows = result["models"][title] = {}
            print(f"{title}: relative error against float64, {result['texts']}")
            print(f"{'':36}{'':10}" + "".join(f"{column:>9}" for column in (*COLUMNS, "logits")))
            for name, found in answers(
                reference, Path(folder), data / "data/roberta", options.threads, batches, samples
            ):
                rows[name] = errors(found, expected, ordinary)
                for line in lines(name, rows[name]):
                    print(line, flush=True)
    if options.output:
        save(options.output, result)


def lines(name: str, row: dict) -> list[str]:
    """A line for all dimensions and the logits; with outliers, a second one for ordinary dimensions."""

    def cells(values: list[float | None]) -> str:
        return "".join(f"{'' if value is None else f'{value:.1e}':>9}" for value in values)

    kinds = [("", row["states"], [row["logits"]])]
    if "ordinary_states" in row:
        kinds = [("all", row["states"], [row["logits"]]), ("ordinary", row["ordinary_states"], [])]
    return [
        f"{name if index == 0 else '':36}{kind:10}{cells([states[column] for column in COLUMNS] + logits)}"
        for index, (kind, states, logits) in enumerate(kinds)
    ]


if __name__ == "__main__":
    main()
