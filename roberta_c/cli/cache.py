"""`roberta-c cache`: the files of packed weights listed or removed, or written before they are needed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..errors import ModelFileError, mismatch, shown
from .help_page import HelpCommand
from .options import (
    debug_option,
    dtype_option,
    folder_names,
    format_option,
    hub_options,
    offline_option,
    threads_option,
)
from .outputs import open_output
from .terminal_text import byte_size, printable, table


@click.command(cls=HelpCommand)
@click.argument("action", metavar="ACTION", type=click.Choice(("list", "clear", "warm")))
@click.argument("model", metavar="[PATH_OR_ID]", required=False, shell_complete=folder_names)
@format_option(("auto", "human", "json"), "human: for reading. json: for programs. auto: human.")
@dtype_option("float32", "Arithmetic to warm the cache for: float32, bfloat16 or int8.")
@threads_option
@hub_options
@offline_option
@debug_option
def cache(
    action: str, model: str | None, form: str, dtype: str, threads: int | None, **hub_arguments: Any
) -> None:
    """Show, empty or fill the cache of packed weights, from which models load quickly.

    \b
    Examples:
      roberta-c cache list
      roberta-c cache clear
      roberta-c cache warm path/to/model
      roberta-c cache warm org/name --dtype int8

    list shows the files, clear removes them, warm loads a model and writes its file at once. The folder is
    that of ROBERTA_C_CACHE, by default roberta_c in XDG_CACHE_HOME or ~/.cache.
    """
    if (model is not None) != (action == "warm"):
        found = "none" if model is None else shown(model)
        raise click.UsageError(mismatch("PATH_OR_ID", found, "a model for warm, and none for list and clear"))
    from ..cache import settings
    from ..cache.errors import UnusableError

    try:
        choice = settings.chosen(settings.AUTO)
        if choice is None and action == "warm":
            raise click.UsageError(mismatch(settings.VARIABLE, "off", "auto or the path of a folder"))
        folder = settings.user_folder() if choice is None else choice.folder
        if action == "warm":
            from ..files.hub_options import HubOptions

            facts = _warm(str(model), folder, dtype, threads, HubOptions(**hub_arguments))
        else:
            facts = _cleared(folder) if action == "clear" else _listed(folder)
    except UnusableError as error:
        raise ModelFileError(f"cache of packed weights: {error}") from None
    if form == "json":
        open_output().document(facts)
    else:
        open_output().text({"list": _list_lines, "clear": _clear_lines, "warm": _warm_lines}[action](facts))


def _listed(folder: Path) -> dict[str, Any]:
    from ..cache.listing import listed

    files = listed(folder)
    return {"folder": str(folder), "bytes": sum(file["bytes"] for file in files), "files": files}


def _list_lines(facts: dict[str, Any]) -> str:
    rows = {"folder": facts["folder"], "files": f"{len(facts['files'])}, {byte_size(facts['bytes'])}"}
    sections = [table({name: printable(value) for name, value in rows.items()})]
    for file in facts["files"]:
        about = {
            "made of": printable(str(file.get("source", "unknown: a damaged file"))),
            "part": printable(f"{file.get('part', 'unknown')}, {file.get('dtype', 'unknown')}"),
            "size": byte_size(file["bytes"]),
            "last used": time.strftime("%Y-%m-%d %H:%M", time.localtime(file["used"])),
        }
        sections.append(f"{file['name']}\n{table(about)}")
    return "\n\n".join(sections)


def _cleared(folder: Path) -> dict[str, Any]:
    from ..cache.listing import clear

    count, size = clear(folder)
    return {"folder": str(folder), "removed": count, "bytes": size}


def _clear_lines(facts: dict[str, Any]) -> str:
    return printable(f"removed {facts['removed']} files, {byte_size(facts['bytes'])}, from {facts['folder']}")


def _warm(model: str, folder: Path, dtype: str, threads: int | None, hub: Any) -> dict[str, Any]:
    """Loads the model with a cache in this folder. Raises ModelFileError if that cannot be used."""
    from ..diagnose.describe import open_model

    report = open_model(model, hub, num_threads=threads, dtype=dtype, cache=folder).model.cache_report
    if report.state == "not used":
        raise ModelFileError(f"{folder}: {report.reason}")
    return {"folder": str(folder), "state": report.state}


def _warm_lines(facts: dict[str, Any]) -> str:
    said = {
        "written": f"written to {facts['folder']}",
        "read": f"already in {facts['folder']}",
        "small": "not needed: this model is small, and packed in a few milliseconds",
    }
    return printable(said.get(facts["state"], facts["state"]))
