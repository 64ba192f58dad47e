"""Does this machine compute a model rightly? Fixed texts through its tokenizer and kernels, and the oracle's.

The oracle is the same files under the kernels of reference.c: plain loops in float64. The digests say in a
line what was computed: that of the token ids is the same on every machine, that of the outputs for every
number of threads, on one instruction set.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import KernelError, ModelFileError, RobertaCError

if TYPE_CHECKING:
    from ..model import PreTrainedModel
    from ..tokenizer.pretrained import PreTrainedTokenizerFast

# Few and short: the oracle is many times slower than the kernels. These are 76 tokens of RoBERTa's
# vocabulary, which take it 6 s with a base model (2 threads of a shared AMD EPYC, Zen 5, 2026-11-22).
TEXTS = (
    "I love it",
    "The service was slow, the staff rude; we won't be back.",
    "Caf\u00e9 d\u00e9j\u00e0 vu, na\u00efve \u00fcber-cr\u00e8me",
    "so happy \U0001f602\u2764\ufe0f \U0001f469\u200d\U0001f4bb",
    "\u6771\u4eac\u306f\u4eca\u65e5\u3082\u96e8\u3067\u3059\u3002",
    "",
)

# How far outputs may lie from the oracle's, relative to the largest of them (or to 1, where all are smaller:
# LayerNorm makes hidden values of order 1, so rounding does not shrink with the logits). Measured for the
# texts above on 2026-11-22 over avx512, avx2 and generic: at most 6.5e-7 for a trained model of 4 layers,
# 1.7e-6 for RoBERTa-base's shape with random weights. The layers' rounding errors add up like a random walk,
# so 24 layers should not even double that; the rest is room for weights less tame. Arithmetic that is wrong
# in kind lies far beyond: factors rounded to 11 bits alone are off by up to 5e-4 each.
TOLERANCE = 1e-4


def parity_facts(
    model: PreTrainedModel, oracle: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    """What came out, by both, in facts that JSON can hold: None for whatever is not a finite number.

    `agrees`: within the bound. `same_bits`: a text alone gives what it gives in the batch.
    """
    ids = tokenizer(list(TEXTS), truncation=True)["input_ids"]
    started = time.perf_counter()
    name, outputs_sc = _outputs(model, ids)
    computed = time.perf_counter()
    _, expected_sc = _outputs(oracle, ids)
    finished = time.perf_counter()
    alone_sc = np.concatenate([_outputs(model, [row])[1] for row in ids])
    with np.errstate(invalid="ignore", over="ignore"):  # infinities may well meet
        bound = TOLERANCE * max(1.0, float(np.abs(expected_sc).max(initial=0)))
        difference = float(np.abs(outputs_sc - expected_sc).max(initial=0))
    return {
        "texts": list(TEXTS),
        "tokens": sum(map(len, ids)),
        "token_digest": _digest(np.array([len(row), *row]) for row in ids),
        "output": name,
        "output_digest": _digest([outputs_sc]),
        "logits": _rounded(outputs_sc) if name == "logits" else None,
        "isa": model.kernels.isa,
        "finite": bool(np.isfinite(outputs_sc).all()),
        "oracle_finite": bool(np.isfinite(expected_sc).all()),
        "largest_difference": _finite(difference),
        "bound": _finite(bound),
        "agrees": difference <= bound,
        "same_bits": outputs_sc.tobytes() == alone_sc.tobytes(),
        "ms": (computed - started) * 1e3,
        "oracle_ms": (finished - computed) * 1e3,
    }


def complaint(facts: dict[str, Any], name: str) -> RobertaCError | None:
    """The error that the `parity_facts` of the model `name` amount to, if any."""
    if not facts["oracle_finite"]:
        return ModelFileError(
            f"{name}: found {facts['output']} that are not finite, expected numbers: are the weights damaged?"
        )
    kernels = f"{name}: the {facts['isa']} kernels"
    if not facts["agrees"]:
        found = f"{facts['largest_difference']:.1e}" if facts["finite"] else "no number at all"
        return KernelError(
            f"{kernels} and the plain ones differ: found {found}, expected at most {facts['bound']:.1e}; "
            "please report this, with the whole of this output"
        )
    if not facts["same_bits"]:
        return KernelError(
            f"{kernels} give a text other bits alone than in a batch, expected the same; "
            "please report this, with the whole of this output"
        )
    return None


def _outputs(model: PreTrainedModel, ids: list[list[int]]) -> tuple[str, np.ndarray]:
    """What the outputs are called, and a row for each text: the logits, or the first token's hidden state."""
    output = model(ids)
    if "logits" in output:
        return "logits", output.logits
    return "hidden states of <s>", np.stack([state_th[0] for state_th in output.last_hidden_state])


def _digest(arrays: Iterable[np.ndarray]) -> str:
    """The first 16 digits of the SHA-256 of the arrays' values: float32 or int64, little-endian."""
    digest = hashlib.sha256()
    for array in arrays:
        little = "<f4" if array.dtype.kind == "f" else "<i8"
        digest.update(np.ascontiguousarray(array, dtype=little).tobytes())
    return digest.hexdigest()[:16]


def _rounded(values_sc: np.ndarray) -> list[list[float | None]]:
    return [[_finite(round(float(value), 6)) for value in row] for row in values_sc]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
