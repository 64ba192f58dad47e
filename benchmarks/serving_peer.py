"""A server as people write one: FastAPI, the tokenizers library, ONNX Runtime and a dynamic batcher.

    python benchmarks/serving_peer.py FOLDER GRAPH --port 3001

FOLDER has the tokenizer's files, GRAPH is an exported classifier. POST /predict with {"inputs": text} answers
[{"label": …, "score": …}, …] as `roberta-c serve` does, GET /health answers 200.

Requests that wait when the engine is free go into one batch, the oldest first, at most BATCH of them; texts
are padded to the longest of their batch.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fastapi
import numpy as np
import onnxruntime
import uvicorn
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing

BATCH, MOST_TOKENS, PAD = 32, 512, 1


class Batcher:
    """One thread that computes, and the requests that wait for it."""

    def __init__(self, folder: Path, graph: Path, threads: int) -> None:
        self.tokenizer = ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
        self.tokenizer._tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.enable_padding(pad_id=PAD, pad_token="<pad>")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self.waiting: asyncio.Queue[tuple[str, asyncio.Future[np.ndarray]]] = asyncio.Queue()
        self.pool = ThreadPoolExecutor(1)

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Each text's probabilities of the labels (S, labels)."""
        found = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in found], np.int64)
        mask = np.array([one.attention_mask for one in found], np.int64)
        logits = self.session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    async def compute(self) -> None:
        """Forever: a batch of what waits, oldest first."""
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            texts = [text for text, _ in batch]
            rows = await asyncio.get_running_loop().run_in_executor(self.pool, self.probabilities, texts)
            for (_, answer), row in zip(batch, rows, strict=True):
                if not answer.cancelled():
                    answer.set_result(row)

    async def answer(self, text: str) -> np.ndarray:
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        await self.waiting.put((text, future))
        return await future


def app_of(batcher: Batcher) -> fastapi.FastAPI:
    @contextlib.asynccontextmanager
    async def computing(_app: fastapi.FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batcher.compute())
        yield
        task.cancel()

    app = fastapi.FastAPI(lifespan=computing)

    @app.post("/predict")
    async def predict(body: dict[str, str]) -> list[dict[str, Any]]:
        row = await batcher.answer(body["inputs"])
        return [{"label": f"LABEL_{label}", "score": float(row[label])} for label in np.argsort(-row)]

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("graph", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    asked = parser.parse_args()
    app = app_of(Batcher(asked.folder, asked.graph, asked.threads))
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
