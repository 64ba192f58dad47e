"""Names that classes of sentence-transformers and FlagEmbedding have and ours have not, and what to do."""

from __future__ import annotations

from ..missing_names import MODEL_CARD, TRAINED

_UNCHANGED = "no change of a loaded model: change its files, and load it again"
_ON_CPU = "no call: this package runs on the CPU"
_UNTRUSTED = "no such setting: code from a repository is never run"

# What torch.nn.Module has of the parts of a model.
_OF_PARTS = (
    *("modules", "named_modules", "get_submodule", "parameters", "named_parameters", "get_parameter"),
    *("buffers", "named_buffers", "get_buffer", "state_dict"),
)
_HOOKS = (
    *("register_forward_hook", "register_forward_pre_hook", "register_backward_hook"),
    *("register_full_backward_hook", "register_full_backward_pre_hook"),
    *("register_state_dict_pre_hook", "register_state_dict_post_hook"),
    *("register_load_state_dict_pre_hook", "register_load_state_dict_post_hook"),
)
_OF_BOTH = {
    **dict.fromkeys(
        (
            *("fit", "old_fit", "train", "evaluate", "requires_grad_", "zero_grad"),
            *("smart_batching_collate", "gradient_checkpointing_enable"),
            *("add_adapter", "load_adapter", "set_adapter", "enable_adapters", "disable_adapters"),
            *("active_adapter", "active_adapters", "get_adapter_state_dict", "delete_adapter", "merge"),
            *("check_peft_compatible_model", "has_peft_compatible_model"),
        ),
        TRAINED,
    ),
    **dict.fromkeys(
        (
            *("append", "extend", "insert", "pop", "apply", "smart_apply", "load_state_dict"),
            *("add_module", "register_module", "register_parameter", "register_buffer"),
            *("set_submodule", "get_extra_state", "set_extra_state"),
        ),
        _UNCHANGED,
    ),
    **dict.fromkeys(
        ("cuda", "ipu", "xpu", "mtia", "clear_placement_cache", "is_hpu_graph_enabled", "to_empty"), _ON_CPU
    ),
    **dict.fromkeys(("half", "double", "type"), "dtype= when it is loaded: 'float32', 'bfloat16' or 'int8'"),
    **dict.fromkeys(("push_to_hub", "save_to_hub"), "save_pretrained(folder), which huggingface_hub uploads"),
    **dict.fromkeys(("model_card_data", "model_card_data_class"), MODEL_CARD),
    **dict.fromkeys(("trust_remote_code", "module_kwargs"), _UNTRUSTED),
    **dict.fromkeys(("call_super_init", "dump_patches", "T_destination", "extra_repr"), "repr(model)"),
    "compile": "no call: the kernels are compiled when the package is installed",
    "share_memory": "no call: processes that are forked from this one share its weights",
}

# Of SentenceTransformer.
MISSING_NAMES = {
    **_OF_BOTH,
    **dict.fromkeys(
        ("start_multi_process_pool", "stop_multi_process_pool", "encode_multi_process"),
        "encode(texts): one process computes with num_threads threads",
    ),
    **dict.fromkeys(
        _OF_PARTS, "model[0].auto_model, which has the encoder's, and children() for the modules"
    ),
    **dict.fromkeys(_HOOKS, "model(features) or model[0].auto_model(…), which return what is computed"),
    "get_sentence_features": "preprocess(texts)",
}

CROSS_ENCODER_NAMES = {
    **_OF_BOTH,
    **dict.fromkeys(
        ("start_multi_process_pool", "stop_multi_process_pool"),
        "predict(pairs): one process computes with num_threads threads",
    ),
    **dict.fromkeys((*_OF_PARTS, "children", "named_children"), "it of the attribute model"),
    **dict.fromkeys(_HOOKS, "model.model(ids), which returns what is computed"),
    **dict.fromkeys(
        ("forward", "preprocess", "tokenize"), "predict(pairs), or its tokenizer and model for the steps"
    ),
    **dict.fromkeys(
        ("keep_in_fp32_modules", "set_keep_in_fp32_modules"),
        "no call: heads are float32 in every precision",
    ),
    "smart_batching_collate_text_only": TRAINED,
    "get_model_kwargs": "the keywords of predict",
    "is_singular_input": "predict, which takes one pair or a list of them",
    "get_default_activation_fn": "activation_fn, which is the default unless another is assigned",
}

FLAG_NAMES = {
    **dict.fromkeys(
        (
            *("start_multi_process_pool", "stop_multi_process_pool", "pool"),
            *("encode_multi_process", "compute_score_multi_process"),
        ),
        "encode or compute_score: one process computes with num_threads threads",
    ),
    **dict.fromkeys(
        ("encode_single_device", "compute_score_single_device", "compute_score_single_gpu"),
        "encode or compute_score, which run on the CPU",
    ),
    **dict.fromkeys(("get_target_devices", "target_devices"), _ON_CPU),
    "get_model_torch_dtype": "model.dtype",
    "pooling": "encode, with pooling_method= when the model is loaded",
    "kwargs": "the attribute of that keyword",
}
