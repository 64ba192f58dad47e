"""Windows of long texts, as the tests divide them by hand."""

from __future__ import annotations

import numpy as np


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def by_hand(count, room, stride):
    """[first, stop) of each window, and the window of each token: where its shorter side is longest."""
    windows = [(0, min(room, count))]
    while windows[-1][1] < count:
        first = windows[-1][1] - stride
        windows.append((first, min(first + room, count)))

    def context(token, first, stop):
        left = token - first if first > 0 else count
        return min(left, stop - 1 - token if stop < count else count)

    chosen = [
        max(
            (index for index, (first, stop) in enumerate(windows) if first <= token < stop),
            key=lambda index: (context(token, *windows[index]), -index),
        )
        for token in range(count)
    ]
    return windows, chosen
