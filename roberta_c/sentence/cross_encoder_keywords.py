"""Keywords and methods of sentence-transformers' CrossEncoder: older names, what needs nothing done, what is
missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.load_keywords import MODEL_KEYWORDS, Keyword
from ..errors import InputError, mismatch
from .loading import ANYTHING, DEVICES

# Keywords of the constructor, and of `predict` and `rank`, that need nothing done here.
LOAD_KEYWORDS = {
    "trust_remote_code": MODEL_KEYWORDS["trust_remote_code"],
    "backend": Keyword(
        lambda value: value is None or (isinstance(value, str) and value == "torch"),
        "'torch' or nothing: there is one engine",
    ),
    "device": DEVICES,
    "model_card_data": ANYTHING,
    "classifier_dropout": ANYTHING,  # dropout belongs to training
    "modules": Keyword(lambda value: value is None, "None: the model is read from files"),
    "keep_in_fp32_modules": Keyword(
        lambda value: value is None or (isinstance(value, (list, tuple)) and not value),
        "None: heads are float32 in every precision",
    ),
}
# An older name of a keyword → its name.
LOAD_NAMES = {
    "model_name": "model_name_or_path",
    "cache_dir": "cache_folder",
    "tokenizer_kwargs": "processor_kwargs",
    "tokenizer_args": "processor_kwargs",
    "automodel_args": "model_kwargs",
    "config_args": "config_kwargs",
    "default_activation_function": "activation_fn",
}
CALL_NAMES = {"activation_fct": "activation_fn", "sentences": "inputs"}
CALL_KEYWORDS = {
    "show_progress_bar": Keyword(
        lambda value: value is None or isinstance(value, bool), "True, False or None"
    ),
    "num_workers": ANYTHING,
    "chunk_size": ANYTHING,
    "device": DEVICES,
    "pool": Keyword(lambda value: value is None, "None: the threads of one process share the work"),
    "convert_to_tensor": Keyword(lambda value: value is None or value is False, "False: arrays are numpy's"),
}
# Those of `save_pretrained`.
SAVE_KEYWORDS = dict.fromkeys(
    ("model_name", "create_model_card", "train_datasets", "safe_serialization"), ANYTHING
)

_TRAINED = "sentence-transformers, which trains a model, and CrossEncoder of what it saves"
_UPLOADED = "save_pretrained(folder), which huggingface_hub uploads"
_ONE_PROCESS = "predict(pairs): the threads of one process share the work (num_threads=)"
MISSING_NAMES = {
    **dict.fromkeys(("fit", "old_fit", "train", "smart_batching_collate"), _TRAINED),
    **dict.fromkeys(("push_to_hub", "save_to_hub"), _UPLOADED),
    **dict.fromkeys(("start_multi_process_pool", "stop_multi_process_pool"), _ONE_PROCESS),
    **dict.fromkeys(("forward", "preprocess", "tokenize"), "predict(pairs), or tokenizer and model alone"),
    "set_keep_in_fp32_modules": "no call: heads are float32 in every precision",
}


def renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`given` under the newer `names` of keywords. Raises InputError for one that is given under both."""
    renamed = {name: value for name, value in given.items() if name not in names}
    for name in given.keys() & names.keys():
        if renamed.get(names[name]) is not None and given[name] is not None:
            raise InputError(mismatch(name, f"{names[name]} too, its newer name", "one of the two"))
        renamed[names[name]] = given[name] if given[name] is not None else renamed.get(names[name])
    return renamed
