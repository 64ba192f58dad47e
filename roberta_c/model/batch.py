"""Ids → PackedBatch: the batch's real tokens end to end, without padding.

Kernels see packed tokens only, so padding costs nothing and changes nothing. Results get it back if the
caller gave padded arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..config import position_limit
from ..errors import InputError, mismatch, shown
from .arrays import as_array, as_float32


@dataclass(frozen=True)
class Packing:
    """Where S sequences lie, end to end, and where they came from.

    seq_starts_s: int64 (S + 1), offsets of the sequences in the packed tokens. places_t: for padded input,
    the place of each token in the flattened (S, width) array; None for ragged lists.
    """

    seq_starts_s: np.ndarray
    places_t: np.ndarray | None
    width: int

    def __len__(self) -> int:
        return len(self.seq_starts_s) - 1

    @property
    def first_tokens_s(self) -> np.ndarray:
        """Index of each sequence's first real token, the `<s>` that classification reads."""
        return self.seq_starts_s[:-1]

    def unpack(self, x_th: np.ndarray, fill: float = 0) -> np.ndarray | list[np.ndarray]:
        """Packed rows as the input was: (S, width, H) with `fill` at padding, or S arrays (len, H)."""
        if self.places_t is None:
            return [x_th[begin:end] for begin, end in pairwise(self.seq_starts_s)]
        return self.pad(x_th, fill)

    def pad(self, x_th: np.ndarray, fill: float = 0) -> np.ndarray:
        """Packed rows of padded input: (S, width, H), with `fill` at padding; without padding, a view."""
        shape = len(self), self.width, x_th.shape[1]
        if len(x_th) == shape[0] * shape[1]:
            return x_th.reshape(shape)
        padded = np.full((shape[0] * shape[1], shape[2]), fill, dtype=x_th.dtype)
        padded[self.places_t] = x_th
        return padded.reshape(shape)

    def unpack_pairs(self, pairs: Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """S arrays (A, len, len), a value for each pair of a sequence's tokens, in the form of the input:
        (S, A, width, width) with zeros at padding, or the S arrays."""
        if self.places_t is None:
            return list(pairs)
        heads = len(pairs[0]) if pairs else 0
        padded = np.zeros((len(self), heads, self.width, self.width), np.float32)
        for index, (begin, end) in enumerate(pairwise(self.seq_starts_s)):
            columns = self.places_t[begin:end] - index * self.width
            padded[index][:, columns[:, None], columns] = pairs[index]
        return padded


@dataclass(frozen=True)
class PackedBatch(Packing):
    """The real tokens of S sequences: token_ids_t, position_ids_t, token_type_ids_t (or None), int64 (T)."""

    token_ids_t: np.ndarray
    position_ids_t: np.ndarray
    token_type_ids_t: np.ndarray | None

    def chunks(self, max_tokens: int) -> Iterator[tuple[slice, PackedBatch]]:
        """Parts of at most `max_tokens` tokens, or of one longer sequence: the slice of the packed tokens,
        and these tokens as a ragged batch."""
        first, starts, types = 0, self.seq_starts_s, self.token_type_ids_t
        while first < len(self):
            last = int(np.searchsorted(starts, starts[first] + max_tokens, side="right")) - 1
            last = max(last, first + 1)
            tokens = slice(int(starts[first]), int(starts[last]))
            yield (
                tokens,
                PackedBatch(
                    starts[first : last + 1] - tokens.start,
                    None,
                    0,
                    self.token_ids_t[tokens],
                    self.position_ids_t[tokens],
                    None if types is None else types[tokens],
                ),
            )
            first = last


@dataclass(frozen=True)
class BatchLimits:
    """What a model's tables admit, for checking input before it reaches them."""

    vocab_size: int
    pad_token_id: int
    max_position_embeddings: int
    type_vocab_size: int

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest sequence."""
        return position_limit(self.max_position_embeddings, self.pad_token_id)


def pack_batch(
    input_ids: Any,
    attention_mask: Any,
    token_type_ids: Any,
    position_ids: Any,
    limits: BatchLimits,
) -> PackedBatch:
    """Checks and packs a batch.

    input_ids: an integer array (S, width), or a list of lists of ids, which may differ in length. The other
    three are None or have its shape. attention_mask holds 0 (padding: dropped) and 1; without it every token
    is real, as in transformers. Position ids come from ids != pad, not from the mask (fairseq's rule):
    cumsum(ids != pad) * (ids != pad) + pad. Raises InputError.
    """
    ragged = isinstance(input_ids, (list, tuple))
    ids, lengths, width = _flattened(input_ids, "input_ids")
    mask = _flat_like(attention_mask, "attention_mask", lengths)
    types = _flat_like(token_type_ids, "token_type_ids", lengths)
    given_positions = _flat_like(position_ids, "position_ids", lengths)

    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    positions = (
        _position_ids(ids, starts, limits.pad_token_id) if given_positions is None else given_positions
    )
    places = None if ragged else np.arange(len(ids))
    if mask is not None:
        kept = checked_mask(mask)
        kept_before = np.concatenate(([0], np.cumsum(kept)))
        ids, positions = ids[kept], positions[kept]
        places = None if places is None else places[kept]
        types = None if types is None else types[kept]
        starts = kept_before[starts].astype(np.int64)
    _check_no_empty_row(starts)
    if given_positions is None:
        _check_lengths(starts, positions, limits)
    else:
        _check_range(positions, "position_ids", limits.max_position_embeddings, "max_position_embeddings")
    _check_range(ids, "input_ids", limits.vocab_size, "vocab_size")
    if types is not None:
        _check_range(types, "token_type_ids", limits.type_vocab_size, "type_vocab_size")
    return PackedBatch(starts, places, width, ids, positions, types)


def pack_hidden(hidden_states: Any, attention_mask: Any) -> tuple[np.ndarray, Packing]:
    """Hidden states (S, width, H) and a mask (S, width) or None → a new x_th of the unmasked tokens, and
    their packing. Raises InputError."""
    hidden = as_float32(hidden_states, "hidden_states")
    if hidden.ndim != 3:
        raise InputError(mismatch("hidden_states", f"shape {hidden.shape}", "(batch, length, hidden)"))
    mask = np.ones(hidden.shape[:2], bool)
    if attention_mask is not None:
        mask = as_array(attention_mask, "attention_mask")
    if mask.shape != hidden.shape[:2]:
        raise InputError(mismatch("attention_mask", f"shape {mask.shape}", hidden.shape[:2]))
    real = checked_mask(mask)
    starts = np.concatenate(([0], np.cumsum(real.sum(axis=1)))).astype(np.int64)
    return hidden[real], Packing(starts, np.flatnonzero(real), hidden.shape[1])


def _flattened(value: Any, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The values of a 2-D array or a list of rows end to end, each row's length, and the array's width."""
    if isinstance(value, (list, tuple)):
        return *_flat_rows(value, name), 0
    array = _foreign_array(value, name)
    if array.ndim != 2:
        raise InputError(mismatch(name, f"shape {array.shape}", "2 dimensions (batch, length)"))
    rows, width = array.shape
    return _integers(array.reshape(-1), name), np.full(rows, width, dtype=np.int64), width


def _foreign_array(value: Any, name: str) -> np.ndarray:
    """An array of numpy, of a subclass, or of a library whose tensors have `__array__`, as torch and jax."""
    if not hasattr(value, "__array__"):
        raise InputError(mismatch(name, type(value).__name__, "a numpy array or a list of lists"))
    try:
        return np.asarray(value)
    except Exception:  # any error of that library: the tensor is on a GPU, or numpy has no such type
        raise InputError(
            mismatch(name, f"a {type(value).__name__} that numpy cannot read", "one in the CPU's memory")
        ) from None


def _flat_rows(rows: Sequence[Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of a list of rows end to end, and the length of each."""
    flat: list[np.ndarray] = []
    for index, row in enumerate(rows):
        if not isinstance(row, (list, tuple, np.ndarray)):
            raise InputError(mismatch(f"{name}[{index}]", type(row).__name__, "a list of ids"))
        try:
            array = np.asarray(row) if len(row) else np.empty(0, dtype=np.int64)
        except (ValueError, OverflowError, TypeError):
            raise InputError(mismatch(f"{name}[{index}]", shown(row), "a flat list of ids")) from None
        if array.ndim != 1:
            raise InputError(mismatch(f"{name}[{index}]", f"shape {array.shape}", "a flat list of ids"))
        flat.append(_integers(array, f"{name}[{index}]"))
    lengths = np.array([len(row) for row in flat], dtype=np.int64)
    return np.concatenate(flat) if flat else np.empty(0, dtype=np.int64), lengths


def _flat_like(value: Any, name: str, lengths: np.ndarray) -> np.ndarray | None:
    """`value`, in the same two forms or None, checked to have rows of these lengths."""
    if value is None:
        return None
    flat, found, _ = _flattened(value, name)
    if len(found) != len(lengths):
        raise InputError(mismatch(name, f"{len(found)} rows", f"{len(lengths)} as in input_ids"))
    if (found != lengths).any():
        row = int((found != lengths).argmax())
        raise InputError(
            mismatch(name, f"{found[row]} values in row {row}", f"{lengths[row]} as in input_ids")
        )
    return flat


def _integers(values: np.ndarray, name: str) -> np.ndarray:
    """A copy as int64, from any integer type; for a mask also from bool, and from float with values 0 and 1.

    Always a copy: checked values must not change when another thread writes to the caller's array.
    """
    if values.dtype.kind in "iu":
        if values.dtype == np.uint64 and len(values) and values.max() > np.iinfo(np.int64).max:
            raise InputError(mismatch(name, values.max(), "a token id"))
        return values.astype(np.int64)
    if name.startswith("attention_mask") and values.dtype.kind in "bf":
        if values.dtype.kind == "f" and not np.isin(values, (0, 1)).all():
            raise InputError(mismatch(name, _other_than_0_1(values), "0 and 1"))
        return values.astype(np.int64)
    raise InputError(mismatch(name, f"dtype {values.dtype}", "integers"))


def checked_mask(values: np.ndarray) -> np.ndarray:
    """An attention mask of 0 and 1 as bool. InputError for other values."""
    if not ((values == 0) | (values == 1)).all():
        raise InputError(mismatch("attention_mask", _other_than_0_1(values), "0 and 1"))
    return values.astype(bool)


def _other_than_0_1(values: np.ndarray) -> Any:
    return values[~np.isin(values, (0, 1))][0]


def _position_ids(ids: np.ndarray, starts: np.ndarray, pad_token_id: int) -> np.ndarray:
    """cumsum(ids != pad) * (ids != pad) + pad within each row, in int64: sums in uint8 would overflow."""
    not_pad = ids != pad_token_id
    counts = np.concatenate(([0], np.cumsum(not_pad, dtype=np.int64)))
    within_row: np.ndarray = counts[1:] - np.repeat(counts[starts[:-1]], np.diff(starts))
    return np.where(not_pad, within_row, 0) + pad_token_id


def _check_no_empty_row(starts: np.ndarray) -> None:
    empty = starts[1:] == starts[:-1]
    if empty.any():
        row = int(empty.argmax())
        raise InputError(mismatch("input_ids", f"no tokens in row {row}", "at least one that is not masked"))


def _check_lengths(starts: np.ndarray, positions: np.ndarray, limits: BatchLimits) -> None:
    if len(positions) and positions.max() >= limits.max_position_embeddings:
        row = int(np.searchsorted(starts, int(positions.argmax()), side="right")) - 1
        found = f"{starts[row + 1] - starts[row]} tokens in row {row}"
        expected = f"at most {limits.max_tokens} (max_position_embeddings {limits.max_position_embeddings})"
        raise InputError(mismatch("input_ids", found, f"{expected}; truncation=True cuts texts to fit"))


def _check_range(values: np.ndarray, name: str, limit: int, field: str) -> None:
    if not len(values):
        return
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest >= limit:
        found = lowest if lowest < 0 else highest
        raise InputError(mismatch(name, found, f"0 to {limit - 1} ({field} {limit})"))
