"""Facts about this machine: its resources, those in use, and whether a model loads and computes correctly.

    diagnosis = diagnose("path/or/id")     # without an argument: the machine only
    diagnosis.facts                        # a dict that JSON can hold
    diagnosis.errors                       # the problems found

A fact that cannot be determined is None, and the reason is added to the errors: one failure must not hide the
other facts. The network is used only to download the model's files. No fact contains a token.
"""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import RobertaCError
from ..files.hub_facts import cache_facts
from ..files.hub_options import DEFAULT_OPTIONS, HubOptions
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
    """Examines the machine and, if a model is named, loads and checks the model.

    num_threads, revision, token, cache_dir, local_files_only: as for from_pretrained.
    """
    diagnosis = Diagnosis(HubOptions(revision, token, cache_dir, local_files_only))
    diagnosis.examine_machine(num_threads)
    if path_or_id is not None:
        diagnosis.examine_model(path_or_id, num_threads)
        diagnosis.check_model()
    return diagnosis


class Diagnosis:
    """What has been found so far.

    facts: see the module; facts["problems"] has the errors as text. errors: the same errors as exceptions.
    """

    def __init__(self, hub_options: HubOptions = DEFAULT_OPTIONS) -> None:
        self.hub_options = hub_options
        self.facts: dict[str, Any] = {"problems": []}
        self.errors: list[Exception] = []
        self._opened: OpenedModel | None = None

    def examine_machine(self, num_threads: int | None = None) -> None:
        """Sets `facts["cpu"]`, and likewise threads, memory, versions, caches, weight_cache,
        environment, bundled_model.

        Sets the facts of a model (examined, model, check) to None.
        """
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
        facts["caches"] = attempt(lambda: cache_facts(self.hub_options))
        facts["weight_cache"] = attempt(_weight_cache_facts)
        facts["environment"] = attempt(environment_facts)
        facts["bundled_model"] = attempt(_bundled_model)
        facts["examined"] = facts["model"] = facts["check"] = None

    def examine_model(self, path_or_id: str | Path, num_threads: int | None = None) -> None:
        """Loads the model. Sets `facts["examined"]` (its name) and `facts["model"]` (`model_facts`)."""
        self.facts["examined"] = str(path_or_id)
        self._opened = self._attempt(lambda: _open(path_or_id, num_threads, self.hub_options))
        if self._opened is not None:
            opened = self._opened
            self.facts["model"] = self._attempt(lambda: model_facts(opened))

    def check_model(self) -> None:
        """Compares the examined model with the reference kernels. Sets `facts["check"]` (`parity_facts`).

        Does nothing if no model was loaded. Loads the model a second time, for the reference kernels.
        """
        opened = self._opened
        if opened is None:
            return
        if opened.tokenizer_error is not None:
            self._note(opened.tokenizer_error)
            return
        name = self.facts["examined"]
        self.facts["check"] = self._attempt(lambda: _check(opened, name, self.hub_options))
        if self.facts["check"] is not None:
            from .parity import parity_error

            error = parity_error(self.facts["check"], name)
            if error is not None:
                self._note(error)

    def _attempt(self, fact: Callable[[], _Fact]) -> _Fact | None:
        """The value of `fact()`; None if it raises any exception, which is then noted."""
        try:
            return fact()
        except Exception as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        """Adds the error, unless it is listed already: loading a model may repeat an error of the machine."""
        problem = _problem(error)
        if problem not in self.facts["problems"]:
            self.errors.append(error)
            self.facts["problems"].append(problem)

    def _threads(self, num_threads: int | None) -> dict[str, Any]:
        """The number of threads that a model uses, what determines it, and all limits."""
        from ..machine.threads import chosen_num_threads, thread_limits

        limits = thread_limits()
        number, chosen_by = self._attempt(lambda: chosen_num_threads(num_threads)) or (None, None)
        threaded = self._attempt(_has_threads)
        if number is not None and number > 1 and threaded is False:
            number, chosen_by = 1, "build without threads"
        return {
            "number": number,
            "chosen_by": chosen_by,
            "affinity": limits.affinity,
            "cgroup_quota": limits.cgroup_quota,
            "OMP_NUM_THREADS": limits.omp_num_threads,
            "ROBERTA_C_NUM_THREADS": os.environ.get("ROBERTA_C_NUM_THREADS") or None,
            "argument": num_threads,
            "threads_in_build": threaded,
        }


def _problem(error: Exception) -> str:
    """The error on one line."""
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


def _has_threads() -> bool:
    from ..kernels import HAS_THREADS

    return HAS_THREADS


def _weight_cache_facts() -> dict[str, Any]:
    from ..cache.listing import cache_facts

    return cache_facts()


def _bundled_model() -> str | None:
    """The bundled model's folder; None if the installation lacks it."""
    from ..errors import ModelFileError
    from ..files import bundled

    try:
        return str(bundled.bundled_model_path())
    except ModelFileError:
        return None


# ---- a model -----------------------------------------------------------------------------------------


def _open(path_or_id: str | Path, num_threads: int | None, hub_options: HubOptions) -> OpenedModel:
    from .describe import open_model

    return open_model(path_or_id, hub_options, num_threads=num_threads)


def model_facts(opened: OpenedModel) -> dict[str, Any]:
    """The `description` of a model without its module tree, and with these facts besides.

    files: each with its size in bytes. tokenizer: class, vocabulary files and size; None without one.
    load_ms: the load times. cache: what was read from the cache of packed weights (model.cache_report).
    peak_bytes: the most memory that this process has used so far.
    """
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
            "route": " + ".join(path.name for path in vocabulary),  # the vocabulary files
            "vocab_size": tokenizer.vocab_size,
        }
    facts["files"] = [{"part": part, "path": str(path), "bytes": _size(path)} for part, path in files]
    facts["load_ms"] = opened.load_ms
    facts["cache"] = dataclasses.asdict(opened.model.cache_report)
    facts["peak_bytes"] = peak_bytes()
    return facts


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:  # removed after it was read
        return None


def _check(opened: OpenedModel, path_or_id: str | Path, hub_options: HubOptions) -> dict[str, Any]:
    """Loads the model again for the reference kernels and compares the two."""
    from .parity import parity_facts

    model, tokenizer = opened.model, opened.tokenizer
    assert tokenizer is not None
    of_model = dataclasses.replace(hub_options, revision=model.hub_options.revision)
    oracle = type(model).load(
        path_or_id,
        of_model,
        config=model.config,
        isa="reference",
        num_threads=model.num_threads,
        cache=None,  # the oracle reads the model's own files
    )
    return parity_facts(model, oracle, tokenizer)
