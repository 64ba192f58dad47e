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
from ..errors import InputError, mismatch
from ..kernels import aligned_empty
from ..machine.memory import check_memory
from .arrays import as_array, as_float32
from .given_rows import Rows, checked_mask, flat_or_none, row_array, rows_like


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

    def parts(self, max_tokens: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Parts of at most `max_tokens` tokens, or of one longer sequence: the slice of the packed tokens,
        and the offsets of its sequences in it."""
        first, starts = 0, self.seq_starts_s
        while first < len(self):
            last = int(np.searchsorted(starts, starts[first] + max_tokens, side="right")) - 1
            last = max(last, first + 1)
            tokens = slice(int(starts[first]), int(starts[last]))
            yield tokens, starts[first : last + 1] - tokens.start
            first = last

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
        and these tokens as a ragged batch; of a batch that is one part, the batch itself."""
        if 0 < len(self.token_ids_t) <= max_tokens:
            yield slice(0, len(self.token_ids_t)), self
            return
        types = self.token_type_ids_t
        for tokens, starts in self.parts(max_tokens):
            yield (
                tokens,
                PackedBatch(
                    starts,
                    None,
                    0,
                    self.token_ids_t[tokens],
                    self.position_ids_t[tokens],
                    None if types is None else types[tokens],
                ),
            )


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


# Bytes that packing takes at its peak for each id, its place in a mask, its token type, and for each row:
# copies in int64, what position ids are computed from, and the unmasked part of all (measured with
# tracemalloc).
_BYTES_OF_ID, _BYTES_OF_MASK, _BYTES_OF_TYPE, _BYTES_OF_ROW = 36, 24, 8, 32
# How many ids the check of long rows looks at together, and how many numbers of hidden states are copied.
_IDS_TOGETHER, _NUMBERS_TOGETHER = 1 << 20, 1 << 22


@dataclass(frozen=True)
class ResultSize:
    """Bytes that the results of a call take: of each token, of each place of padded rows, of each pair of a
    row's tokens."""

    token: int = 0
    place: int = 0
    pair: int = 0


NO_RESULTS = ResultSize()


def pack_batch(
    input_ids: Any,
    attention_mask: Any,
    token_type_ids: Any,
    position_ids: Any,
    limits: BatchLimits,
    results: ResultSize = NO_RESULTS,
) -> PackedBatch:
    """Checks and packs a batch.

    input_ids: an integer array (S, width), or a list of lists of ids, which may differ in length. The other
    three are None or have its shape. attention_mask holds 0 (padding: dropped) and 1; without it every token
    is real, as in transformers. Position ids come from ids != pad, not from the mask (fairseq's rule):
    cumsum(ids != pad) * (ids != pad) + pad.

    Raises InputError; ResourceError if memory is too small for the batch and for its `results`. Sizes and
    lengths are checked before anything is copied.
    """
    given = Rows.of(input_ids, "input_ids")
    given_mask = rows_like(attention_mask, "attention_mask", given)
    given_types = rows_like(token_type_ids, "token_type_ids", given)
    given_positions = rows_like(position_ids, "position_ids", given)
    of_place = _BYTES_OF_ID + (_BYTES_OF_MASK if given_mask else 0) + (_BYTES_OF_TYPE if given_types else 0)
    packing = of_place * given.places + _BYTES_OF_ROW * given.count
    check_memory(packing, "input_ids", given.size())
    if given_positions is None:
        _check_long_rows(given, given_mask, limits)
    if results is not NO_RESULTS:
        size = packing + _bytes_of_results(given, given_mask, results)
        check_memory(size, "input_ids", f"{given.size()} and results")
    ids, mask, types = given.flat(), flat_or_none(given_mask), flat_or_none(given_types)

    starts = given.starts_s()
    positions = flat_or_none(given_positions)
    if positions is None:
        positions = _position_ids(ids, starts, limits.pad_token_id)
    places = None if given.array is None else np.arange(len(ids))
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
    return PackedBatch(starts, places, given.width, ids, positions, types)


def pack_hidden(hidden_states: Any, attention_mask: Any) -> tuple[np.ndarray, Packing]:
    """Hidden states (S, width, H) and a mask (S, width) or None → a new x_th of the unmasked tokens, and
    their packing. Raises InputError."""
    hidden = as_float32(hidden_states, "hidden_states")
    if hidden.ndim != 3:
        raise InputError(mismatch("hidden_states", f"shape {hidden.shape}", "(batch, length, hidden)"))
    rows, width, columns = hidden.shape
    # The rows and the result, of the size of the input each, and the mask.
    check_memory(2 * hidden.nbytes + 32 * rows * width, "hidden_states", f"shape {hidden.shape}")
    mask = np.ones(hidden.shape[:2], bool)
    if attention_mask is not None:
        mask = as_array(attention_mask, "attention_mask")
    if mask.shape != hidden.shape[:2]:
        raise InputError(mismatch("attention_mask", f"shape {mask.shape}", hidden.shape[:2]))
    real = checked_mask(mask)
    starts = np.concatenate(([0], np.cumsum(real.sum(axis=1)))).astype(np.int64)
    places_t = np.flatnonzero(real)
    flat_rh = hidden.reshape(rows * width, columns)
    x_th = aligned_empty((len(places_t), columns))
    # In pieces, between which Python sees Ctrl-C: a copy of many rows takes a second.
    step = max(1, _NUMBERS_TOGETHER // max(columns, 1))
    for first in range(0, len(places_t), step):
        piece = places_t[first : first + step]
        np.take(flat_rh, piece, axis=0, out=x_th[first : first + step], mode="clip")
    return x_th, Packing(starts, places_t, width)


def _bytes_of_results(ids: Rows, mask: Rows | None, results: ResultSize) -> int:
    tokens = ids.places if mask is None or mask.array is None else int(np.count_nonzero(mask.array))
    padded = ids.places if ids.array is not None and tokens < ids.places else 0
    return results.token * tokens + results.place * padded + results.pair * ids.pairs()


def _check_long_rows(ids: Rows, mask: Rows | None, limits: BatchLimits) -> None:
    """Raise InputError for a row of too many tokens, as `_check_lengths` does, before anything is copied.

    A row may have any length if the rest is padding. So this counts tokens, in the first ids of each row, of
    twice the limit; in lists only if there is no mask.
    """
    most = limits.max_tokens
    if ids.array is None:
        for index, (row, length) in enumerate(zip(ids.lists, ids.lengths, strict=False)):
            if length > most and mask is None:
                begin = row_array(row, f"{ids.name}[{index}]", 2 * most)
                if np.count_nonzero(begin != limits.pad_token_id) > most:
                    raise _too_long(length, index, limits)
        return
    if ids.width <= most or (mask is not None and mask.array is None):
        return
    step = max(1, _IDS_TOGETHER // (2 * most))
    for first in range(0, ids.count, step):
        part = np.s_[first : first + step, : 2 * most]
        counted = ids.array[part] != limits.pad_token_id
        too_long = counted & (np.cumsum(counted, axis=1) > most)
        if mask is not None and mask.array is not None:
            too_long &= mask.array[part] != 0
        rows = too_long.any(axis=1)
        if rows.any():
            row = first + int(rows.argmax())
            tokens = ids.width
            if mask is not None and mask.array is not None:
                tokens = int(np.count_nonzero(mask.array[row]))
            raise _too_long(tokens, row, limits)


def _position_ids(ids: np.ndarray, starts: np.ndarray, pad_token_id: int) -> np.ndarray:
    """cumsum(ids != pad) * (ids != pad) + pad within each row, in int64: sums in uint8 would overflow."""
    not_pad = ids != pad_token_id
    within_row: np.ndarray = np.cumsum(not_pad, dtype=np.int64)
    if len(starts) > 2:  # several rows
        counts = np.concatenate(([0], within_row))
        within_row -= np.repeat(counts[starts[:-1]], np.diff(starts))
    within_row *= not_pad
    within_row += pad_token_id
    return within_row


def _check_no_empty_row(starts: np.ndarray) -> None:
    empty = starts[1:] == starts[:-1]
    if empty.any():
        row = int(empty.argmax())
        raise InputError(mismatch("input_ids", f"no tokens in row {row}", "at least one that is not masked"))


def _check_lengths(starts: np.ndarray, positions: np.ndarray, limits: BatchLimits) -> None:
    if len(positions) and positions.max() >= limits.max_position_embeddings:
        row = int(np.searchsorted(starts, int(positions.argmax()), side="right")) - 1
        raise _too_long(int(starts[row + 1] - starts[row]), row, limits)


def _too_long(tokens: int, row: int, limits: BatchLimits) -> InputError:
    """The error about a row of this many tokens."""
    expected = f"at most {limits.max_tokens} (max_position_embeddings {limits.max_position_embeddings})"
    advice = "truncation=True cuts texts to fit"
    return InputError(mismatch("input_ids", f"{tokens} tokens in row {row}", f"{expected}; {advice}"))


def _check_range(values: np.ndarray, name: str, limit: int, field: str) -> None:
    if not len(values):
        return
    # As unsigned numbers, negative ones are above every limit: one pass instead of two.
    if values.view(np.uint64).max() >= limit:
        lowest, highest = int(values.min()), int(values.max())
        found = lowest if lowest < 0 else highest
        raise InputError(mismatch(name, found, f"0 to {limit - 1} ({field} {limit})"))
