"""Ids → PackedBatch: the batch's real tokens laid end to end, padding dropped on entry.

Kernels only ever see packed tokens, so padding costs nothing and changes nothing; it is put back on exit
where the caller gave padded arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import position_limit
from ..errors import InputError, shown


@dataclass(frozen=True)
class PackedBatch:
    """Real tokens of S sequences, end to end.

    token_ids_t, position_ids_t, token_type_ids_t (or None): int64 (T). seq_starts_s: int64 (S + 1), offsets
    of the sequences. places_t: for a padded input, where each token lay in the flattened (S, width) array;
    None for ragged lists.
    """

    token_ids_t: np.ndarray
    position_ids_t: np.ndarray
    token_type_ids_t: np.ndarray | None
    seq_starts_s: np.ndarray
    places_t: np.ndarray | None
    width: int

    def __len__(self) -> int:
        return len(self.seq_starts_s) - 1

    @property
    def first_tokens_s(self) -> np.ndarray:
        """Index of each sequence's first real token, the `<s>` that classification reads."""
        return self.seq_starts_s[:-1]

    def chunks(self, max_tokens: int) -> Iterator[tuple[slice, slice]]:
        """(sequences, tokens) slices of at most `max_tokens` tokens, or one sequence if that is longer."""
        first, starts = 0, self.seq_starts_s
        while first < len(self):
            last = int(np.searchsorted(starts, starts[first] + max_tokens, side="right")) - 1
            last = max(last, first + 1)
            yield slice(first, last), slice(int(starts[first]), int(starts[last]))
            first = last

    def unpack(self, x_th: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """Packed rows in the form of the input: (S, width, H) with zeros at padding, or S arrays (len, H)."""
        if self.places_t is None:
            return [
                x_th[begin:end] for begin, end in zip(self.seq_starts_s, self.seq_starts_s[1:], strict=False)
            ]
        padded = np.zeros((len(self) * self.width, x_th.shape[1]), dtype=x_th.dtype)
        padded[self.places_t] = x_th
        return padded.reshape(len(self), self.width, x_th.shape[1])


@dataclass(frozen=True)
class BatchLimits:
    """What a model's tables admit, for checking input before it reaches them."""

    vocab_size: int
    pad_token_id: int
    max_position_embeddings: int
    type_vocab_size: int

    @property
    def max_tokens(self) -> int:
        """The length of the longest sequence, in tokens."""
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
        real = checked_mask(mask)
        real_before = np.concatenate(([0], np.cumsum(real)))
        ids, positions = ids[real], positions[real]
        places = None if places is None else places[real]
        types = None if types is None else types[real]
        starts = real_before[starts].astype(np.int64)
    _check_no_empty_row(starts)
    if given_positions is None:
        _check_lengths(starts, positions, limits)
    else:
        _check_range(positions, "position_ids", limits.max_position_embeddings, "max_position_embeddings")
    _check_range(ids, "input_ids", limits.vocab_size, "vocab_size")
    if types is not None:
        _check_range(types, "token_type_ids", limits.type_vocab_size, "type_vocab_size")
    return PackedBatch(ids, positions, types, starts, places, width)


def _flattened(value: Any, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """The values of a 2-D array or a list of rows end to end, each row's length, and the array's width."""
    if isinstance(value, (list, tuple)):
        return *_flat_rows(value, name), 0
    array = _foreign_array(value, name)
    if array.ndim != 2:
        raise InputError(f"{name}: found shape {array.shape}, expected 2 dimensions (batch, length)")
    rows, width = array.shape
    return _integers(array.reshape(-1), name), np.full(rows, width, dtype=np.int64), width


def _foreign_array(value: Any, name: str) -> np.ndarray:
    """Arrays of numpy, its subclasses, and other libraries: torch and jax tensors speak its protocol."""
    if not hasattr(value, "__array__"):
        raise InputError(f"{name}: found {type(value).__name__}, expected a numpy array or a list of lists")
    try:
        return np.asarray(value)
    except Exception:  # whatever that library raises: the tensor lies on a GPU, or numpy lacks its type
        raise InputError(
            f"{name}: found a {type(value).__name__} that numpy cannot read, expected one in the CPU's memory"
        ) from None


def _flat_rows(rows: Sequence[Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of a list of rows end to end, and the length of each."""
    flat: list[np.ndarray] = []
    for index, row in enumerate(rows):
        if not isinstance(row, (list, tuple, np.ndarray)):
            raise InputError(f"{name}[{index}]: found {type(row).__name__}, expected a list of ids")
        try:
            array = np.asarray(row) if len(row) else np.empty(0, dtype=np.int64)
        except (ValueError, OverflowError, TypeError):
            raise InputError(f"{name}[{index}]: found {shown(row)}, expected a flat list of ids") from None
        if array.ndim != 1:
            raise InputError(f"{name}[{index}]: found shape {array.shape}, expected a flat list of ids")
        flat.append(_integers(array, f"{name}[{index}]"))
    lengths = np.array([len(row) for row in flat], dtype=np.int64)
    return np.concatenate(flat) if flat else np.empty(0, dtype=np.int64), lengths


def _flat_like(value: Any, name: str, lengths: np.ndarray) -> np.ndarray | None:
    """`value`, in the same two forms or None, checked to have rows of these lengths."""
    if value is None:
        return None
    flat, found, _ = _flattened(value, name)
    if len(found) != len(lengths):
        raise InputError(f"{name}: found {len(found)} rows, expected {len(lengths)} as in input_ids")
    if (found != lengths).any():
        row = int((found != lengths).argmax())
        raise InputError(
            f"{name}: found {found[row]} values in row {row}, expected {lengths[row]} as in input_ids"
        )
    return flat


def _integers(values: np.ndarray, name: str) -> np.ndarray:
    """A copy as int64, from any integer type; bools and whole floats only where they are a mask.

    Always a copy: what was checked must not change when another thread writes to the caller's array.
    """
    if values.dtype.kind in "iu":
        if values.dtype == np.uint64 and len(values) and values.max() > np.iinfo(np.int64).max:
            raise InputError(f"{name}: found {values.max()}, expected a token id")
        return values.astype(np.int64)
    if name.startswith("attention_mask") and values.dtype.kind in "bf":
        if values.dtype.kind == "f" and not np.isin(values, (0, 1)).all():
            raise InputError(f"{name}: found {_other_than_0_1(values)}, expected 0 and 1")
        return values.astype(np.int64)
    raise InputError(f"{name}: found dtype {values.dtype}, expected integers")


def checked_mask(values: np.ndarray) -> np.ndarray:
    """An attention mask of 0 and 1 as bool. InputError for other values."""
    if not ((values == 0) | (values == 1)).all():
        raise InputError(f"attention_mask: found {_other_than_0_1(values)}, expected 0 and 1")
    return values.astype(bool)


def _other_than_0_1(values: np.ndarray) -> Any:
    return values[~np.isin(values, (0, 1))][0]


def _position_ids(ids: np.ndarray, starts: np.ndarray, pad_token_id: int) -> np.ndarray:
    """cumsum(ids != pad) * (ids != pad) + pad within each row, in int64 (narrow sums overflow)."""
    real = ids != pad_token_id
    counts = np.concatenate(([0], np.cumsum(real, dtype=np.int64)))
    within_row = counts[1:] - np.repeat(counts[starts[:-1]], np.diff(starts))
    return within_row * real + pad_token_id


def _check_no_empty_row(starts: np.ndarray) -> None:
    empty = starts[1:] == starts[:-1]
    if empty.any():
        row = int(empty.argmax())
        raise InputError(f"input_ids: found no tokens in row {row}, expected at least one that is not masked")


def _check_lengths(starts: np.ndarray, positions: np.ndarray, limits: BatchLimits) -> None:
    if len(positions) and positions.max() >= limits.max_position_embeddings:
        row = int(np.searchsorted(starts, int(positions.argmax()), side="right")) - 1
        raise InputError(
            f"input_ids: found {starts[row + 1] - starts[row]} tokens in row {row}, expected at most "
            f"{limits.max_tokens} (max_position_embeddings {limits.max_position_embeddings}); "
            "truncation=True cuts texts to fit"
        )


def _check_range(values: np.ndarray, name: str, limit: int, field: str) -> None:
    if not len(values):
        return
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0 or highest >= limit:
        found = lowest if lowest < 0 else highest
        raise InputError(f"{name}: found {found}, expected 0 to {limit - 1} ({field} {limit})")
