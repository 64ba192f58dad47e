"""Pooling: the rows of a text's tokens → one vector, over packed rows without padding.

Each text's sum runs over its own rows in ascending order, so a text has the same bits alone and in any batch.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..errors import InputError, mismatch, shown

# In the order in which sentence-transformers' older configurations concatenate them.
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
# The modes that read one row of each text.
ONE_ROW_MODES = ("cls", "lasttoken")


def checked_modes(value: object, place: str = "pooling_mode") -> tuple[str, ...]:
    """One mode, or a list or tuple of modes, as a tuple. Raises InputError, naming `place`."""
    modes = (value,) if isinstance(value, str) else value
    expected = f"one of {', '.join(MODES)}, or a list of these"
    if not isinstance(modes, (list, tuple)) or not modes:
        raise InputError(mismatch(place, shown(value), expected))
    for mode in modes:
        if not isinstance(mode, str) or mode not in MODES:
            raise InputError(mismatch(place, shown(mode), expected))
    return tuple(modes)


def pool(rows_th: np.ndarray, seq_starts_s: np.ndarray, mode: str, prompt_tokens: int = 0) -> np.ndarray:
    """The rows of S texts pooled: float32 (T, H), int64 (S + 1) → float32 (S, H).

    mode: one of MODES. prompt_tokens: how many tokens at the beginning of each text are left out; "lasttoken"
    ignores it, and "weightedmean" counts them in its weights 1, 2, …, as sentence-transformers does. Where
    they are all of a text's tokens, "cls" gives the first row and the means and "max" give zeros.
    """
    if mode in ONE_ROW_MODES:
        chosen_sh: np.ndarray = rows_th[token_read(seq_starts_s, mode, prompt_tokens)]
        return chosen_sh
    pooled_sh = np.zeros((len(seq_starts_s) - 1, rows_th.shape[1]), np.float32)
    for pooled_h, (begin, end) in zip(pooled_sh, pairwise(seq_starts_s.tolist()), strict=True):
        first = begin + prompt_tokens
        if first < end:
            _pool_one(rows_th[first:end], mode, first - begin, pooled_h)
    return pooled_sh


def _pool_one(rows_th: np.ndarray, mode: str, skipped: int, pooled_h: np.ndarray) -> None:
    """Pool the rows of one text, `skipped` tokens of which came before, into `pooled_h`."""
    count = len(rows_th)
    if mode == "max":
        rows_th.max(axis=0, out=pooled_h)
    elif mode == "weightedmean":
        weights_t = np.arange(skipped + 1, skipped + count + 1, dtype=np.float32)
        (rows_th * weights_t[:, None]).sum(axis=0, out=pooled_h)
        pooled_h /= np.float32(count * (2 * skipped + count + 1) // 2)  # the sum of the weights
    else:
        # Summed row after row. np.add.reduceat, which goes down one column after the other, takes five times
        # as long for 32 texts of 25 tokens and 768 columns (AMD Zen 5 server core, 2026-11-28).
        rows_th.sum(axis=0, out=pooled_h)
        pooled_h /= np.float32(count) if mode == "mean" else np.sqrt(np.float32(count))


def token_read(seq_starts_s: np.ndarray, mode: str, prompt_tokens: int = 0) -> np.ndarray:
    """The packed token of each text whose row a mode of ONE_ROW_MODES reads: int64 (S)."""
    starts, ends = seq_starts_s[:-1], seq_starts_s[1:]
    if mode == "lasttoken":
        last: np.ndarray = ends - 1
        return last
    return np.where(ends - starts > prompt_tokens, starts + prompt_tokens, starts)


def rows_read(seq_starts_s: np.ndarray, modes: tuple[str, ...], prompt_tokens: int = 0) -> np.ndarray | None:
    """The packed tokens whose rows these modes read: int64 (R), ascending; None for all."""
    if any(mode not in ONE_ROW_MODES for mode in modes):
        return None
    return np.unique(np.concatenate([token_read(seq_starts_s, mode, prompt_tokens) for mode in modes]))


def pool_rows_read(
    rows_rh: np.ndarray,
    rows_r: np.ndarray | None,
    seq_starts_s: np.ndarray,
    modes: tuple[str, ...],
    prompt_tokens: int = 0,
) -> np.ndarray:
    """The results of all modes side by side, (S, len(modes) * H), from the rows that `rows_read` names."""
    if rows_r is None:
        parts = [pool(rows_rh, seq_starts_s, mode, prompt_tokens) for mode in modes]
    else:
        parts = [
            rows_rh[np.searchsorted(rows_r, token_read(seq_starts_s, mode, prompt_tokens))] for mode in modes
        ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
