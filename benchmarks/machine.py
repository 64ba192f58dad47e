"""Which machine, versions and commit a result is from."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from roberta_c.doctor import cpu_model, package_versions


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def description(packages: tuple[str, ...]) -> dict[str, Any]:
    """What every result file begins with."""
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
