"""From what a torch pickle describes to named tensors in a file: what zip and legacy files have in common."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ..errors import ModelFileError, shown
from ..files.tensor_names import MAX_TENSORS, name_problem
from .mapped_file import MappedFile
from .pickle_values import DictContainer, Storage, TensorRecord, Value, kind_of
from .tensor_view import (
    NUMPY_DTYPES,
    StoredTensor,
    extent_problem,
    is_c_order,
)

logger = logging.getLogger(__name__)

_SHOWN_KEYS = 8


def named_tensors(
    root: Value, file: MappedFile, storage_offsets: Mapping[Storage, int]
) -> dict[str, StoredTensor]:
    """The tensors of a state dict, in its order.

    `storage_offsets` says at which byte of the file each storage lies; its size is already known to be right.
    Entries that are not tensors are left out with one warning. Raises ModelFileError if `root` is not a dict
    of named tensors, or a tensor reaches beyond its storage.
    """
    records = _tensor_records(root, file.path)
    return {name: _stored(name, record, file, storage_offsets) for name, record in records.items()}


def _tensor_records(root: Value, path: Path) -> dict[str, TensorRecord]:
    if not isinstance(root, DictContainer):
        raise ModelFileError(f"{path}: holds a {kind_of(root)}, expected a dict of named tensors")
    records = {}
    others = []
    for name, value in root.items.items():
        problem = name_problem(name)
        if problem is not None:
            raise ModelFileError(f"{path}: {problem}")
        if isinstance(value, TensorRecord):
            records[str(name)] = value
        else:
            others.append(f"{shown(name)} ({kind_of(value)})")
    if others:
        listed = ", ".join(others[:_SHOWN_KEYS]) + (", …" if len(others) > _SHOWN_KEYS else "")
        if not records:
            raise ModelFileError(f"{path}: holds no tensors at its top level, only {listed}")
        logger.warning("%s: ignored %d entries that are not tensors: %s", path, len(others), listed)
    if len(records) > MAX_TENSORS:
        raise ModelFileError(f"{path}: lists {len(records)} tensors, expected at most {MAX_TENSORS}")
    return records


def _stored(
    name: str, record: TensorRecord, file: MappedFile, storage_offsets: Mapping[Storage, int]
) -> StoredTensor:
    view = record.view
    problem = extent_problem(record.shape, record.strides, record.first, view.count)
    if problem is not None:
        raise ModelFileError(f"{file.path}: tensor {shown(name)} {problem}")
    storage = view.storage
    first_bytes = (view.first + record.first) * NUMPY_DTYPES[storage.dtype].itemsize
    strides = None if is_c_order(record.shape, record.strides) else record.strides
    return StoredTensor(
        file, name, storage.dtype, record.shape, strides, storage_offsets[storage] + first_bytes
    )
