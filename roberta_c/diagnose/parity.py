"""Whether this machine computes a model correctly: its outputs for fixed texts against those of an oracle.

The oracle is the same checkpoint computed by the reference kernels (reference.c): plain loops in float64.
Digests stand for the computed values: the digest of the token ids is the same on every machine; the digest of
the outputs is the same for any number of threads, on one instruction set.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import KernelError, ModelFileError, RobertaCError, mismatch
from .finite import finite_or_none

if TYPE_CHECKING:
    from ..model import PreTrainedModel
    from ..tokenizer.pretrained import PreTrainedTokenizerFast

# Few short texts, because the oracle is many times slower than the other kernels: for these 76 tokens (in
# RoBERTa's vocabulary) of a base model it needs 6 s (2 threads of a shared AMD EPYC, Zen 5, 2026-11-22).
TEXTS = (
    "I love it",
    "The service was slow, the staff rude; we won't be back.",
    "Caf\u00e9 d\u00e9j\u00e0 vu, na\u00efve \u00fcber-cr\u00e8me",
    "so happy \U0001f602\u2764\ufe0f \U0001f469\u200d\U0001f4bb",
    "\u6771\u4eac\u306f\u4eca\u65e5\u3082\u96e8\u3067\u3059\u3002",
    "",
)

# The largest accepted difference from the oracle's outputs, relative to the largest absolute value among them
# or to 1, whichever is greater: LayerNorm makes hidden values of order 1, so rounding errors do not shrink
# with the logits. Measured differences for TEXTS with avx512, avx2 and generic (2026-11-22): at most 6.5e-7
# for a trained model of 4 layers, 1.7e-6 for the shape of RoBERTa-base with random weights. Rounding errors
# of layers add up like a random walk, so that 24 layers should not even double them; the rest of the bound
# allows for weights with larger errors. A wrong computation differs far more: factors rounded to 11 bits
# have errors of up to 5e-4 each.
TOLERANCE = 1e-4


def parity_facts(
    model: PreTrainedModel, oracle: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    """Runs TEXTS through `model` and `oracle`; the results as a dict that JSON can hold.

    agrees: whether the largest difference is within the bound. same_bits: whether each text has the same
    output bits alone as in the batch. A number that is not finite is None.
    """
    ids = tokenizer(list(TEXTS), truncation=True, return_attention_mask=False)["input_ids"]
    started = time.perf_counter()
    name, outputs_sc = _outputs(model, ids)
    computed = time.perf_counter()
    _, expected_sc = _outputs(oracle, ids)
    finished = time.perf_counter()
    alone_sc = np.concatenate([_outputs(model, [row])[1] for row in ids])
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf is possible
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
        "largest_difference": finite_or_none(difference),
        "bound": finite_or_none(bound),
        "agrees": difference <= bound,
        "same_bits": outputs_sc.tobytes() == alone_sc.tobytes(),
        "ms": (computed - started) * 1e3,
        "oracle_ms": (finished - computed) * 1e3,
    }


def parity_error(facts: dict[str, Any], name: str) -> RobertaCError | None:
    """The error that the `parity_facts` of the model `name` show, if any."""
    if not facts["oracle_finite"]:
        found = f"{facts['output']} that are NaN or infinite"
        return ModelFileError(f"{mismatch(name, found, 'finite numbers')}; the weights may be damaged")
    kernels, advice = f"{name}: {facts['isa']} kernels", "please report this with the complete output"
    if not facts["agrees"]:
        found, expected = f"{facts['output']} that are NaN or infinite", "finite numbers"
        if facts["finite"]:
            found = f"a difference of {facts['largest_difference']:.1e} from the reference kernels"
            expected = f"at most {facts['bound']:.1e}"
        return KernelError(f"{mismatch(kernels, found, expected)}; {advice}")
    if not facts["same_bits"]:
        found = "other output bits for a text alone than in a batch"
        return KernelError(f"{mismatch(kernels, found, 'the same')}; {advice}")
    return None


def _outputs(model: PreTrainedModel, ids: list[list[int]]) -> tuple[str, np.ndarray]:
    """The name of the outputs, and one row for each text: its logits, or those or the state of `<s>`."""
    from ..model import RobertaForMaskedLM, RobertaForMultipleChoice

    if isinstance(model, RobertaForMaskedLM):
        return "logits of <s>", model.lm_head(model.states_at(ids, [[0]] * len(ids)))
    if isinstance(model, RobertaForMultipleChoice):
        return "logits", model([[row] for row in ids], return_dict=True).logits
    output = model(ids, return_dict=True)
    if "start_logits" in output:
        pairs = zip(output.start_logits, output.end_logits, strict=True)
        return "logits of <s>", np.array([[start[0], end[0]] for start, end in pairs])
    if "last_hidden_state" in output:
        return "hidden states of <s>", np.stack([state_th[0] for state_th in output.last_hidden_state])
    if isinstance(output.logits, list):
        return "logits of <s>", np.stack([logits_tc[0] for logits_tc in output.logits])
    return "logits", output.logits


def _digest(arrays: Iterable[np.ndarray]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the values: float32 or int64, little-endian."""
    digest = hashlib.sha256()
    for array in arrays:
        little = "<f4" if array.dtype.kind == "f" else "<i8"
        digest.update(np.ascontiguousarray(array, dtype=little).tobytes())
    return digest.hexdigest()[:16]


def _rounded(values_sc: np.ndarray) -> list[list[float | None]]:
    return [[finite_or_none(round(float(value), 6)) for value in row] for row in values_sc]
