"""Methods that sentence-transformers' models have and this package's have not, and what to do instead."""

from __future__ import annotations

_TRAINED = "sentence-transformers, which trains a model, and SentenceTransformer(folder) of what it saves"
_ONE_PROCESS = "encode(texts): one process computes with num_threads threads"
_UNCHANGED = "SentenceTransformer(modules=[…]): a loaded model does not change"

_HOOKS = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_backward_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "register_state_dict_pre_hook",
    "register_state_dict_post_hook",
    "register_load_state_dict_pre_hook",
    "register_load_state_dict_post_hook",
)

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
            "active_adapter",
            "check_peft_compatible_model",
            "has_peft_compatible_model",
            "merge",
        ),
        _TRAINED,
    ),
    **dict.fromkeys(
        ("start_multi_process_pool", "stop_multi_process_pool", "encode_multi_process"), _ONE_PROCESS
    ),
    **dict.fromkeys(
        (
            "append",
            "extend",
            "insert",
            "pop",
            "apply",
            "smart_apply",
            "add_module",
            "register_module",
            "register_buffer",
            "register_parameter",
            "set_submodule",
            "get_extra_state",
            "set_extra_state",
            "load_state_dict",
        ),
        _UNCHANGED,
    ),
    "get_sentence_features": "preprocess(texts)",
    **dict.fromkeys(
        (
            "modules",
            "named_modules",
            "get_submodule",
            "parameters",
            "named_parameters",
            "get_parameter",
            "state_dict",
            "buffers",
            "named_buffers",
            "get_buffer",
        ),
        "model[0].auto_model, which has the encoder's, and children() for the modules",
    ),
    **dict.fromkeys(_HOOKS, "model(features) or model[0].auto_model(…), which return what is computed"),
    **dict.fromkeys(
        (
            "xpu",
            "ipu",
            "mtia",
            "clear_placement_cache",
            "is_hpu_graph_enabled",
            "to_empty",
        ),
        "no call: this package runs on the CPU",
    ),
    **dict.fromkeys(
        ("trust_remote_code", "module_kwargs"), "no such setting: code from a repository is never run"
    ),
    **dict.fromkeys(("call_super_init", "dump_patches", "T_destination", "extra_repr"), "repr(model)"),
    **dict.fromkeys(("push_to_hub", "save_to_hub"), "save_pretrained(folder), which huggingface_hub uploads"),
    **dict.fromkeys(
        ("half", "double", "type"), "dtype= of SentenceTransformer: 'float32', 'bfloat16', 'int8'"
    ),
    "compile": "no call: the kernels are compiled when the package is installed",
    "cuda": "no call: this package runs on the CPU",
    "share_memory": "no call: processes that are forked from this one share its weights",
    **dict.fromkeys(("model_card_data", "model_card_data_class"), "a README.md beside the files"),
}
