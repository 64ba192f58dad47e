"""Every keyword with values of every wrong type: an error of this package, and no other."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import roberta_c
from roberta_c import pipeline
from roberta_c.errors import RobertaCError, shown

# No text is the name of a repository, which would be asked for.
VALUES = [5, -1, 2.5, float("nan"), True, "x/y/z", "", "a\0b", b"x", [], [None], {}, {"a": 1}, object(), len]
VALUES += [np.zeros(2), np.array("x"), 10**30, 10**5000, range(10**12)]

FOLDER = roberta_c.bundled_model_path()


def keywords_of(function):
    return [
        name for name, one in inspect.signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY
    ]


def check(call, keywords):
    """`call(**{keyword: value})` returns or raises an error of this package, in one line."""
    for keyword, value in itertools.product(keywords, VALUES):
        message = ""
        try:
            call(**{keyword: value})
        except RobertaCError as error:
            message = str(error)
        except Exception as error:
            pytest.fail(f"{keyword}={shown(value)}: {type(error).__name__}: {error}")
        assert "\n" not in message, (keyword, value)


@pytest.mark.parametrize("name", ["AutoConfig", "RobertaConfig", "AutoModel", "RobertaModel"])
def test_from_pretrained(name):
    load = getattr(roberta_c, name).from_pretrained
    more = ["torch_dtype", "use_safetensors", "add_pooling_layer", "num_labels", "id2label", "hidden_size"]
    check(lambda **keywords: load(FOLDER, **keywords), [*keywords_of(load), *more])
    check(load, ["pretrained_model_name_or_path"])


def test_pipeline():
    names = [*keywords_of(pipeline), "task", "config", "tokenizer"]
    check(lambda **keywords: pipeline(model=FOLDER, **{"task": "text-classification", **keywords}), names)
    check(lambda model: pipeline("text-classification", model), ["model"])


OPTIONS = {
    "text-classification": ["top_k", "function_to_apply", "return_all_scores", "window_scores"],
    "token-classification": ["aggregation_strategy", "ignore_labels", "is_split_into_words", "delimiter"],
    "question-answering": ["top_k", "max_answer_len", "max_seq_len", "doc_stride", "align_to_words"],
    "fill-mask": ["top_k", "targets"],
    "zero-shot-classification": ["candidate_labels", "hypothesis_template", "multi_label", "window_scores"],
    "feature-extraction": ["return_tensors"],
}
OF_ALL = ["batch_size", "truncation", "max_length", "padding", "long_text", "stride", "return_lengths"]
OF_ALL += ["tokenizer_kwargs", "num_workers", "inputs", "unknown"]


@pytest.mark.filterwarnings("ignore:return_all_scores")
@pytest.mark.parametrize("task", OPTIONS)
def test_calls(task, run_of, task_pipeline):
    run = task_pipeline(task) if task == "question-answering" else run_of(task)
    text = {
        "fill-mask": "a <mask> b",
        "question-answering": {"question": "Who?", "context": "Ada did it."},
    }.get(task, "I love it")
    check(lambda **keywords: run(text, **keywords), [*OPTIONS[task], *OF_ALL])
    check(lambda **texts: run(*texts.values()), ["texts"])
    check(lambda **texts: run(list(texts.values())), ["texts"])
    check(lambda **texts: list(run.predictions(*texts.values())), ["texts"])


def test_models(run_of):
    model = run_of("text-classification").model
    names = ["attention_mask", "token_type_ids", "position_ids", "output_hidden_states", "output_attentions"]
    names += ["return_dict", "inputs_embeds", "labels", "past_key_values", "unknown"]
    for part in (model, model.base_model):
        check(lambda part=part, **keywords: part([[0, 5, 2]], **keywords), names)
        check(lambda part=part, **ids: part(*ids.values()), ["input_ids"])
        check(lambda part=part, **ids: part([*ids.values()]), ["input_ids"])
        check(lambda part=part, **ids: part([[*ids.values()]]), ["input_ids"])
    base = model.base_model
    layer = base.encoder.layer[0]
    parts = [base.embeddings, base.embeddings.word_embeddings, base.encoder, layer, layer.intermediate]
    parts += [layer.intermediate.intermediate_act_fn, model.classifier]
    for part in parts:
        check(lambda part=part, **values: part(*values.values()), ["hidden_states"])
    hidden = np.zeros((1, 2, model.config.hidden_size), np.float32)
    check(lambda **masks: base.encoder(hidden, *masks.values()), ["attention_mask"])
