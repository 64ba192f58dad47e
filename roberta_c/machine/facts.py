"""Facts about the machine: its CPU, memory, installed versions and environment variables. Never a token."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import __version__
from ..files.hub_answers import without_credentials
from .cgroups import cgroup_memory_limit

PACKAGES = ("numpy", "tokenizers", "huggingface_hub", "safetensors", "click")

# Environment variables that this package, OpenMP and the Hub's client read.
_VARIABLES = re.compile(
    r"(ROBERTA_C|OMP|GOMP|KMP|HF|HUGGINGFACE|HUGGING_FACE)_.*|XDG_CACHE_HOME|TRANSFORMERS_OFFLINE"
)
_SECRETS = re.compile(r".*(TOKEN|SECRET|KEY|PASSWORD|CREDENTIAL)(?!_PATH$).*")


def cpu_model(path: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name from the system, or its architecture if the system gives no name."""
    try:
        text = path.read_text(errors="replace")
    except OSError:  # not Linux
        text = ""
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(\S.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def memory_facts(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> dict[str, int | None]:
    """Memory in bytes: total and available on the machine, the container's limit, this process's peak."""
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
    """The value of the line "name: 123 kB" of the file, in bytes."""
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB$", path.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def peak_bytes(proc: Path = Path("/proc")) -> int | None:
    """The peak of this process's memory so far, in bytes.

    On Linux getrusage is only a fallback: its peak includes the parent's, from before this process started.
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
    """Versions of this package, of its dependencies and of the system; None for a missing package."""
    return {
        "roberta_c": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **package_versions(PACKAGES),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
    }


def environment_facts(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Name → value of the variables in _VARIABLES that are set. The values of secrets are not shown."""
    return {
        name: "set, not shown" if _SECRETS.fullmatch(name) else without_credentials(environment[name])
        for name in sorted(environment)
        if _VARIABLES.fullmatch(name)
    }
