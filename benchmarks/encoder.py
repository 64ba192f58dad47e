"""How fast is a whole forward pass of RoBERTa-base against torch, on the same ids, threads and process?

    python benchmarks/encoder.py --threads 2 --output benchmarks/results/encoder.json

Weights are random (scaled so that attention is not uniform), the 256 tweets are real. Rounds are
interleaved, engine after engine, and medians compared, so that a machine whose speed drifts favours nobody.
torch gets padded arrays and its mask, as its users do; ours the same texts as ragged lists.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from machine import description

import roberta_c

BATCH = 32
HIDDEN, LAYERS = 768, 12


def save_random_base_model(folder: Path) -> transformers.RobertaForSequenceClassification:
    """RoBERTa-base with weights spread as trained ones are, saved to `folder`."""
    config = transformers.RobertaConfig(
        vocab_size=50265,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        num_labels=3,
    )
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in name:
                parameter.normal_(0.0, 1.2 / parameter.shape[1] ** 0.5)
    model.save_pretrained(folder)
    return model


def workloads(data: Path) -> dict[str, list[list[list[int]]]]:
    """Name → batches of ragged ids."""
    rng = np.random.default_rng(0)

    def batch(size: int, length: int) -> list[list[int]]:
        return [[0, *rng.integers(3, 50000, length - 2).tolist(), 2] for _ in range(size)]

    found = {"1 x 32": [batch(1, 32)], "8 x 128": [batch(8, 128)]}
    tweets = data / "data/tweeteval/sentiment/test_text.txt"
    if tweets.exists():
        tokenizer = roberta_c.AutoTokenizer.from_pretrained(data / "models/tweet-sentiment-small")
        lines = tweets.read_text(encoding="utf-8").split("\n")[:256]
        ids = tokenizer(lines)["input_ids"]
        found["256 tweets"] = [ids[i : i + BATCH] for i in range(0, len(ids), BATCH)]
    else:
        print(f"left out: 256 tweets ({tweets} not found; set --data)")
    return found


def padded(batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, batch))
    ids = torch.tensor([row + [1] * (width - len(row)) for row in batch])
    return ids, (ids != 1).long()


def useful_flops(batches: list[list[list[int]]]) -> float:
    """Multiply-adds times two of the encoder's products over real tokens only."""
    lengths = np.array([len(row) for batch in batches for row in batch], dtype=float)
    return float(LAYERS * (24 * HIDDEN**2 * lengths.sum() + 4 * HIDDEN * (lengths**2).sum()))


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        reference = save_random_base_model(Path(folder))
        ours = roberta_c.RobertaForSequenceClassification.from_pretrained(folder, num_threads=options.threads)

        result = description(("roberta_c", "torch", "transformers", "numpy"))
        result |= {"isa": ours.kernels.isa, "threads": options.threads, "rounds": options.rounds, "work": {}}
        print(f"{result['cpu']}, {options.threads} threads, {ours.kernels.isa}, torch {torch.__version__}")
        print(f"{'':12} {'ours ms':>9} {'torch ms':>9} {'ratio':>6} {'ours GF/s':>10} {'max |diff|':>10}")
        for name, batches in workloads(options.data).items():
            tensors = [padded(batch) for batch in batches]

            def run_ours(batches: list[list[list[int]]] = batches) -> np.ndarray:
                return np.concatenate([ours(batch).logits for batch in batches])

            def run_torch(tensors: list[tuple[torch.Tensor, torch.Tensor]] = tensors) -> np.ndarray:
                with torch.inference_mode():
                    return np.concatenate([reference(ids, mask).logits.numpy() for ids, mask in tensors])

            difference = float(np.abs(run_ours() - run_torch()).max())
            assert difference < 1e-3, f"{name}: logits differ by {difference}"
            times: dict[str, list[float]] = {"ours": [], "torch": []}
            for _ in range(options.rounds):
                times["ours"].append(seconds(run_ours))
                times["torch"].append(seconds(run_torch))
            ours_s, torch_s = (statistics.median(times[engine]) for engine in ("ours", "torch"))
            rate = useful_flops(batches) / ours_s / 1e9
            print(
                f"{name:12} {ours_s * 1e3:9.1f} {torch_s * 1e3:9.1f} {torch_s / ours_s:6.2f} {rate:10.0f} "
                f"{difference:10.1e}"
            )
            result["work"][name] = {
                "ours_ms": round(ours_s * 1e3, 2),
                "torch_ms": round(torch_s * 1e3, 2),
                "torch_over_ours": round(torch_s / ours_s, 3),
                "ours_gflops": round(rate, 1),
                "max_abs_logit_difference": difference,
            }
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
