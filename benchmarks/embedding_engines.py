"""The engines of embeddings.py, each in a process of its own: texts → vectors.

The program loads one engine and answers requests, a line of JSON each, until its input ends. An Engine
tokenizes, computes, pools and normalizes. fastembed needs older packages than the others: with the
interpreter of another environment, this file needs fastembed and numpy there, nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from turns import rest

if TYPE_CHECKING:
    import torch

Texts = list[str]


class Engine:
    """One engine, with its model loaded."""

    packages: tuple[str, ...]
    facts: dict[str, Any] = {}  # noqa: RUF012

    def encode(self, texts: Texts, batch_size: int) -> np.ndarray:
        raise NotImplementedError


class Ours(Engine):
    packages = ("roberta_c", "numpy", "tokenizers")

    def __init__(self, model: Path, graphs: Path, dtype: str, threads: int) -> None:
        from roberta_c import SentenceTransformer

        self.model = SentenceTransformer(model, dtype=dtype, num_threads=threads)
        self.facts = {"isa": self.model[0].auto_model.kernels.isa}

    def encode(self, texts: Texts, batch_size: int) -> np.ndarray:
        return self.model.encode(texts, show_progress_bar=False)


class Torch(Engine):
    """sentence-transformers with its torch backend."""

    packages = ("sentence-transformers", "torch", "transformers")
    backend = "torch"

    def __init__(self, model: Path, graphs: Path, dtype: str, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        options = {"model_kwargs": {"dtype": getattr(torch, dtype)}} if self.backend == "torch" else {}
        self.model = SentenceTransformer(str(model), device="cpu", backend=self.backend, **options)

    def encode(self, texts: Texts, batch_size: int) -> np.ndarray:
        return self.model.encode(texts, batch_size=batch_size, show_progress_bar=False)


def session_module(config: Any, last_state: Any) -> torch.nn.Module:
    """What sentence-transformers calls as its model. last_state: arrays ids, mask → array (S, width, H)."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    class Session(torch.nn.Module):
        device = torch.device("cpu")

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, return_dict: bool = True
        ) -> BaseModelOutput:
            rows = last_state(input_ids.numpy(), attention_mask.numpy())
            return BaseModelOutput(last_hidden_state=torch.from_numpy(rows))

    module = Session()
    module.config = config
    return module


class OnnxRuntime(Torch):
    """sentence-transformers with its ONNX backend; a session stands for optimum-onnx's class."""

    packages = ("sentence-transformers", "onnxruntime")
    backend = "onnx"
    file = "onnxruntime.onnx"

    def __init__(self, model: Path, graphs: Path, dtype: str, threads: int) -> None:
        import onnxruntime
        from sentence_transformers.base.modules import transformer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        path, providers = str(graphs / self.file), ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(path, options, providers=providers)

        def last_state(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

        transformer.load_onnx_model = lambda config, **_: session_module(config, last_state)
        super().__init__(model, graphs, dtype, threads)


class OnnxRuntimeFused(OnnxRuntime):
    """The same after ONNX Runtime's transformer optimizer."""

    file = "onnxruntime fused.onnx"


class OpenVino(Torch):
    """sentence-transformers with its OpenVINO backend; a request stands for optimum-intel's class."""

    packages = ("sentence-transformers", "openvino")
    backend = "openvino"

    def __init__(self, model: Path, graphs: Path, dtype: str, threads: int) -> None:
        import openvino
        from sentence_transformers.base.modules import transformer

        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16", "int8": "bf16"}[dtype],
        }
        path = graphs / ("openvino.int8.xml" if dtype == "int8" else "openvino.xml")
        request = openvino.Core().compile_model(path, "CPU", properties).create_infer_request()

        def last_state(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
            # The result is a view of the request's memory, which the next batch overwrites.
            return request.infer({"input_ids": ids, "attention_mask": mask})[0].copy()

        transformer.load_openvino_model = lambda config, **_: session_module(config, last_state)
        super().__init__(model, graphs, dtype, threads)


class FastEmbed(Engine):
    """fastembed with the exported graph, as its own model from a folder."""

    packages = ("fastembed", "onnxruntime")
    name = "roberta_c/benchmark"

    def __init__(self, model: Path, graphs: Path, dtype: str, threads: int) -> None:
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType

        pooling = json.loads((model / "1_Pooling/config.json").read_text(encoding="utf-8"))
        is_mean = "mean" in (pooling.get("pooling_mode"), pooling.get("pooling_mode_mean_tokens") and "mean")
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        TextEmbedding.add_custom_model(
            model=self.name,
            pooling=PoolingType.MEAN if is_mean else PoolingType.CLS,
            normalization=True,
            sources=ModelSource(hf=self.name),
            dim=config["hidden_size"],
            model_file="fastembed.onnx",
        )
        self.model = TextEmbedding(self.name, threads=threads, specific_model_path=str(graphs))

    def encode(self, texts: Texts, batch_size: int) -> np.ndarray:
        return np.stack(list(self.model.embed(texts, batch_size=batch_size)))


ENGINES: dict[str, type[Any]] = {
    "roberta_c": Ours,
    "torch": Torch,
    "onnxruntime": OnnxRuntime,
    "onnxruntime fused": OnnxRuntimeFused,
    "openvino": OpenVino,
    "fastembed": FastEmbed,
}


def forget_most_resident() -> None:
    """Lets the largest resident size begin again at the current one, where Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def most_resident_mb() -> float | None:
    """The largest resident size of this process, mapped files included; None where it is unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    return round(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6, 1)


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def answer(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Encodes the texts of a file; writes their vectors into a file where the request names one."""
    texts = json.loads(Path(request["texts"]).read_text(encoding="utf-8"))[: request["count"]]
    forget_most_resident()
    begin = time.perf_counter()
    vectors = engine.encode(texts, request["batch_size"])
    seconds = time.perf_counter() - begin
    if request.get("vectors"):
        np.save(request["vectors"], vectors)
    rest()
    return {"seconds": seconds, "peak_mb": most_resident_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--graphs", type=Path, required=True)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    # What libraries print goes to standard error; answers alone are printed.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kind = ENGINES[options.engine]
    engine = kind(options.model, options.graphs, options.dtype, options.threads)
    engine.encode(["These words wake the threads."] * 4, 4)
    rest()
    versions = {name: version(name) for name in kind.packages}
    print(json.dumps({"versions": versions, **engine.facts}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(engine, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
