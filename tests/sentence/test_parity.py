"""Embeddings equal sentence-transformers', on folders that it has saved."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from samples.embeddings import assert_near
from samples.task_models import make_task_model
from sentence_transformers import SentenceTransformer as Original
from sentence_transformers.sentence_transformer import modules

from roberta_c.sentence import SentenceTransformer
from roberta_c.sentence.pooling import MODES

PROMPTS = (("query", "query: "), ("passage", "Represent this text: "))
CONCATENATED = [("mean", "cls"), ("cls", "max", "mean"), ("lasttoken", "cls"), MODES]


@pytest.mark.parametrize("modes", [*((mode,) for mode in MODES), *CONCATENATED], ids="+".join)
def test_every_pooling(modes, saved_model, sentences):
    folder, theirs = saved_model(*modes)
    ours = SentenceTransformer(folder)
    assert_near(ours.encode(sentences), theirs.encode(sentences))
    assert ours.get_sentence_embedding_dimension() == theirs.get_embedding_dimension()


@pytest.mark.parametrize("modes", [*((mode,) for mode in MODES), MODES], ids="+".join)
@pytest.mark.parametrize("include_prompt", [True, False])
def test_prompts(modes, include_prompt, saved_model, sentences):
    folder, theirs = saved_model(*modes, include_prompt=include_prompt, prompts=PROMPTS)
    ours = SentenceTransformer(folder)
    texts = sentences[-60:]
    assert_near(ours.encode(texts, prompt_name="passage"), theirs.encode(texts, prompt_name="passage"))
    assert_near(ours.encode(texts, prompt="So: "), theirs.encode(texts, prompt="So: "))
    assert_near(ours.encode_query(texts), theirs.encode_query(texts))
    assert_near(ours.encode_document(texts), theirs.encode_document(texts))
    for model in (ours, theirs):
        model.set_pooling_include_prompt(not include_prompt)
    assert_near(ours.encode_query(texts), theirs.encode_query(texts))
    theirs.set_pooling_include_prompt(include_prompt)  # other tests have the same model


ACTIVATIONS = ["Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU", "LeakyReLU", "Softsign"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense(activation, saved_model, sentences):
    folder, theirs = saved_model("mean", then=("dense",), activation=activation)
    assert_near(SentenceTransformer(folder).encode(sentences), theirs.encode(sentences))


@pytest.mark.parametrize(
    "then",
    [
        ("normalize",),
        ("dense", "normalize"),
        ("dense without bias",),
        ("residual dense", "normalize", "dense"),
    ],
    ids="+".join,
)
def test_modules_behind_the_pooling(then, saved_model, sentences):
    folder, theirs = saved_model("mean", "max", then=then)
    ours = SentenceTransformer(folder)
    assert_near(ours.encode(sentences), theirs.encode(sentences))
    assert len(ours) == len(theirs)


def test_a_residual_of_another_width(encoder_folder, tmp_path, sentences):
    parts = [
        modules.Transformer(str(encoder_folder)),
        modules.Pooling(48, "cls"),
        modules.Dense(48, 16, use_residual=True),
    ]
    Original(modules=parts, device="cpu").save(str(tmp_path), create_model_card=False)
    theirs = Original(str(tmp_path), device="cpu").encode(sentences)
    assert_near(SentenceTransformer(tmp_path).encode(sentences), theirs)


def test_modules_on_tokens(encoder_folder, tmp_path, sentences):
    """A Dense and a Normalize before the Pooling compute the rows of the tokens."""
    parts = [
        modules.Transformer(str(encoder_folder)),
        modules.Dense(48, 16, module_input_name="token_embeddings"),
        modules.Normalize("token_embeddings"),
        modules.Pooling(16, ("lasttoken", "mean")),
    ]
    theirs = Original(modules=parts, device="cpu")
    theirs.save(str(tmp_path), create_model_card=False)
    ours = SentenceTransformer(tmp_path)
    assert_near(ours.encode(sentences), theirs.encode(sentences))
    tokens = zip(
        ours.encode(sentences[:9], output_value="token_embeddings"),
        theirs.encode(sentences[:9], output_value="token_embeddings"),
        strict=True,
    )
    for one, other in tokens:
        assert_near(one, other.numpy())


def test_truncated_and_normalized(saved_model, sentences):
    folder, theirs = saved_model("mean", then=("normalize",))
    ours = SentenceTransformer(folder)
    for options in (
        {"truncate_dim": 20},
        {"truncate_dim": 48, "normalize_embeddings": True},
        {"truncate_dim": 1, "normalize_embeddings": True},
    ):
        assert_near(ours.encode(sentences, **options), theirs.encode(sentences, **options))
    with ours.truncate_sentence_embeddings(7), theirs.truncate_embeddings(7):
        assert ours.get_embedding_dimension() == theirs.get_embedding_dimension() == 7
        assert_near(ours.encode(sentences), theirs.encode(sentences))
    assert ours.truncate_dim is None


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_precisions(precision, saved_model, sentences):
    """Equal but where a value lies on the border of two numbers: an error of 2e-6 decides there."""
    folder, theirs = saved_model("mean")
    ours, theirs = (
        model.encode(sentences, precision=precision) for model in (SentenceTransformer(folder), theirs)
    )
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    different = (ours != theirs).sum()
    assert different <= ours.size / 1000
    if precision in ("int8", "uint8"):
        assert abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_outputs_of_tokens_and_of_everything(saved_model, sentences):
    folder, theirs = saved_model("mean", then=("dense",), prompts=PROMPTS)
    ours, texts = SentenceTransformer(folder), sentences[-9:]
    for one, other in zip(
        ours.encode(texts, output_value="token_embeddings"),
        theirs.encode(texts, output_value="token_embeddings"),
        strict=True,
    ):
        assert_near(one, other.numpy())
    for text in texts:
        one = ours.encode_query(text, output_value=None)
        other = theirs.encode_query(text, output_value=None)
        for name in ("token_embeddings", "sentence_embedding"):
            assert_near(one[name], other[name].numpy())
        for name in ("input_ids", "attention_mask"):
            np.testing.assert_array_equal(one[name], other[name].numpy())


def test_texts_that_are_cut(saved_model, sentences):
    folder, theirs = saved_model("mean", "lasttoken", max_seq_length=12)
    ours = SentenceTransformer(folder)
    assert ours.max_seq_length == theirs.max_seq_length == 12
    assert_near(ours.encode(sentences), theirs.encode(sentences))


def test_lower_case(encoder_folder, tmp_path):
    """`do_lower_case` of older settings; a <mask> stays one, and <MASK> does not become one."""
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 48}')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 20, "do_lower_case": true}')
    # "THE<mask>": see docs/from-transformers.md on the space before <mask>.
    texts = ["Hello World", "THE<mask> IS <MASK> ÄÖÜ ΣΑΣ", "İstanbul " * 30]
    ours, theirs = SentenceTransformer(folder), Original(str(folder), device="cpu")
    assert_near(ours.encode(texts), theirs.encode(texts))
    ours.save(tmp_path / "again")
    for again in (
        SentenceTransformer(tmp_path / "again"),
        Original(str(tmp_path / "again"), device="cpu"),
    ):
        assert_near(again.encode(texts), theirs.encode(texts))


def test_xlm_roberta(test_data, tmp_path, sentences):
    encoder = tmp_path / "encoder"
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    shutil.copy(test_data("data/xlmr/sentencepiece.bpe.rebuilt.model"), tokenizer / "sentencepiece.bpe.model")
    (tokenizer / "config.json").write_text('{"model_type": "xlm-roberta"}')
    make_task_model(encoder, tokenizer, "xlm-roberta", "Model", hidden_size=32)
    parts = [modules.Transformer(str(encoder)), modules.Pooling(32, "cls"), modules.Normalize()]
    theirs = Original(modules=parts, device="cpu", prompts={"query": "query: "})
    theirs.save(str(tmp_path / "saved"), create_model_card=False)
    ours = SentenceTransformer(tmp_path / "saved")
    texts = [*sentences[:40], "Größe, Maße und Gewicht", "क्षत्रिय राजाओं ने"]
    assert_near(ours.encode_query(texts), theirs.encode_query(texts))


@pytest.mark.slow
@pytest.mark.parametrize("modes", [("mean",), ("cls",), ("max", "weightedmean")], ids="+".join)
def test_all_of_stsb_and_of_imdb(modes, saved_model, all_sentences, test_data):
    lines = test_data.real("data/docs/imdb_test_sample.jsonl").read_text("utf-8").split("\n")
    texts = [*all_sentences, *(json.loads(line)["text"] for line in lines[:200])]
    folder, theirs = saved_model(*modes, then=("dense", "normalize"), max_seq_length=512)
    with torch.inference_mode():
        assert_near(SentenceTransformer(folder).encode(texts), theirs.encode(texts))
