"""Inputs of a model that the bytes of a fuzzer choose: arrays and lists of any type, form and layout."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from samples.tiny_model import SIZES, make_tiny_model

from roberta_c import RobertaModel

_INTEGERS = ("i8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", ">i8", ">i4", ">u8", ">u2")
_OTHERS = ("?", "f4", "f8", "f2", ">f8", "c8", "O", "U3", "S2", "M8[s]", "m8[D]", "V4")
_VALUES = (0, 1, 2, 3, 5, 11, 12, 19, 20, -1, 127, 128, 255, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1, -(2**63))
# Without memory of their own; numpy itself refuses those whose numbers are 2^63 bytes or more.
_HUGE_SHAPES = ((2**31, 2**20), (2**20, 2**31), (2**40, 3), (3, 2**40), (2**59, 1), (1, 2**59), (0, 2**59))
_SCALARS = (None, True, 5, 1.5, "a", b"a", {}, [[0, 2], [0]], [0, 2], [[]], [], (), [[0, None]], [[0, 2**70]])


class Choices:
    """Choices that the bytes of an input make, one byte each; after the last byte, the first of each."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def among(self, options: Any) -> Any:
        return options[next(self._bytes, 0) % len(options)]


@cache
def tiny_model() -> RobertaModel:
    with tempfile.TemporaryDirectory() as folder:
        model = RobertaModel.from_pretrained(make_tiny_model(Path(folder)), add_pooling_layer=False)
        model([[0, 2]])  # what is allocated once is allocated now
        return model


def run_model(data: bytes, _folder: Path) -> None:
    """A call with these inputs: finite numbers for each row and column of the ids, the same as for a list."""
    choices = Choices(data)
    ids = any_input(choices, None)
    shape = ids.shape if isinstance(ids, np.ndarray) else None
    names = ("attention_mask", "token_type_ids", "position_ids")
    others = {name: any_input(choices, shape) for name in names if choices.among((False, False, True))}
    flags = {name: choices.among((None, True, False, 1, "a")) for name in ("output_hidden_states",)}
    states = tiny_model()(ids, **others, **flags).last_hidden_state
    hidden = SIZES["hidden_size"]
    if isinstance(ids, list | tuple):
        masked = "attention_mask" in others  # of lists, masked tokens are left out
        assert all(len(one) == len(row) or masked for one, row in zip(states, ids, strict=True))
        assert all(state.shape[1] == hidden for state in states)
    else:
        assert states.shape == (*np.asarray(ids).shape, hidden)
    assert all(np.isfinite(state).all() for state in states)
    if not others:
        rows = [[int(index) for index in row] for row in ids]
        assert all(0 <= index < SIZES["vocab_size"] for row in rows for index in row)
        again = tiny_model()(rows).last_hidden_state
        assert all(one.tobytes() == other.tobytes() for one, other in zip(states, again, strict=True))


def any_input(choices: Choices, like: tuple[int, ...] | None) -> Any:
    """An array or a list, or rarely another object; most often of the shape `like`, if that is given."""
    kind = choices.among(range(24))
    if kind == 23:
        return choices.among(_SCALARS)
    like_huge = like is not None and max(like, default=0) > 10_000
    if kind == 22 or like_huge:
        value = np.array(choices.among((1, 0, 2, 5)), choices.among(_INTEGERS))
        return np.broadcast_to(value, like if like_huge and kind < 20 else choices.among(_HUGE_SHAPES))
    shape = like if like is not None and choices.among(range(8)) else None
    if shape is None:
        rank = choices.among((2, 2, 2, 2, 2, 2, 1, 3, 0))
        shape = tuple(choices.among((2, 1, 3, 5, 9, 10, 11, 0, 64)) for _ in range(rank))
    dtype = np.dtype(choices.among((*_INTEGERS, *_INTEGERS, *_OTHERS)))
    few = choices.among((2, 2, 4, 8, len(_VALUES)))  # mostly small numbers
    count = int(np.prod(shape, dtype=np.int64))
    values = [choices.among(_VALUES[:few]) for _ in range(min(count, 40))] or [0]
    flat = [values[index % len(values)] for index in range(count)]
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        flat = [min(max(value, info.min), info.max) for value in flat]
    elif dtype.kind in "MmSUV":
        flat = [abs(value) % 100 for value in flat]
    elif dtype.kind == "f" and choices.among((False, True)):
        flat = [choices.among((float("nan"), float("inf"), -0.0, 0.5)) for _ in flat]
    with np.errstate(over="ignore"):
        made = (
            np.array(flat, "O").astype(dtype)
            if dtype.kind not in "MmV"
            else np.array(flat).astype("i4").astype(dtype if dtype.kind != "V" else "V4")
        )
    return laid_out(made.reshape(shape), choices)


def laid_out(array: np.ndarray, choices: Choices) -> Any:
    """The same values in another layout in memory, or as lists."""
    match choices.among(range(12)):
        case 1:
            return np.asfortranarray(array)
        case 2 if array.ndim:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        case 3 if array.ndim:
            return array[::-1].copy()[::-1]
        case 4:
            array.flags.writeable = False
        case 5 if array.dtype != object:
            memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
            unaligned = memory.view(array.dtype).reshape(array.shape)
            unaligned[...] = array
            return unaligned
        case 6 if array.ndim == 2 and len(array):
            return np.broadcast_to(array[:1], array.shape)
        case 7:
            return array.tolist()
        case 8:
            return list(array) if array.ndim else array.item()
        case 9 if array.ndim == 2:
            return [row[: choices.among((1, 2, 3, 9))] for row in array.tolist()]
        case 10:
            return np.ma.masked_array(array)
        case 11 if array.ndim == 2:
            return tuple(map(tuple, array.tolist()))
    return array
