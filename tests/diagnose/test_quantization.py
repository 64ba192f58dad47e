"""`quantize_report`: each figure against NumPy on the outputs of the models."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from samples.quantization import LABELS, LOWER, TEXTS, each_lower

import roberta_c
from roberta_c import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    bundled_model_path,
    quantize_report,
)
from roberta_c.cli.quantize_report import report_lines
from roberta_c.diagnose import paired_run, quantization
from roberta_c.diagnose.quantization import Comparison
from roberta_c.errors import InputError, ModelFileError, RobertaCError
from roberta_c.model import DTYPES
from roberta_c.pipelines.rows import as_row

BYTES = {"bfloat16": 2, "int8": 1}  # of a weight


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No model from the environment; one thread, because these texts are few; and one timed round."""
    monkeypatch.delenv("ROBERTA_C_MODEL", raising=False)
    monkeypatch.setenv("ROBERTA_C_NUM_THREADS", "1")
    monkeypatch.setattr(paired_run, "TIMED_SECONDS", 0.0)


def copied(folder, change_weights=lambda weights: None, **config):
    """The bundled model in `folder`, changed."""
    shutil.copytree(bundled_model_path(), folder, copy_function=shutil.copyfile)
    weights = load_file(folder / "model.safetensors")
    change_weights(weights)
    save_file(weights, folder / "model.safetensors")
    fields = json.loads((folder / "config.json").read_bytes())
    fields = {name: value for name, value in {**fields, **config}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


def comparison(model=None, dtype=LOWER[0], batch_size=4, max_length=None):
    return Comparison(model, dtype, batch_size=batch_size, max_length=max_length, num_threads=1)


def ids_of(texts):
    tokenizer = AutoTokenizer.from_pretrained(bundled_model_path())
    return [tokenizer(text)["input_ids"] for text in texts]


def softmax(logits):
    exponentials = np.exp(np.float64(logits) - np.max(logits))
    return exponentials / exponentials.sum()


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.float64(logits)))


# ---- the figures ---------------------------------------------------------------------------------------


def check_facts(facts, models, ids, score=softmax):
    """Compares all figures with those computed from the outputs of public calls, one text at a time."""
    outputs = [[model([row], output_hidden_states=True) for row in ids] for model in models]
    full, lower = (np.array([score(one.logits[0]) for one in side]) for side in outputs)
    apart = np.abs(full - lower)
    same = [int(a.argmax() == b.argmax()) for a, b in zip(full, lower, strict=True)]
    assert facts["agreement"] == {"same": sum(same), "share": sum(same) / len(ids)}
    # A text's logits have the same bits in any batch: only rounding in float64 remains.
    exact = {"rel": 1e-9, "abs": 1e-12}
    expected = {"mean": apart.mean(), "p99": np.percentile(apart, 99), "max": apart.max()}
    assert facts["score_difference"] == pytest.approx(expected, **exact)

    pooled = [np.array([one.hidden_states[-1][0][0] for one in side], dtype=np.float64) for side in outputs]
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in pooled]
    cosines = (pooled[0] * pooled[1]).sum(axis=1) / (lengths[0] * lengths[1])
    expected = {"mean": cosines.mean(), "p1": np.percentile(cosines, 1), "min": cosines.min()}
    assert facts["cosine"] == pytest.approx(expected, **exact)

    for level, error in enumerate(facts["layers"]["relative_error"]):
        one, other = (
            np.concatenate([np.float64(one.hidden_states[level][0]) for one in side]) for side in outputs
        )
        assert error == pytest.approx(np.sqrt(((one - other) ** 2).sum() / (one**2).sum()), **exact)
    assert len(facts["layers"]["relative_error"]) == models[0].config.num_hidden_layers + 1

    order = sorted(range(len(ids)), key=lambda index: (-apart[index].max(), index))
    assert [one["line"] for one in facts["worst"]] == [index + 1 for index in order[:10]]
    for one, index in zip(facts["worst"], order, strict=False):
        assert one["difference"] == pytest.approx(apart[index].max(), **exact)
        assert one["changed"] is not bool(same[index])
        for name, scores in (("float32", full[index]), ("lower", lower[index])):
            assert one[name]["label"] == LABELS[scores.argmax()]
            assert one[name]["score"] == pytest.approx(scores.max(), **exact)


@each_lower
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_figures_are_those_of_the_models_own_outputs(dtype, batch_size):
    facts = quantize_report(None, TEXTS, dtype, batch_size=batch_size)
    models = [
        AutoModelForSequenceClassification.from_pretrained(bundled_model_path(), dtype=one)
        for one in ("float32", dtype)
    ]
    ids = ids_of(TEXTS)
    check_facts(facts, models, ids)
    assert facts["score_difference"]["max"] > 0  # `dtype` is a lower precision
    assert facts["layers"]["relative_error"][0] == 0  # embeddings are float32 in every dtype
    assert (facts["texts"], facts["tokens"]) == (13, sum(map(len, ids)))
    assert (facts["dtype"], facts["isa"], facts["num_threads"]) == (dtype, models[0].kernels.isa, 1)
    assert (facts["labels"], facts["score_function"]) == (LABELS, "softmax")
    assert (facts["model"], facts["truncated"]) == (str(bundled_model_path()), 0)
    assert facts["layers"]["texts"] == 13
    assert facts["layers"]["tokens"] == facts["tokens"]
    assert [one["text"] for one in facts["worst"]] == [TEXTS[one["line"] - 1] for one in facts["worst"]]
    assert facts["labelled"] is None


def test_models_that_disagree(tmp_path):
    """Different labels, large differences and small cosines, which a useful precision hardly has."""
    rng = np.random.default_rng(0)

    def shake(weights):
        for name, values in weights.items():
            if "attention.self" in name or "out_proj" in name:
                weights[name] = (values + 0.3 * rng.standard_normal(values.shape)).astype(values.dtype)

    compared = comparison()
    other = AutoModelForSequenceClassification.from_pretrained(copied(tmp_path / "shaken", shake))
    compared.models = (compared.models[0], other)
    facts = compared.facts([as_row(text, "") for text in TEXTS])
    check_facts(facts, compared.models, ids_of(TEXTS))
    assert 0 < facts["agreement"]["same"] < len(TEXTS)
    assert {one["changed"] for one in facts["worst"]} == {True, False}
    human = report_lines(facts, 100).split("Worst texts\n")[1].splitlines()
    assert [" changed " in line for line in human[1:]] == [one["changed"] for one in facts["worst"]]


def test_float32_against_itself():
    facts = quantize_report(None, TEXTS, "float32", [0] * len(TEXTS))
    assert facts["agreement"] == {"same": 13, "share": 1.0}
    assert facts["score_difference"] == {"mean": 0.0, "p99": 0.0, "max": 0.0}
    assert facts["cosine"] == {"mean": 1.0, "p1": 1.0, "min": 1.0}
    assert facts["layers"]["relative_error"] == [0.0] * 4
    assert [one["line"] for one in facts["worst"]] == list(range(1, 11))  # equal ones in order
    assert not any(one["changed"] for one in facts["worst"])
    assert facts["memory"]["layers_bytes"]["float32"] == facts["memory"]["layers_bytes"]["lower"]
    assert facts["labelled"]["accuracy"]["float32"] == facts["labelled"]["accuracy"]["lower"]


@pytest.mark.parametrize(
    ("problem_type", "function", "score"),
    [
        ("multi_label_classification", "sigmoid", sigmoid),
        ("regression", "none", np.float64),
    ],
)
def test_scores_are_by_the_models_own_function(tmp_path, problem_type, function, score):
    compared = comparison(copied(tmp_path / "model", problem_type=problem_type))
    facts = compared.facts([as_row(text, "") for text in TEXTS])
    assert facts["score_function"] == function
    check_facts(facts, compared.models, ids_of(TEXTS), score)


def test_layers_are_those_of_the_first_texts(monkeypatch):
    monkeypatch.setattr(quantization, "LAYER_TEXTS", 5)
    monkeypatch.setattr(paired_run, "CHUNK_TOKENS", 30)  # several batches; one text is longer than that
    batches, states = [], paired_run._states

    def noted(model, ids):
        batches.append(list(map(len, ids)))
        return states(model, ids)

    first = quantize_report(None, TEXTS[:5], LOWER[0])
    monkeypatch.setattr(paired_run, "_states", noted)
    facts = quantize_report(None, TEXTS, LOWER[0])
    assert len(batches) == 2 * 3  # two models, three batches
    assert all(len(lengths) == 1 or sum(lengths) <= 30 for lengths in batches)
    assert facts["layers"]["texts"] == 5
    assert facts["layers"]["tokens"] == first["tokens"]
    assert facts["layers"]["relative_error"] == pytest.approx(first["layers"]["relative_error"], rel=1e-12)


def test_pairs_and_truncated_texts():
    pairs = [{"text": "I love it", "text_pair": "so much"}, {"text": "a"}, "word " * 700]
    facts = quantize_report(None, pairs, LOWER[0], max_length=6)
    assert facts["tokens"] == 6 + 3 + 6
    assert facts["truncated"] == 2
    by_line = {one["line"]: one for one in facts["worst"]}
    assert (by_line[1]["text"], by_line[1]["text_pair"]) == ("I love it", "so much")
    assert "text_pair" not in by_line[2]
    assert by_line[3]["text"] == "word " * 700
    assert quantize_report(None, ["word " * 700], LOWER[0])["tokens"] == 512
    shown = report_lines(facts, 100)
    assert "3, 15 tokens, 2 truncated" in shown
    assert "I love it | so much" in shown


# ---- labels --------------------------------------------------------------------------------------------


@each_lower
def test_accuracy_and_macro_recall(dtype):
    found = [
        [LABELS.index(one["label"]) for one in roberta_c.pipeline("text-classification", dtype=one)(TEXTS)]
        for one in ("float32", dtype)
    ]
    right = [
        2,
        0,
        0,
        2,
        2,
        2,
        0,
        2,
        0,
        0,
        2,
        2,
        2,
    ]  # no "neutral": macro recall is over the labels that occur
    facts = quantize_report(None, TEXTS, dtype, right)["labelled"]
    for name, side in zip(("float32", "lower"), found, strict=True):
        hits = [a == b for a, b in zip(side, right, strict=True)]
        assert facts["accuracy"][name] == pytest.approx(sum(hits) / 13)
        recalls = [
            sum(hit for hit, label in zip(hits, right, strict=True) if label == one) / right.count(one)
            for one in (0, 2)
        ]
        assert facts["macro_recall"][name] == pytest.approx(sum(recalls) / 2)
    assert 0 < facts["accuracy"]["float32"] < 1
    assert facts["macro_recall"]["float32"] != pytest.approx(facts["accuracy"]["float32"])
    assert facts["classes"] == 2


def test_labels_are_names_or_ids(tmp_path):
    texts = TEXTS[:4]
    expected = quantize_report(None, texts, LOWER[0], [2, 0, 1, 1])["labelled"]
    for labels in (
        ["positive", "negative", "neutral", "neutral"],
        ["2", "0", "1", "neutral"],
        np.array([2, 0, 1, 1]),
        iter(["positive", 0, "1", np.int64(1)]),
    ):
        assert quantize_report(None, texts, LOWER[0], labels)["labelled"] == expected
    # A name takes precedence over an id. A name of two labels is refused.
    names = copied(tmp_path / "numbers", id2label={"0": "1", "1": "0", "2": "2"}, label2id=None)
    swapped = quantize_report(names, texts, LOWER[0], ["2", "1", "0", "0"])["labelled"]
    assert swapped == expected
    names = copied(tmp_path / "twice", id2label={"0": "same", "1": "b", "2": "same"}, label2id=None)
    with pytest.raises(
        InputError, match=r"labels\[1\]: found 'same', expected one of same, b, same, or 0 to 2"
    ):
        quantize_report(names, texts, LOWER[0], [0, "same", "b", 2])


# ---- time and memory -----------------------------------------------------------------------------------


def test_models_take_turns_and_the_first_calls_are_not_timed(monkeypatch):
    """With outputs that take a known time."""
    monkeypatch.setattr(paired_run, "TIMED_SECONDS", 1e9)
    compared, calls, outputs = comparison(batch_size=5), [], paired_run._outputs

    def slow(model, ids):
        which = compared.models.index(model)
        calls.append((which, len(ids)))
        interrupted = len(calls) in (1, 2, 12)  # the untimed calls, and one of the second round
        time.sleep(0.4 if interrupted else (0.008, 0.002)[which])
        return outputs(model, ids)

    monkeypatch.setattr(paired_run, "_outputs", slow)
    facts = compared.facts([as_row(text, "") for text in TEXTS])["time"]
    assert (facts["rounds"], facts["batch_size"]) == (5, 5)
    assert sorted(calls[:2]) == [(0, 5), (1, 5)]
    timed = [calls[i : i + 2] for i in range(2, len(calls), 2)]
    assert [sorted(pair) for pair in timed] == [[(0, size), (1, size)] for size in (5, 5, 3) * 5]
    firsts = [pair[0][0] for pair in timed]
    # The model that is first alternates from batch to batch and from round to round.
    assert firsts[:6] == [1, 0, 1, 0, 1, 0]
    assert facts["speedup"] == pytest.approx(facts["float32_ms_per_text"] / facts["lower_ms_per_text"])
    # For 13 texts, three batches sleep 24 ms and 6 ms; computing and other processes add to that.
    assert 24 / 13 <= facts["float32_ms_per_text"] < 100 / 13
    assert 6 / 13 <= facts["lower_ms_per_text"] < facts["float32_ms_per_text"]


def test_rounds_end_with_the_time_limit(monkeypatch):
    compared = comparison()
    for seconds, rounds in ((0.0, 1), (1e9, 5)):
        monkeypatch.setattr(paired_run, "TIMED_SECONDS", seconds)
        facts = compared.facts([as_row("a", "")])
        assert facts["time"]["rounds"] == rounds
        assert ("(1 round," if rounds == 1 else "(medians of 5 rounds,") in report_lines(facts, 100)


@each_lower
def test_memory_is_that_of_the_weights(dtype):
    memory = quantize_report(None, ["a"], dtype)["memory"]
    weights = load_file(bundled_model_path() / "model.safetensors")
    sizes = {name: values.size for name, values in weights.items() if "pooler" not in name}
    products = sum(size for name, size in sizes.items() if ".layer." in name and "LayerNorm" not in name)
    words = sizes.pop("roberta.embeddings.word_embeddings.weight")
    rest = sum(sizes.values()) - products
    # Panels are padded to full tiles, biases are float32 in every dtype, and int8 adds scales.
    assert 4 * products <= memory["layers_bytes"]["float32"] < 4.4 * products
    assert BYTES[dtype] * products <= memory["layers_bytes"]["lower"] < (BYTES[dtype] + 0.4) * products
    assert memory["other_bytes"]["float32"] == memory["other_bytes"]["lower"]
    assert 4 * rest <= memory["other_bytes"]["float32"] < 4.4 * rest
    assert memory["word_vectors_bytes"] == 2 * words  # float16 in this file


# ---- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([], "bfloat16"), {}, "texts: found none, expected at least one"),
        (("a text", "bfloat16"), {}, "texts: found str, expected a list"),
        ((5, "bfloat16"), {}, "texts: found int, expected a list"),
        ((["a", 5], "bfloat16"), {}, r"texts\[1\]: found int 5, expected str or a dict"),
        ((["a"], "float8"), {}, f"dtype: found 'float8', expected one of {', '.join(DTYPES)}"),
        ((["a"], None), {}, "dtype: found None, expected one of float32"),
        ((["a", "b"], "bfloat16", [0]), {}, "labels: found 1 labels, expected 2, one for each text"),
        ((["a"], "bfloat16", "0"), {}, "labels: found str, expected a list"),
        ((["a"], "bfloat16", 0), {}, "labels: found int, expected a list"),
        (
            (["a"], "bfloat16", ["good"]),
            {},
            r"labels\[0\]: found 'good', expected one of negative, neutral, ",
        ),
        ((["a"], "bfloat16", [3]), {}, r"labels\[0\]: found 3, expected one of .*, or 0 to 2"),
        ((["a"], "bfloat16", [-1]), {}, r"labels\[0\]: found -1"),
        ((["a"], "bfloat16", ["-1"]), {}, r"labels\[0\]: found '-1'"),
        ((["a"], "bfloat16", [True]), {}, r"labels\[0\]: found True"),
        ((["a"], "bfloat16", [1.0]), {}, r"labels\[0\]: found 1.0"),
        ((["a"], "bfloat16", [None]), {}, r"labels\[0\]: found None"),
        ((["a"], "bfloat16", ["9" * 5000]), {}, r"labels\[0\]: found '9999"),
        ((["a"], "bfloat16", np.zeros((1, 2), int)), {}, r"labels\[0\]: found "),
        ((["a"], "bfloat16"), {"batch_size": 0}, "batch_size: found 0, expected an integer of at least 1"),
        ((["a"], "bfloat16"), {"max_length": 513}, "max_length: found 513, expected at most 512"),
        ((["a"], "bfloat16"), {"num_threads": 0}, "num_threads: found 0"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(InputError, match=message) as caught:
        quantize_report(None, *arguments, **options)
    assert "\n" not in str(caught.value)


def test_bad_models(tmp_path):
    with pytest.raises(InputError, match="model: found RobertaModel, expected a folder, a Hub repository's"):
        quantize_report(roberta_c.RobertaModel.from_pretrained(bundled_model_path()), ["a"], "bfloat16")
    with pytest.raises(RobertaCError, match="no such folder"):
        quantize_report(tmp_path / "missing", ["a"], "bfloat16")

    def without_head(weights):
        for name in [name for name in weights if name.startswith("classifier")]:
            del weights[name]

    with pytest.raises(ModelFileError, match="sequence classification head: tensors not found"):
        quantize_report(copied(tmp_path / "base", without_head), ["a"], "bfloat16")


def test_a_dtype_is_refused_before_a_model_is_looked_for(tmp_path):
    with pytest.raises(InputError, match="dtype"):
        quantize_report(tmp_path / "missing", ["a"], "float8")


@each_lower
def test_outputs_that_are_not_numbers(tmp_path, dtype):
    def spoil(weights):  # sums of products overflow
        weights["classifier.out_proj.weight"] = weights["classifier.out_proj.weight"].astype(np.float32)
        weights["classifier.out_proj.weight"][1] = 3e38

    folder = copied(tmp_path / "nan", spoil)
    with pytest.raises(ModelFileError, match="in float32: found outputs that are NaN or infinite"):
        quantize_report(folder, ["a"], dtype)
    compared = comparison(None, dtype)
    compared.models = (
        compared.models[0],
        AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype),
    )
    with pytest.raises(ModelFileError, match=f"{folder}: in {dtype}: found outputs"):
        compared.facts([as_row("a", "")])


def test_figures_that_are_not_numbers_are_none(tmp_path):
    """With LayerNorm weights of zero every vector is zero, and the cosine is NaN."""

    def zero(weights):
        for name in weights:
            if "LayerNorm" in name:
                weights[name][:] = 0

    facts = quantize_report(copied(tmp_path / "zero", zero), TEXTS, LOWER[0])
    json.dumps(facts, allow_nan=False)
    assert facts["cosine"] == {"mean": None, "p1": None, "min": None}
    assert facts["layers"]["relative_error"] == [None] * 4
    assert facts["score_difference"]["max"] == 0
    shown = report_lines(facts, 100)
    assert "mean NaN, p1 NaN, min NaN" in shown
    assert "embeddings     NaN" in shown
