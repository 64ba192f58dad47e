"""Methods that sentence-transformers' models have and this package's have not, and what to do instead."""

from __future__ import annotations

_TRAINED = "sentence-transformers, which trains a model, and SentenceTransformer(folder) of what it saves"
_ONE_PROCESS = "encode(texts): one process computes with num_threads threads"
_UNCHANGED = "SentenceTransformer(modules=[…]): a loaded model does not change"

MISSING_NAMES = {
    **dict.fromkeys(
        (
            "fit",
            "old_fit",
            "train",
            "evaluate",
            "smart_batching_collate",
            "gradient_checkpointing_enable",
            "requires_grad_",
            "zero_grad",
            "add_adapter",
            "load_adapter",
            "set_adapter",
            "enable_adapters",
            "disable_adapters",
            "active_adapters",
            "get_adapter_state_dict",
            "delete_adapter",
            "merge",
        ),
        _TRAINED,
    ),
    **dict.fromkeys(
        ("start_multi_process_pool", "stop_multi_process_pool", "encode_multi_process"), _ONE_PROCESS
    ),
    **dict.fromkeys(("append", "extend", "insert", "pop", "add_module", "register_module"), _UNCHANGED),
    **dict.fromkeys(
        ("forward", "get_sentence_features", "state_dict", "parameters", "named_parameters"),
        "encode(texts), or model[0].auto_model and the other modules for its steps",
    ),
    **dict.fromkeys(("push_to_hub", "save_to_hub"), "save_pretrained(folder), which huggingface_hub uploads"),
    **dict.fromkeys(("half", "double"), "dtype= of SentenceTransformer: 'float32', 'bfloat16' or 'int8'"),
    "compile": "no call: the kernels are compiled when the package is installed",
    "cuda": "no call: this package runs on the CPU",
    "load_state_dict": _UNCHANGED,
    "model_card_data": "a README.md beside the files",
}
