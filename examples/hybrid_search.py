"""Searches with bge-m3's dense and sparse vectors together, in one SQLite file (sqlite-vec).

    python examples/hybrid_search.py documents.txt documents.db "a query" --model BAAI/bge-m3

documents.txt has a document a line. The file is made if it does not exist: texts, dense vectors in a table of
sqlite-vec, and the weights of each text's tokens. Candidates are the nearest by either kind of vector. Their
score is the mean of both, which `BGEM3FlagModel.compute_score` calls "sparse+dense".
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path

import sqlite_vec

from roberta_c import BGEM3FlagModel

SEARCH = """
WITH sparse AS (SELECT document, SUM(weight * value) AS score
                FROM json_each(:weights) JOIN weights ON token = key GROUP BY document),
    candidates AS (SELECT rowid AS document FROM vectors WHERE vector MATCH :vector AND k = :candidates
                   UNION
                   SELECT document FROM (SELECT * FROM sparse ORDER BY score DESC LIMIT :candidates))
SELECT (1 - vec_distance_cosine(vector, :vector) + COALESCE(sparse.score, 0)) / 2 AS score, text
FROM candidates JOIN vectors ON vectors.rowid = document JOIN documents ON documents.rowid = document
    LEFT JOIN sparse USING (document)
ORDER BY score DESC LIMIT :top
"""


def fill(database: sqlite3.Connection, model: BGEM3FlagModel, documents: list[str]) -> None:
    found = model.encode_corpus(documents, return_dense=True, return_sparse=True)
    width = found["dense_vecs"].shape[1]
    database.execute("CREATE TABLE documents (text TEXT)")
    database.execute("CREATE TABLE weights (token TEXT, document INTEGER, weight REAL)")
    database.execute(f"CREATE VIRTUAL TABLE vectors USING vec0(vector float[{width}] distance_metric=cosine)")
    for row, (text, vector) in enumerate(zip(documents, found["dense_vecs"], strict=True), start=1):
        database.execute("INSERT INTO documents (rowid, text) VALUES (?, ?)", (row, text))
        database.execute("INSERT INTO vectors (rowid, vector) VALUES (?, ?)", (row, vector.tobytes()))
        rows = [(token, row, float(weight)) for token, weight in found["lexical_weights"][row - 1].items()]
        database.executemany("INSERT INTO weights VALUES (?, ?, ?)", rows)
    database.execute("CREATE INDEX of_token ON weights (token)")
    database.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("documents", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("queries", nargs="+")
    parser.add_argument("--model", default="BAAI/bge-m3", help="folder or Hub repository")
    parser.add_argument("--top", type=int, default=10)
    options = parser.parse_args()

    is_new = not options.database.exists()
    database = sqlite3.connect(options.database)
    if not hasattr(database, "enable_load_extension"):
        parser.error("this Python's sqlite3 cannot load extensions")
    database.enable_load_extension(True)
    sqlite_vec.load(database)
    model = BGEM3FlagModel(options.model)
    if is_new:
        fill(database, model, options.documents.read_text(encoding="utf-8").splitlines())

    found = model.encode_queries(options.queries, return_dense=True, return_sparse=True)
    of_queries = zip(options.queries, found["dense_vecs"], found["lexical_weights"], strict=True)
    for query, vector, weights in of_queries:
        wanted = {"vector": vector.tobytes(), "candidates": 10 * options.top, "top": options.top}
        wanted["weights"] = json.dumps({token: float(weight) for token, weight in weights.items()})
        print(query)
        for score, text in database.execute(SEARCH, wanted):
            print(f"{score:7.3f}  {text}")


if __name__ == "__main__":
    main()
