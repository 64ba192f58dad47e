"""`roberta-c doctor --model`: the facts about a model, and the problems that are found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from samples.command_line import sections_of

import roberta_c
from roberta_c.cli.main import program
from roberta_c.diagnose import doctor
from roberta_c.diagnose.doctor import diagnose
from roberta_c.kernels import available_isas


@pytest.fixture(scope="module")
def examined(tweet_sentiment_small):
    return diagnose(tweet_sentiment_small, num_threads=2)


def test_what_a_model_is(examined, tweet_sentiment_small, run):
    model = examined.facts["model"]
    assert examined.errors == []
    config = json.loads((tweet_sentiment_small / "config.json").read_bytes())
    for name, value in model["config"].items():
        assert value == config[name], name
    assert model["position_limit"] == config["max_position_embeddings"] - config["pad_token_id"] - 1
    assert model["labels"] == ["negative", "neutral", "positive"]
    tensors = torch.load(tweet_sentiment_small / "pytorch_model.bin", weights_only=True)
    assert model["stored_values"] == sum(tensor.numel() for tensor in tensors.values())
    assert (model["format"], model["stored_dtypes"]) == ("torch-zip", ["float32", "int64"])
    assert [(file["part"], Path(file["path"]).name) for file in model["files"]] == [
        ("config", "config.json"),
        ("weights", "pytorch_model.bin"),
        ("tokenizer", "vocab.json"),
        ("tokenizer", "merges.txt"),
        ("tokenizer", "special_tokens_map.json"),
    ]
    for file in model["files"]:
        assert file["bytes"] == Path(file["path"]).stat().st_size
    expected = {
        "class": "RobertaTokenizerFast",
        "route": "vocab.json + merges.txt",
        "vocab_size": config["vocab_size"],
    }
    assert model["tokenizer"] == expected
    assert model["load_report"]["unexpected"] == ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]
    assert min(model["load_ms"].values()) > 0
    # `describe` shows the same facts.
    described = json.loads(
        CliRunner().invoke(program, ["describe", str(tweet_sentiment_small), "--format", "json"]).stdout
    )
    for name in ("class", "config", "labels", "load_report", "position_limit", "stored_dtypes"):
        assert model[name] == described[name]


def test_the_route_of_a_tokenizer_json(copied_checkpoint, facts_of):
    tokenizer = roberta_c.AutoTokenizer.from_pretrained(copied_checkpoint)
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (copied_checkpoint / name).unlink()
    tokenizer.save_pretrained(copied_checkpoint)
    facts = facts_of("--model", copied_checkpoint)
    assert facts["model"]["tokenizer"]["route"] == "tokenizer.json"
    parts = [Path(file["path"]).name for file in facts["model"]["files"] if file["part"] == "tokenizer"]
    assert parts == ["tokenizer.json", "tokenizer_config.json"]


def test_in_a_process(in_process, tweet_sentiment_small, examined):
    done = in_process("--model", tweet_sentiment_small, "--threads", "1", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    for name in ("token_digest", "output_digest", "logits", "largest_difference"):
        assert facts["check"][name] == examined.facts["check"][name]


# ---- problems ----------------------------------------------------------------------------------------


def assert_wrong(run, part, *arguments, **variables):
    """Exit code 1, one line of error with `part`, and the facts about the machine. Returns all facts."""
    shown = run(*arguments, **variables)
    assert shown.exit_code == 1
    assert "CPU\n" in shown.stdout
    assert "\n\nProblems\n  none" not in shown.stdout
    result = run(*arguments, "--format", "json", **variables)
    assert result.exit_code == 1
    assert result.stderr.startswith("roberta-c: error: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr
    assert result.stderr == shown.stderr
    facts = json.loads(result.stdout)
    assert facts["versions"]["roberta_c"] == roberta_c.__version__
    assert result.stderr == f"roberta-c: error: {facts['problems'][0]}\n"
    assert facts["problems"][0] in shown.stdout
    return facts


def test_a_damaged_model(run, copied_checkpoint, tmp_path):
    assert_wrong(run, "no such folder", "--model", tmp_path / "missing")
    config, weights = copied_checkpoint / "config.json", copied_checkpoint / "pytorch_model.bin"
    complete = config.read_bytes()
    config.write_bytes(complete[:-5])
    assert_wrong(run, str(config), "--model", copied_checkpoint)
    config.write_bytes(complete)
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    facts = assert_wrong(run, str(weights), "--model", copied_checkpoint)
    assert (facts["examined"], facts["model"], facts["check"]) == (str(copied_checkpoint), None, None)
    assert f"  {copied_checkpoint}  not loaded" in run("--model", copied_checkpoint).stdout


def test_a_model_without_a_tokenizer(run, copied_checkpoint):
    (copied_checkpoint / "merges.txt").unlink()
    facts = assert_wrong(run, "no tokenizer file", "--model", copied_checkpoint)
    assert (facts["model"]["position_limit"], facts["model"]["tokenizer"], facts["check"]) == (
        512,
        None,
        None,
    )
    assert sections_of(run("--model", copied_checkpoint).stdout)["Check"] == {
        "result": "not done: see Problems"
    }


def test_variables_that_are_wrong(run, tweet_sentiment_small):
    facts = assert_wrong(run, "ROBERTA_C_ISA: found 'sse9'", ROBERTA_C_ISA="sse9")
    assert (facts["cpu"]["isa"], facts["cpu"]["isa_chosen_by"]) == (None, "ROBERTA_C_ISA")
    assert facts["cpu"]["available_isas"] == list(available_isas())
    facts = assert_wrong(run, "ROBERTA_C_NUM_THREADS: found 'few'", ROBERTA_C_NUM_THREADS="few")
    assert (facts["threads"]["number"], facts["threads"]["ROBERTA_C_NUM_THREADS"]) == (None, "few")
    # Loading the model fails with the same error, which is listed once.
    assert_wrong(run, "found 'sse9'", "--model", tweet_sentiment_small, ROBERTA_C_ISA="sse9")
    done = run("--model", tweet_sentiment_small, "--threads", "5000")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "--threads: found 5000, expected 1 to 1024" in done.stderr
    both = run(ROBERTA_C_ISA="sse9", ROBERTA_C_NUM_THREADS="few")
    assert (both.exit_code, both.stderr.count("\n")) == (1, 2)


def test_kernels_that_compute_something_else(run, copied_checkpoint, monkeypatch):
    """The oracle loads other weights, so that the kernels disagree with it."""
    other = copied_checkpoint.parent / "other"
    shutil.copytree(copied_checkpoint, other)
    weights = torch.load(other / "pytorch_model.bin", weights_only=True)
    weights["classifier.out_proj.bias"][0] += 1e-3
    torch.save(weights, other / "pytorch_model.bin")
    model_class = roberta_c.RobertaForSequenceClassification
    load = model_class.load

    def spoilt(path, hub_options, **options):
        return load(other if options.get("isa") == "reference" else path, hub_options, **options)

    monkeypatch.setattr(model_class, "load", spoilt)
    facts = assert_wrong(
        run,
        "kernels: found a difference of 1.0e-03 from the reference kernels, expected at most",
        "--model",
        copied_checkpoint,
    )
    assert facts["check"]["agrees"] is False
    assert facts["check"]["largest_difference"] == pytest.approx(1e-3, rel=0.01)
    assert "DISAGREES" in run("--model", copied_checkpoint).stdout


def test_weights_that_are_no_numbers_or_make_none(run, copied_checkpoint):
    weights = torch.load(copied_checkpoint / "pytorch_model.bin", weights_only=True)
    weights["classifier.out_proj.weight"][1] = float("nan")
    torch.save(weights, copied_checkpoint / "pytorch_model.bin")
    problem = "tensor 'classifier.out_proj.weight': [1, 0]: found nan, expected a finite number"
    assert assert_wrong(run, problem, "--model", copied_checkpoint)["model"] is None

    weights["classifier.out_proj.weight"][1] = 3e38  # sums of products overflow
    torch.save(weights, copied_checkpoint / "pytorch_model.bin")
    facts = assert_wrong(
        run, "found logits that are NaN or infinite, expected finite numbers", "--model", copied_checkpoint
    )
    assert (facts["check"]["finite"], facts["check"]["largest_difference"]) == (False, None)
    assert [row[1] for row in facts["check"]["logits"]] == [None] * len(facts["check"]["texts"])
    shown = run("--model", copied_checkpoint).stdout
    assert "         NaN" in shown
    assert "difference from reference  none: the reference kernels' outputs are not finite\n" in shown


def test_an_unexpected_error_hides_no_other_fact(run, monkeypatch):
    def broken():
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(doctor, "version_facts", broken)
    result = run("--format", "json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert (facts["versions"], facts["problems"]) == (None, ["unexpected ZeroDivisionError: by zero"])
    assert facts["memory"]["total_bytes"] > 0
    assert "Versions" not in run().stdout
