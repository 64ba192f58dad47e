"""Methods that torch's and transformers' models have and this package's have not, and what to do instead."""

from __future__ import annotations

_UNCHANGED = "transformers, which changes a model, and from_pretrained of what it saves"
_UNTRAINED = "transformers, which trains a model, and from_pretrained of what it saves"
_NO_HOOKS = "output_hidden_states=True or a call of the part: the kernels compute all layers in one call"

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
            "apply",
        ),
        _UNCHANGED,
    ),
    **dict.fromkeys(
        (
            "zero_grad",
            "gradient_checkpointing_enable",
            "gradient_checkpointing_disable",
            "enable_input_require_grads",
            "add_adapter",
            "load_adapter",
        ),
        _UNTRAINED,
    ),
    **dict.fromkeys(("register_forward_hook", "register_forward_pre_hook"), _NO_HOOKS),
    **dict.fromkeys(("double", "type"), "dtype= of from_pretrained: 'float32', 'bfloat16' or 'int8'"),
    "generate": "a head of an encoder: there are no decoders",
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
    "compile": "no call: the kernels are compiled when the package is installed",
    "to_bettertransformer": "no call: this package has its own attention",
}
