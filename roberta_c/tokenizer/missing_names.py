"""Names that transformers' tokenizers have or had and this package's have not, and what to do instead."""

from __future__ import annotations

_NO_CHAT = "tokenizer(text, …): the models of this family have no chat templates"
_NO_TARGET = "tokenizer(text, …): there is no decoder, so texts have no targets"
_FILES = "vocabulary_paths, the files that the tokenizer was made from"
_SETTINGS = "the attribute of that setting, such as model_max_length"
_SPECIAL = "add_special_tokens= of the call"

MISSING_NAMES = {
    **dict.fromkeys(
        (
            "apply_chat_template",
            "get_chat_template",
            "save_chat_templates",
            "encode_message_with_chat_template",
            "chat_control_tokens",
            "get_response_parser",
            "parse_response",
            "response_template",
        ),
        _NO_CHAT,
    ),
    **dict.fromkeys(
        (
            "as_target_tokenizer",
            "prepare_seq2seq_batch",
            "_switch_to_input_mode",
            "_switch_to_target_mode",
        ),
        _NO_TARGET,
    ),
    **dict.fromkeys(
        ("files_loaded", "pretrained_vocab_files_map", "vocab_file", "vocab_files_names"), _FILES
    ),
    **dict.fromkeys(("init_inputs", "init_kwargs"), _SETTINGS),
    **dict.fromkeys(("add_bos_token", "add_eos_token", "update_post_processor"), _SPECIAL),
    **dict.fromkeys(("backend", "model", "_tokenizer"), "backend_tokenizer, and its attributes"),
    **dict.fromkeys(
        ("convert_added_tokens", "convert_to_native_format"), "from_pretrained(folder), which reads the files"
    ),
    "all_special_tokens_extended": "all_special_tokens, and added_tokens_decoder for their flags",
    "special_tokens_map_extended": "special_tokens_map, and added_tokens_decoder for their flags",
    "can_save_slow_tokenizer": "save_pretrained(folder), which writes tokenizer.json",
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": "clean_up_tokenization(text)",
    "prepare_for_model": "tokenizer(text, …)",
    "push_to_hub": "save_pretrained(folder), which huggingface_hub uploads",
    "register_for_auto_class": "from_pretrained of the class: code from a repository is never run",
    "sanitize_special_tokens": "add_special_tokens(…)",
    "save_vocabulary": "save_pretrained(folder)",
    "set_truncation_and_padding": "padding=, truncation= and max_length= of the call",
    "slow_tokenizer_class": "this class: every tokenizer is a fast one",
    "train_new_from_iterator": "transformers or tokenizers, and from_pretrained of what they save",
    "truncate_sequences": "tokenizer(text, truncation=True, max_length=…)",
}
