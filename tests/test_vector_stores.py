"""The adapters of docs/vector-stores.md work with LangChain and LlamaIndex, where these are installed.

test_documents.py runs them on stand-ins for the base classes.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from roberta_c import SentenceTransformer, bundled_model_path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/vector-stores.md"
TEXTS = ["the train leaves at ten", "I love this town!", "what a terrible day"]


def documented_class(name):
    """A class as the document defines it, made here."""
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), flags=re.M | re.S)
    block = next(block for block in blocks if f"class {name}(" in block)
    names = {"SentenceTransformer": SentenceTransformer, "__name__": __name__}
    exec(block[: block.index("\n\n\nembed")], names)
    return names[name]


@pytest.fixture(scope="module")
def model():
    return SentenceTransformer(bundled_model_path())


def test_langchain_finds_the_nearest_text(model):
    stores = pytest.importorskip(
        "langchain_core.vectorstores", reason="langchain-core, which brings 32 packages, is not installed"
    )
    embeddings = documented_class("RobertaCEmbeddings")(str(bundled_model_path()))
    store = stores.InMemoryVectorStore.from_texts(TEXTS, embeddings)
    (document, score), *_ = store.similarity_search_with_score(TEXTS[1], k=2)
    assert document.page_content == TEXTS[1]
    assert score == pytest.approx(1, abs=1e-6)
    assert asyncio.run(embeddings.aembed_query(TEXTS[0])) == embeddings.embed_query(TEXTS[0])
    assert embeddings.embed_documents(TEXTS) == model.encode(TEXTS, normalize_embeddings=True).tolist()
    assert embeddings.embed_documents([]) == []


def test_llama_index_finds_the_nearest_text(model):
    core = pytest.importorskip(
        "llama_index.core", reason="llama-index-core, which brings 61 packages, is not installed"
    )
    embed_model = documented_class("RobertaCEmbedding")(str(bundled_model_path()))
    nodes = [core.schema.TextNode(text=text) for text in TEXTS]
    index = core.VectorStoreIndex(nodes, embed_model=embed_model)
    found = index.as_retriever(similarity_top_k=1).retrieve(TEXTS[2])
    assert [one.text for one in found] == [TEXTS[2]]
    expected = model.encode(TEXTS, normalize_embeddings=True).tolist()
    assert embed_model.get_text_embedding_batch(TEXTS) == expected
    assert asyncio.run(embed_model.aget_query_embedding(TEXTS[0])) == embed_model.get_query_embedding(
        TEXTS[0]
    )
