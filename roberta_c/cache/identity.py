"""What a cache file was made of: the weight files, and what packing them depends on.

A weight file is known by its device, inode, size, and times of last modification and last change. On the
usual file systems of this machine the last of these cannot be set by a program: who overwrites a file and
sets its modification time back, changes it. Beside these stands a digest of pages spread over the file.
Others, such as vfat, those of FUSE and of networks, may make the time of change, and even the inode, from
something else: there the whole file is digested.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from .. import __version__
from ..checkpoint import Checkpoint
from ..checkpoint.weight_file import WeightFile
from ..kernels import Kernels, digests
from ..machine.filesystems import is_local

FORMAT = 1  # of cache files: layout.py
SAMPLES, SAMPLE_BYTES = 64, 4096
BUFFER_BYTES = 16 << 20  # of a file that is digested whole


def digest_of(data: bytes | bytearray | memoryview) -> str:
    """The digest of some bytes, as 16 hexadecimal digits."""
    return f"{int(digests(data, max(64, len(data)))[0]):016x}" if len(data) else "0" * 16


def files_of(checkpoint: Checkpoint) -> list[WeightFile]:
    """The files that hold the tensors, in a fixed order."""
    files = {id(file): file for file in (checkpoint.stored(name).file for name in checkpoint)}
    return list(files.values())


def facts_of_file(file: WeightFile, num_threads: int) -> list[Any]:
    """What one weight file is known by. Raises ModelFileError if it cannot be read."""
    if not is_local(file.path):
        return [*file.identity, whole_digest(file, num_threads)]
    sample = bytearray(min(file.size, (SAMPLES + 1) * SAMPLE_BYTES))
    if file.size <= len(sample):
        file.read_into(memoryview(sample), 0)
    else:
        last = file.size - SAMPLE_BYTES
        for index in range(SAMPLES + 1):
            target = memoryview(sample)[index * SAMPLE_BYTES : (index + 1) * SAMPLE_BYTES]
            file.read_into(target, last * index // SAMPLES)
    return [*file.identity, digest_of(sample)]


def whole_digest(file: WeightFile, num_threads: int) -> str:
    """A digest of all bytes of a file. Raises ModelFileError if it cannot be read."""
    buffer, found = memoryview(bytearray(min(file.size, BUFFER_BYTES))), []
    for begin in range(0, file.size, BUFFER_BYTES):
        part = buffer[: min(BUFFER_BYTES, file.size - begin)]
        file.read_into(part, begin)
        found.append(digests(part, BUFFER_BYTES // 16, num_threads).tobytes())
    return "all " + digest_of(b"".join(found))


def key_facts(
    checkpoint: Checkpoint, kernels: Kernels, dtype: str, allow_nonfinite: bool, num_threads: int
) -> dict[str, Any]:
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
        # Smoothing factors are computed by numpy, whose versions may round log2 and hypot differently.
        "numpy": np.__version__ if dtype == "int8" else None,
        "files": [facts_of_file(file, num_threads) for file in files],
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


def is_unchanged(checkpoint: Checkpoint, facts: dict[str, Any] | None = None) -> bool:
    """Whether all weight files are still as they were when they were opened.

    facts: of `key_facts`; with these, files whose times tell too little are digested again.
    """
    files = files_of(checkpoint)
    if not all(file.identity == file.current_identity() for file in files):
        return False
    known = [] if facts is None else [one[-1] for one in facts["files"]]
    return all(
        not digest.startswith("all ") or digest == whole_digest(file, 1)
        for file, digest in zip(files, known, strict=False)
    )
