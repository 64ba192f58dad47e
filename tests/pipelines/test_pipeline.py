"""`pipeline(…)`: how it finds model and tokenizer, and which arguments it refuses."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import roberta_c
from roberta_c import AutoModelForSequenceClassification, RobertaForSequenceClassification, pipeline
from roberta_c.errors import HubError, InputError, MissingNameError, ModelFileError, TokenizerFileError
from roberta_c.model.auto import AutoModelClass
from roberta_c.model.pretrained import PreTrainedModel
from roberta_c.pipelines import TASK_ALIASES, TASKS
from roberta_c.pipelines.base import MISSING_NAMES, Pipeline
from roberta_c.pipelines.options import PipelineOptions


@pytest.mark.parametrize("task", TASKS)
def test_the_class_of_a_task_says_what_it_needs(task):
    file, name = TASKS[task]
    task_class = getattr(importlib.import_module(f"roberta_c.pipelines.{file}"), name)
    assert issubclass(task_class, Pipeline)
    assert task_class.task == task
    assert issubclass(task_class.options_class, PipelineOptions)
    assert issubclass(task_class.auto_class, AutoModelClass)
    assert issubclass(task_class.model_class, PreTrainedModel)
    for loaded in task_class.auto_class.classes.values():
        assert issubclass(loaded, task_class.model_class)
    assert set(TASK_ALIASES.values()) <= set(TASKS)


def test_tasks_are_imported_when_they_are_used():
    script = (
        "import sys, roberta_c.pipelines\n"
        "heavy = {'numpy', 'tokenizers', 'roberta_c.model', 'roberta_c.pipelines.text_classification'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_another_task_needs_only_a_row_of_the_table(classify, monkeypatch):
    """Its class decides which options, loader and loaded models `pipeline` accepts."""
    from roberta_c import AutoModel, RobertaModel
    from roberta_c.pipelines import text_classification

    class OtherPipeline(Pipeline):
        task = "other"
        options_class = PipelineOptions
        auto_class = AutoModel
        model_class = RobertaModel

        def _outputs(self, windows, options):
            raise NotImplementedError

        def _prediction(self, row, windows, outputs, options):
            raise NotImplementedError

        def _result(self, prediction, options):
            raise NotImplementedError

    monkeypatch.setattr(text_classification, "OtherPipeline", OtherPipeline, raising=False)
    monkeypatch.setitem(TASKS, "other", ("text_classification", "OtherPipeline"))
    loaded = pipeline("other", classify.model.name_or_path, batch_size=3)
    assert (type(loaded), type(loaded.model), loaded.options.batch_size) == (OtherPipeline, RobertaModel, 3)
    assert pipeline("other", loaded.model, tokenizer=loaded.tokenizer).model is loaded.model
    with pytest.raises(InputError, match="top_k: found an unknown keyword"):
        pipeline("other", loaded.model, tokenizer=loaded.tokenizer, top_k=1)
    with pytest.raises(InputError, match=r"model: found RobertaFor.*, expected .* or a RobertaModel \("):
        pipeline("other", classify.model, tokenizer=loaded.tokenizer)


def test_ways_to_name_model_and_tokenizer(classify, tweet_sentiment_small):
    expected = classify("I love it")
    for arguments in (
        ("sentiment-analysis", str(tweet_sentiment_small)),
        ("text-classification", tweet_sentiment_small, None, str(tweet_sentiment_small)),
        ("text-classification", tweet_sentiment_small, tweet_sentiment_small),
        ("text-classification", classify.model, None, tweet_sentiment_small),
        ("text-classification", classify.model, classify.model.config, classify.tokenizer),
    ):
        assert pipeline(*arguments, device="cpu")("I love it") == expected
    aliased = roberta_c.pipeline(
        "sentiment-analysis", classify.model, tokenizer=classify.tokenizer, device=-1
    )
    assert aliased.task == "text-classification"


def test_config_may_be_a_folder(classify, tweet_sentiment_small):
    for loader in (AutoModelForSequenceClassification, RobertaForSequenceClassification):
        model = loader.from_pretrained(tweet_sentiment_small, config=str(tweet_sentiment_small))
        assert pipeline(None, model, None, classify.tokenizer)("I love it") == classify("I love it")


def test_a_cache_folder_inside_model_kwargs(classify, tweet_sentiment_small, tmp_path):
    """transformers' pipeline takes `cache_dir` there alone."""
    commit, repository = "0" * 40, tmp_path / "models--org--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / commit).symlink_to(tweet_sentiment_small)
    keywords = {"cache_dir": tmp_path, "local_files_only": True}
    cached = pipeline("text-classification", "org/name", model_kwargs=keywords)
    assert cached("I love it") == classify("I love it")


def test_methods_that_are_not_here_say_what_to_do(classify):
    import transformers

    for name in MISSING_NAMES:
        assert hasattr(transformers.TextClassificationPipeline, name)
        with pytest.raises(MissingNameError, match=rf"^TextClassificationPipeline\.{name}: found no such"):
            getattr(classify, name)
    assert not hasattr(classify, "other")
    assert classify.dtype == classify.torch_dtype == "float32"


def test_bad_arguments_of_pipeline(classify, tmp_path):
    model, tokenizer = classify.model, classify.tokenizer
    for arguments, message in (
        (
            ("translation", model),
            "task: found 'translation', expected one of text-classification, .*, sentiment-analysis, ner$",
        ),
        ((None, None), "task: found None"),
        ((["text-classification"], model), "task: found"),
        (("text-classification", 3), "model: found int"),
        (("text-classification", model.roberta, None, tokenizer), "model: found RobertaModel"),
        (("text-classification", model), "tokenizer: found None"),
        (("text-classification", model, None, 3), "tokenizer: found 3"),
        (("text-classification", model, tokenizer), "config: found RobertaTokenizerFast"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline(*arguments)
    for options, message in (
        ({"dtype": "float8"}, "dtype: found 'float8'"),
        ({"num_threads": 7}, "num_threads: found 7"),
        ({"device": 0}, "device: found 0"),
        ({"device": "cuda"}, "device: found 'cuda'"),
        ({"device": [0]}, "device: found"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline("text-classification", model, tokenizer=tokenizer, **options)
    with pytest.raises(InputError, match="dtype: found 'float8'"):
        pipeline("text-classification", model.name_or_path, dtype="float8")
    half = type(model).from_pretrained(model.name_or_path, dtype="bfloat16")
    with pytest.raises(InputError, match="dtype: found 'float32', expected None or 'bfloat16'"):
        pipeline("text-classification", half, tokenizer=tokenizer, dtype="float32")
    assert pipeline("text-classification", half, tokenizer=tokenizer, dtype="bfloat16").model is half
    with pytest.raises((HubError, ModelFileError, TokenizerFileError), match=str(tmp_path)):
        pipeline("text-classification", tmp_path)
    with pytest.raises(HubError, match="no such folder"):
        pipeline("text-classification", str(tmp_path / "none"), local_files_only=True)
