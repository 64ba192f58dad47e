"""Methods that torch's and transformers' models have and this package's have not, and what to do instead."""

from __future__ import annotations

_UNCHANGED = "transformers, which changes a model, and from_pretrained of what it saves"
_UNTRAINED = "transformers, which trains a model, and from_pretrained of what it saves"
_NO_HOOKS = "output_hidden_states=True or a call of the part: the kernels compute all layers in one call"

_ADAPTERS = (
    "add_adapter",
    "load_adapter",
    "delete_adapter",
    "set_adapter",
    "enable_adapters",
    "disable_adapters",
    "active_adapters",
    "get_adapter_state_dict",
)
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
            "resize_token_embeddings",
            "set_input_embeddings",
            "set_output_embeddings",
            "load_state_dict",
            "prune_heads",
            "init_weights",
            "post_init",
            "add_module",
            "register_buffer",
            "register_parameter",
            "register_module",
            "set_submodule",
            "set_extra_state",
            "set_encoder",
            "set_decoder",
            "resize_position_embeddings",
            "initialize_weights",
            "smart_apply",
            "apply",
            "to_empty",
            "dequantize",
        ),
        _UNCHANGED,
    ),
    **dict.fromkeys(
        (
            "zero_grad",
            "gradient_checkpointing_enable",
            "gradient_checkpointing_disable",
            "enable_input_require_grads",
            "disable_input_require_grads",
            "activation_checkpointing_enable",
            "activation_checkpointing_disable",
            "loss_function",
            *_ADAPTERS,
        ),
        _UNTRAINED,
    ),
    **dict.fromkeys(_HOOKS, _NO_HOOKS),
    **dict.fromkeys(("ipu", "xpu", "mtia"), "no call: this package runs on the CPU"),
    **dict.fromkeys(("double", "type"), "dtype= of from_pretrained: 'float32', 'bfloat16' or 'int8'"),
    "generate": "a head of an encoder: there are no decoders",
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
    "compile": "no call: the kernels are compiled when the package is installed",
    "share_memory": "no call: processes that are forked from this one share its weights",
    "get_memory_footprint": "num_parameters(), or the memory of the process: the weights are packed copies",
    "get_encoder": "base_model.encoder",
    "get_decoder": "base_model: there are no decoders",
    "get_position_embeddings": "base_model.embeddings.position_embeddings",
    "dummy_inputs": "input_ids, such as [[0, 31414, 2]]",
    "add_model_tags": "a tag in the README.md beside the files",
    "register_for_auto_class": "no call: code from a repository is never run",
    "to_bettertransformer": "no call: this package has its own attention",
}
