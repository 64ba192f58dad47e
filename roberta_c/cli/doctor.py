"""`roberta-c doctor`: the facts of diagnose/doctor.py on this machine and a model, as JSON or as sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .describe import load_report_rows, model_rows
from .help_page import HelpCommand
from .messages import FAILURE, report_error
from .options import (
    check_hub_options,
    debug_option,
    folder_names,
    format_option,
    hub_options,
    no_cache_option,
    offline_option,
    threads_option,
)
from .outputs import open_output
from .terminal_text import byte_size, printable, table

_UNKNOWN = "unknown"
_SEE_PROBLEMS = "see Problems"
_LOGITS_SHOWN = 6


@click.command(cls=HelpCommand)
@click.option(
    "--model",
    metavar="PATH_OR_ID",
    shell_complete=folder_names,
    help="Folder or Hub repository of a model to load and check as well.",
)
@format_option(("auto", "human", "json"), "human: for reading. json: one object. auto: human.")
@threads_option
@hub_options
@offline_option
@no_cache_option
@debug_option
@click.pass_context
def doctor(
    ctx: click.Context, /, model: str | None, form: str, threads: int | None, **hub_arguments: Any
) -> None:
    """Check this machine, and with --model a model on it.

    Shows the CPU and the kernels chosen for it, the number of threads and what determines it, memory,
    versions, caches and environment variables.

    \b
    Examples:
      roberta-c doctor
      roberta-c doctor --model path/to/model
      roberta-c doctor --model org/name --format json > report.json

    With --model it also shows the model's files, load report and limits, and compares its outputs for a few
    fixed texts with those of the reference kernels, which takes seconds for a base model. The digests do not
    depend on the number of threads. If there are problems, the exit code is 1 and standard error has one line
    for each.
    """
    # The others show in the report without a model, too.
    check_hub_options(model, hub_arguments, ("revision",))

    from ..diagnose.doctor import Diagnosis
    from ..files.hub_options import HubOptions

    output, diagnosis = open_output(), Diagnosis(HubOptions(**hub_arguments))

    def show(lines: Callable[[dict[str, Any]], str], end: str = "\n") -> None:
        if form != "json":
            output.text(lines(diagnosis.facts) + end)

    # Each part is shown before the next begins: loading a model may take long, or run out of memory.
    diagnosis.examine_machine(threads)
    show(machine_lines)
    if model is not None:
        diagnosis.examine_model(model, threads)
    show(model_lines)
    diagnosis.check_model()
    show(verdict_lines, end="")
    if form == "json":
        output.document(diagnosis.facts)
    for error in diagnosis.errors:
        report_error(error, ctx.find_root().params["debug"])
    if diagnosis.errors:
        ctx.exit(FAILURE)


# ---- the machine ---------------------------------------------------------------------------------------


def machine_lines(facts: dict[str, Any]) -> str:
    """The sections about the machine; a section without facts is left out."""
    sections = {
        "CPU": _cpu_rows(facts["cpu"]),
        "Threads": _thread_rows(facts["threads"], facts["environment"] or {}),
        "Memory": _memory_rows(facts["memory"] or {}),
        "Versions": {name: version or "missing" for name, version in (facts["versions"] or {}).items()},
        "Caches": {**_cache_rows(facts["caches"] or {}), **_weight_cache_rows(facts["weight_cache"] or {})},
        "Environment": facts["environment"] or {"variables": "none set that affect roberta_c"},
    }
    return "\n\n".join(f"{title}\n{table(rows)}" for title, rows in sections.items() if rows)


def _cpu_rows(cpu: dict[str, Any]) -> dict[str, str]:
    features = cpu["features"] or {}
    none = "none of those checked" if features else "not checked on this architecture"
    isas = ", ".join(cpu["available_isas"] or ())
    chosen = f"{cpu['isa']} ({cpu['isa_chosen_by']}; this CPU supports {isas})"
    return {
        "model": cpu["model"] or _UNKNOWN,
        "architecture": f"{cpu['architecture']}, {cpu['count']} CPUs",
        "features": " ".join(name for name, has in features.items() if has) or none,
        "features it lacks": " ".join(name for name, has in features.items() if not has) or none,
        "kernels": chosen if cpu["isa"] else f"none: {_SEE_PROBLEMS} (this CPU supports {isas or 'none'})",
    }


def _thread_rows(threads: dict[str, Any], environment: dict[str, str]) -> dict[str, str]:
    in_build = {True: "yes", False: "no: one thread is used", None: _UNKNOWN}
    chosen_by = {"num_threads": "--threads"}.get(threads["chosen_by"], threads["chosen_by"])
    quota, omp = threads["cgroup_quota"], threads["OMP_NUM_THREADS"]
    ignored = "ignored: not a number of threads" if environment.get("OMP_NUM_THREADS") else "not set"
    return {
        "number": f"{threads['number']} ({chosen_by})" if threads["number"] else f"none: {_SEE_PROBLEMS}",
        "--threads": threads["argument"] or "not given",
        "ROBERTA_C_NUM_THREADS": threads["ROBERTA_C_NUM_THREADS"] or "not set",
        "CPU affinity": f"{threads['affinity']} CPUs",
        "cgroup quota": "no limit" if quota is None else f"{quota:g} CPUs",
        "OMP_NUM_THREADS": ignored if omp is None else str(omp),
        "threads in this build": in_build[threads["threads_in_build"]],
    }


def _memory_rows(memory: dict[str, Any]) -> dict[str, str]:
    if not memory:
        return {}
    limit = memory["cgroup_limit_bytes"]
    return {
        "total": byte_size(memory["total_bytes"]),
        "available": byte_size(memory["available_bytes"]),
        "cgroup limit": "no limit" if limit is None else byte_size(limit),
        "peak so far": byte_size(memory["peak_bytes"]),
    }


def _cache_rows(caches: dict[str, Any]) -> dict[str, str]:
    if not caches:
        return {}
    chosen_by = {"cache_dir": "--cache-dir"}.get(caches["chosen_by"], caches["chosen_by"])
    token = {"argument": "--token", "stored": "the stored one", None: "none"}.get(
        caches["token"], caches["token"]
    )
    return {
        "Hub files": f"{caches['folder']} ({chosen_by}{'' if caches['exists'] else '; does not exist yet'})",
        "Hub endpoint": "none: offline" if caches["offline"] else caches["endpoint"],
        "Hub token": token,
    }


def _weight_cache_rows(found: dict[str, Any]) -> dict[str, str]:
    if not found:
        return {}
    if found["folder"] is None:
        return {"packed weights": found["problem"] or f"off ({found['chosen_by']})"}
    size = f"{found['files']} files, {byte_size(found['bytes'])} of at most {byte_size(found['limit_bytes'])}"
    state = f"not used: {found['problem']}" if found["problem"] else size
    return {"packed weights": printable(f"{found['folder']} ({found['chosen_by']}; {state})")}


# ---- the model -----------------------------------------------------------------------------------------


def model_lines(facts: dict[str, Any]) -> str:
    """The section about the examined model; without one, where the bundled model is."""
    if facts["model"] is not None:
        rows = _model_rows(facts["model"])
    elif facts["examined"] is not None:
        rows = {printable(facts["examined"]): f"not loaded: {_SEE_PROBLEMS}"}
    else:
        rows = {"bundled": facts["bundled_model"] or "missing"}
    return f"Model\n{table(rows)}"


def _model_rows(model: dict[str, Any]) -> dict[str, Any]:
    tokenizer, load_ms = model["tokenizer"], model["load_ms"]
    about_tokenizer = f"none: {_SEE_PROBLEMS}"
    if tokenizer is not None:
        size, vocabulary_files = tokenizer["vocab_size"], tokenizer["route"]
        about_tokenizer = f"{tokenizer['class']} with {size:,} tokens, from {vocabulary_files}"
    rows = {**model_rows(model), "tokenizer": about_tokenizer}
    for name, found in load_report_rows(model).items():
        rows[f"{name} tensors"] = found
    for file in model["files"]:
        name = file["path"].rpartition("/")[2]
        rows[f"{file['part']}: {name}"] = f"{byte_size(file['bytes'])}  {file['path']}"
    rows["load time"] = f"model {load_ms['model']:.0f} ms, tokenizer {load_ms['tokenizer']:.0f} ms"
    rows["packed weights"] = _cached(model["cache"])
    rows["peak memory so far"] = byte_size(model["peak_bytes"])
    return rows


def _cached(report: dict[str, Any]) -> str:
    """What the cache of packed weights was used for, and what that saved."""
    took = f"{report['ms']:.0f} ms"
    if report["state"] == "read":
        how = "mapped" if report["is_mapped"] else "read"
        saved = "" if report["packing_ms"] is None else f", packing took {report['packing_ms']:.0f} ms"
        return printable(f"{byte_size(report['nbytes'])} {how} from {report['folder']} in {took}{saved}")
    said = {
        "off": "packed: the cache is off",
        "small": "packed: this model is too small for the cache",
        "written": f"packed, and written to {report['folder']}",
        "being written": f"packed, and being written to {report['folder']}",
    }
    return printable(said.get(report["state"], f"packed: {report['reason']}") + f"; {took}")


# ---- its outputs, and problems -------------------------------------------------------------------------


def verdict_lines(facts: dict[str, Any]) -> str:
    """The section about the model's outputs, if a model was loaded, and the section of problems."""
    sections = {}
    if facts["check"] is not None:
        sections["Check"] = f"{table(_check_rows(facts['check']))}\n{_logit_lines(facts['check'])}".rstrip()
    elif facts["model"] is not None:
        sections["Check"] = table({"result": f"not done: {_SEE_PROBLEMS}"})
    sections["Problems"] = "\n".join(f"  {printable(problem)}" for problem in facts["problems"] or ["none"])
    return "\n\n".join(f"{title}\n{lines}" for title, lines in sections.items())


def _check_rows(check: dict[str, Any]) -> dict[str, str]:
    if check["oracle_finite"]:
        largest = check["largest_difference"]
        difference = "NaN" if largest is None else f"{largest:.1e}"
        verdict = "agrees" if check["agrees"] else "DISAGREES"
        comparison = f"{difference}, expected at most {check['bound']:.1e}: {verdict}"
    else:
        comparison = "none: the reference kernels' outputs are not finite"
    return {
        "texts": f"{len(check['texts'])}, {check['tokens']} tokens",
        "token ids": f"{check['token_digest']} (first 16 digits of SHA-256)",
        check["output"]: f"{check['output_digest']} (first 16 digits of SHA-256; float32, {check['isa']})",
        "difference from reference": comparison,
        "alone and in a batch": "the same bits" if check["same_bits"] else "DIFFERENT BITS",
        "time": f"{check['ms']:.0f} ms, reference kernels {check['oracle_ms']:.0f} ms",
    }


def _logit_lines(check: dict[str, Any]) -> str:
    """One line for each text: its first logits, and the text."""
    lines = []
    for text, row in zip(check["texts"], check["logits"] or (), strict=False):
        values = " ".join(
            f"{'NaN':>12}" if value is None else f"{value:12.6f}" for value in row[:_LOGITS_SHOWN]
        )
        more = f" and {len(row) - _LOGITS_SHOWN} more" if len(row) > _LOGITS_SHOWN else ""
        lines.append(f"  {values}{more}  {printable(text) or '(an empty text)'}")
    return "\n".join(lines)
