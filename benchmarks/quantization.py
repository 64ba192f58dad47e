"""The other engines' int8 models: exported graphs, quantized as their documentation says."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from base_model import VOCABULARY

if TYPE_CHECKING:
    import openvino

CALIBRATION_TEXTS = 100
SHORTEST, LONGEST = 8, 128


def quantize_onnx(graph: Path, path: Path, per_channel: bool = False) -> None:
    """ONNX Runtime's dynamic quantization, which its documentation recommends for transformers.

    Weights are int8, activations uint8 with the range of each call. The defaults: one scale for each matrix
    (`per_channel`: one for each column) and all 8 bits, which suits VNNI.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # hides the advice to optimize the graph first
    quantize_dynamic(
        str(graph),
        str(path),
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
        # The type of the fused operators' outputs, which its shape inference does not know.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    root.setLevel(level)


def calibration_samples(count: int = CALIBRATION_TEXTS) -> list[dict[str, np.ndarray]]:
    """Batches of one text of random ids, with lengths like those of the workloads and tweets."""
    rng = np.random.default_rng(1)
    samples = []
    for length in rng.integers(SHORTEST, LONGEST + 1, count):
        ids = np.array([[0, *rng.integers(3, VOCABULARY - 1, length - 2), 2]], dtype=np.int64)
        samples.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return samples


def quantize_openvino(plain: Path, samples: list[dict[str, np.ndarray]]) -> openvino.Model:
    """NNCF's static quantization of a graph (.onnx or .xml), with its settings for transformers.

    One scale for each column of weights; activation ranges from `samples`, after SmoothQuant.
    """
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(
            openvino.Core().read_model(plain),
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(samples),
        )
