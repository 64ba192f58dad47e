"""The machine, the versions and the commit that a result is from."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from roberta_c.machine.facts import cpu_model, package_versions


def commit() -> str:
    """HEAD's short name, with `-dirty` if a tracked file outside results/ differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


def description(packages: tuple[str, ...]) -> dict[str, Any]:
    """The first entries of every result file."""
    return {
        "cpu": cpu_model(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "commit": commit(),
        "versions": package_versions(packages),
    }


def save(path: Path, result: dict[str, Any]) -> None:
    """Writes a result file."""
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
