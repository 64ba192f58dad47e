"""sentence-transformers' util: vectors compared, searched, grouped, quantized and cut.

>>> from roberta_c import util
>>> util.semantic_search([[1.0, 0.0]], [[0.0, 1.0], [2.0, 0.0]], top_k=1)
[[{'corpus_id': 1, 'score': 1.0}]]
"""

from __future__ import annotations

from typing import NoReturn

from .missing_names import missing_import
from .sentence import (
    SimilarityFunction,
    community_detection,
    cos_sim,
    dot_score,
    euclidean_sim,
    information_retrieval,
    manhattan_sim,
    normalize_embeddings,
    pairwise_angle_sim,
    pairwise_cos_sim,
    pairwise_dot_score,
    pairwise_euclidean_sim,
    pairwise_manhattan_sim,
    paraphrase_mining,
    paraphrase_mining_embeddings,
    pytorch_cos_sim,
    quantize_embeddings,
    semantic_search,
    truncate_embeddings,
)

__all__ = [
    "SimilarityFunction",
    "community_detection",
    "cos_sim",
    "dot_score",
    "euclidean_sim",
    "information_retrieval",
    "manhattan_sim",
    "normalize_embeddings",
    "pairwise_angle_sim",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pairwise_euclidean_sim",
    "pairwise_manhattan_sim",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "pytorch_cos_sim",
    "quantize_embeddings",
    "semantic_search",
    "truncate_embeddings",
]

# Names of sentence-transformers' util that are not here → what to do instead.
MISSING_NAMES = {
    **dict.fromkeys(
        ("maxsim", "maxsim_pairwise", "mean_maxsim", "mean_maxsim_pairwise"),
        "colbert_score of roberta_c's BGEM3FlagModel",
    ),
    **dict.fromkeys(
        (
            "mine_hard_negatives",
            "check_teacher_targets",
            "resolve_ids",
            "disable_datasets_caching",
            "save_to_hub_args_decorator",
            "append_to_last_row",
            "similarity_fct_name",
            "is_training_available",
            "is_datasets_available",
            "is_accelerate_available",
        ),
        "sentence_transformers.util, beside sentence-transformers, which trains a model",
    ),
    **dict.fromkeys(
        ("select_max_active_dims", "to_scipy_coo", "compute_count_vector"),
        "sentence_transformers.util: there are no sparse models here",
    ),
    **dict.fromkeys(
        ("all_gather", "all_gather_padded", "all_gather_with_grad", "is_dist_initialized"),
        "no call: one process computes with num_threads threads",
    ),
    **dict.fromkeys(("get_rank", "get_world_size"), "0 and 1: one process computes"),
    **dict.fromkeys(("batch_to_device", "get_device_name"), "no call: this package runs on the CPU"),
    **dict.fromkeys(
        ("cat_padded_token_embeddings", "stack_padded_token_embeddings", "repad_flattened_features"),
        'encode(texts, output_value="token_embeddings"), which has no padding',
    ),
    **dict.fromkeys(
        ("http_get", "load_dir_path", "load_file_path", "is_sentence_transformer_model"),
        "huggingface_hub, which downloads files and lists repositories",
    ),
    **dict.fromkeys(
        ("LoggingHandler", "install_logger", "disable_logging", "disabled_tqdm"), "Python's logging"
    ),
    **dict.fromkeys(
        (
            "fullname",
            "import_from_string",
            "import_module_class",
            "check_package_availability",
            "check_version_requirements",
            "ORIGINAL_TRANSFORMER_MODELS",
        ),
        "importlib and importlib.metadata",
    ),
}


def __getattr__(name: str) -> NoReturn:
    missing = missing_import(__name__, name, MISSING_NAMES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}") if missing is None else missing
