"""The published clients and a server of this process: openai, cohere, huggingface_hub, LangChain and curl."""

from __future__ import annotations

import json
import shutil
import subprocess

import cohere
import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from langchain_openai import OpenAIEmbeddings

TEXTS = ["I love it", "What a day!"]


@pytest.fixture(scope="module")
def vectors(offline):
    return offline["embedder"].encode(TEXTS, normalize_embeddings=True)


def test_openai(url, vectors):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
    answer = client.embeddings.create(model="embedder", input=TEXTS)  # asks for base64
    np.testing.assert_array_equal(np.array([one.embedding for one in answer.data], np.float32), vectors)
    assert answer.usage.total_tokens > 0
    floats = client.embeddings.create(model="embedder", input=TEXTS[0], encoding_format="float", dimensions=8)
    assert len(floats.data[0].embedding) == 8
    assert "embedder" in [model.id for model in client.models.list()]
    assert client.models.retrieve("embedder").id == "embedder"
    with pytest.raises(openai.NotFoundError, match="model: found 'nobody'"):
        client.embeddings.create(model="nobody", input="a")
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False") as refused:
        client.embeddings.create(model="embedder", input=[[1, 2, 3]])
    assert refused.value.param == "input"


def test_cohere(url, offline):
    expected = offline["ranker"].predict([("sun", text) for text in TEXTS])
    for client in (cohere.ClientV2("key", base_url=url), cohere.Client("key", base_url=url)):
        answer = client.rerank(model="ranker", query="sun", documents=TEXTS, top_n=2)
        scores = {one.index: one.relevance_score for one in answer.results}
        assert scores == pytest.approx(dict(enumerate(map(float, expected))), abs=1e-7)
    answer = client.rerank(model="ranker", query="sun", documents=TEXTS, return_documents=True)
    assert {one.document.text for one in answer.results} == set(TEXTS)


def test_langchain(url, vectors):
    client = OpenAIEmbeddings(
        base_url=f"{url}/v1", api_key="any", model="embedder", check_embedding_ctx_length=False
    )
    np.testing.assert_array_equal(np.array(client.embed_documents(TEXTS), np.float32), vectors)
    np.testing.assert_array_equal(np.array(client.embed_query(TEXTS[1]), np.float32), vectors[1])


def test_langchain_as_tei(url, vectors):
    """Its `model` must be a repository; the arguments of each call may name a place."""
    reason = "not among the tests' packages: its version 1.2 wants huggingface_hub before 2"
    langchain = pytest.importorskip("langchain_huggingface", reason=reason)
    client = langchain.HuggingFaceEndpointEmbeddings(model_kwargs={"model": f"{url}/embedder"})
    np.testing.assert_array_equal(np.array(client.embed_documents(TEXTS), np.float32), vectors)
    np.testing.assert_array_equal(np.array(client.embed_query(TEXTS[1]), np.float32), vectors[1])


def test_huggingface_hub(url, vectors, offline):
    client = InferenceClient(f"{url}/embedder")
    np.testing.assert_array_equal(client.feature_extraction(TEXTS[0])[0], vectors[0])
    similarities = client.sentence_similarity(TEXTS[0], other_sentences=TEXTS)
    assert similarities[0] == pytest.approx(1)
    found = InferenceClient(f"{url}/tagger").token_classification("I saw Ada in London")
    expected = offline["tagger"]("I saw Ada in London", aggregation_strategy="simple")
    assert [one.word for one in found] == [one["word"] for one in expected]
    answer = InferenceClient(f"{url}/answerer").question_answering(question="who?", context="Ada did it.")
    assert answer.answer == offline["answerer"](question="who?", context="Ada did it.")["answer"]
    tokens = InferenceClient(f"{url}/masked").fill_mask("a <mask> day")
    assert [one.token for one in tokens] == [one["token"] for one in offline["masked"]("a <mask> day")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(url, vectors):
    words = ["curl", "-sS", f"{url}/embed", "-H", "Content-Type: application/json"]
    shown = subprocess.run(
        [*words, "-d", json.dumps({"inputs": TEXTS, "model": "embedder"})], capture_output=True, check=True
    )
    np.testing.assert_array_equal(np.array(json.loads(shown.stdout), np.float32), vectors)
