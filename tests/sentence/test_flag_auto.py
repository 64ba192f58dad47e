"""FlagAutoModel and FlagAutoReranker: which class is loaded, with which pooling; every refusal."""

from __future__ import annotations

import enum
import shutil

import numpy as np
import pytest
from samples.rerankers import make_bge_m3, make_cross_encoder

from roberta_c import BGEM3FlagModel, FlagAutoModel, FlagAutoReranker, FlagModel, FlagReranker
from roberta_c.errors import HubError, InputError, ModelFileError


class Kind(enum.Enum):
    """As FlagEmbedding's EmbedderModelClass."""

    ENCODER_ONLY_M3 = "encoder-only-m3"


@pytest.fixture(scope="module")
def folder(tweet_sentiment_small, tmp_path_factory):
    """A model with the heads of bge-m3, in a folder of a name that FlagEmbedding does not know."""
    return make_bge_m3(tmp_path_factory.mktemp("made") / "mine", tweet_sentiment_small, "roberta").folder


@pytest.fixture(scope="module")
def bare(folder, tmp_path_factory):
    """The same without heads, with the name of a model that FlagEmbedding knows."""
    path = tmp_path_factory.mktemp("org") / "multilingual-e5-large-instruct" / "checkpoint-40"
    return shutil.copytree(folder, path, ignore=shutil.ignore_patterns("*_linear.pt"))


def test_the_class_is_chosen_by_files_or_by_name(folder, bare):
    for model, kind, pooling in (
        (FlagAutoModel.from_finetuned(folder), BGEM3FlagModel, "cls"),
        (FlagAutoModel.from_finetuned(str(folder), "encoder-only-base"), FlagModel, "cls"),
        (FlagAutoModel.from_finetuned(folder, model_class=Kind.ENCODER_ONLY_M3), BGEM3FlagModel, "cls"),
        (FlagAutoModel.from_finetuned(folder, pooling_method="last_token"), BGEM3FlagModel, "last_token"),
        (FlagAutoModel.from_finetuned(bare), FlagModel, "mean"),
        (FlagAutoModel.from_finetuned(bare, pooling_method="cls"), FlagModel, "cls"),
    ):
        assert type(model) is kind
        assert model.pooling_method == pooling


def test_instructions_have_the_format_of_the_model(bare):
    model = FlagAutoModel.from_finetuned(bare, query_instruction_for_retrieval="find", truncate_dim=9)
    expected = FlagModel(bare, pooling_method="mean", truncate_dim=9).encode("Instruct: find\nQuery: a")
    assert np.array_equal(model.encode_queries("a"), expected)
    own = FlagAutoModel.from_finetuned(
        bare, query_instruction_for_retrieval="find", query_instruction_format="{}: {}"
    )
    assert own.query_instruction_format == "{}: {}"


def test_rerankers(tweet_sentiment_small, tmp_path):
    folder = make_cross_encoder(tmp_path / "model", tweet_sentiment_small).folder
    for model_class in (None, "encoder-only-base"):
        reranker = FlagAutoReranker.from_finetuned(folder, model_class, use_fp16=True, max_length=20)
        assert type(reranker) is FlagReranker
        assert reranker.max_length == 20
    with pytest.raises(InputError, match="model_class: found 'decoder-only-base', expected one of encoder-"):
        FlagAutoReranker.from_finetuned(folder, "decoder-only-base")
    with pytest.raises(InputError, match=r"expected FlagAutoReranker\.from_finetuned"):
        FlagAutoReranker(folder)


def test_refusals(bare, tmp_path):
    unknown = shutil.copytree(bare, tmp_path / "mine")
    with pytest.raises(
        InputError, match="whose pooling is unknown, expected pooling_method= or model_class="
    ):
        FlagAutoModel.from_finetuned(unknown)
    assert FlagAutoModel.from_finetuned(unknown, pooling_method="mean").pooling_method == "mean"
    (unknown / "sparse_linear.pt").symlink_to("nowhere")
    with pytest.raises(ModelFileError, match=r"sparse_linear\.pt: cannot be opened"):
        FlagAutoModel.from_finetuned(unknown)
    (unknown / "sparse_linear.pt").unlink()
    with pytest.raises(
        InputError, match="model_class: found 'decoder-only-icl', expected one of encoder-only-"
    ):
        FlagAutoModel.from_finetuned(bare, "decoder-only-icl")
    with pytest.raises(InputError, match="trust_remote_code: found True"):
        FlagAutoModel.from_finetuned(bare, trust_remote_code=True)
    with pytest.raises(InputError, match="model_name_or_path: found 5, expected a folder or"):
        FlagAutoModel.from_finetuned(5)
    with pytest.raises(HubError, match="no such folder"):
        FlagAutoModel.from_finetuned(tmp_path / "missing")
    with pytest.raises(InputError, match=r"expected FlagAutoModel\.from_finetuned"):
        FlagAutoModel()
