"""What a cache file was made of: the weight files, and what packing them depends on.

A weight file is known by its device, inode, size, and times of last modification and last change. The last
of these cannot be set by a program: who overwrites a file and sets its modification time back, changes it.
Beside these stands a digest of pages spread over the file. Only a whole digest would tell more, and take as
long as packing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .. import __version__
from ..checkpoint import Checkpoint
from ..checkpoint.weight_file import WeightFile
from ..kernels import Kernels, digests

FORMAT = 1  # of cache files: layout.py
SAMPLES, SAMPLE_BYTES = 64, 4096


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """The digest of some bytes, as 16 hexadecimal digits."""
    return f"{int(digests(data, max(64, len(data)))[0]):016x}" if len(data) else "0" * 16


def files_of(checkpoint: Checkpoint) -> list[WeightFile]:
    """The files that hold the tensors, in a fixed order."""
    files = {id(file): file for file in (checkpoint.stored(name).file for name in checkpoint)}
    return list(files.values())


def facts_of_file(file: WeightFile) -> list[Any]:
    """What one weight file is known by. Raises ModelFileError if it cannot be read."""
    sample = bytearray(min(file.size, (SAMPLES + 1) * SAMPLE_BYTES))
    if file.size <= len(sample):
        file.read_into(memoryview(sample), 0)
    else:
        last = file.size - SAMPLE_BYTES
        for index in range(SAMPLES + 1):
            target = memoryview(sample)[index * SAMPLE_BYTES : (index + 1) * SAMPLE_BYTES]
            file.read_into(target, last * index // SAMPLES)
    return [*file.identity, digest_of(sample)]


def key_facts(checkpoint: Checkpoint, kernels: Kernels, dtype: str, allow_nonfinite: bool) -> dict[str, Any]:
    """All that the bits of a model's packed weights depend on. Raises ModelFileError for files that fail."""
    files = files_of(checkpoint)
    number = {id(file): index for index, file in enumerate(files)}
    directory = [
        [tensor.name, tensor.dtype, tensor.shape, tensor.strides, tensor.offset, number[id(tensor.file)]]
        for tensor in map(checkpoint.stored, checkpoint)
    ]
    return {
        "format": FORMAT,
        "package": __version__,
        "layout": [kernels.layout("float32"), kernels.layout(dtype), sys.byteorder],
        "dtype": dtype,
        "allow_nonfinite": allow_nonfinite,
        "files": [facts_of_file(file) for file in files],
        "tensors": digest_of(json.dumps(directory).encode()),
    }


def key_text(facts: dict[str, Any], part: str) -> str:
    """The key of one part of a model: JSON, equal only where the packed bits are."""
    return json.dumps({**facts, "part": part}, sort_keys=True)


def file_name(key: str) -> str:
    """The name of the cache file of this key. Another key may have it too: the file holds all of its key."""
    return f"{digest_of(key.encode())}.packed"


def settled_seconds(checkpoint: Checkpoint) -> float:
    """For how many seconds the weight files have been as they were when they were opened."""
    newest = max(max(file.identity[-2:]) for file in files_of(checkpoint))
    return time.time() - newest / 1e9


def is_unchanged(checkpoint: Checkpoint) -> bool:
    """Whether all weight files are still as they were when they were opened."""
    return all(file.identity == file.current_identity() for file in files_of(checkpoint))
