"""Models on the Hub: what is known of a repository without a network, and files of one commit."""

from __future__ import annotations

import inspect
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from samples.hub_calls import run_on_hub
from samples.loopback_hub import LoopbackHub
from samples.rerankers import make_cross_encoder, save_heads
from samples.task_models import make_task_model
from sentence_transformers import CrossEncoder as OriginalCrossEncoder
from sentence_transformers import SentenceTransformer as Original
from sentence_transformers.sentence_transformer import modules

import roberta_c

pytestmark = pytest.mark.unsanitized


def show(model):
    """What a model computes, as JSON holds it."""
    name = type(model).__name__
    if name == "SentenceTransformer":
        return model.encode("so good").tobytes().hex()
    if name == "BGEM3FlagModel":
        weights = model.encode("so good", return_sparse=True)["lexical_weights"]
        return {token: float(weight) for token, weight in weights.items()}
    return float(model.predict([("so good", "so bad")])[0])


# The beginning of a script.
SHOW = f"""
import json
import roberta_c
from roberta_c.errors import HubError

{inspect.getsource(show)}
"""
OFFLINE = "local_files_only=True"


@pytest.fixture(scope="module")
def folders(tweet_sentiment_small, tmp_path_factory):
    """By repository: the folder of a model in the layout of the class that its name is."""
    root = tmp_path_factory.mktemp("repositories")
    encoder = make_task_model(root / "encoder", tweet_sentiment_small, "roberta", "Model")
    parts = [modules.Transformer(str(encoder.folder)), modules.Pooling(48, "cls"), modules.Normalize()]
    Original(modules=parts, device="cpu").save(str(root / "sentence"), create_model_card=False)
    make_cross_encoder(root / "plain", tweet_sentiment_small)
    reranker = OriginalCrossEncoder(str(root / "plain"), activation_fn=torch.nn.Identity())
    reranker.save_pretrained(str(root / "reranker"))
    bge = make_task_model(root / "bge", tweet_sentiment_small, "roberta", "Model")
    save_heads(bge)
    return {
        "org/sentence": root / "sentence",
        "org/reranker": root / "reranker",
        "org/bge": root / "bge",
        "org/encoder": root / "encoder",
    }


CLASSES = {
    "org/sentence": "SentenceTransformer",
    "org/reranker": "CrossEncoder",
    "org/bge": "BGEM3FlagModel",
}


@pytest.fixture(scope="module")
def expected(folders):
    """By repository: what `show` gives of the folder."""
    return {name: show(getattr(roberta_c, CLASSES[name])(folders[name])) for name in CLASSES}


def results(hub, home, calls):
    """`show` of the model that each call makes, or the text of its HubError; all in one new process."""
    script = f"""{SHOW}
for call in {calls!r}:
    try:
        result = show(eval("roberta_c." + call))
    except HubError as error:
        result = "HubError: " + str(error)
    print(json.dumps(result))
"""
    return [json.loads(line) for line in run_on_hub(hub, home, script).splitlines()]


def calls_of(repositories, *options):
    return [f"{CLASSES[name]}({', '.join([repr(name), *options])})" for name in repositories]


FILL = """
    from roberta_c import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    for name in ("org/sentence", "org/bge", "org/reranker"):
        AutoTokenizer.from_pretrained(name)
        kind = AutoModelForSequenceClassification if name == "org/reranker" else AutoModel
        kind.from_pretrained(name)
"""


def test_a_file_that_would_change_results_is_never_guessed_to_be_absent(folders, expected, tmp_path):
    """A cache that the model's own loading has filled does not tell whether there is a modules.json."""
    repositories = {name: {"main": folder} for name, folder in folders.items()}
    decisive = {"org/sentence": "modules.json", "org/reranker": "modules.json"}
    decisive["org/bge"] = "sparse_linear.pt, colbert_linear.pt"
    with LoopbackHub(repositories) as hub:
        run_on_hub(hub, tmp_path, FILL)
        messages = results(hub, tmp_path, calls_of(CLASSES, OFFLINE))
        for name, message in zip(CLASSES, messages, strict=True):
            assert message.startswith(f"HubError: {name}: {decisive[name]}: not in the cache ({tmp_path}")
            assert f"run 'roberta-c download {name}' with a network" in message
            assert "local_files_only (--offline) allows no download" in message
        hub.outage = 503
        assert "answered 503 for " in results(hub, tmp_path, calls_of(["org/sentence"]))[0]
        hub.outage = None
        assert results(hub, tmp_path, calls_of(CLASSES)) == list(expected.values())
        hub.stop()
        # What was once loaded is known, as are the files that a repository does not have.
        assert results(hub, tmp_path, calls_of(CLASSES, OFFLINE)) == list(expected.values())


def test_download_fetches_what_every_class_reads(folders, expected, tmp_path):
    repositories = {name: {"main": folder} for name, folder in folders.items()}
    script = "from roberta_c.files import hub\n" + "".join(
        f"print(hub.download({name!r}), hub.download({name!r}, local_dir={str(tmp_path / name)!r}))\n"
        for name in repositories
    )
    with LoopbackHub(repositories) as hub:
        run_on_hub(hub, tmp_path, script)
        hub.stop()
        encoder = "SentenceTransformer('org/encoder', local_files_only=True)"
        found = results(hub, tmp_path, [*calls_of(CLASSES, OFFLINE), encoder])
    assert found == [*expected.values(), show(roberta_c.SentenceTransformer(folders["org/encoder"]))]
    for name in CLASSES:
        assert show(getattr(roberta_c, CLASSES[name])(tmp_path / name)) == expected[name]


def test_a_complete_copy_of_a_repository_tells_what_it_lacks(folders, expected, tmp_path):
    """The client lists the files of a repository that it downloads as a whole."""
    script = """
        import huggingface_hub
        for name in ("org/sentence", "org/encoder", "org/reranker", "org/bge"):
            huggingface_hub.snapshot_download(name)
    """
    with LoopbackHub({name: {"main": folder} for name, folder in folders.items()}) as hub:
        run_on_hub(hub, tmp_path, script)
        hub.stop()
        encoder = "SentenceTransformer('org/encoder', local_files_only=True)"
        found = results(hub, tmp_path, [*calls_of(CLASSES, OFFLINE), encoder])
    assert found == [*expected.values(), show(roberta_c.SentenceTransformer(folders["org/encoder"]))]


@pytest.mark.parametrize("name", CLASSES)
def test_all_files_are_of_one_commit_though_another_is_pushed_meanwhile(name, folders, expected, tmp_path):
    changed = shutil.copytree(folders[name], tmp_path / "changed")
    for path in (*changed.glob("*.pt"), *changed.glob("*.bin")):
        torch.save({key: 2 * values for key, values in torch.load(path).items()}, path)
    for path in changed.glob("*.safetensors"):
        save_file({key: 2 * values for key, values in load_file(path).items()}, path)
    if (changed / "config_sentence_transformers.json").exists():
        settings = json.loads((changed / "config_sentence_transformers.json").read_text("utf-8"))
        settings |= {"prompts": {"p": "Not "}, "default_prompt_name": "p"}
        (changed / "config_sentence_transformers.json").write_text(json.dumps(settings), "utf-8")
    config = json.loads((changed / "config.json").read_text("utf-8"))
    (changed / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.5}), "utf-8")
    script = f"""{SHOW}
from roberta_c.sentence import loading

load_config = loading.load_config
def load_and_wait(*arguments):
    config = load_config(*arguments)
    print("the config is loaded", flush=True)
    input()
    return config
loading.load_config = load_and_wait
print(json.dumps(show(eval("roberta_c." + {calls_of([name])[0]!r}))))
"""
    with LoopbackHub({name: {"main": folders[name]}}) as hub:
        first = hub.commit(name)
        output = run_on_hub(hub, tmp_path, script, lambda: hub.publish(name, "main", changed))
        assert json.loads(output) == expected[name]
        assert hub.commit(name) != first


def test_the_class_is_chosen_by_the_commit_that_is_loaded(folders, expected, tmp_path):
    """Another commit, which has no heads, is pushed when the class has been chosen."""
    changed = shutil.copytree(
        folders["org/bge"], tmp_path / "changed", ignore=shutil.ignore_patterns("*_linear.pt")
    )
    script = f"""{SHOW}
from roberta_c.sentence import flag_auto

class Waiting(flag_auto.BGEM3FlagModel):
    def __init__(self, *arguments, **keywords):
        print("the class is chosen", flush=True)
        input()
        super().__init__(*arguments, **keywords)
        type(self).__name__ = "BGEM3FlagModel"
flag_auto.BGEM3FlagModel = Waiting
print(json.dumps(show(roberta_c.FlagAutoModel.from_finetuned("org/bge"))))
"""
    with LoopbackHub({"org/bge": {"main": folders["org/bge"]}}) as hub:
        output = run_on_hub(hub, tmp_path, script, lambda: hub.publish("org/bge", "main", changed))
    assert json.loads(output) == expected["org/bge"]


def test_options_of_the_hub_among_the_keywords_of_a_part(folders, expected, tmp_path):
    """They hold for all files of the model."""
    calls = []
    for name in ("org/sentence", "org/reranker"):
        for part in ("model_kwargs", "config_kwargs", "processor_kwargs"):
            calls += calls_of([name], f"{part}={{'revision': 'v2'}}")
    repositories = {name: {"v2": folders[name]} for name in ("org/sentence", "org/reranker")}
    with LoopbackHub(repositories) as hub:
        found = results(hub, tmp_path, calls)
    assert found == [expected["org/sentence"]] * 3 + [expected["org/reranker"]] * 3
