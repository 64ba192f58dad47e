"""`roberta-c describe`: the facts of diagnose/describe.py about a model, as JSON or as sections of text."""

from __future__ import annotations

from typing import Any

import click

from .help_page import HelpCommand
from .options import debug_option, file_names, format_option, hub_options, no_cache_option, offline_option
from .outputs import open_output
from .terminal_text import printable_lines, table


@click.command(cls=HelpCommand)
@click.argument("model", metavar="PATH_OR_ID", shell_complete=file_names)
@format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@hub_options
@offline_option
@no_cache_option
@debug_option
def describe(model: str, form: str, **hub_arguments: Any) -> None:
    """Show a model: its modules, its tokenizer, its load report, its sizes and limits.

    The load report lists missing, unexpected and tied tensors.

    \b
    Example:
      roberta-c describe path/to/model
    """
    from ..diagnose.describe import description, open_model
    from ..files.hub_options import HubOptions

    facts = description(open_model(model, HubOptions(**hub_arguments)))
    if form == "json":
        open_output().document(facts)
    else:
        open_output().text(description_lines(facts))


def description_lines(facts: dict[str, Any]) -> str:
    """The module tree, the tokenizer, the load report and a table of the other facts."""
    rows = {**model_rows(facts), "files": ", ".join(facts["files"])}
    return "\n\n".join(
        (
            printable_lines(facts["tree"]),
            printable_lines(facts["tokenizer"]),
            "Load report\n" + table(load_report_rows(facts)),
            "Model\n" + table(rows),
        )
    )


def load_report_rows(facts: dict[str, Any]) -> dict[str, str]:
    """The missing, unexpected and tied tensors."""
    report = facts["load_report"]
    tied = [" = ".join(pair) for pair in report["tied"]]
    loaded = {"missing": report["missing"], "unexpected": report["unexpected"], "tied": tied}
    return {name: ", ".join(found) or "none" for name, found in loaded.items()}


def model_rows(facts: dict[str, Any]) -> dict[str, Any]:
    """The model's class, sizes, limits and labels, how its weights are stored, and how it computes."""
    stored = (f"{facts['stored_values']:,} values", ", ".join(facts["stored_dtypes"]), facts["format"])
    return {
        **{name: facts[name] for name in ("model", "class", "model_type")},
        **facts["config"],
        "position limit": f"{facts['position_limit']} tokens",
        "problem_type": facts["problem_type"],
        "labels": ", ".join(map(str, facts["labels"])),
        "stored": ", ".join(stored),
        "arithmetic": f"{facts['arithmetic']}, {facts['isa']}, {facts['num_threads']} threads",
    }
