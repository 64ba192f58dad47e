"""Numbers that JSON can hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def finite_or_none(value: Any) -> float | None:
    """`value` as a float; None if it is NaN or infinite, which JSON has no notation for."""
    return float(value) if np.isfinite(value) else None
