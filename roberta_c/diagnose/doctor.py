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
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import __version__
from .control_groups import cgroup_memory_limit
from .errors import RobertaCError

if TYPE_CHECKING:
    from .description import OpenedModel

_Fact = TypeVar("_Fact")

PACKAGES = ("numpy", "tokenizers", "huggingface_hub", "safetensors", "click")

# Variables by which this package, OpenMP or the Hub's client are told what to do.
_VARIABLES = re.compile(
    r"(ROBERTA_C|OMP|GOMP|KMP|HF|HUGGINGFACE|HUGGING_FACE)_.*|XDG_CACHE_HOME|TRANSFORMERS_OFFLINE"
)
_SECRETS = re.compile(r".*(TOKEN|SECRET|KEY|PASSWORD|CREDENTIAL)(?!_PATH$).*")


def diagnose(
    path_or_id: str | Path | None = None, *, num_threads: int | None = None, **where: Any
) -> Diagnosis:
    """Looks at the machine, and at a model on it if one is named.

    num_threads and where (revision, token, cache_dir, local_files_only): as for from_pretrained.
    """
    diagnosis = Diagnosis()
    diagnosis.examine_machine(num_threads, **where)
    if path_or_id is not None:
        diagnosis.examine_model(path_or_id, num_threads, **where)
        diagnosis.check_model(**where)
    return diagnosis


class Diagnosis:
    """`facts`, with what is wrong as text under "problems", and `errors`, the same as exceptions."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"problems": []}
        self.errors: list[Exception] = []
        self._opened: OpenedModel | None = None

    def examine_machine(self, num_threads: int | None = None, **where: Any) -> None:
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
        facts["caches"] = attempt(lambda: _cache_facts(where))
        facts["environment"] = attempt(environment_facts)
        facts["bundled_model"] = attempt(_bundled_model)
        facts["examined"] = facts["model"] = facts["check"] = None

    def examine_model(self, path_or_id: str | Path, num_threads: int | None = None, **where: Any) -> None:
        """Adds examined (the name) and model (what loading it gives)."""
        self.facts["examined"] = str(path_or_id)
        self._opened = self._attempt(lambda: _open(path_or_id, num_threads, where))
        if self._opened is not None:
            opened = self._opened
            self.facts["model"] = self._attempt(lambda: model_facts(opened))

    def check_model(self, **where: Any) -> None:
        """Adds check: what the examined model computes beside what it should; loads it once more."""
        opened = self._opened
        if opened is None:
            return
        if opened.tokenizer_error is not None:
            self._note(opened.tokenizer_error)
            return
        name = self.facts["examined"]
        self.facts["check"] = self._attempt(lambda: _check(opened, name, where))
        if self.facts["check"] is not None:
            from .parity_check import complaint

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
        from .threads import chosen_num_threads, thread_limits

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


def cpu_model(path: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name as the system knows it, or its architecture where it has none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cpu_features() -> dict[str, bool]:
    from ._kernels import cpu_features

    return cpu_features()


def _available_isas() -> list[str]:
    from ._kernels import available_isas

    return list(available_isas())


def _chosen_isa() -> str:
    from ._kernels import Kernels

    return Kernels().isa


def _has_openmp() -> bool:
    from ._kernels import HAS_OPENMP

    return HAS_OPENMP


def memory_facts(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> dict[str, int | None]:
    """Bytes of memory: the machine's, what is available of it, the container's limit, this process's peak."""
    total = _kilobytes(proc / "meminfo", "MemTotal")
    if total is None and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "total_bytes": total,
        "available_bytes": _kilobytes(proc / "meminfo", "MemAvailable"),
        "cgroup_limit_bytes": cgroup_memory_limit(cgroups, proc / "self/cgroup"),
        "peak_bytes": peak_bytes(proc),
    }


def _kilobytes(path: Path, name: str) -> int | None:
    """The bytes that a line "name: 123 kB" of the file tells."""
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB$", path.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def peak_bytes(proc: Path = Path("/proc")) -> int | None:
    """The most memory that this process has had so far.

    On Linux getrusage would do for a fallback only: it counts what the parent had before it started us.
    """
    peak = _kilobytes(proc / "self/status", "VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def package_versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Installed versions; None for a missing package."""
    import importlib.metadata

    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def version_facts() -> dict[str, str | None]:
    """Versions of this package, of what it stands on and of the system; None for a missing package."""
    return {
        "roberta_c": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **package_versions(PACKAGES),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
    }


def _cache_facts(where: Mapping[str, Any]) -> dict[str, Any]:
    from . import hub

    offline = bool(where.get("local_files_only"))
    return hub.cache_facts(where.get("cache_dir"), where.get("token"), local_files_only=offline)


def environment_facts(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that matter here and are set, by name; of secrets no more than that."""
    from . import hub

    return {
        name: "set, not shown" if _SECRETS.fullmatch(name) else hub.without_credentials(environment[name])
        for name in sorted(environment)
        if _VARIABLES.fullmatch(name)
    }


def _bundled_model() -> str | None:
    """The bundled model's folder, or None where the installation lacks it."""
    from . import bundled
    from .errors import ModelFileError

    try:
        return str(bundled.bundled_model_path())
    except ModelFileError:
        return None


# ---- a model -----------------------------------------------------------------------------------------


def _open(path_or_id: str | Path, num_threads: int | None, where: dict[str, Any]) -> OpenedModel:
    from .description import open_model

    return open_model(path_or_id, num_threads=num_threads, **where)


def model_facts(opened: OpenedModel) -> dict[str, Any]:
    """What `describe` tells of a model but for its tree, with its files' sizes, tokenizer and load times."""
    from .description import description

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


def _check(opened: OpenedModel, path_or_id: str | Path, where: dict[str, Any]) -> dict[str, Any]:
    from .parity_check import parity_facts

    model, tokenizer = opened.model, opened.tokenizer
    assert tokenizer is not None
    oracle = type(model).from_pretrained(
        path_or_id, config=model.config, isa="reference", num_threads=model.num_threads, **where
    )
    return parity_facts(model, oracle, tokenizer)
