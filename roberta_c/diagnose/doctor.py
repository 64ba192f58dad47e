"""What this machine offers, what of it is used and why, and whether a model loads and computes rightly on it.

    diagnosis = diagnose("path/or/id")     # without a model: the machine alone
    diagnosis.facts                        # a dict that JSON can hold
    diagnosis.errors                       # what is wrong; empty if all is well

A fact that cannot be had is None, and the reason is among the errors: one broken part must not hide the
others. The network is asked for a model's files only, and no token is ever part of a fact.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import RobertaCError
from ..files import hub
from ..machine.facts import cpu_model, environment_facts, memory_facts, peak_bytes, version_facts

if TYPE_CHECKING:
    from .describe import OpenedModel

_Fact = TypeVar("_Fact")


def diagnose(
    path_or_id: str | Path | None = None,
    *,
    num_threads: int | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Diagnosis:
    """Looks at the machine, and at a model on it if one is named.

    num_threads, revision, token, cache_dir, local_files_only: as for from_pretrained.
    """
    diagnosis = Diagnosis(hub.HubOptions(revision, token, cache_dir, local_files_only))
    diagnosis.examine_machine(num_threads)
    if path_or_id is not None:
        diagnosis.examine_model(path_or_id, num_threads)
        diagnosis.check_model()
    return diagnosis


class Diagnosis:
    """`facts`, with what is wrong as text under "problems", and `errors`, the same as exceptions."""

    def __init__(self, hub_options: hub.HubOptions = hub.DEFAULT_OPTIONS) -> None:
        self.hub_options = hub_options
        self.facts: dict[str, Any] = {"problems": []}
        self.errors: list[Exception] = []
        self._opened: OpenedModel | None = None

    def examine_machine(self, num_threads: int | None = None) -> None:
        """Adds cpu, threads, memory, versions, caches, environment and bundled_model."""
        facts, attempt = self.facts, self._attempt
        facts["cpu"] = {
            "model": attempt(cpu_model),
            "architecture": platform.machine(),
            "count": os.cpu_count(),
            "features": attempt(_cpu_features),
            "available_isas": attempt(_available_isas),
            "isa": attempt(_chosen_isa),
            "isa_chosen_by": "ROBERTA_C_ISA" if os.environ.get("ROBERTA_C_ISA") else "best available",
        }
        facts["threads"] = self._threads(num_threads)
        facts["memory"] = attempt(memory_facts)
        facts["versions"] = attempt(version_facts)
        facts["caches"] = attempt(lambda: hub.cache_facts(self.hub_options))
        facts["environment"] = attempt(environment_facts)
        facts["bundled_model"] = attempt(_bundled_model)
        facts["examined"] = facts["model"] = facts["check"] = None

    def examine_model(self, path_or_id: str | Path, num_threads: int | None = None) -> None:
        """Adds examined (the name) and model (what loading it gives)."""
        self.facts["examined"] = str(path_or_id)
        self._opened = self._attempt(lambda: _open(path_or_id, num_threads, self.hub_options))
        if self._opened is not None:
            opened = self._opened
            self.facts["model"] = self._attempt(lambda: model_facts(opened))

    def check_model(self) -> None:
        """Adds check: what the examined model computes beside what it should; loads it once more."""
        opened = self._opened
        if opened is None:
            return
        if opened.tokenizer_error is not None:
            self._note(opened.tokenizer_error)
            return
        name = self.facts["examined"]
        self.facts["check"] = self._attempt(lambda: _check(opened, name, self.hub_options))
        if self.facts["check"] is not None:
            from .parity import complaint

            error = complaint(self.facts["check"], name)
            if error is not None:
                self._note(error)

    def _attempt(self, fact: Callable[[], _Fact]) -> _Fact | None:
        """A fact, or None where it cannot be had, whatever the reason, which is noted."""
        try:
            return fact()
        except Exception as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        # What keeps a fact of the machine from being had keeps a model from loading too: once is enough.
        problem = _problem(error)
        if problem not in self.facts["problems"]:
            self.errors.append(error)
            self.facts["problems"].append(problem)

    def _threads(self, num_threads: int | None) -> dict[str, Any]:
        from ..machine.threads import chosen_num_threads, thread_limits

        limits = thread_limits()
        number, chosen_by = self._attempt(lambda: chosen_num_threads(num_threads)) or (None, None)
        openmp = self._attempt(_has_openmp)
        if number is not None and number > 1 and openmp is False:
            number, chosen_by = 1, "build without OpenMP"
        return {
            "number": number,
            "chosen_by": chosen_by,
            "affinity": limits.affinity,
            "cgroup_quota": limits.cgroup_quota,
            "OMP_NUM_THREADS": limits.omp_num_threads,
            "ROBERTA_C_NUM_THREADS": os.environ.get("ROBERTA_C_NUM_THREADS") or None,
            "argument": num_threads,
            "openmp": openmp,
        }


def _problem(error: Exception) -> str:
    kind = "" if isinstance(error, RobertaCError) else f"unexpected {type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())


# ---- the machine -------------------------------------------------------------------------------------


def _cpu_features() -> dict[str, bool]:
    from ..kernels import cpu_features

    return cpu_features()


def _available_isas() -> list[str]:
    from ..kernels import available_isas

    return list(available_isas())


def _chosen_isa() -> str:
    from ..kernels import Kernels

    return Kernels().isa


def _has_openmp() -> bool:
    from ..kernels import HAS_OPENMP

    return HAS_OPENMP


def _bundled_model() -> str | None:
    """The bundled model's folder, or None where the installation lacks it."""
    from ..errors import ModelFileError
    from ..files import bundled

    try:
        return str(bundled.bundled_model_path())
    except ModelFileError:
        return None


# ---- a model -----------------------------------------------------------------------------------------


def _open(path_or_id: str | Path, num_threads: int | None, hub_options: hub.HubOptions) -> OpenedModel:
    from .describe import open_model

    return open_model(path_or_id, hub_options, num_threads=num_threads)


def model_facts(opened: OpenedModel) -> dict[str, Any]:
    """What `describe` tells of a model but for its tree, with its files' sizes, tokenizer and load times."""
    from .describe import description

    facts = description(opened)
    del facts["tree"]
    weights = opened.checkpoint.files
    files = [("config", weights[0].parent / "config.json"), *(("weights", path) for path in weights)]
    tokenizer, facts["tokenizer"] = opened.tokenizer, None
    if tokenizer is not None:
        vocabulary, settings = tokenizer.vocabulary_paths, tokenizer.settings_paths
        files += [("tokenizer", path) for path in (*vocabulary, *settings)]
        facts["tokenizer"] = {
            "class": type(tokenizer).__name__,
            "route": " + ".join(path.name for path in vocabulary),
            "vocab_size": tokenizer.vocab_size,
        }
    facts["files"] = [{"part": part, "path": str(path), "bytes": _size(path)} for part, path in files]
    facts["load_ms"] = opened.load_ms
    facts["peak_bytes"] = peak_bytes()
    return facts


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was read
        return None


def _check(opened: OpenedModel, path_or_id: str | Path, hub_options: hub.HubOptions) -> dict[str, Any]:
    from .parity import parity_facts

    model, tokenizer = opened.model, opened.tokenizer
    assert tokenizer is not None
    oracle = type(model).load(
        path_or_id, hub_options, config=model.config, isa="reference", num_threads=model.num_threads
    )
    return parity_facts(model, oracle, tokenizer)
