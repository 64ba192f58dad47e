"""Stand-ins for the base classes of LangChain and LlamaIndex that docs/vector-stores.md derives from.

They declare the abstract methods of langchain-core 1.8 and llama-index-core 0.14. Each package brings dozens
of others, so the tests do not install it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

LANGCHAIN = """
from abc import ABC, abstractmethod

class Embeddings(ABC):
    @abstractmethod
    def embed_documents(self, texts): ...
    @abstractmethod
    def embed_query(self, text): ...
"""
LLAMA_INDEX = """
from abc import ABC, abstractmethod

class BaseEmbedding(ABC):
    def __init__(self, model_name):
        self.model_name = model_name
    @abstractmethod
    def _get_query_embedding(self, query): ...
    @abstractmethod
    async def _aget_query_embedding(self, query): ...
    @abstractmethod
    def _get_text_embedding(self, text): ...
"""
FILES = {
    "langchain_core": {"embeddings.py": LANGCHAIN},
    "llama_index": {
        "core/base/embeddings/base.py": LLAMA_INDEX,
        "core/bridge/pydantic.py": "def PrivateAttr(): ...\n",
    },
}


def write_adapter_bases(folder: Path) -> Path:
    """`folder`, for PYTHONPATH, with a stand-in for each package that is not installed."""
    for package, files in FILES.items():
        if importlib.util.find_spec(package) is None:
            for name, text in files.items():
                path = folder / package / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return folder
