"""What every task does alike: kinds of input, streams, precisions, bits, refusals of other models."""

from __future__ import annotations

import collections
import itertools
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from roberta_c import pipeline
from roberta_c.errors import InputError, ModelFileError
from roberta_c.pipelines import TASKS
from roberta_c.pipelines.rows import BLOCK_BATCHES

from .conftest import HEAD_OF

OPTIONS = {
    "token-classification": {"aggregation_strategy": "simple"},
    "question-answering": {"top_k": 2},
    "fill-mask": {"top_k": 2},
    "zero-shot-classification": {"candidate_labels": ["sports", "politics"]},
    "feature-extraction": {},
}


def inputs_of(task, tweets, count):
    """`count` different inputs of one text each."""
    texts = tweets[:count]
    if task == "fill-mask":
        return [f"{text} <mask>" for text in texts]
    if task == "question-answering":
        return [
            {"question": text[:30] + "?", "context": f"{text} {other}"}
            for text, other in zip(texts, texts[1:] + texts[:1], strict=True)
        ]
    return texts


@pytest.mark.parametrize("task", HEAD_OF)
def test_a_text_has_the_same_result_in_any_company(task, task_pipeline, tweets):
    """Alone, in a list, in batches of other sizes, and from an iterator: equal to the last bit."""
    run = task_pipeline(task, **OPTIONS[task])
    inputs = inputs_of(task, tweets, 60)
    results = run(inputs)
    assert run(inputs, batch_size=3) == results
    assert run(inputs[::-1])[::-1] == results
    assert list(run(iter(inputs), batch_size=7)) == results
    assert [run(one) for one in inputs[:12]] == results[:12]
    two_threads = pipeline(task, run.model.name_or_path, num_threads=2, **OPTIONS[task])
    assert two_threads(inputs) == results


@pytest.mark.parametrize("task", HEAD_OF)
def test_a_config_without_return_dict_changes_no_result(task, task_folder, task_pipeline, tweets):
    run = pipeline(task, task_folder(task), num_threads=1, **OPTIONS[task])
    run.model.config.return_dict = False
    inputs = inputs_of(task, tweets, 3)
    assert run(inputs) == task_pipeline(task, **OPTIONS[task])(inputs)


@pytest.mark.parametrize("task", ["token-classification", "zero-shot-classification"])
def test_labels_are_those_of_the_config_now(task, task_folder, tweets):
    run = pipeline(task, task_folder(task), num_threads=1, **OPTIONS[task])
    before = run(tweets[:5])
    labels = list(run.model.config.id2label.values())
    if task == "token-classification":
        run.model.config.id2label = {index: f"X{index}" for index in range(len(labels))}
        found = {one["entity_group"] for entities in run(tweets[:5], ignore_labels=[]) for one in entities}
        assert found
        assert all(label.startswith("X") for label in found)
        run.model.config.id2label = {0: "few"}
        with pytest.raises(ModelFileError, match="id2label: found 1 labels, expected a label for"):
            run(tweets[:5])
    else:
        column = run.entailment_id
        labels[column], labels[column - 1] = labels[column - 1], labels[column]
        run.model.config.id2label = dict(enumerate(labels))
        assert run.entailment_id == (column - 1) % len(labels)
        assert run(tweets[:5]) != before
        run.model.config.id2label = dict.fromkeys(range(len(labels)), "other")
        with pytest.raises(ModelFileError, match="expected a label that begins with 'entail'"):
            run(tweets[:5])


@pytest.mark.parametrize("task", HEAD_OF)
def test_iterators_are_read_a_block_at_a_time(task, task_pipeline, tweets):
    run = task_pipeline(task, **OPTIONS[task])
    taken = itertools.count()
    source = (one for one in inputs_of(task, tweets, 400) if next(taken) >= 0)
    results = run(source, batch_size=4)
    assert next(taken) == 0
    for _ in range(100):
        next(results)
    assert next(taken) <= 110 + 2 * 4 * BLOCK_BATCHES


@pytest.mark.parametrize("task", HEAD_OF)
@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_lower_precisions(task, dtype, task_pipeline, tweets):
    """They run, and give other numbers than float32: heads are the same, encoders are not."""
    exact, lower = task_pipeline(task, **OPTIONS[task]), task_pipeline(task, dtype=dtype, **OPTIONS[task])
    inputs = inputs_of(task, tweets, 8)
    assert lower.model.dtype == dtype
    ours, others = exact(inputs), lower(inputs)
    assert json.dumps(ours) != json.dumps(others)
    assert len(ours) == len(others)


@pytest.mark.parametrize("task", HEAD_OF)
def test_results_are_plain_python(task, task_pipeline, tweets):
    """JSON takes them as they are, and no two of them are one object."""
    run = task_pipeline(task, **OPTIONS[task])
    inputs = inputs_of(task, tweets, 4)
    results = run([*inputs, *inputs])
    json.dumps(results)
    for index in range(4):
        assert results[index] == results[index + 4]
        assert results[index] is not results[index + 4]


class Column(collections.abc.Sequence):
    """As a column of the datasets library: a sequence that is no list."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def series(library, texts):
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    return module.Series(texts)


@pytest.mark.parametrize("kind", ["numpy", "pandas", "polars", "column"])
def test_texts_in_other_containers(kind, classify, tweets):
    texts = tweets[:5]
    held = {
        "numpy": lambda: np.array(texts),
        "pandas": lambda: series("pandas", texts),
        "polars": lambda: series("polars", texts),
        "column": lambda: Column(texts),
    }[kind]()
    assert classify(held) == classify(texts)
    assert classify.tokenizer(held)["input_ids"] == classify.tokenizer(texts)["input_ids"]


def test_containers_that_are_refused(classify):
    for texts, message in (
        (np.array([["a", "b"]]), r"texts\[0\]: found a list of 2"),
        (np.array([1.5]), r"texts\[0\]: found float"),
        (np.array("a"), "texts: found ndarray"),
        (["a", None], r"texts\[1\]: found None"),
        (["a", float("nan")], r"texts\[1\]: found float nan"),
        (("a", "b"), "texts: found tuple"),
        ({"a", "b"}, "texts: found set"),
        (b"a", "texts: found bytes"),
        (SimpleNamespace(columns=["a"]), "texts: found SimpleNamespace"),
    ):
        with pytest.raises(InputError, match=message):
            classify(texts)


# ---- which model for which task --------------------------------------------------------------------------


@pytest.mark.parametrize("task", [task for task in HEAD_OF if task != "zero-shot-classification"])
def test_the_task_of_a_model_by_its_architecture(task, task_folder, task_pipeline):
    assert pipeline(model=task_folder(task)).task == task
    loaded = task_pipeline(task)
    assert pipeline(model=loaded.model, tokenizer=loaded.tokenizer).task == task


def test_no_task_of_an_architecture(task_folder, tmp_path):
    folder = task_folder("feature-extraction")
    config = json.loads((folder / "config.json").read_text())
    for architectures in (None, [], ["RobertaForMultipleChoice"], ["RobertaModel", "RobertaForMaskedLM"]):
        (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": architectures}))
        with pytest.raises(InputError, match="task: found None for a model of architectures"):
            pipeline(model=tmp_path)
    with pytest.raises(InputError, match="task: found None, expected one of text-classification"):
        pipeline()


@pytest.mark.parametrize("task", TASKS)
def test_another_head_is_an_error_that_names_what_the_file_has(task, task_folder):
    other = "fill-mask" if task != "fill-mask" else "question-answering"
    if task == "feature-extraction":
        assert pipeline(task, task_folder(other))("a <mask>")  # every file has the encoder
        return
    named = "masked language modelling" if other == "fill-mask" else "question answering"
    with pytest.raises(ModelFileError, match=f"head: tensors not found: .*heads found in the file: {named}$"):
        pipeline(task, task_folder(other))


def test_a_bert_folder_says_so(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    for load in (
        lambda: pipeline("fill-mask", tmp_path),
        lambda: pipeline(model=tmp_path),
        lambda: __import__("roberta_c").AutoTokenizer.from_pretrained(tmp_path),
        lambda: __import__("roberta_c").AutoModel.from_pretrained(tmp_path),
    ):
        with pytest.raises(OSError, match="model_type: found 'bert', expected roberta or xlm-roberta"):
            load()


@pytest.mark.parametrize("task", ["token-classification", "question-answering", "zero-shot-classification"])
def test_a_tokenizer_without_places_is_refused(task, task_pipeline):
    model = task_pipeline(task).model
    with pytest.raises(InputError, match=r"tokenizer: found builtins.function, expected one of roberta_c's"):
        pipeline(task, model, tokenizer=lambda texts, **options: {"input_ids": [[0, 2]] * len(texts)})


def test_keywords_of_transformers_calls(classify, task_pipeline):
    expected = classify("I love it so much", max_length=4)
    for options in (
        {"max_length": 4, "num_workers": 0},
        {"tokenizer_kwargs": {"truncation": True, "max_length": 4, "add_special_tokens": True}},
    ):
        assert classify("I love it so much", **options) == expected
    assert classify(inputs="I love it so much", max_length=4) == expected
    zero_shot = task_pipeline("zero-shot-classification")
    assert zero_shot(sequences="a", candidate_labels="b,c") == zero_shot("a", "b,c")
    fill = task_pipeline("fill-mask")
    assert fill(inputs="a <mask>") == fill("a <mask>")
    for options, message in (
        ({"num_workers": "two"}, "num_workers: found 'two', expected an integer"),
        ({"add_special_tokens": False}, "add_special_tokens: found False, expected True"),
        ({"tokenizer_kwargs": 3}, "tokenizer_kwargs: found 3, expected a dict of options"),
        (
            {"tokenizer_kwargs": {"max_length": 4}, "max_length": 5},
            "max_length: found it in tokenizer_kwargs too",
        ),
    ):
        with pytest.raises(InputError, match=message):
            classify("a", **options)


def test_a_saved_pipeline_loads_again(classify, tmp_path):
    classify.save_pretrained(tmp_path)
    assert pipeline(model=tmp_path)("I love it") == classify("I love it")


def test_classes_of_pipelines_take_options(task_pipeline):
    import roberta_c

    loaded = task_pipeline("token-classification")
    tag = roberta_c.TokenClassificationPipeline(
        model=loaded.model, tokenizer=loaded.tokenizer, aggregation_strategy="simple", device=-1
    )
    assert tag("some words") == loaded("some words", aggregation_strategy="simple")
    for arguments, message in (
        (
            (loaded.model, loaded.tokenizer, {"stride": 1}),
            "options: found .*expected a Token",
        ),
        ((None, loaded.tokenizer), "model: found None, expected a loaded model"),
    ):
        with pytest.raises(InputError, match=message):
            roberta_c.TokenClassificationPipeline(*arguments)


def test_no_task_imports_torch(task_folder):
    assert "torch" in sys.modules  # the tests have it; a process of its own has not
    import subprocess

    script = (
        "import sys, roberta_c\n"
        f"roberta_c.pipeline('fill-mask', {str(task_folder('fill-mask'))!r})('a <mask>')\n"
        "print('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
