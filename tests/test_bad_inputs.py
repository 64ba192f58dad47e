"""The hundred bad inputs of the specification (RELIABILITY.md, section 3), by number, with their tests."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

CONFIG = "config/test_bad_configs.py"
BATCH = "model/test_batch.py"
SIZES = "model/test_sizes.py"
MODEL = "model/test_roberta.py"
MEANWHILE = "model/test_calls_meanwhile.py"
CHECKPOINT = "checkpoint/test_checkpoint.py"
SHARDS = "checkpoint/test_shards.py"
LEGACY = "checkpoint/test_torch_legacy.py"
FORGED_ZIP = "checkpoint/test_forged_torch_zip.py"
SAFETENSORS = "checkpoint/test_safetensors_reader.py"
FORMATS = "parity/test_checkpoint_formats.py"
TOKENIZER = "tokenizer/test_tokenizer_files.py"
TEXTS = "tokenizer/test_text_input.py"
PIPELINE = "pipelines/test_base.py"
THREADS = "machine/test_threads.py"
HUB = "files/test_hub_failures.py"
CACHED = "cache/test_cached_models.py"
DAMAGED = "cache/test_damaged_files.py"
BODY = "serve/test_json_body.py"
SERVER = "serve/test_process.py"
FOLDER = "cache/test_cache_folder.py"
WRITERS = "cache/test_writers.py"

COVERED = {
    # config.json
    1: [f"{CONFIG}::test_a_path_that_is_no_regular_file"],
    2: [f"{CONFIG}::test_a_bad_file_is_named", f"{CONFIG}::test_every_truncation_of_a_real_file_is_an_error"],
    3: [f"{CONFIG}::test_a_bad_file_is_named"],
    4: [f"{CONFIG}::test_a_bad_file_is_named", "files/test_json_object.py::test_a_key_twice_is_refused"],
    5: [f"{CONFIG}::test_a_bad_file_is_named"],
    6: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    7: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    8: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    9: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    10: ["config/test_config.py::test_an_unknown_model_type_is_an_error", f"{MODEL}::test_bad_config"],
    11: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    12: [f"{CONFIG}::test_a_bad_value_names_field_found_and_expected"],
    13: [
        "config/test_config.py::test_a_null_padding_id_becomes_the_family_s_default",
        f"{CONFIG}::test_a_bad_value_names_field_found_and_expected",
    ],
    14: [f"{MODEL}::test_bad_config", f"{CONFIG}::test_labels_that_disagree"],
    15: [
        f"{CONFIG}::test_a_bad_file_is_named",
        f"{CONFIG}::test_deep_nesting_does_not_depend_on_the_recursion_limit",
    ],
    # weights
    16: [f"{MODEL}::test_wrong_shape_missing_and_foreign_tensors"],
    17: ["parity/test_seeds.py::test_unused_pooler_is_reported"],
    18: [f"{MODEL}::test_wrong_shape_missing_and_foreign_tensors"],
    19: [
        f"{MODEL}::test_wrong_shape_missing_and_foreign_tensors",
        f"{SAFETENSORS}::test_other_dtypes_are_listed_but_not_read",
    ],
    20: [f"{FORMATS}::test_names_with_and_without_prefix_and_old_layer_norms"],
    21: [f"{FORMATS}::test_names_with_and_without_prefix_and_old_layer_norms"],
    22: [
        "model/test_weights.py::test_weights_that_are_no_numbers_are_an_error_that_names_them",
        "test_nonfinite_weights.py::test_nan_is_an_error_unless_it_is_allowed",
    ],
    23: ["kernels/test_side_effects.py::test_a_host_that_flushes_denormals_changes_no_bits"],
    24: [f"{FORGED_ZIP}::test_refuses_forged_archives", f"{LEGACY}::test_refuses_forged_streams"],
    25: [f"{FORGED_ZIP}::test_views_equal_torch_or_are_refused", f"{LEGACY}::test_reads_views_of_storages"],
    26: [
        f"{SHARDS}::test_a_missing_shard_is_named",
        f"{SHARDS}::test_shard_names_must_be_plain",
        f"{SHARDS}::test_shards_outside_of_the_folder_are_not_read",
    ],
    27: [
        f"{CHECKPOINT}::test_order_of_preference",
        f"{FORMATS}::test_safetensors_are_preferred_and_buffers_ignored",
    ],
    28: [f"{CHECKPOINT}::test_messages_name_files_that_are_no_weights", f"{MODEL}::test_not_weights"],
    29: [f"{CHECKPOINT}::test_messages_name_files_that_are_no_weights", f"{MODEL}::test_not_weights"],
    30: [f"{file}::test_truncation_at_every_byte" for file in (FORGED_ZIP, LEGACY, SAFETENSORS)],
    31: [
        f"{SAFETENSORS}::test_empty_tensors_may_lie_anywhere_between",
        f"{SAFETENSORS}::test_refuses_forged_files",
    ],
    32: [f"{CHECKPOINT}::test_only_regular_files_are_opened"],
    33: [
        f"{CHECKPOINT}::test_a_changed_file_is_an_error",
        f"{CHECKPOINT}::test_a_truncated_file_is_an_error_and_not_a_crash",
        f"{CHECKPOINT}::test_replacing_a_file_leaves_an_open_checkpoint_unchanged",
        "model/test_weights.py::test_a_file_that_changes_is_an_error_or_changes_nothing",
        "model/test_weights.py::test_a_file_that_changes_while_it_is_loaded",
        "model/test_weights.py::test_a_file_that_changes_during_a_call",
    ],
    # the tokenizer
    34: ["tokenizer/test_auto_tokenizer.py::test_no_tokenizer_file"],
    35: ["tokenizer/test_vocabulary_ids.py::test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings"],
    36: [f"{TOKENIZER}::test_bad_byte_level_bpe", f"{TOKENIZER}::test_bad_sentencepiece"],
    37: [f"{TOKENIZER}::test_bad_byte_level_bpe", f"{TOKENIZER}::test_bad_tokenizer_json"],
    38: [f"{TOKENIZER}::test_bad_tokenizer_json"],
    39: [f"{TOKENIZER}::test_bad_settings_file"],
    40: [
        f"{TOKENIZER}::test_bad_tokenizer_json",
        "tokenizer/test_tokenizer_json.py::test_padding_and_truncation_never_reach_the_library",
        "tokenizer/test_tokenizer_json.py::test_dropout_is_off",
    ],
    41: [
        "tokenizer/test_sentencepiece_model.py::test_malformed",
        "tokenizer/test_sentencepiece_model.py::test_every_truncation",
    ],
    42: [f"{TOKENIZER}::test_bad_byte_level_bpe"],
    43: [
        "tokenizer/test_tokenizer_json.py"
        "::test_a_regular_expression_that_takes_exponential_time_is_an_error_of_the_text"
    ],
    # texts
    44: [f"{PIPELINE}::test_unusual_texts_have_results", f"{TEXTS}::test_accepted_text"],
    45: [f"{PIPELINE}::test_unusual_texts_have_results", f"{TEXTS}::test_accepted_text"],
    46: [f"{PIPELINE}::test_bad_texts", f"{TEXTS}::test_bad_text"],
    47: [f"{PIPELINE}::test_unusual_texts_have_results"],
    48: [f"{PIPELINE}::test_bad_texts", f"{TEXTS}::test_bad_text"],
    49: [
        f"{PIPELINE}::test_a_text_of_100_megabytes",
        "tokenizer/test_long_texts.py::test_texts_that_do_not_fit_into_memory",
    ],
    50: [f"{PIPELINE}::test_a_million_combining_marks"],
    51: [f"{PIPELINE}::test_unusual_texts_have_results"],
    52: [f"{PIPELINE}::test_unusual_texts_have_results"],
    53: [
        f"{PIPELINE}::test_only_the_characters_of_a_str_subclass_are_used",
        f"{TEXTS}::test_accepted_text",
        "pipelines/test_hostile_objects.py::test_texts_are_their_characters",
        "pipelines/test_hostile_objects.py::test_texts_of_every_task_are_their_characters",
        "pipelines/test_hostile_objects.py::test_options_are_what_they_hold",
        "model/test_hostile_arrays.py::test_texts_of_a_config_are_their_characters",
    ],
    # ids and masks
    54: [f"{BATCH}::test_ids_that_are_refused", f"{MODEL}::test_ids_outside_the_vocabulary"],
    55: [f"{BATCH}::test_ids_that_are_refused", f"{BATCH}::test_arrays_of_any_integers"],
    56: [f"{BATCH}::test_ragged_lists", f"{BATCH}::test_ids_that_are_refused"],
    57: [
        f"{BATCH}::test_ids_that_are_refused",
        "model/test_hostile_arrays.py::test_what_is_neither_is_refused",
    ],
    58: [f"{BATCH}::test_arrays_of_any_integers", f"{BATCH}::test_masks_of_any_zeros_and_ones"],
    59: [f"{BATCH}::test_arrays_of_any_integers"],
    60: [f"{BATCH}::test_masks_that_are_refused"],
    61: [f"{BATCH}::test_masks_that_are_refused"],
    62: [f"{BATCH}::test_masks_that_are_refused"],
    63: [
        f"{BATCH}::test_padding_on_any_side_and_inside_is_dropped",
        "parity/test_model_parity.py::test_padding_elsewhere",
    ],
    64: [
        f"{BATCH}::test_pads_that_are_not_masked_are_tokens",
        "parity/test_model_parity.py::test_pad_ids_inside_and_no_mask_follow_transformers",
    ],
    65: [
        f"{BATCH}::test_the_batch_does_not_follow_later_changes_of_its_input",
        f"{MEANWHILE}::test_ids_that_another_thread_changes",
    ],
    66: [
        f"{SIZES}::test_more_ids_than_memory_holds",
        f"{SIZES}::test_results_that_memory_does_not_hold",
        f"{SIZES}::test_hidden_states_that_memory_does_not_hold",
    ],
    # batches and pairs
    67: [f"{BATCH}::test_an_empty_batch_is_a_batch", f"{MODEL}::test_empty_batch"],
    68: [
        f"{TEXTS}::test_an_empty_second_text_is_a_second_text",
        f"{PIPELINE}::test_unusual_texts_have_results",
    ],
    69: [
        f"{TEXTS}::test_truncation_that_would_cut_the_other_text",
        "parity/test_pipeline_parity.py::test_truncation",
    ],
    70: [
        f"{BATCH}::test_the_longest_row_that_fits",
        f"{PIPELINE}::test_long_texts_are_truncated_and_counted",
    ],
    71: [f"{PIPELINE}::test_without_truncation_a_long_text_is_an_error"],
    72: [f"{TEXTS}::test_bad_text", f"{PIPELINE}::test_same_bits_whatever_the_other_texts"],
    73: [f"{PIPELINE}::test_an_iterator_is_read_a_block_ahead", f"{PIPELINE}::test_a_generator_without_end"],
    # the process
    74: [f"{THREADS}::test_a_child_forked_after_a_threaded_call_computes_the_same"],
    75: [
        "kernels/test_region.py::test_a_handler_may_fork_during_a_call",
        "process/test_short_forms.py::test_children_compute_the_same_while_their_parent_computes",
    ],
    76: [
        f"{THREADS}::test_concurrent_callers_of_one_encoder_get_the_same_bits",
        f"{MODEL}::test_many_threads_share_one_model",
    ],
    77: [f"{MEANWHILE}::test_a_model_that_is_deleted_during_a_call"],
    78: [
        "kernels/test_region.py::test_ctrl_c_ends_a_long_call_and_the_next_one_computes",
        "tokenizer/test_long_texts.py::test_a_signal_interrupts_a_long_text",
        "cli/test_main.py::test_ctrl_c_ends_it_quietly",
        "cli/test_signals.py::test_while_it_writes_a_file",
    ],
    79: [f"{MEANWHILE}::test_a_signal_handler_may_call_the_model"],
    80: [
        "process/test_short_forms.py::test_python_without_memory_raises_and_a_loaded_model_stays_right",
        "process/test_short_forms.py::test_c_without_memory_raises_and_a_loaded_model_stays_right",
    ],
    81: [
        f"{SIZES}::test_results_that_memory_does_not_hold",
        "machine/test_cgroups.py::test_cgroup_free_memory",
        "kernels/test_memory.py::test_what_the_machine_cannot_give_is_not_asked_for",
    ],
    82: [
        "kernels/test_region.py::test_where_no_thread_can_be_started_the_call_computes_on_fewer_and_says_so_once",
        "kernels/test_region.py::test_calls_from_many_threads_share_the_workers",
        "tokenizer/test_long_texts.py::test_a_batch_where_threads_cannot_be_started",
    ],
    83: [
        "kernels/test_dispatch.py::test_an_isa_that_this_cpu_lacks_is_refused",
        "kernels/test_dispatch.py::test_cpu_features_tell_instruction_sets_apart",
    ],
    84: [
        f"{THREADS}::test_omp_num_threads_lowers_the_default",
        f"{THREADS}::test_more_threads_than_cpus_are_not_taken_unless_asked_for_by_name",
    ],
    85: ["kernels/test_region.py::test_a_small_stack_suffices_or_is_an_error"],
    86: [f"{MEANWHILE}::test_the_interpreter_ends_during_a_call"],
    # the cache and the network
    87: [
        f"{HUB}::test_a_cache_that_cannot_be_written",
        f"{FOLDER}::test_a_read_only_folder",
        f"{FOLDER}::test_a_folder_that_cannot_be_made",
        f"{FOLDER}::test_a_read_only_file_system",
        f"{FOLDER}::test_a_user_without_a_home",
    ],
    88: [
        f"{FOLDER}::test_too_little_room_on_the_disk",
        f"{FOLDER}::test_a_disk_that_becomes_full",
        f"{FOLDER}::test_a_disk_that_fails_to_sync",
        "cli/test_main.py::test_a_full_disk",
        "cli/test_output_safety.py::test_a_full_disk_leaves_no_parquet",
        "checkpoint/test_safetensors_writer.py::test_a_file_that_cannot_be_written_leaves_the_old_one",
    ],
    89: [
        f"{WRITERS}::test_killed_and_concurrent_writers",
        f"{WRITERS}::test_a_thousand_killed_writers",
        f"{WRITERS}::test_a_process_waits_a_bounded_time",
        f"{FOLDER}::test_unfinished_files_of_writers_that_have_ended_are_removed",
        f"{HUB}::test_a_killed_download_leaves_no_incomplete_file",
        "cli/test_resume.py::test_kill_and_resume_give_the_same_bytes",
    ],
    90: [
        f"{DAMAGED}::test_every_flipped_bit_is_found",
        f"{DAMAGED}::test_every_flipped_bit_of_the_header_is_found",
        f"{DAMAGED}::test_a_damaged_file_is_removed_and_written_again",
    ],
    91: [
        f"{CACHED}::test_same_bits_with_and_without_cache",
        f"{CACHED}::test_a_file_of_another_version_is_not_found",
        "kernels/test_packed_layout.py::test_the_bits_of_a_version",
    ],
    92: [
        f"{CACHED}::test_a_source_that_is_replaced_is_packed_again",
        f"{CACHED}::test_a_source_whose_time_of_change_may_be_set",
        f"{CACHED}::test_a_source_that_was_just_changed_is_not_cached",
        f"{CACHED}::test_a_source_that_changes_while_it_is_loaded_is_not_cached",
    ],
    93: [
        f"{WRITERS}::test_killed_and_concurrent_writers",
        f"{WRITERS}::test_another_process_s_file_is_not_replaced",
    ],
    94: [
        f"{FOLDER}::test_unfinished_files_where_locks_do_nothing",
        f"{FOLDER}::test_a_writer_whose_file_was_taken_away",
        f"{DAMAGED}::test_a_damaged_file_is_removed_and_written_again",
    ],
    95: [
        f"{FOLDER}::test_links_and_other_things_in_the_folder_s_place",
        f"{FOLDER}::test_links_in_a_file_s_place",
        f"{FOLDER}::test_a_link_of_another_user_is_not_followed",
        f"{HUB}::test_a_broken_link_in_the_cache_is_fetched_again",
        f"{CONFIG}::test_a_path_that_is_no_regular_file",
    ],
    96: [
        f"{DAMAGED}::test_every_length_is_found",
        f"{DAMAGED}::test_a_file_that_is_cut_off_while_it_is_opened",
        f"{DAMAGED}::test_a_disk_that_fails",
        f"{HUB}::test_an_interrupted_download_is_resumed",
        f"{HUB}::test_a_download_that_is_always_cut_short",
    ],
    97: [
        f"{FOLDER}::test_a_folder_that_others_may_write",
        f"{FOLDER}::test_what_belongs_to_another_user",
        f"{FOLDER}::test_a_file_that_others_may_write",
        f"{FOLDER}::test_what_is_made_is_private",
    ],
    98: [
        f"{HUB}::test_damaged_weights_are_not_kept",
        f"{DAMAGED}::test_the_wrong_digest_of_a_payload",
        f"{DAMAGED}::test_a_damaged_file_is_removed_and_written_again",
    ],
    99: [
        f"{BODY}::test_bad_bodies",
        f"{BODY}::test_wrong_types_on_other_routes",
        f"{BODY}::test_values_that_cost_too_much_memory_are_refused",
        f"{SERVER}::test_bad_http",
    ],
    100: [
        f"{BODY}::test_content_type_and_length",
        f"{SERVER}::test_slow_headers_are_cut_off",
        f"{SERVER}::test_slow_and_half_sent_bodies",
        f"{SERVER}::test_clients_that_leave_in_the_middle",
    ],
}


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_number_is_somewhere_once():
    assert sorted(COVERED) == list(range(1, 101))


@pytest.mark.parametrize("number", COVERED)
def test_its_tests_are_there(number):
    for name in COVERED[number]:
        file, _, function = name.partition("::")
        assert function in functions_of(file), f"{number}: no test {name}"
    assert COVERED[number]
