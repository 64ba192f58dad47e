"""Checkpoint files as people publish them → named numpy arrays, without torch and without running anything.

    checkpoint = open_checkpoint("path/to/model")      # headers only
    checkpoint.tensors["roberta.embeddings.word_embeddings.weight"].shape
    array = checkpoint.read("roberta.embeddings.word_embeddings.weight")

Reading order: `open_checkpoint` chooses the file, file_kind.py tells what it is by its first bytes,
safetensors_reader.py, torch_zip.py or torch_legacy.py (the last two by way of pickle_reader.py) find the
tensors in it, and tensor_view.py makes arrays of them. What each reader refuses, and why, stands at its head.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, ModelFileError, shown
from . import file_kind
from .mapped_file import MappedFile
from .tensor_view import NUMPY_DTYPES, StoredTensor

logger = logging.getLogger(__name__)

# In order of preference, as in transformers.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_OTHER_WEIGHTS = (".h5", ".msgpack", ".onnx", ".ot", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".safetensors")

FLOAT_DTYPES = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a file says about one tensor: `dtype` such as "float32" or "bfloat16", and the file it lies in."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path


class Checkpoint:
    """An open checkpoint: what is in it, and its tensors on request.

    format   "safetensors", "safetensors-sharded", "torch-zip", "torch-legacy" or "torch-sharded"
    files    the files it is made of; for a sharded one the index first, then the shards
    tensors  name → TensorInfo, in the file's order (for shards: the index's), names as in the file
    """

    def __init__(self, format_name: str, files: list[Path], stored: dict[str, StoredTensor]) -> None:
        self.format = format_name
        self.files = files
        self.tensors = {
            name: TensorInfo(name, tensor.dtype, tensor.shape, tensor.file.path)
            for name, tensor in stored.items()
        }
        self._stored = stored
        self._mapped = list({id(tensor.file): tensor.file for tensor in stored.values()}.values())

    def __repr__(self) -> str:
        return f"<Checkpoint {self.format} {str(self.files[0])!r}: {len(self.tensors)} tensors>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def read(self, name: str) -> np.ndarray:
        """The tensor in the file's own dtype (bfloat16 as its bits in uint16).

        Read-only, aligned, C-contiguous; a view of the mapped file wherever its bytes allow that, and then
        no data is read before it is used. Raises ModelFileError if there is no such tensor, if its dtype is
        one that numpy lacks, or if the file was changed since it was opened.
        """
        return self._tensor(name).array()

    def in_place(self, name: str) -> tuple[np.ndarray, MappedFile, int] | None:
        """The tensor as it lies in the map, perhaps unaligned, its file, and the byte at which it begins.

        None if it is empty, not in C order, or of a dtype that numpy lacks.
        """
        tensor = self._tensor(name)
        dtype, count = NUMPY_DTYPES.get(tensor.dtype), math.prod(tensor.shape)
        if dtype is None or count == 0 or tensor.strides is not None:
            return None
        return tensor.file.view(dtype, count, tensor.offset).reshape(tensor.shape), tensor.file, tensor.offset

    def read_float32(self, name: str) -> np.ndarray:
        """The tensor as float32: float32 as `read` gives it, float16 and bfloat16 widened exactly, float64
        rounded to nearest (beyond the range: infinite). Raises as `read`, and for dtypes that are no floats.
        """
        tensor = self._tensor(name)
        if tensor.dtype not in FLOAT_DTYPES:
            raise ModelFileError(
                f"{tensor.file.path}: tensor {shown(name)} has dtype {shown(tensor.dtype)}, "
                f"expected one of {', '.join(FLOAT_DTYPES)}"
            )
        array = tensor.array()
        if tensor.dtype == "float32":
            return array
        if tensor.dtype == "bfloat16":
            # A bfloat16 is the upper half of a float32.
            bits = np.empty(array.shape, np.uint32)
            np.left_shift(array, 16, out=bits, dtype=np.uint32)
            widened = bits.view(np.float32)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                widened = array.astype(np.float32)
        widened.flags.writeable = False
        return widened

    def drop_pages(self) -> None:
        """Let go of the memory that reading made resident; arrays stay good, and fetch their data again."""
        for file in self._mapped:
            file.drop_pages()

    def _tensor(self, name: str) -> StoredTensor:
        tensor = self._stored.get(name)
        if tensor is None:
            raise ModelFileError(f"{self.files[0]}: has no tensor {shown(name)}")
        return tensor


def choose_file(path: str | Path) -> Path:
    """The file that `open_checkpoint(path)` opens: `path` itself, or the best of WEIGHT_FILES in the folder.

    Looks at names only: a dangling link is chosen too, so that it is reported instead of passed over.
    Raises ModelFileError if the folder holds none of them, or `path` does not exist.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"path is a {type(path).__name__}, expected str or Path")
    path = Path(path)
    if not os.path.isdir(path):
        return path
    for name in WEIGHT_FILES:
        if os.path.lexists(path / name):
            return path / name
    try:
        others = sorted(name for name in os.listdir(path) if name.endswith(_OTHER_WEIGHTS))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be listed: {error.strerror}") from None
    found = f"found only {shown(', '.join(others))}" if others else "found no weights at all"
    raise ModelFileError(f"{path}: {found}, expected one of {', '.join(WEIGHT_FILES)}")


def open_checkpoint(folder_or_file: str | Path) -> Checkpoint:
    """Open the weights in a folder (see `choose_file`), or one weight or index file, of any format.

    Reads headers only. Raises ModelFileError for files that are missing, damaged or no weights, and
    UnsafeFileError for a pickle that asks for anything but tensors; the message names the file.
    """
    path = choose_file(folder_or_file)
    file = MappedFile(path)
    kind = file_kind.detect(file)
    if kind == file_kind.INDEX:
        return _open_sharded(file)
    return Checkpoint(kind, [path], _read_single(file, kind))


def _read_single(file: MappedFile, kind: str) -> dict[str, StoredTensor]:
    """The tensors of one file. Only the reader that its first bytes call for is imported and tried."""
    if kind == file_kind.SAFETENSORS:
        from .safetensors_reader import read_safetensors

        return read_safetensors(file)
    if kind == file_kind.ZIP:
        from .torch_zip import read_torch_zip

        return read_torch_zip(file)
    from .torch_legacy import read_torch_legacy

    return read_torch_legacy(file)


def _open_sharded(index: MappedFile) -> Checkpoint:
    from ..files.json_object import MAX_JSON_BYTES
    from ..files.shard_index import parse_shard_index

    if index.size > MAX_JSON_BYTES:
        raise ModelFileError(f"{index.path}: index of {index.size} bytes, expected at most {MAX_JSON_BYTES}")
    shard_of = parse_shard_index(index.read(0, index.size, "the index"), index.path)
    listed: dict[str, set[str]] = {}
    for name, shard in shard_of.items():
        listed.setdefault(shard, set()).add(name)

    tensors: dict[str, dict[str, StoredTensor]] = {}
    families = set()
    for shard, names in listed.items():
        family, tensors[shard] = _open_shard(index, index.path.parent / shard, names)
        families.add(family)
    if len(families) > 1:
        raise ModelFileError(f"{index.path}: lists both safetensors and torch shards, expected one kind")
    files = [index.path, *(index.path.parent / shard for shard in listed)]
    in_order = {name: tensors[shard][name] for name, shard in shard_of.items()}
    return Checkpoint(f"{families.pop()}-sharded", files, in_order)


def _open_shard(index: MappedFile, path: Path, names: set[str]) -> tuple[str, dict[str, StoredTensor]]:
    """ "safetensors" or "torch", and the tensors that the index expects in this shard: all of `names`."""
    try:
        file = MappedFile(path)
        kind = file_kind.detect(file)
    except ModelFileError as error:
        raise ModelFileError(f"{error} (a shard that {index.path.name} lists)") from None
    if kind == file_kind.INDEX:
        raise ModelFileError(f"{path}: is a JSON file, expected a shard of weights")
    stored = _read_single(file, kind)
    missing, extra = names - stored.keys(), stored.keys() - names
    if missing:
        raise ModelFileError(
            f"{path}: lacks the tensor {shown(min(missing))} that {index.path.name} promises"
        )
    if extra:
        logger.warning(
            "%s: ignored %d tensors that %s does not list there, such as %s",
            path,
            len(extra),
            index.path.name,
            shown(min(extra)),
        )
    family = "safetensors" if kind == file_kind.SAFETENSORS else "torch"
    return family, {name: stored[name] for name in names}
