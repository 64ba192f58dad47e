"""What the tests of the pickle reader share."""

from __future__ import annotations

from roberta_c.checkpoint.pickle_reader import ZIP_STORAGE_FIELDS, PickleReader

from .checkpoints import name_of, ordered_dict

# Pickles of torch's function for tensors, and of its last two arguments: requires_grad and hooks.
V2 = name_of("torch._utils", "_rebuild_tensor_v2")
REST = b"\x89" + ordered_dict()


def read(data: bytes, fields: int = ZIP_STORAGE_FIELDS) -> object:
    """The value of the first pickle in `data`."""
    return PickleReader(data, "file.bin", fields).read()
