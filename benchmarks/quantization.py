"""The peers' models in int8: exported graphs, quantized as the engines document it for transformers."""

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
    """ONNX Runtime's dynamic quantization, which it recommends for transformers: weights in int8, what they
    are multiplied with in uint8, by its range in each call.

    Its defaults: a scale a matrix (a scale a column where accuracy asks for it), all 8 bits, as suits VNNI.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # that the graph could be optimized first, as the fused one has been
    quantize_dynamic(
        str(graph),
        str(path),
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
        # Of what the fused operators give, whose types its shape inference does not know.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    root.setLevel(level)


def calibration_samples(count: int = CALIBRATION_TEXTS) -> list[dict[str, np.ndarray]]:
    """Texts of random ids, one at a time, of lengths as the workloads' and tweets'."""
    rng = np.random.default_rng(1)
    samples = []
    for length in rng.integers(SHORTEST, LONGEST + 1, count):
        ids = np.array([[0, *rng.integers(3, VOCABULARY - 1, length - 2), 2]], dtype=np.int64)
        samples.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return samples


def quantize_openvino(plain: Path, samples: list[dict[str, np.ndarray]]) -> openvino.Model:
    """NNCF's static quantization for OpenVINO, set as it says for transformers: a scale a column of weights,
    ranges seen in `samples` for what they are multiplied with, after SmoothQuant."""
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
