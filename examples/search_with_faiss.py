"""Fills a faiss index with the vectors of documents, searches it, and reranks what it finds.

    python examples/search_with_faiss.py documents.txt documents.index "a query" "another query"
    python examples/search_with_faiss.py documents.txt documents.index --judged queries.tsv

documents.txt has a document a line. The index is made if it does not exist; it holds vectors, not texts.
`--precision ubinary` keeps one bit of each number, a 32nd of the space. `--judged` names a file of lines
"query TAB number of the document that answers it (from 1)"; the script prints how many it finds.
The bundled model knows sentiment, not topics: give --model a sentence encoder, --reranker a cross-encoder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import faiss

from roberta_c import CrossEncoder, SentenceTransformer, bundled_model_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("documents", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", nargs="*")
    parser.add_argument("--judged", type=Path, help="file of queries and the numbers of their documents")
    parser.add_argument("--model", default=bundled_model_path(), help="folder or Hub repository")
    parser.add_argument("--reranker", help="folder or Hub repository of a CrossEncoder")
    parser.add_argument("--precision", choices=("float32", "ubinary"), default="float32")
    parser.add_argument("--top", type=int, default=10)
    options = parser.parse_intermixed_args()
    documents = options.documents.read_text(encoding="utf-8").rstrip("\n").split("\n")
    judged_text = options.judged.read_text(encoding="utf-8") if options.judged else ""
    judged = [line.rsplit("\t", 1) for line in judged_text.split("\n") if line]
    queries = [*options.queries, *(query for query, _ in judged)]
    if not queries:
        parser.error("give queries or --judged")

    model = SentenceTransformer(options.model)
    encoding = {"normalize_embeddings": True, "precision": options.precision}
    is_binary = options.precision == "ubinary"
    if options.index.exists():
        read = faiss.read_index_binary if is_binary else faiss.read_index
        index = read(str(options.index))
    else:
        dimension = model.get_sentence_embedding_dimension()
        index = faiss.IndexBinaryFlat(dimension) if is_binary else faiss.IndexFlatIP(dimension)
        index.add(model.encode_document(documents, **encoding))
        write = faiss.write_index_binary if is_binary else faiss.write_index
        write(index, str(options.index))
    if index.ntotal != len(documents):
        parser.error(
            f"{options.index} has {index.ntotal} vectors, {options.documents} {len(documents)} lines"
        )

    # Inner products of vectors of length 1 are cosines; of bits, the index counts those that differ.
    _, found = index.search(model.encode_query(queries, **encoding), min(options.top, len(documents)))
    rankings = found.tolist()
    if options.reranker:
        reranker = CrossEncoder(options.reranker)
        for query, ranking in zip(queries, rankings, strict=True):
            ranks = reranker.rank(query, [documents[number] for number in ranking])
            ranking[:] = [ranking[rank["corpus_id"]] for rank in ranks]
    for query, ranking in zip(options.queries, rankings, strict=False):
        print(query)
        for number in ranking:
            print(f"{number + 1:7}  {documents[number]}")
    if judged:
        wanted = [int(number) - 1 for _, number in judged]
        pairs = list(zip(wanted, rankings[len(options.queries) :], strict=True))
        first = sum(number == ranking[0] for number, ranking in pairs)
        any_place = sum(number in ranking for number, ranking in pairs)
        print(f"{len(pairs)} queries: {first} documents first, {any_place} among the first {options.top}")


if __name__ == "__main__":
    main()
