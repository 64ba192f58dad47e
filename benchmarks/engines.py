"""The engines that encoder.py compares: the same model in each, set up as the engine's documentation says.

An Engine converts batches of ragged ids to its own input (`prepare`, not timed) and computes logits (`run`,
timed). torch, ONNX Runtime and OpenVINO compute a padded rectangle; roberta_c and CTranslate2 compute real
tokens.
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
from collections.abc import Iterator
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
TOKEN_AXES = {0: "batch", 1: "length"}  # of an exported graph's ids, mask and hidden states
Batch = list[list[int]]


def typed(name: str, dtype: str) -> str:
    """An engine's name in a type; float32 is not mentioned."""
    return name if dtype == "float32" else f"{name} {dtype}"


class Engine:
    """One engine, with its model loaded."""

    name: str

    def prepare(self, batch: Batch) -> Any:
        raise NotImplementedError

    def logits(self, prepared: Any) -> np.ndarray:
        raise NotImplementedError

    def run(self, prepared_batches: list[Any]) -> np.ndarray:
        return np.concatenate([self.logits(prepared) for prepared in prepared_batches])


def padded(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Ids (S, width) and the attention mask, int64."""
    width = max(map(len, batch))
    ids = np.array([row + [PAD] * (width - len(row)) for row in batch], dtype=np.int64)
    return ids, (ids != PAD).astype(np.int64)


class Ours(Engine):
    """roberta_c takes ragged lists; the time includes packing them."""

    name = "roberta_c"

    def __init__(self, folder: Path, threads: int, isa: str | None = None, dtype: str = "float32") -> None:
        self.model = roberta_c.RobertaForSequenceClassification.from_pretrained(
            folder, num_threads=threads, isa=isa, dtype=dtype, cache=None
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
    """Exports a model with its eager attention, a pattern that ONNX Runtime's optimizer knows.

    The outputs are the logits and, if `hidden_states`, every hidden state.
    """
    states = [f"hidden_state_{index}" for index in range(reference.config.num_hidden_layers + 1)]
    states = states if hidden_states else []
    reference.config.output_hidden_states = hidden_states
    with eager_attention(reference):
        export_graph(reference, path, {"logits": {0: "batch"}} | dict.fromkeys(states, TOKEN_AXES))
    reference.config.output_hidden_states = False


@contextlib.contextmanager
def eager_attention(model: transformers.PreTrainedModel) -> Iterator[None]:
    """A context in which a model computes attention with plain operators."""
    chosen = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(chosen)


def export_graph(module: torch.nn.Module, path: Path, outputs: dict[str, dict[int, str]]) -> None:
    """Exports a module of ids and mask. outputs: the names of its outputs, and their axes of any size."""
    example = torch.tensor([[0, 100, 200, 2], [0, 300, 2, PAD]])
    inputs = ("input_ids", "attention_mask")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example, (example != PAD).long()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dict.fromkeys(inputs, TOKEN_AXES) | outputs,
            opset_version=17,
            dynamo=False,
        )


def optimize_onnx(plain: Path, optimized: Path) -> dict[str, int]:
    """Applies ONNX Runtime's fusions for BERT-like models. Returns the number of fused operators by kind."""
    from onnxruntime.transformers import optimizer

    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    model = optimizer.optimize_model(str(plain), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN)
    model.save_model_to_file(str(optimized))
    return {name: count for name, count in model.get_fused_operator_statistics().items() if count}


class OnnxRuntime(Engine):
    """A session over a graph: as exported or as optimized by ONNX Runtime; quantized or not."""

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
    """The exported graph in one type. Without a type it would compute in bfloat16 where the CPU can.

    int8: a quantized model. Its other operators compute in bfloat16, which is 3 to 8 % faster than float32
    (AMD Zen 5 server core, 2026-11-22) and no less accurate.
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
    """CTranslate2's encoder, and the classification head, which it does not support, in numpy.

    int8: CTranslate2 quantizes the float32 weights when it loads them, and each token's vector by its own
    range.
    """

    def __init__(
        self, folder: Path, reference: transformers.PreTrainedModel, threads: int, dtype: str = "float32"
    ) -> None:
        import ctranslate2

        if "avx512" in available_isas():
            # On AMD, CTranslate2 uses AVX2 outside its products unless this is set, which makes int8 8 to 10
            # % slower and float32 no slower (Zen 5 server core, 2026-11-22).
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
    """Converts with CTranslate2's converter, which needs the tokenizer's files beside the model's."""
    from ctranslate2.converters import TransformersConverter

    source = folder.with_name("with_tokenizer")
    source.mkdir()
    (source / "model.safetensors").symlink_to(checkpoint / "model.safetensors")
    # The converter needs this key. Published checkpoints have it; transformers 5 leaves it out.
    config = json.loads((checkpoint / "config.json").read_text()) | {"position_embedding_type": "absolute"}
    (source / "config.json").write_text(json.dumps(config))
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(vocabulary / name, source / name)
    transformers.logging.set_verbosity_error()  # hides the list of tensors that it does not convert
    with contextlib.redirect_stderr(io.StringIO()):
        TransformersConverter(str(source)).convert(str(folder), quantization="float32")


def installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
