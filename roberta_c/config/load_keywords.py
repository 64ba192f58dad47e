"""Keywords that code written for transformers passes to `from_pretrained`, and that need nothing done here.

A value that cannot change the answer is accepted. Any other is an error that says what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import InputError, mismatch, shown
from ..machine.devices import is_cpu


class Keyword(NamedTuple):
    """accepts: whether a value needs nothing done; expected: what the message about any other value says."""

    accepts: Callable[[Any], bool]
    expected: str


def one_of(*values: Any) -> Callable[[Any], bool]:
    """Whether a value is one of these, of the same type and equal."""
    return lambda value: any(value is one or (type(value) is type(one) and value == one) for one in values)


def _is_cpu_map(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_cpu(device) for device in value.values())
    return is_cpu(value) or (isinstance(value, str) and value == "auto")


def _is_config(value: Any) -> bool:
    """Whether a value is None, or an object of a config class, of this package or of transformers."""
    return value is None or isinstance(getattr(type(value), "model_type", None), str)


TRUE_OR_FALSE = Keyword(one_of(None, True, False), "True or False")
_OFF = one_of(None, False)
_NONE = one_of(None)
_TO_INT8 = 'it to be left out, and dtype="int8"'
_OUT = "it to be left out"

MODEL_KEYWORDS = {
    "attn_implementation": Keyword(
        one_of(None, "eager", "sdpa"), "None, 'eager' or 'sdpa': this package has its own attention"
    ),
    "device_map": Keyword(_is_cpu_map, "None, 'cpu' or 'auto': this package runs on the CPU"),
    "low_cpu_mem_usage": TRUE_OR_FALSE,
    "trust_remote_code": Keyword(_OFF, "False: code from a repository is never run"),
    "weights_only": Keyword(one_of(None, True), "True: a file's code is never run"),
    "output_loading_info": Keyword(_OFF, f"{_OUT}: see model.load_report"),
    "ignore_mismatched_sizes": Keyword(_OFF, "False: tensors must fit config.json"),
    "force_download": Keyword(_OFF, f"{_OUT}: delete the cached repository instead"),
    "resume_download": TRUE_OR_FALSE,
    "proxies": Keyword(_NONE, f"{_OUT}: set HTTPS_PROXY"),
    "subfolder": Keyword(one_of(None, ""), f"{_OUT}, and the subfolder's own path"),
    "variant": Keyword(_NONE, f"{_OUT}: the file without a variant is read"),
    "use_auth_token": Keyword(_OFF, "token= in its place"),
    "from_tf": Keyword(_OFF, "False: safetensors and torch's files are read"),
    "from_flax": Keyword(_OFF, "False: safetensors and torch's files are read"),
    "quantization_config": Keyword(_NONE, _TO_INT8),
    "load_in_8bit": Keyword(_OFF, _TO_INT8),
    "load_in_4bit": Keyword(_OFF, _TO_INT8),
    "max_memory": Keyword(_NONE, _OUT),
    "offload_folder": Keyword(_NONE, _OUT),
    "tp_plan": Keyword(_NONE, _OUT),
    "adapter_kwargs": Keyword(_NONE, f"{_OUT}: merge the adapter into the weights first"),
}
CONFIG_KEYWORDS = {
    "use_fast": TRUE_OR_FALSE,
    "return_unused_kwargs": Keyword(_OFF, "False: a keyword that is no key of the config is an error"),
    **{
        name: MODEL_KEYWORDS[name]
        for name in (
            "trust_remote_code",
            "force_download",
            "resume_download",
            "proxies",
            "subfolder",
            "use_auth_token",
        )
    },
}

ANY = Keyword(lambda value: True, "")

TOKENIZER_KEYWORDS = {
    **CONFIG_KEYWORDS,
    # Not used: the tokenizer's class and limit are read from the folder.
    "config": Keyword(_is_config, "a config, or None: the folder's is read"),
    "do_lower_case": Keyword(_OFF, "False: the models of this family keep capitals"),
    # What concerns a model, other kinds of tokenizers, or messages alone.
    **dict.fromkeys(
        (
            *("attn_implementation", "device_map", "dtype", "torch_dtype", "low_cpu_mem_usage", "num_labels"),
            *("from_slow", "legacy", "verbose", "_from_auto", "_commit_hash"),
        ),
        ANY,
    ),
    "errors": Keyword(one_of(None, "replace"), "'replace': what is no UTF-8 is decoded as U+FFFD"),
    "chat_template": Keyword(_NONE, f"{_OUT}: the models of this family have no chat templates"),
    "gguf_file": Keyword(_NONE, f"{_OUT}: tokenizer.json and the files before it are read"),
    "tokenizer_type": Keyword(one_of(None, "roberta", "xlm-roberta"), "None, 'roberta' or 'xlm-roberta'"),
    **{
        name: Keyword(_NONE, f"{_OUT}: the folder's files are read")
        for name in ("tokenizer_file", "vocab_file", "merges_file", "tokenizer_object")
    },
    **{
        name: Keyword(_NONE, f"it in the call: tokenizer(texts, {name}=…)")
        for name in ("max_length", "truncation", "padding", "return_tensors")
    },
}

# Keywords of a tokenizer's calls.
_NO_TARGET = "None: there is no decoder, so texts have no targets"
TOKENIZER_CALL_KEYWORDS = {
    "verbose": ANY,
    "max_target_length": ANY,
    "text_target": Keyword(_NONE, _NO_TARGET),
    "text_pair_target": Keyword(_NONE, _NO_TARGET),
    "tokenizer_kwargs": Keyword(one_of(None, {}), "its entries in the call itself"),
    "pad_to_max_length": Keyword(_OFF, "padding='max_length' in its place"),
    "truncation_strategy": Keyword(_NONE, "truncation= in its place"),
    "is_pretokenized": Keyword(_OFF, "is_split_into_words= in its place"),
}
# Keywords of `tokenizer.decode`: those of tokenizers that are not fast, or that have a decoder.
TOKENIZER_DECODE_KEYWORDS = {"use_source_tokenizer": ANY, "spaces_between_special_tokens": ANY}
# Keywords of `tokenizer.save_pretrained`.
TOKENIZER_SAVE_KEYWORDS = {
    "legacy_format": Keyword(_OFF, "False: tokenizer.json is what is written"),
    "save_format": Keyword(_NONE, f"{_OUT}: tokenizer.json is what is written"),
    "push_to_hub": Keyword(_OFF, "False: upload the folder with huggingface_hub"),
    "is_main_process": Keyword(one_of(None, True), "True"),
    "safe_serialization": TRUE_OR_FALSE,
    "save_jinja_files": TRUE_OR_FALSE,
    "use_auth_token": MODEL_KEYWORDS["use_auth_token"],
    "token": ANY,  # only an upload needs one
}

# Keywords of `pipeline` and of the pipelines' classes.
PIPELINE_KEYWORDS = {
    "framework": Keyword(one_of(None, "pt", "np"), f"{_OUT}: there is one framework"),
    "use_fast": CONFIG_KEYWORDS["use_fast"],
    "trust_remote_code": MODEL_KEYWORDS["trust_remote_code"],
    "device_map": MODEL_KEYWORDS["device_map"],
    "use_auth_token": MODEL_KEYWORDS["use_auth_token"],
    **{name: Keyword(_NONE, _OUT) for name in ("feature_extractor", "image_processor", "processor")},
    "modelcard": Keyword(_NONE, _OUT),
    "task": Keyword(lambda value: value is None or isinstance(value, str), "a str"),
    "device": Keyword(is_cpu, "'cpu', -1 or None"),
    "num_workers": Keyword(lambda value: value is None or isinstance(value, int), "an integer"),
}

# Keywords of a pipeline's calls.
CALL_KEYWORDS = {
    "num_workers": PIPELINE_KEYWORDS["num_workers"],
    "add_special_tokens": Keyword(one_of(None, True), "True: models are made for special tokens"),
    "return_token_type_ids": Keyword(_OFF, "False"),
    "return_attention_mask": TRUE_OR_FALSE,
}
# Keywords of `model.save_pretrained`.
SAVE_KEYWORDS = {
    "push_to_hub": Keyword(_OFF, "False: upload the folder with huggingface_hub"),
    "safe_serialization": Keyword(one_of(None, True), "True: safetensors is what is written"),
    "is_main_process": Keyword(one_of(None, True), "True"),
    "state_dict": Keyword(_NONE, f"{_OUT}: a loaded model does not change"),
    "max_shard_size": ANY,  # one file holds any model of this family
}


def without_foreign(given: dict[str, Any], keywords: dict[str, Keyword]) -> dict[str, Any]:
    """`given` without the `keywords`, whose values are checked. Raises InputError for the first bad one."""
    for name, keyword in keywords.items():
        if name in given and not keyword.accepts(given[name]):
            raise InputError(mismatch(name, shown(given[name]), keyword.expected))
    return {name: value for name, value in given.items() if name not in keywords}
