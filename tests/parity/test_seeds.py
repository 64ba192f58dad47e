"""Two documents about transformers' RoBERTa models, an overview and a tutorial, repeated with this package.

The calls are those of the documents with the import changed and return_tensors="np". Shapes, ids, module
trees, reprs and key lists must be those that the documents print. Numbers that depend on the weights are
compared with the results of transformers on the same checkpoint.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch
import transformers

import roberta_c
from roberta_c import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, RobertaModel
from roberta_c.checkpoint import open_checkpoint

ISLAND = "I really want to go to an island. Do you want to go?"
LOVE = "I love using the Transformers library!"

TREE = """\
{family}ForSequenceClassification(
  (roberta): {family}Model(
    (embeddings): {family}Embeddings(
      (word_embeddings): Embedding({vocab}, 768, padding_idx=1)
      (position_embeddings): Embedding(514, 768, padding_idx=1)
      (token_type_embeddings): Embedding(1, 768)
      (LayerNorm): LayerNorm((768,), eps=1e-05, elementwise_affine=True)
      (dropout): Dropout(p=0.1, inplace=False)
    )
    (encoder): {family}Encoder(
      (layer): ModuleList(
        (0-11): 12 x {family}Layer(
          (attention): {family}Attention(
            (self): {family}SdpaSelfAttention(
              (query): Linear(in_features=768, out_features=768, bias=True)
              (key): Linear(in_features=768, out_features=768, bias=True)
              (value): Linear(in_features=768, out_features=768, bias=True)
              (dropout): Dropout(p=0.1, inplace=False)
            )
            (output): {family}SelfOutput(
              (dense): Linear(in_features=768, out_features=768, bias=True)
              (LayerNorm): LayerNorm((768,), eps=1e-05, elementwise_affine=True)
              (dropout): Dropout(p=0.1, inplace=False)
            )
          )
          (intermediate): {family}Intermediate(
            (dense): Linear(in_features=768, out_features=3072, bias=True)
            (intermediate_act_fn): GELUActivation()
          )
          (output): {family}Output(
            (dense): Linear(in_features=3072, out_features=768, bias=True)
            (LayerNorm): LayerNorm((768,), eps=1e-05, elementwise_affine=True)
            (dropout): Dropout(p=0.1, inplace=False)
          )
        )
      )
    )
  )
  (classifier): {family}ClassificationHead(
    (dense): Linear(in_features=768, out_features=768, bias=True)
    (dropout): Dropout(p=0.1, inplace=False)
    (out_proj): Linear(in_features=768, out_features=3, bias=True)
  )
)"""

ADDED_TOKEN = (
    '        {}: AddedToken("{}", rstrip=False, lstrip={}, single_word=False, normalized={}, special=True),\n'
)


def tokenizer_repr(family, path, vocab, normalized):
    """The repr that the documents print for a tokenizer."""
    added = [
        ADDED_TOKEN.format(i, t, False, normalized) for i, t in enumerate(("<s>", "<pad>", "</s>", "<unk>"))
    ]
    added.append(ADDED_TOKEN.format(vocab - 1, "<mask>", True, False))
    return (
        f"{family}TokenizerFast(name_or_path='{path}', vocab_size={vocab}, "
        "model_max_length=1000000000000000019884624838656, is_fast=True, padding_side='right', "
        "truncation_side='right', special_tokens={'bos_token': '<s>', 'eos_token': '</s>', "
        "'unk_token': '<unk>', 'sep_token': '</s>', 'pad_token': '<pad>', 'cls_token': '<s>', "
        "'mask_token': '<mask>'}, clean_up_tokenization_spaces=False, added_tokens_decoder={\n"
        f"{''.join(added)}}}\n)"
    )


def seed_text(test_data) -> str:
    """The text of both documents."""
    folder = test_data.real("seeds")
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()))


@pytest.mark.parametrize(("family", "vocab"), [("Roberta", 50265), ("XLMRoberta", 250002)])
def test_describe_a_model(family, vocab, base_model, test_data):
    """Random models of base size take the place of the two that the tutorial downloads."""
    made = base_model({"Roberta": "roberta", "XLMRoberta": "xlm-roberta"}[family])
    model = AutoModelForSequenceClassification.from_pretrained(made.folder)
    tree = TREE.format(family=family, vocab=vocab)
    assert tree in seed_text(test_data), "this test's tree is not the one that the document prints"
    assert repr(model) == tree
    assert f"(embeddings): {model.roberta.embeddings!r}".replace("\n", "\n    ") in tree


def test_unused_pooler_is_reported(tweet_sentiment_small):
    """The load report lists what transformers warns of: 'Some weights of the model checkpoint … were not
    used'."""
    model = AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)
    assert sorted(model.load_report.unexpected) == [
        "roberta.pooler.dense.bias",
        "roberta.pooler.dense.weight",
    ]
    assert model.load_report.missing == ()


def test_describe_a_tokenizer(real_checkpoint, test_data, tmp_path):
    folder = tmp_path / "xlm"
    folder.mkdir()
    shutil.copy(
        test_data.real("data/xlmr/sentencepiece.bpe.rebuilt.model"), folder / "sentencepiece.bpe.model"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))
    document = seed_text(test_data)
    for path, family, vocab, normalized, listed in (
        (real_checkpoint, "Roberta", 50265, True, "twitter-roberta-base-sentiment-latest"),
        (folder, "XLMRoberta", 250002, False, "twitter-xlm-roberta-base-sentiment"),
    ):
        tokenizer = AutoTokenizer.from_pretrained(path)
        assert repr(tokenizer) == tokenizer_repr(family, path, vocab, normalized)
        assert tokenizer_repr(family, f"./models/cardiffnlp/{listed}", vocab, normalized) in document


def test_key_list(real_checkpoint, test_data, tmp_path):
    """Keys are listed in the file's order: the document's `state_dict.keys()`, and those of a trained
    file."""
    document = seed_text(test_data)
    begin = document.index("odict_keys([")
    listed = re.findall(r"'([^']+)'", document[begin : document.index("])", begin)])
    assert len(listed) == 204
    file = tmp_path / "pytorch_model.bin"
    torch.save(OrderedDict((name, torch.zeros(2, 3)) for name in listed), file)
    assert list(open_checkpoint(tmp_path).tensors) == listed
    keys = [sys.executable, "-m", "roberta_c", "keys", str(tmp_path), "--format", "jsonl"]
    printed = subprocess.run(keys, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [json.loads(line)["name"] for line in printed] == listed

    theirs = torch.load(real_checkpoint / "pytorch_model.bin", weights_only=True)
    assert list(open_checkpoint(real_checkpoint).tensors) == list(theirs)
    assert {n for n in listed if not re.search(r"layer\.([4-9]|1\d)\.", n)} == set(theirs)


def test_overview_tokenizer_cells(real_checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(real_checkpoint)
    encoded_input = tokenizer(ISLAND)
    ids = [0, 100, 269, 236, 7, 213, 7, 41, 2946, 4, 1832, 47, 236, 7, 213, 116, 2]
    assert encoded_input["input_ids"] == ids
    assert tokenizer.convert_ids_to_tokens(7) == "Ġto"
    tokens = "<s> I Ġreally Ġwant Ġto Ġgo Ġto Ġan Ġisland . ĠDo Ġyou Ġwant Ġto Ġgo ? </s>"
    assert tokenizer.convert_ids_to_tokens(encoded_input["input_ids"]) == tokens.split(" ")
    assert tokenizer.vocab_size == 50265
    new_tokens = ["whaleshark", "unicorn"]
    assert tokenizer.add_tokens(new_tokens) == 2
    assert tokenizer.convert_tokens_to_ids(new_tokens) == [50265, 50266]
    assert tokenizer.vocab_size == 50265
    assert len(tokenizer) == 50267


def test_overview_embeddings_cell(real_checkpoint, base_model):
    tokenizer = AutoTokenizer.from_pretrained(real_checkpoint)
    encoded_input = tokenizer(LOVE, return_tensors="np")
    made = base_model("roberta")
    model = AutoModelForSequenceClassification.from_pretrained(made.folder)
    embedding_tensor = model.roberta.embeddings(encoded_input["input_ids"])
    assert embedding_tensor.shape == (1, 9, 768)
    with torch.no_grad():
        expected = made.model.roberta.embeddings(torch.tensor(encoded_input["input_ids"]))
    np.testing.assert_allclose(embedding_tensor, expected.numpy(), atol=1e-5)


def test_overview_pipeline_cell(tweet_sentiment_small):
    config = AutoConfig.from_pretrained(tweet_sentiment_small)
    tokenizer = AutoTokenizer.from_pretrained(tweet_sentiment_small)
    model = AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small)

    encoded_input = tokenizer(LOVE, return_tensors="np")
    output = model(**encoded_input)

    scores = output.logits[0]
    probabilities = np.exp(scores) / np.exp(scores).sum()
    lines = [f"{i + 1}) {config.id2label[i]}: {p}" for i, p in enumerate(probabilities)]
    assert [line.split(":")[0] for line in lines] == ["1) negative", "2) neutral", "3) positive"]

    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tweet_sentiment_small).eval()
    with torch.no_grad():
        expected = torch.softmax(theirs(torch.tensor(encoded_input["input_ids"])).logits[0], dim=0)
    np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-6)


def test_tutorial_run_two_texts_through_the_base_model(real_checkpoint):
    """Two texts of eleven ids with token types 0 give a pooled output of shape (2, hidden)."""
    ids = [0, 31414, 232, 328, 740, 1140, 12695, 69, 46078, 1588, 2]
    tokenizer = AutoTokenizer.from_pretrained(real_checkpoint)
    assert tokenizer.convert_ids_to_tokens(ids)[:4] == ["<s>", "Hello", "Ġworld", "!"]
    input_ids = np.array([ids, ids])
    model = RobertaModel.from_pretrained(real_checkpoint)
    output = model(input_ids, token_type_ids=np.zeros_like(input_ids))
    assert output.pooler_output.shape == (2, 256)
    assert output.last_hidden_state.shape == (2, 11, 256)
    theirs = transformers.RobertaModel.from_pretrained(real_checkpoint).eval()
    with torch.no_grad():
        expected = theirs(torch.tensor(input_ids))
    np.testing.assert_allclose(output.pooler_output, expected.pooler_output.numpy(), atol=1e-5)
    np.testing.assert_allclose(output[0], expected.last_hidden_state.numpy(), atol=1e-5)
    assert roberta_c.AutoModel.from_pretrained(real_checkpoint)(input_ids)[1].shape == (2, 256)
