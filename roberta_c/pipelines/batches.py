"""Windows → batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# The most tokens of a batch: the model needs some kilobytes of memory for each.
BATCH_TOKENS = 1 << 14


def batches_by_length(
    lengths: Sequence[int], batch_size: int, max_tokens: int = BATCH_TOKENS
) -> Iterator[list[int]]:
    """Indexes into `lengths`, longest rows first, in lists of at most `batch_size` rows and `max_tokens`.

    A row longer than `max_tokens` is a batch of its own.
    """
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) == batch_size or tokens + lengths[index] > max_tokens):
            yield batch
            batch, tokens = [], 0
        batch.append(index)
        tokens += lengths[index]
    if batch:
        yield batch
