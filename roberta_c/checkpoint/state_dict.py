"""The state dict of a torch pickle → named tensors in the file. Zip archives and legacy files share this."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ..errors import ModelFileError, mismatch, shown
from ..files.tensor_names import check_tensor_count, check_tensor_name
from .pickle_values import DictContainer, Storage, TensorRecord, Value, kind_of
from .tensor_view import (
    NUMPY_DTYPES,
    StoredTensor,
    extent_mismatch,
    is_c_order,
)
from .weight_file import WeightFile

logger = logging.getLogger(__name__)

_SHOWN_KEYS = 8


def named_tensors(
    root: Value, file: WeightFile, storage_offsets: Mapping[Storage, int]
) -> dict[str, StoredTensor]:
    """The tensors of a state dict, in its order.

    storage_offsets: the byte of the file at which each storage begins. The caller has checked that the file
    holds each storage completely.

    Entries that are not tensors are omitted, with one warning. Raises ModelFileError if `root` is not a dict
    of named tensors, or if a tensor extends beyond its storage.
    """
    records = _tensor_records(root, file.path)
    return {name: _stored(name, record, file, storage_offsets) for name, record in records.items()}


def _tensor_records(root: Value, path: Path) -> dict[str, TensorRecord]:
    if not isinstance(root, DictContainer):
        raise ModelFileError(mismatch(path, f"a {kind_of(root)}", "a dict of named tensors"))
    records = {}
    others = []
    for name, value in root.items.items():
        check_tensor_name(name, path)
        if isinstance(value, TensorRecord):
            records[str(name)] = value
        else:
            others.append(f"{shown(name)} ({kind_of(value)})")
    if others:
        listed = ", ".join(others[:_SHOWN_KEYS]) + (", …" if len(others) > _SHOWN_KEYS else "")
        if not records:
            raise ModelFileError(mismatch(path, f"only {listed}", "a dict of named tensors"))
        logger.warning("%s: ignored %d entries that are not tensors: %s", path, len(others), listed)
    check_tensor_count(len(records), path)
    return records


def _stored(
    name: str, record: TensorRecord, file: WeightFile, storage_offsets: Mapping[Storage, int]
) -> StoredTensor:
    view = record.view
    problem = extent_mismatch(record.shape, record.strides, record.first, view.count)
    if problem is not None:
        raise ModelFileError(mismatch(f"{file.path}: tensor {shown(name)}", *problem))
    storage = view.storage
    first_bytes = (view.first + record.first) * NUMPY_DTYPES[storage.dtype].itemsize
    strides = None if is_c_order(record.shape, record.strides) else record.strides
    return StoredTensor(
        file, name, storage.dtype, record.shape, strides, storage_offsets[storage] + first_bytes
    )
