"""A branch that moves while a model is loaded: all that belongs together is of one commit."""

from __future__ import annotations

import json
import textwrap

import pytest
from samples.hub_calls import run_on_hub
from samples.loopback_hub import LoopbackHub
from samples.models import make_random_model
from samples.tokenizers import MERGES, VOCAB, write

# Each loads a repository, and gives the model's hidden size and its tokenizer's number of tokens: 8 and 11
# before the branch moves, 16 and 12 after it. What is of two commits is an error.
LOADS = {
    "AutoModel": "of(AutoModel.from_pretrained(name))",
    "a model's class": "of(RobertaModel.from_pretrained(name))",
    "AutoTokenizer": "of(tokenizer=AutoTokenizer.from_pretrained(name))",
    "pipeline": "both(pipeline('text-classification', name))",
    "pipeline without a task": "both(pipeline(model=name))",
    "pipeline with a config": "both(pipeline(model=name, config=config))",
    "pipeline with its own names": "both(pipeline('text-classification', name, name, name))",
    "SentenceTransformer": "both(SentenceTransformer(name)[0])",
    "CrossEncoder": "both(CrossEncoder(name))",
    "FlagModel": "both(FlagModel(name))",
    "quantize_report": "compared(Comparison(name, 'int8', batch_size=1, max_length=None, num_threads=1))",
    "describe and doctor": "examined(name)",
}
SCRIPT = """
import json
from types import SimpleNamespace
from roberta_c import *
from roberta_c.diagnose.describe import open_model
from roberta_c.diagnose.doctor import Diagnosis
from roberta_c.diagnose.quantization import Comparison
config = RobertaConfig.from_pretrained(first)

def of(model=None, tokenizer=None):
    return [model and model.config.hidden_size, tokenizer and len(tokenizer)]

def both(loaded):
    return of(loaded.model, loaded.tokenizer)

def compared(comparison):
    assert of(comparison.models[0]) == of(comparison.models[1])
    return of(comparison.full.model, comparison.full.tokenizer)

def examined(name):
    diagnosis = Diagnosis()
    diagnosis.examine_model(name)
    diagnosis.check_model()
    assert not diagnosis.errors, diagnosis.errors
    return of(diagnosis._opened.model, diagnosis._opened.tokenizer)

for load, name in loads:
    try:
        print(json.dumps(eval(load)))
    except Exception as error:
        print(json.dumps(repr(error)))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moving")
    for name, hidden, tokens in (("first", 8, VOCAB), ("second", 16, [*VOCAB, "abc"])):
        make_random_model(
            folder / name,
            vocab_size=len(tokens),
            hidden_size=hidden,
            num_attention_heads=2,
            num_hidden_layers=1,
            intermediate_size=16,
            max_position_embeddings=20,
        )
        write(folder / name, "vocab.json", {token: index for index, token in enumerate(tokens)})
        write(folder / name, "merges.txt", MERGES)
    repositories = {f"org/{number}": {"main": folder / "first"} for number in range(len(LOADS))}
    loads = list(zip(LOADS.values(), repositories, strict=True))
    with LoopbackHub(repositories) as hub:
        for repository in repositories:
            hub.move_after(repository, "config.json", "main", folder / "second")
        values = f"first, loads = {str(folder / 'first')!r}, {loads!r}\n"
        printed = run_on_hub(hub, folder / "home", values + textwrap.dedent(SCRIPT)).splitlines()
    return dict(zip(LOADS, map(json.loads, printed), strict=True))


@pytest.mark.parametrize("load", LOADS)
def test_all_files_are_of_one_commit(load, found):
    model, tokenizer = found[load]
    assert model in (None, 8)
    assert tokenizer in (None, 11)
