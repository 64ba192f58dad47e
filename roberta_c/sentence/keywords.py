"""Keywords that code written for sentence-transformers and FlagEmbedding passes, and that need nothing done.

A value that cannot change the answer is accepted; any other is an error that says what to write instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.load_keywords import ANY, MODEL_KEYWORDS, SAVE_KEYWORDS, TRUE_OR_FALSE, Keyword, one_of
from ..errors import InputError, mismatch
from ..machine.devices import is_cpu


def _is_cpu_or_list(devices: Any) -> bool:
    """Whether `devices` is the CPU under one of its names, or a list of nothing else."""
    return all(map(is_cpu, devices)) if isinstance(devices, (list, tuple)) else is_cpu(devices)


_DEVICES = Keyword(_is_cpu_or_list, "'cpu' or None: this package runs on the CPU")
_NUMPY = Keyword(one_of(None, True), "True: results are NumPy arrays, which torch.from_numpy takes")

# ---- sentence-transformers -------------------------------------------------------------------------------

_LOADING = {
    "device": _DEVICES,
    "backend": Keyword(one_of(None, "torch"), "'torch': there is one backend, this package's kernels"),
    "trust_remote_code": MODEL_KEYWORDS["trust_remote_code"],
    "model_card_data": ANY,  # no model card is written
}
_CALLING = {
    "device": _DEVICES,
    "pool": Keyword(one_of(None), "it to be left out: one process computes with num_threads threads"),
    "chunk_size": ANY,  # of pools alone
    "processing_kwargs": Keyword(one_of(None, {}), "it to be left out: assign model.max_seq_length"),
    "convert_to_numpy": TRUE_OR_FALSE,
    "convert_to_tensor": Keyword(
        one_of(None, False), "False: results are NumPy arrays, which torch.from_numpy takes"
    ),
}
SAVE_PRETRAINED_KEYWORDS = {
    "safe_serialization": SAVE_KEYWORDS["safe_serialization"],
    **dict.fromkeys(("model_name", "create_model_card", "train_datasets"), ANY),
}

SENTENCE_KEYWORDS = {**_LOADING, "use_auth_token": MODEL_KEYWORDS["use_auth_token"]}
ENCODE_KEYWORDS = {
    **_CALLING,
    "task": Keyword(lambda value: value is None or isinstance(value, str), "a str"),  # for routers alone
}

CROSS_ENCODER_KEYWORDS = {
    **_LOADING,
    "classifier_dropout": ANY,  # dropout belongs to training
    "modules": Keyword(one_of(None), "None: the model is read from files"),
    "keep_in_fp32_modules": Keyword(one_of(None, [], ()), "None: heads are float32 in every precision"),
}
PREDICT_KEYWORDS = {**_CALLING, "num_workers": ANY}
# A rank's score is a float, whatever convert_to_tensor says.
RANK_KEYWORDS = {**PREDICT_KEYWORDS, "apply_softmax": TRUE_OR_FALSE, "convert_to_tensor": TRUE_OR_FALSE}

# An older name of a keyword → its name.
CROSS_ENCODER_NAMES = {
    "model_name": "model_name_or_path",
    "cache_dir": "cache_folder",
    "tokenizer_kwargs": "processor_kwargs",
    "tokenizer_args": "processor_kwargs",
    "automodel_args": "model_kwargs",
    "config_args": "config_kwargs",
    "default_activation_function": "activation_fn",
}
PREDICT_NAMES = {"activation_fct": "activation_fn", "sentences": "inputs"}


def with_newer_names(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`given` under the newer `names` of keywords. Raises InputError for one that is given under both."""
    newer = {name: value for name, value in given.items() if name not in names}
    for name in given.keys() & names.keys():
        if newer.get(names[name]) is not None and given[name] is not None:
            raise InputError(mismatch(name, f"{names[name]} too, its newer name", "one of the two"))
        newer[names[name]] = given[name] if given[name] is not None else newer.get(names[name])
    return newer


# ---- FlagEmbedding ---------------------------------------------------------------------------------------

FLAG_KEYWORDS = {
    "use_fp16": TRUE_OR_FALSE,
    "use_bf16": TRUE_OR_FALSE,
    "devices": _DEVICES,
    "trust_remote_code": MODEL_KEYWORDS["trust_remote_code"],
    "convert_to_numpy": _NUMPY,
}
FLAG_CALL_KEYWORDS = {"device": _DEVICES, "convert_to_numpy": _NUMPY}
