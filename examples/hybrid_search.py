"""Searches with bge-m3's dense and sparse vectors together, in one SQLite file that holds a faiss index.

    python examples/hybrid_search.py documents.txt documents.db "a query" --model BAAI/bge-m3

documents.txt has a document a line. The file is made if it does not exist. The best documents by either kind
of vector are ranked by the mean of both scores, "sparse+dense" of `BGEM3FlagModel.compute_score`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path

import faiss
import numpy as np

from roberta_c import BGEM3FlagModel

TABLES = """
CREATE TABLE documents (number INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE weights (token TEXT, number INTEGER, weight REAL);
CREATE INDEX of_token ON weights (token);
CREATE TABLE dense (faiss_index BLOB);
"""
SPARSE = "SELECT number, SUM(weight * value) FROM json_each(?) JOIN weights ON token = key GROUP BY number"
TEXT = "SELECT text FROM documents WHERE number = ?"


def fill(database: sqlite3.Connection, model: BGEM3FlagModel, documents: list[str]) -> None:
    found = model.encode_corpus(documents, return_dense=True, return_sparse=True)
    index = faiss.IndexFlatIP(found["dense_vecs"].shape[1])
    index.add(found["dense_vecs"])
    rows = [
        (token, number, float(weight))
        for number, weights in enumerate(found["lexical_weights"])
        for token, weight in weights.items()
    ]
    database.executescript(TABLES)
    database.executemany("INSERT INTO documents VALUES (?, ?)", enumerate(documents))
    database.executemany("INSERT INTO weights VALUES (?, ?, ?)", rows)
    database.execute("INSERT INTO dense VALUES (?)", (faiss.serialize_index(index).tobytes(),))
    database.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("documents", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("queries", nargs="+")
    parser.add_argument("--model", default="BAAI/bge-m3", help="folder or Hub repository")
    parser.add_argument("--top", type=int, default=10)
    options = parser.parse_args()

    model = BGEM3FlagModel(options.model)
    is_new = not options.database.exists()
    database = sqlite3.connect(options.database)
    if is_new:
        fill(database, model, options.documents.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    (stored,) = database.execute("SELECT faiss_index FROM dense").fetchone()
    index = faiss.deserialize_index(np.frombuffer(stored, np.uint8))

    found = model.encode_queries(options.queries, return_dense=True, return_sparse=True)
    of_queries = zip(options.queries, found["dense_vecs"], found["lexical_weights"], strict=True)
    for query, vector, weights in of_queries:
        wanted = json.dumps({token: float(weight) for token, weight in weights.items()})
        sparse = dict(database.execute(SPARSE, (wanted,)))
        count = min(10 * options.top, index.ntotal)
        best = {*index.search(vector[None], count)[1][0].tolist()}
        best |= {*sorted(sparse, key=sparse.__getitem__)[-count:]}
        scores = {one: (vector @ index.reconstruct(one) + sparse.get(one, 0)) / 2 for one in best}
        print(query)
        for one in sorted(scores, key=scores.__getitem__, reverse=True)[: options.top]:
            print(f"{scores[one]:7.3f}  {database.execute(TEXT, (one,)).fetchone()[0]}")


if __name__ == "__main__":
    main()
