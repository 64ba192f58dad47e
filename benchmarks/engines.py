"""The engines that encoder.py compares: the same model in each, as its own documentation says to run it.

An Engine takes batches of ragged ids, lays them out as it wants them (`prepare`, not timed) and gives logits
(`run`, timed). torch, ONNX Runtime and OpenVINO compute a padded rectangle; ours and CTranslate2 real tokens.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from base_model import HEADS, HIDDEN

import roberta_c
from roberta_c.kernels import available_isas

if TYPE_CHECKING:
    import openvino

PAD = 1
Batch = list[list[int]]


def typed(name: str, dtype: str) -> str:
    """An engine's name in a type; float32 goes without saying."""
    return name if dtype == "float32" else f"{name} {dtype}"


class Engine:
    """One engine with its model loaded."""

    name: str

    def prepare(self, batch: Batch) -> Any:
        raise NotImplementedError

    def logits(self, prepared: Any) -> np.ndarray:
        raise NotImplementedError

    def run(self, prepared_batches: list[Any]) -> np.ndarray:
        return np.concatenate([self.logits(prepared) for prepared in prepared_batches])


def padded(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Ids (S, width) and the mask of what is real, int64."""
    width = max(map(len, batch))
    ids = np.array([row + [PAD] * (width - len(row)) for row in batch], dtype=np.int64)
    return ids, (ids != PAD).astype(np.int64)


class Ours(Engine):
    """Ragged lists go in as they are: what packing them costs is in the time."""

    name = "roberta_c"

    def __init__(self, folder: Path, threads: int, isa: str | None = None, dtype: str = "float32") -> None:
        self.model = roberta_c.RobertaForSequenceClassification.from_pretrained(
            folder, num_threads=threads, isa=isa, dtype=dtype
        )

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def logits(self, prepared: Batch) -> np.ndarray:
        return self.model(prepared).logits


class Torch(Engine):
    """transformers' model with its default attention (sdpa), eager, in inference mode."""

    def __init__(self, reference: transformers.PreTrainedModel, threads: int, dtype: str = "float32") -> None:
        torch.set_num_threads(threads)
        self.name = typed("torch", dtype)
        self.model = reference if dtype == "float32" else copy.deepcopy(reference).to(getattr(torch, dtype))

    def prepare(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = padded(batch)
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def logits(self, prepared: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
        with torch.inference_mode():
            return self.model(*prepared).logits.float().numpy()


def export_onnx(reference: transformers.PreTrainedModel, path: Path, hidden_states: bool = False) -> None:
    """The model with its plain attention, in the form whose pattern ONNX Runtime's optimizer knows.

    Its outputs are the logits and, if wanted, every hidden state.
    """
    example = torch.tensor([[0, 100, 200, 2], [0, 300, 2, PAD]])
    names = {0: "batch", 1: "length"}
    states = [f"hidden_state_{index}" for index in range(reference.config.num_hidden_layers + 1)]
    states = states if hidden_states else []
    chosen = reference.config._attn_implementation
    reference.set_attn_implementation("eager")
    reference.config.output_hidden_states = hidden_states
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            reference,
            (example, (example != PAD).long()),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits", *states],
            dynamic_axes={
                **dict.fromkeys(("input_ids", "attention_mask", *states), names),
                "logits": {0: "batch"},
            },
            opset_version=17,
            dynamo=False,
        )
    reference.set_attn_implementation(chosen)
    reference.config.output_hidden_states = False


def optimize_onnx(plain: Path, optimized: Path) -> dict[str, int]:
    """ONNX Runtime's own fusions for BERT-like models; what it fused, by operator."""
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    model = optimizer.optimize_model(str(plain), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN)
    model.save_model_to_file(str(optimized))
    return {name: count for name, count in model.get_fused_operator_statistics().items() if count}


class OnnxRuntime(Engine):
    """A session over a graph: as exported or after ONNX Runtime's transformer optimizer, quantized or not."""

    def __init__(self, name: str, path: Path, threads: int) -> None:
        import onnxruntime

        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def prepare(self, batch: Batch) -> dict[str, np.ndarray]:
        return dict(zip(("input_ids", "attention_mask"), padded(batch), strict=True))

    def logits(self, prepared: dict[str, np.ndarray]) -> np.ndarray:
        return self.session.run(None, prepared)[0]


class OpenVino(Engine):
    """The exported graph, held to one type: left to itself it computes in bfloat16 where the CPU can.

    int8 is for a quantized model, and computes in bfloat16 what is not quantized in it: 3 to 8 % faster than
    in float32 (AMD Zen 5 server core, 2026-11-22) and no less accurate.
    """

    def __init__(self, model: Path | openvino.Model, threads: int, dtype: str = "float32") -> None:
        import openvino

        self.name = typed("openvino", dtype)
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16", "int8": "bf16"}[dtype],
        }
        self.request = openvino.Core().compile_model(model, "CPU", properties).create_infer_request()

    def prepare(self, batch: Batch) -> dict[str, np.ndarray]:
        return dict(zip(("input_ids", "attention_mask"), padded(batch), strict=True))

    def logits(self, prepared: dict[str, np.ndarray]) -> np.ndarray:
        # The result is a view of the request's memory, which the next batch overwrites.
        return self.request.infer(prepared)[0].copy()


class CTranslate2(Engine):
    """CTranslate2's encoder, and on it the classification head, which it does not know, in numpy.

    int8: it quantizes the float32 weights when it loads them, and each token's vector by its own range.
    """

    def __init__(
        self, folder: Path, reference: transformers.PreTrainedModel, threads: int, dtype: str = "float32"
    ) -> None:
        import ctranslate2

        if "avx512" in available_isas():
            # On AMD it takes AVX2 for what surrounds its products unless told: int8 is 8 to 10 % slower so
            # (Zen 5 server core, 2026-11-22; float32 the same).
            os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")
        self.name = typed("ctranslate2", dtype)
        self.encoder = ctranslate2.Encoder(str(folder), compute_type=dtype, intra_threads=threads)
        self.view = ctranslate2.StorageView.from_array
        head = reference.classifier
        self.dense, self.out = (
            (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy())
            for layer in (head.dense, head.out_proj)
        )

    def prepare(self, batch: Batch) -> tuple[Any, Any]:
        ids, mask = padded(batch)
        return self.view(ids.astype(np.int32)), self.view(mask.sum(axis=1).astype(np.int32))

    def logits(self, prepared: tuple[Any, Any]) -> np.ndarray:
        first = np.array(self.encoder.forward_batch(*prepared).last_hidden_state)[:, 0]
        return np.tanh(first @ self.dense[0] + self.dense[1]) @ self.out[0] + self.out[1]


def convert_to_ctranslate2(checkpoint: Path, vocabulary: Path, folder: Path) -> None:
    """By its own converter, which wants the tokenizer's files beside the model's."""
    from ctranslate2.converters import TransformersConverter

    source = folder.with_name("with_tokenizer")
    source.mkdir()
    (source / "model.safetensors").symlink_to(checkpoint / "model.safetensors")
    # As published checkpoints say it; transformers 5 leaves it out, and the converter asks for it.
    config = json.loads((checkpoint / "config.json").read_text()) | {"position_embedding_type": "absolute"}
    (source / "config.json").write_text(json.dumps(config))
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(vocabulary / name, source / name)
    transformers.logging.set_verbosity_error()  # the head, which it does not convert, is listed otherwise
    with contextlib.redirect_stderr(io.StringIO()):
        TransformersConverter(str(source)).convert(str(folder), quantization="float32")


def installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
