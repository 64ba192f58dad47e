"""text-embeddings-inference's routes: its fields, answers and failures, with the bits of offline calls."""

from __future__ import annotations

import numpy as np
import pytest

TEXTS = ["I love it", "What a day! 🙂 Züge fahren", "a", "word " * 100]


def floats(rows) -> np.ndarray:
    return np.array(rows, np.float32)


# ---- /embed, /embed_all, /embed_sparse, /embed_multi, /similarity ----------------------------------------


def test_vectors_are_normalized_and_those_of_offline_calls(post, offline):
    expected = offline["embedder"].encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_array_equal(floats(post("/embed", inputs=TEXTS, model="embedder")), expected)
    # Of one text it is a list of one.
    np.testing.assert_array_equal(floats(post("/embed", inputs=TEXTS[0], model="embedder")), expected[:1])


def test_fields_of_embed(post, offline):
    model = offline["embedder"]
    plain = post("/embed", inputs=TEXTS, normalize=False, model="embedder", unknown={"any": 1})
    np.testing.assert_array_equal(floats(plain), model.encode(TEXTS))
    cut = model.encode(TEXTS, truncate_dim=7, normalize_embeddings=True)
    np.testing.assert_array_equal(floats(post("/embed", inputs=TEXTS, dimensions=7, model="embedder")), cut)
    prompted = model.encode(TEXTS, prompt_name="query", normalize_embeddings=True)
    shown = post("/embed", inputs=TEXTS, prompt_name="query", truncate=None, model="embedder")
    np.testing.assert_array_equal(floats(shown), prompted)
    windows = model.encode(TEXTS, long_text="windows", normalize_embeddings=True)
    shown = post("/embed", inputs=TEXTS, long_text="windows", model="embedder")
    np.testing.assert_array_equal(floats(shown), windows)


def test_left_truncation_keeps_the_end(post):
    long_text = "good " * 60 + "bad end of it all"
    left = post("/embed", inputs=long_text, truncation_direction="Left", model="embedder")
    right = post("/embed", inputs=long_text, truncation_direction="Right", model="embedder")
    # 32 tokens, of which 30 are the text's last.
    tokens = post("/tokenize", inputs=long_text, add_special_tokens=False, model="embedder")[0]
    ids = [0, *(token["id"] for token in tokens[-30:]), 2]
    assert left == post("/embed", inputs=[ids], model="embedder") != right


def test_ids_are_decoded_and_encoded_again_without_special_tokens(post):
    (tokens,) = post("/tokenize", inputs="I love it", model="embedder")
    ids = [token["id"] for token in tokens]
    assert post("/embed", inputs=ids, model="embedder") == post(
        "/embed", inputs="I love it", model="embedder"
    )
    both = post("/embed", inputs=[ids, "I love it"], model="embedder")
    assert both[0] == both[1]


def test_vectors_of_all_tokens(post, offline):
    shown = post("/embed_all", inputs=TEXTS, model="embedder")
    expected = offline["embedder"].encode(TEXTS, output_value="token_embeddings")
    for ours, theirs in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(floats(ours), theirs)


def test_lexical_weights(post, offline):
    shown = post("/embed_sparse", inputs=TEXTS)
    expected = offline["m3"].encode(TEXTS, return_dense=False, return_sparse=True)["lexical_weights"]
    for ours, theirs in zip(shown, expected, strict=True):
        assert all(list(value) == ["index", "value"] for value in ours)
        assert [value["index"] for value in ours] == sorted(map(int, theirs))
        assert {str(value["index"]): value["value"] for value in ours} == theirs


def test_three_representations_at_once(post, offline):
    shown = post("/embed_multi", inputs=TEXTS)
    model = offline["m3"]
    expected = model.encode(TEXTS, return_sparse=True, return_colbert_vecs=True)
    for index, ours in enumerate(shown):
        assert list(ours) == ["dense", "sparse", "colbert"]
        np.testing.assert_allclose(floats(ours["dense"]).dot(floats(ours["dense"])), 1, rtol=1e-6)
        np.testing.assert_array_equal(floats(ours["colbert"]), expected["colbert_vecs"][index])
        weights = {str(value["index"]): value["value"] for value in ours["sparse"]}
        assert weights == expected["lexical_weights"][index]
    assert [list(one) for one in post("/embed_multi", inputs="a", sparse=False, colbert=False)] == [["dense"]]


def test_similarity(post, offline):
    inputs = {"source_sentence": TEXTS[0], "sentences": TEXTS}
    shown = post("/similarity", inputs=inputs, model="embedder")
    vectors = offline["embedder"].encode(TEXTS, normalize_embeddings=True).astype(np.float64)
    np.testing.assert_allclose(shown, vectors @ vectors[0], atol=1e-6)
    assert shown[0] == pytest.approx(1)
    parameters = {"prompt_name": "query", "truncate": True}
    assert len(post("/similarity", inputs=inputs, parameters=parameters, model="embedder")) == len(TEXTS)
    assert post("/similarity", inputs=inputs, parameters=None, model="embedder") == shown


# ---- /predict, /rerank -----------------------------------------------------------------------------------


def test_labels_of_texts_and_pairs(post, offline):
    classify = offline["sentiment"]
    expected = classify(TEXTS, top_k=None)
    assert post("/predict", inputs=TEXTS[0], model="sentiment") == expected[0]
    assert list(expected[0][0]) == ["label", "score"]
    assert post("/predict", inputs=[[text] for text in TEXTS], model="sentiment") == expected
    pair = classify({"text": "a", "text_pair": "b c"}, top_k=None)
    assert post("/predict", inputs=["a", "b c"], model="sentiment") == pair
    assert post("/predict", inputs=[["a", "b c"], ["a"]], model="sentiment")[0] == pair
    raw = post("/predict", inputs=TEXTS[0], raw_scores=True, model="sentiment")
    assert raw == classify(TEXTS[0], top_k=None, function_to_apply="none")
    scores = [one["score"] for one in raw]
    assert scores == sorted(scores, reverse=True)


def test_ranks(post, offline):
    query, texts = "it is good", TEXTS[:3]
    scores = offline["ranker"].predict([(query, text) for text in texts])
    ranks = post("/rerank", query=query, texts=texts)
    assert [list(rank) for rank in ranks] == [["index", "score"]] * 3
    assert {rank["index"]: np.float32(rank["score"]) for rank in ranks} == dict(enumerate(scores))
    assert [rank["score"] for rank in ranks] == sorted((rank["score"] for rank in ranks), reverse=True)
    shown = post("/rerank", query=query, texts=texts, return_text=True, raw_scores=True)
    assert all(rank["text"] == texts[rank["index"]] for rank in shown)
    logits = offline["ranker"].predict([(query, text) for text in texts], activation_fn="identity")
    assert {rank["index"]: np.float32(rank["score"]) for rank in shown} == dict(enumerate(logits))


def test_a_model_of_one_label_predicts_too(post):
    (one,) = post("/predict", inputs=["a", "b"], model="ranker")
    assert one["label"] == "LABEL_0"
    assert one["score"] == post("/rerank", query="a", texts=["b"])[0]["score"]


# ---- /tokenize, /decode ----------------------------------------------------------------------------------


def test_tokens_have_places_in_bytes(post):
    text = "I löve 🙂 it"
    (tokens,) = post("/tokenize", inputs=text, model="sentiment")
    assert [list(token) for token in tokens] == [["id", "text", "special", "start", "stop"]] * len(tokens)
    assert (tokens[0]["text"], tokens[0]["special"], tokens[0]["start"]) == ("<s>", True, None)
    data = text.encode()
    for token in tokens[1:-1]:
        assert not token["special"]
        assert data[token["start"] : token["stop"]].decode() == token["text"]
    assert tokens[-2]["stop"] == len(data)
    bare = post("/tokenize", inputs=[text], add_special_tokens=False, model="sentiment")
    assert bare == [tokens[1:-1]]
    (prompted,) = post("/tokenize", inputs=text, prompt_name="query", model="embedder")
    assert len(prompted) > len(tokens)


def test_texts_of_ids(post):
    (tokens,) = post("/tokenize", inputs="I love it", model="sentiment")
    ids = [token["id"] for token in tokens]
    assert post("/decode", ids=ids, model="sentiment") == [" i love it"]
    assert post("/decode", ids=[ids, ids[1:]], skip_special_tokens=False, model="sentiment") == [
        "<s> i love it</s>",
        " i love it</s>",
    ]


# ---- /, /invocations, /vertex, /info ---------------------------------------------------------------------


def test_the_root_does_what_the_model_does(post):
    for name, route, fields in (
        ("sentiment", "/predict", {"inputs": "a"}),
        ("ranker", "/rerank", {"query": "a", "texts": ["b", "c"]}),
        ("embedder", "/embed", {"inputs": ["a", "b"]}),
        ("embedder", "/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}),
        ("tagger", "/ner", {"inputs": "I saw Ada in London"}),
        ("answerer", "/qa", {"inputs": {"question": "who?", "context": "Ada did it."}}),
        ("masked", "/fill-mask", {"inputs": "a <mask> day"}),
    ):
        expected = post(route, model=name, **fields)
        assert post("/", model=name, **fields) == expected
        assert post(f"/{name}/", **fields) == expected
        assert post("/invocations", model=name, **fields) == expected
        assert post(f"/{name}/vertex", instances=[fields, fields]) == {"predictions": [expected] * 2}


def test_info(client):
    facts = client.get("/embedder/info").json()
    assert facts["model_type"] == {"embedding": {"pooling": "mean"}}
    expected = {
        "model_sha": None,
        "model_dtype": "float32",
        "served_model_name": "embedder",
        "max_concurrent_requests": 512,
        "max_input_length": 32,
        "max_batch_tokens": 16384,
        "max_batch_requests": None,
        "max_client_batch_size": 1024,
        "auto_truncate": True,
        "version": "0.2.0.dev0",
        "sha": None,
        "docker_label": None,
    }
    assert {name: facts[name] for name in expected} == expected
    assert facts["model_id"].endswith("/embedder")
    assert facts["tokenization_workers"] >= 1
    labels = client.get("/sentiment/info").json()["model_type"]["classifier"]
    assert labels["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    assert labels["label2id"] == {"negative": 0, "neutral": 1, "positive": 2}
    assert list(client.get("/ranker/info").json()["model_type"]) == ["reranker"]
    assert client.get("/m3/info").json()["model_type"] == {"embedding": {"pooling": "mean"}}


def test_headers(client):
    response = client.post("/embed", json={"inputs": ["ab", "word " * 90], "model": "embedder"})
    headers = response.headers
    assert headers["x-compute-type"] == "cpu"
    assert headers["x-compute-characters"] == "452"
    assert headers["x-truncated-texts"] == "1"
    assert int(headers["x-compute-tokens"]) == 32 + 3
    for name in ("compute", "total", "tokenization", "queue", "inference"):
        assert int(headers[f"x-{name}-time"]) >= 0
    assert len(headers["x-request-id"]) == 32
    given = client.post("/embed", json={"inputs": "a"}, headers={"x-request-id": "mine"})
    assert given.headers["x-request-id"] == "mine"


# ---- failures --------------------------------------------------------------------------------------------

NO_ROUTE = "Backend error: "
FAILURES = [
    ("/embed", {"inputs": ""}, 400, "Empty", "`inputs` cannot be empty"),
    ("/embed", {"inputs": []}, 400, "Empty", "`inputs` cannot be empty"),
    ("/embed", {"inputs": ["a", ""]}, 400, "Empty", "`inputs` cannot be empty"),
    ("/embed", {"inputs": [[]]}, 400, "Empty", "`inputs` cannot be empty"),
    ("/predict", {"inputs": ["", ""]}, 400, "Empty", "`inputs` cannot be empty"),
    ("/decode", {"ids": []}, 400, "Empty", "`ids` cannot be empty"),
    ("/embed", {"inputs": "a", "dimensions": 0}, 422, "Validation", "`dimensions` must be from 1 to 48"),
    ("/embed", {"inputs": "a", "dimensions": 49}, 422, "Validation", "`dimensions` must be from 1 to 48"),
    ("/embed", {"inputs": "a", "prompt_name": "x"}, 422, "Validation", "must be one of the model's prompts"),
    ("/embed", {"inputs": [0, 9999999]}, 422, "Validation", "the id 9999999"),
    ("/embed", {"inputs": "a " * 40, "truncate": False}, 422, "Validation", "found 43 tokens"),
    (
        "/embed",
        {"inputs": ["a"] * 1025},
        422,
        "Validation",
        "batch size 1025 > maximum allowed batch size 1024",
    ),
    (
        "/embed_multi",
        {"inputs": "a", "dense": False, "sparse": False, "colbert": False},
        422,
        "Validation",
        "at",
    ),
    ("/rerank", {"query": "a", "texts": []}, 400, "Empty", "`texts` cannot be empty"),
    ("/predict", {"inputs": "a", "model": "embedder"}, 424, "Backend", "Model is not a classifier model"),
    ("/embed", {"inputs": "a", "model": "ranker"}, 424, "Backend", "Model is not an embedding model"),
    ("/embed_sparse", {"inputs": "a", "model": "embedder"}, 424, "Backend", "not a model of sparse"),
    (
        "/rerank",
        {"query": "a", "texts": ["b"], "model": "nli"},
        424,
        "Backend",
        "model is not a re-ranker model",
    ),
    ("/ner", {"inputs": "a", "model": "nli"}, 424, "Backend", "not a model for token classification"),
    ("/decode", {"ids": [9999999]}, 422, "Tokenizer", "an id of at least"),
    ("/fill-mask", {"inputs": "no place"}, 422, "Validation", "a text without a mask"),
    (
        "/zero-shot",
        {"inputs": "a", "candidate_labels": []},
        400,
        "Empty",
        "`candidate_labels` cannot be empty",
    ),
    ("/qa", {"question": "", "context": "a"}, 400, "Empty", "`question` and `context` cannot be empty"),
]


@pytest.mark.parametrize(("path", "fields", "status", "kind", "message"), FAILURES)
def test_failures_have_teis_status_and_body(client, path, fields, status, kind, message):
    # Without a model: the first that does the task.
    if path == "/embed" and "model" not in fields:
        fields = {**fields, "model": "embedder"}
    response = client.post(path, json=fields)
    body = response.json()
    assert response.status_code == status
    assert list(body) == ["error", "error_type"]
    assert body["error_type"] == kind
    assert message in body["error"]
    prefix = {"Validation": "Input validation error: ", "Backend": "Backend error: "}.get(kind, "")
    assert body["error"].startswith(prefix)


def test_problem_types_are_honoured(serving, folders, tmp_path):
    import json
    import shutil

    folder = tmp_path / "multi"
    shutil.copytree(folders["sentiment"], folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    for problem, check in (("multi_label_classification", "sigmoid"), ("regression", "none")):
        (folder / "config.json").write_text(json.dumps({**config, "problem_type": problem}), "utf-8")
        with serving(str(folder)) as client:
            scores = {
                one["label"]: one["score"] for one in client.post("/predict", json={"inputs": "a"}).json()
            }
            raw = client.post("/predict", json={"inputs": "a", "raw_scores": True}).json()
        for one in raw:
            expected = one["score"] if check == "none" else 1 / (1 + np.exp(-one["score"]))
            assert scores[one["label"]] == pytest.approx(expected)


def test_splade(serving, folders, offline):
    with serving(folders["masked"], pooling="splade") as client:
        (ours,) = client.post("/embed_sparse", json={"inputs": "a good day"}).json()
        assert client.post("/", json={"inputs": "a good day"}).json() == [ours]
        assert client.get("/info").json()["model_type"] == {"embedding": {"pooling": "splade"}}
        assert client.post("/embed", json={"inputs": "a"}).status_code == 424
    masked = offline["masked"]
    (logits_tv,) = masked.model(masked.tokenizer(["a good day"])["input_ids"]).logits
    weights_v = np.log1p(np.maximum(logits_tv, 0)).max(axis=0)
    assert [value["index"] for value in ours] == np.flatnonzero(weights_v).tolist()
    np.testing.assert_allclose([value["value"] for value in ours], weights_v[weights_v > 0], rtol=1e-5)


def test_a_model_of_the_cache_whose_heads_cannot_be_looked_for(serving, folders, monkeypatch):
    from roberta_c.errors import HubError
    from roberta_c.serve import model_loading

    def unknown(*_):
        raise HubError("m: it is unknown whether there is a sparse_linear.pt")

    monkeypatch.setattr(model_loading, "BGEM3Heads", unknown)
    with serving(folders["m3"]) as client:
        assert client.post("/embed", json={"inputs": "a"}).status_code == 200
        assert client.post("/embed_sparse", json={"inputs": "a"}).status_code == 424


def test_pooling_of_the_settings(serving, folders, offline):
    with serving(folders["embedder"], pooling="cls", default_prompt="query: ") as client:
        (ours,) = client.post("/embed", json={"inputs": "a good day", "normalize": False}).json()
    rows = offline["embedder"].encode("query: a good day", output_value="token_embeddings")
    np.testing.assert_array_equal(floats(ours), rows[0])
