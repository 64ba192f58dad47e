"""Long texts: vectors and scores against windows that are divided by hand, and what results say was read."""

from __future__ import annotations

import numpy as np
import pytest
from samples.long_texts import by_hand
from samples.rerankers import HIDDEN, make_bge_m3, make_cross_encoder, make_small_xlmr_tokenizer

from roberta_c import BGEM3FlagModel, CrossEncoder, FlagModel, FlagReranker, SentenceTransformer
from roberta_c.errors import InputError
from roberta_c.sentence.modules import Normalize
from roberta_c.sentence.pooling import Pooling
from roberta_c.sentence.transformer import Transformer

LIMIT, STRIDE = 32, 5
PROMPTS = {"query": "query: ", "colon": "say:"}
TOLERANCE = 2e-6


@pytest.fixture(scope="module")
def texts(all_sentences):
    """Short ones and long ones, of which some are equal."""
    long_ones = [" ".join(all_sentences[start : start + 12]) for start in (0, 40)]
    return [all_sentences[0], long_ones[0], "", long_ones[1], " 東京 " * 40, long_ones[0]]


@pytest.fixture(scope="module")
def make(encoder_folder):
    """`make(mode, *modules, …)`: a small model of LIMIT tokens."""

    def make(mode="mean", *modules, include_prompt=True, num_threads=1):
        encoder = Transformer(encoder_folder, LIMIT, num_threads=num_threads)
        pooling = Pooling(HIDDEN, mode, include_prompt=include_prompt)
        return SentenceTransformer(modules=[encoder, pooling, *modules], prompts=PROMPTS)

    return make


@pytest.fixture(scope="module")
def model(make):
    return make("mean", Normalize())


def by_modules(model, ids, prompt_length=0):
    """The rows and the vector that the model's modules make of ids."""
    features = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
    found = model({**features, "prompt_length": prompt_length})
    return found["token_embeddings"][0], found["sentence_embedding"][0]


def divided(ids, first, stride=STRIDE, limit=LIMIT):
    """The ids of each window, whose first ones all have; how many tokens are its own; each token's window."""
    room = limit - first - 1
    windows, chosen = by_hand(len(ids) - first - 1, room, stride)
    parts = [[*ids[:first], *ids[first + start : first + stop], ids[-1]] for start, stop in windows]
    return parts, [chosen.count(index) for index in range(len(windows))], windows, chosen


def unit(vector):
    return vector / np.linalg.norm(vector)


# ---- vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("modules", [[Normalize()], []])
def test_the_vector_of_a_long_text_is_the_weighted_mean_of_its_windows(modules, make, texts):
    model = make("mean", *modules)
    found = model.encode(texts, long_text="windows", stride=STRIDE)
    cut = model.encode(texts, long_text="windows", stride=STRIDE, truncate_dim=7, normalize_embeddings=True)
    for text, vector, short in zip(texts, found, cut, strict=True):
        ids = model.tokenizer(text)["input_ids"]
        if len(ids) <= LIMIT:
            np.testing.assert_array_equal(vector, model.encode(text))
            continue
        windows, weights, *_ = divided(ids, 1)
        assert len(windows) > 2
        expected = np.average([by_modules(model, one)[1] for one in windows], axis=0, weights=weights)
        if len(modules) == 1:
            expected = unit(expected)
        assert np.abs(vector - expected).max() < TOLERANCE
        assert np.abs(short - unit(expected[:7])).max() < TOLERANCE
        assert np.abs(vector - model.encode(text)).max() > 1e-3


@pytest.mark.parametrize("name", PROMPTS)
@pytest.mark.parametrize("include_prompt", [True, False])
def test_each_window_begins_with_the_prompt(name, include_prompt, make, texts):
    model, prompt, text = make(include_prompt=include_prompt), PROMPTS[name], texts[1]
    ids = model.tokenizer(prompt + text)["input_ids"]
    alone = model.tokenizer(prompt)["input_ids"][:-1]
    first = skipped = len(alone)
    if include_prompt:  # the space of "query: " joins the first word, which is the text's
        first, skipped = (first - 1 if prompt.endswith(" ") else first), 0
        assert ids[:first] == alone[:first]
    windows, weights, spans, _ = divided(ids, first)
    vectors = [by_modules(model, one, skipped)[1] for one in windows]
    options = {"prompt_name": name, "long_text": "windows", "stride": STRIDE}
    found, lengths = model.encode(text, return_lengths=True, **options)
    assert np.abs(found - np.average(vectors, axis=0, weights=weights)).max() < TOLERANCE
    assert (lengths["n_tokens"], lengths["truncated"]) == (len(ids), False)
    offsets = model.tokenizer(prompt + text).encodings[0].offsets
    assert lengths["windows"][0][0] == 0
    assert [end for _, end in lengths["windows"]] == [
        offsets[first + stop - 1][1] - len(prompt) if stop < len(ids) - first - 1 else len(text)
        for _, stop in spans
    ]


def test_each_token_has_the_row_of_the_window_where_it_has_most_context(model, texts):
    text = texts[3]
    ids = model.tokenizer(text)["input_ids"]
    windows, _, spans, chosen = divided(ids, 1)
    of_windows = [by_modules(model, one)[0] for one in windows]
    expected = [of_windows[0][0]]
    expected += [of_windows[index][1 + token - spans[index][0]] for token, index in enumerate(chosen)]
    expected.append(of_windows[-1][-1])
    options = {"long_text": "windows", "stride": STRIDE}
    rows = model.encode(text, output_value="token_embeddings", **options)
    assert np.abs(rows - np.stack(expected)).max() < TOLERANCE
    features = model.encode(text, output_value=None, **options)
    assert features["input_ids"].tolist() == ids
    assert len(features["attention_mask"]) == len(ids)
    np.testing.assert_array_equal(features["token_embeddings"], rows)
    np.testing.assert_array_equal(features["sentence_embedding"], model.encode(text, **options))


def test_vectors_have_the_same_bits_in_any_company(make, model, texts):
    options = {"long_text": "windows", "prompt_name": "query", "normalize_embeddings": True}
    vectors = model.encode(texts, **options)
    np.testing.assert_array_equal(model.encode(texts[::-1], batch_size=2, **options)[::-1], vectors)
    np.testing.assert_array_equal(np.stack([model.encode(text, **options) for text in texts]), vectors)
    np.testing.assert_array_equal(np.stack(list(model.encode(iter(texts), **options))), vectors)
    np.testing.assert_array_equal(make("mean", Normalize(), num_threads=2).encode(texts, **options), vectors)
    short = [texts[0], texts[2]]
    for long_text in ("windows", "error", "truncate"):
        np.testing.assert_array_equal(model.encode(short, long_text=long_text), model.encode(short))


def test_lengths_of_every_form_of_texts(model, texts, caplog):
    counts = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    offsets = [encoding.offsets for encoding in model.tokenizer(texts).encodings]
    vectors, lengths = model.encode(texts, return_lengths=True)
    np.testing.assert_array_equal(vectors, model.encode(texts))
    assert [one["n_tokens"] for one in lengths] == counts
    assert [one["truncated"] for one in lengths] == [count > LIMIT for count in counts]
    for one, text, places in zip(lengths, texts, offsets, strict=True):
        end = places[LIMIT - 2][1] if len(places) > LIMIT else len(text)
        assert one["windows"] == [[0, end]]
    assert caplog.messages[0].endswith('longer than 32 tokens; long_text="windows" reads all of them')
    for output, options in ((None, {}), ("sentence_embedding", {"precision": "binary"})):
        asked = {"output_value": output, "long_text": "windows", "return_lengths": True, **options}
        values, of_list = model.encode(texts, **asked)
        streamed = list(model.encode(iter(texts), **asked))
        assert [one for _, one in streamed] == of_list
        if output is not None:
            np.testing.assert_array_equal(np.stack([value for value, _ in streamed]), values)
        assert model.encode(texts[1], **asked)[1] == of_list[1]
        assert of_list[1] == of_list[-1]
        assert of_list[1] is not of_list[-1]  # a caller may change one
        assert not any(one["truncated"] for one in of_list)
    _, cut = model.encode(texts[1], prompt="say: ", return_lengths=True)
    assert cut["windows"] == [[0, offsets[1][LIMIT - 4][1]]]  # as the prompt has two tokens


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long_text": "error"}, r"^inputs\[1\]: found \d{2,} tokens, expected at most 32; long_text="),
        ({"long_text": "cut"}, "^long_text: found 'cut'"),
        ({"stride": 3}, "^stride: found 3 without windows"),
        ({"long_text": "windows", "stride": 30}, "^stride: found 30, expected less than 30"),
        (
            {"long_text": "windows", "prompt": "so good " * 16},
            r"^inputs\[0\]: prompt: found 34 tokens with the special ones, expected at most 31, so",
        ),
        ({"return_lengths": 1}, "^return_lengths: found 1"),
    ],
)
def test_errors_of_encode(options, message, model, texts):
    for inputs in (texts, iter(texts)):
        with pytest.raises(InputError, match=message):
            list(model.encode(inputs, **options))


# ---- pairs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reranker_folder(tweet_sentiment_small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reranker")
    make_cross_encoder(folder, tweet_sentiment_small)
    return folder


QUERY = "what is so good"


def windows_of_pair(tokenizer, query, document, stride=STRIDE, limit=LIMIT):
    first, second = (tokenizer(text)["input_ids"][1:-1] for text in (query, document))
    room = limit - 4 - len(first)
    spans = by_hand(len(second), room, stride)[0]
    return [tokenizer.build_inputs_with_special_tokens(first, second[a:b]) for a, b in spans], spans


@pytest.mark.parametrize("labels", [1, 3])
def test_a_pair_has_the_highest_logits_of_its_windows(labels, texts, tweet_sentiment_small, tmp_path):
    make_cross_encoder(tmp_path, tweet_sentiment_small, labels)
    encoder = CrossEncoder(tmp_path, max_length=LIMIT, num_threads=1)
    pairs = [(QUERY, text) for text in texts]
    options = {"long_text": "windows", "stride": STRIDE, "activation_fn": "identity"}
    scores, lengths = encoder.predict(pairs, return_lengths=True, **options)
    for (query, document), score, length in zip(pairs, scores, lengths, strict=True):
        windows, spans = windows_of_pair(encoder.tokenizer, query, document)
        expected = np.max([encoder.model([ids]).logits[0] for ids in windows], axis=0)
        np.testing.assert_array_equal(score, expected if labels > 1 else expected[0])
        assert length["n_tokens"] == len(encoder.tokenizer(query, document)["input_ids"])
        assert not length["truncated"]
        offsets = encoder.tokenizer(document).encodings[0].offsets
        ends = [end for _, end in length["windows"]]
        assert ends == [*(offsets[stop][1] for _, stop in spans[:-1]), len(document)]
    np.testing.assert_array_equal(encoder.predict(pairs[::-1], batch_size=2, **options)[::-1], scores)
    for pair, score, length in zip(pairs, scores, lengths, strict=True):
        alone, of_one = encoder.predict(pair, return_lengths=True, **options)
        np.testing.assert_array_equal(alone, score)
        assert of_one == length
    streamed = list(encoder.predict(iter(pairs), return_lengths=True, **options))
    np.testing.assert_array_equal([score for score, _ in streamed], scores)
    assert [length for _, length in streamed] == lengths
    fits = pairs[0]
    np.testing.assert_array_equal(encoder.predict(fits), encoder.predict(fits, long_text="windows"))


def test_rank_says_what_was_read(reranker_folder, texts):
    encoder = CrossEncoder(reranker_folder, max_length=LIMIT)
    options = {"long_text": "windows", "stride": STRIDE, "return_lengths": True}
    scores, lengths = encoder.predict([(QUERY, text) for text in texts], **options)
    ranking = encoder.rank(QUERY, texts, return_documents=True, top_k=4, **options)
    assert len(ranking) == 4
    for one in ranking:
        index = one["corpus_id"]
        expected = {"corpus_id": index, "score": float(scores[index]), "text": texts[index], **lengths[index]}
        assert one == expected
    both = encoder.rank([QUERY, "b"], [texts, texts[:2]], **options)
    assert [len(one) for one in both] == [len(texts), 2]
    assert "n_tokens" not in encoder.rank(QUERY, texts)[0]


@pytest.mark.parametrize("side", ["right", "left"])
def test_what_was_read_of_pairs_that_are_cut(side, reranker_folder, texts):
    encoder = CrossEncoder(reranker_folder, max_length=LIMIT)
    encoder.tokenizer.truncation_side = side
    query, document = "a b c", texts[1]
    offsets = encoder.tokenizer(document).encodings[0].offsets[1:-1]
    room = LIMIT - 4 - 3
    span = [0, offsets[room - 1][1]] if side == "right" else [offsets[-room][0], len(document)]
    pairs = [(query, document), (document, query), ("a", "b")]
    scores, lengths = encoder.predict(pairs, return_lengths=True)
    np.testing.assert_array_equal(scores, encoder.predict(pairs))
    assert [one["truncated"] for one in lengths] == [True, True, False]
    assert [one["windows"] for one in lengths] == [[span], [[0, 5]], [[0, 1]]]
    assert [one["n_tokens"] for one in lengths] == [len(offsets) + 7, len(offsets) + 7, 6]


def test_flag_reranker_has_the_same_windows(reranker_folder, texts):
    reranker = FlagReranker(reranker_folder, max_length=LIMIT)
    encoder = CrossEncoder(reranker_folder, max_length=LIMIT, activation_fn="identity")
    pairs, options = [(QUERY, text) for text in texts], {"long_text": "windows", "return_lengths": True}
    scores, lengths = reranker.compute_score(pairs, stride=2, **options)
    of_encoder, same_lengths = encoder.predict(pairs, stride=2, **options)
    assert scores == of_encoder.tolist()
    assert lengths == same_lengths
    for long_text in ("error", "windows"):
        with pytest.raises(
            InputError, match=r"^pairs\[0\]: found a query of 4 tokens, expected at most 3, as"
        ):
            reranker.compute_score(pairs, query_max_length=3, long_text=long_text)


@pytest.mark.parametrize(
    ("pair", "options", "message"),
    [
        (
            (QUERY, "so " * 39 + "so"),
            {"long_text": "error"},
            r"^pairs\[1\]: found 48 tokens, expected at most 32",
        ),
        (("so " * 28, "b"), {"long_text": "windows"}, r"^pairs\[1\]: found a query that leaves no room"),
        (
            ("so " * 20, "b " * 20),
            {"long_text": "windows", "stride": 8},
            r"^pairs\[1\]: found a query that leaves no room for its passage beside stride 8",
        ),
        (("a", "b"), {"long_text": "all"}, "^long_text: found 'all'"),
        (("a", "b"), {"stride": 1}, "^stride: found 1 without windows"),
    ],
)
def test_errors_of_pairs(pair, options, message, reranker_folder):
    encoder = CrossEncoder(reranker_folder, max_length=LIMIT)
    for inputs in ([("a", "b"), pair], iter([("a", "b"), pair])):
        with pytest.raises(InputError, match=message):
            list(encoder.predict(inputs, **options))


# ---- FlagEmbedding's embedders -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def m3_folder(test_data, tmp_path_factory):
    tokenizer_folder = make_small_xlmr_tokenizer(tmp_path_factory.mktemp("xlmr"), test_data)
    return make_bge_m3(tmp_path_factory.mktemp("m3"), tokenizer_folder).folder


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("normalizes", [True, False])
def test_flag_model_has_the_vectors_of_sentence_transformer(pooling, normalizes, m3_folder, texts):
    flag = FlagModel(m3_folder, normalizes, pooling_method=pooling, passage_max_length=LIMIT)
    modules = [
        Transformer(m3_folder, LIMIT),
        Pooling(HIDDEN, pooling),
        *([Normalize()] if normalizes else []),
    ]
    model = SentenceTransformer(modules=modules)
    options = {"long_text": "windows", "stride": STRIDE, "return_lengths": True}
    for instruction in ("", "query:"):
        found, lengths = flag.encode(texts, instruction=instruction, **options)
        expected, expected_lengths = model.encode(texts, prompt=instruction, **options)
        np.testing.assert_array_equal(found, expected)
        assert lengths == expected_lengths
        of_one, length = flag.encode(texts[1], instruction=instruction, **options)
        np.testing.assert_array_equal(of_one, found[1])
        assert length == lengths[1]


def test_flag_model_refuses(m3_folder, texts):
    flag = FlagModel(m3_folder, passage_max_length=LIMIT)
    with pytest.raises(
        InputError, match=r"^sentences\[1\]: found \d+ tokens, expected at most 32; long_text"
    ):
        flag.encode(texts, long_text="error")
    with pytest.raises(InputError, match=r"^long_text: found 'windows' with characters behind the text"):
        flag.encode(texts, instruction="a", instruction_format="{}{}!", long_text="windows")
    with pytest.raises(InputError, match=r"^stride: found 3 without windows"):
        flag.encode(texts, stride=3)


def test_bge_m3_merges_its_three_representations(m3_folder, texts):
    model = BGEM3FlagModel(m3_folder, passage_max_length=LIMIT)
    everything = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}
    options = {**everything, "long_text": "windows", "stride": STRIDE}
    found = model.encode(texts, return_lengths=True, **options)
    text = texts[1]
    ids = model.tokenizer(text)["input_ids"]
    windows, weights, spans, chosen = divided(ids, 1)
    states = [model.model([one])[0][0] for one in windows]
    expected = unit(np.average([unit(one[0]) for one in states], axis=0, weights=weights))
    assert np.abs(found["dense_vecs"][1] - expected).max() < TOLERANCE
    parts = [text[start:end] for start, end in found["lengths"][1]["windows"]]
    assert len(parts) == len(windows)
    sparse, colbert = model._heads.needed("sparse_linear.pt"), model._heads.needed("colbert_linear.pt")
    largest = {}
    for one, states_th in zip(windows, states, strict=True):
        for token, weight in zip(one[1:-1], sparse(states_th, activation="relu")[1:-1, 0], strict=True):
            largest[str(token)] = max(weight, largest.get(str(token), 0))
    weights_found = found["lexical_weights"][1]
    assert weights_found.keys() == {token for token, weight in largest.items() if weight > 0}
    assert all(abs(weight - largest[token]) < TOLERANCE for token, weight in weights_found.items())
    vectors = [[unit(row) for row in colbert(states_th)] for states_th in states]
    rows = [vectors[index][1 + token - spans[index][0]] for token, index in enumerate(chosen)]
    assert found["colbert_vecs"][1].shape == (len(ids) - 1, HIDDEN)
    assert np.abs(found["colbert_vecs"][1] - np.stack([*rows, vectors[-1][-1]])).max() < TOLERANCE
    alone = model.encode(text, return_lengths=True, **options)
    np.testing.assert_array_equal(alone["dense_vecs"], found["dense_vecs"][1])
    np.testing.assert_array_equal(alone["colbert_vecs"], found["colbert_vecs"][1])
    assert alone["lexical_weights"] == weights_found
    assert alone["lengths"] == found["lengths"][1]
    short = model.encode([texts[0]], **everything)
    assert short["lexical_weights"][0] == found["lexical_weights"][0]
    np.testing.assert_array_equal(short["dense_vecs"][0], found["dense_vecs"][0])


def test_bge_m3_scores_complete_texts(m3_folder, texts):
    model = BGEM3FlagModel(m3_folder, query_max_length=LIMIT, passage_max_length=LIMIT)
    everything = {"return_dense": True, "return_sparse": True, "return_colbert_vecs": True}
    windows = {"long_text": "windows", "stride": STRIDE}
    scores = model.compute_score([(texts[0], texts[1]), (texts[1], texts[0])], **windows)
    one, other = (model.encode(text, **everything, **windows) for text in texts[:2])
    assert scores["dense"] == pytest.approx([one["dense_vecs"] @ other["dense_vecs"]] * 2, abs=TOLERANCE)
    lexical = model.compute_lexical_matching_score(one["lexical_weights"], other["lexical_weights"])
    assert scores["sparse"] == pytest.approx([lexical] * 2, abs=TOLERANCE)
    colbert = model.colbert_score(one["colbert_vecs"], other["colbert_vecs"])
    assert scores["colbert"][0] == pytest.approx(colbert, abs=TOLERANCE)
    cut = model.compute_score([(texts[0], texts[1])])
    assert cut["dense"][0] != scores["dense"][0]
    with pytest.raises(
        InputError, match=rf"^sentence_pairs\[1\]\[0\]: found \d+ tokens, expected at most {LIMIT}"
    ):
        model.compute_score([(texts[0], texts[0]), (texts[1], texts[0])], long_text="error")
