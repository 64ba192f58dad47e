"""Checkpoint files as people publish them → named numpy arrays, without torch and without running anything.

    checkpoint = open_checkpoint("path/to/model")      # headers only
    checkpoint.tensors["roberta.embeddings.word_embeddings.weight"].shape
    array = checkpoint.read("roberta.embeddings.word_embeddings.weight")

Reading order: `open_checkpoint` chooses the file, file_kind.py recognizes its format by its first bytes,
safetensors_reader.py, torch_zip.py or torch_legacy.py (the last two with pickle_reader.py) find its tensors,
and tensor_view.py and tensor_loading.py read them. The head of each reader says what it refuses, and why.

Files are read and never mapped, so that one that is truncated is an error. Every read checks afterwards that
the file is still as it was when it was opened; a new file that is renamed over it changes nothing.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, ModelFileError, mismatch, shown
from ..files.file_sets import WEIGHT_FILES
from . import file_kind
from .stored_rows import StoredRows
from .tensor_loading import load_float32
from .tensor_view import StoredTensor
from .weight_file import WeightFile

logger = logging.getLogger(__name__)

_OTHER_WEIGHTS = (".h5", ".msgpack", ".onnx", ".ot", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".safetensors")

FLOAT_DTYPES = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Facts about one tensor: name, `dtype` such as "bfloat16", shape, and the file that holds it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path


class Checkpoint:
    """An open checkpoint: a table of its tensors, and methods that read them.

    format   "safetensors", "safetensors-sharded", "torch-zip", "torch-legacy" or "torch-sharded"
    files    the files of the checkpoint; for a sharded one the index first, then the shards
    tensors  name → TensorInfo, in the order of the file (sharded: of the index), with the file's names
    """

    def __init__(self, format_name: str, files: list[Path], stored: dict[str, StoredTensor]) -> None:
        self.format = format_name
        self.files = files
        self.tensors = {
            name: TensorInfo(name, tensor.dtype, tensor.shape, tensor.file.path)
            for name, tensor in stored.items()
        }
        self._stored = stored

    def __repr__(self) -> str:
        return f"<Checkpoint {self.format} {str(self.files[0])!r}: {len(self.tensors)} tensors>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def read(self, name: str) -> np.ndarray:
        """The tensor in the file's own dtype (bfloat16 as its bits in uint16): a new array, read-only.

        Raises ModelFileError if there is no such tensor, if numpy lacks its dtype, or if the file was changed
        after it was opened; ResourceError without memory.
        """
        return self.stored(name).array()

    def read_float32(self, name: str) -> np.ndarray:
        """The tensor as float32: a new array, read-only.

        float16 and bfloat16 are converted exactly; float64 is rounded to nearest, and values beyond float32's
        range become infinite. Raises as `read` does, and for a dtype that is not a float.
        """
        array = self.stored(name).empty(np.dtype(np.float32))
        self.load({name: array}, allow_nonfinite=True)
        array.flags.writeable = False
        return array

    def load(
        self, arrays: Mapping[str, np.ndarray], num_threads: int = 1, allow_nonfinite: bool = False
    ) -> None:
        """Fill float32 arrays in C order, each of the shape of the tensor of its name, as by `read_float32`.

        Raises ModelFileError as that does, and without `allow_nonfinite` for a value that is NaN or infinite.
        """
        tensors = [self.stored(name) for name in arrays]
        for tensor in tensors:
            if tensor.dtype not in FLOAT_DTYPES:
                place, expected = f"{tensor.file.path}: tensor {shown(tensor.name)}: dtype", FLOAT_DTYPES
                raise ModelFileError(mismatch(place, shown(tensor.dtype), f"one of {', '.join(expected)}"))
        load_float32(tensors, list(arrays.values()), num_threads, allow_nonfinite)

    def rows(self, name: str) -> StoredRows | None:
        """The rows of a matrix of floats, read when they are asked for; None if it is not in C order."""
        tensor = self.stored(name)
        is_matrix = len(tensor.shape) == 2 and tensor.dtype in FLOAT_DTYPES
        return StoredRows(tensor) if is_matrix and tensor.strides is None else None

    def same_values(self, name: str, other: str) -> bool:
        """Whether two tensors are the same bytes of a file: tied ones, which torch stores once."""
        one, two = self.stored(name), self.stored(other)
        return one == dataclasses.replace(two, name=one.name)

    def stored(self, name: str) -> StoredTensor:
        """Where the tensor lies. Raises ModelFileError if there is none of this name."""
        tensor = self._stored.get(name)
        if tensor is None:
            raise ModelFileError(mismatch(self.files[0], f"no tensor {shown(name)}", "one of its tensors"))
        return tensor


def choose_file(path: str | Path, names: Sequence[str] = WEIGHT_FILES) -> Path:
    """The file that `open_checkpoint` opens: `path` itself, or the first of `names` in the folder `path`.

    The choice depends on names only. A dangling link is chosen too, so that opening it reports it. Raises
    ModelFileError if the folder holds none of `names`, InputError if `path` is no path.
    """
    if not isinstance(path, str | Path):
        raise InputError(mismatch("path", type(path).__name__, "str or Path"))
    path = Path(path)
    if not os.path.isdir(path):
        return path
    for name in names:
        if os.path.lexists(path / name):
            return path / name
    try:
        others = sorted(name for name in os.listdir(path) if name.endswith(_OTHER_WEIGHTS))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be listed: {error.strerror}") from None
    found = f"only {shown(', '.join(others))}" if others else "no weights"
    raise ModelFileError(mismatch(path, found, f"one of {', '.join(names)}"))


def open_checkpoint(folder_or_file: str | Path, names: Sequence[str] = WEIGHT_FILES) -> Checkpoint:
    """Open the weights in a folder (see `choose_file`), or one weight file or shard index, of any format.

    Reads headers only. Raises ModelFileError for files that are missing, damaged or no weights, and
    UnsafeFileError for a pickle that holds anything but tensors. The message names the file.
    """
    path = choose_file(folder_or_file, names)
    file = WeightFile(path)
    kind = file_kind.detect(file)
    if kind == file_kind.INDEX:
        return _open_sharded(file)
    return Checkpoint(kind, [path], _read_single(file, kind))


def _read_single(file: WeightFile, kind: str) -> dict[str, StoredTensor]:
    """The tensors of one file. Only the reader for the file's format is imported and used."""
    if kind == file_kind.SAFETENSORS:
        from .safetensors_reader import read_safetensors

        return read_safetensors(file)
    if kind == file_kind.ZIP:
        from .torch_zip import read_torch_zip

        return read_torch_zip(file)
    from .torch_legacy import read_torch_legacy

    return read_torch_legacy(file)


def _open_sharded(index: WeightFile) -> Checkpoint:
    from ..files.json_object import MAX_JSON_BYTES
    from ..files.shard_index import parse_shard_index

    if index.size > MAX_JSON_BYTES:
        place = f"{index.path}: shard index"
        raise ModelFileError(mismatch(place, f"{index.size} bytes", f"at most {MAX_JSON_BYTES}"))
    shard_of = parse_shard_index(index.read(0, index.size, "the shard index"), index.path)
    listed: dict[str, set[str]] = {}
    for name, shard in shard_of.items():
        listed.setdefault(shard, set()).add(name)

    tensors: dict[str, dict[str, StoredTensor]] = {}
    families = set()
    for shard, names in listed.items():
        family, tensors[shard] = _open_shard(index, index.path.parent / shard, names)
        families.add(family)
    if len(families) > 1:
        found = "both safetensors and torch shards"
        raise ModelFileError(mismatch(f"{index.path}: shard index", found, "shards of one format"))
    files = [index.path, *(index.path.parent / shard for shard in listed)]
    in_order = {name: tensors[shard][name] for name, shard in shard_of.items()}
    return Checkpoint(f"{families.pop()}-sharded", files, in_order)


def _open_shard(index: WeightFile, path: Path, names: set[str]) -> tuple[str, dict[str, StoredTensor]]:
    """The shard's format ("safetensors" or "torch"), and its tensors `names`, which the index lists.

    Raises ModelFileError if the shard lacks one of them.
    """
    try:
        file = WeightFile(path)
        kind = file_kind.detect(file)
    except ModelFileError as error:
        raise ModelFileError(f"{error} (a shard that {index.path.name} lists)") from None
    if kind == file_kind.INDEX:
        raise ModelFileError(mismatch(path, "a JSON file", "a shard of weights"))
    stored = _read_single(file, kind)
    missing, extra = names - stored.keys(), stored.keys() - names
    if missing:
        expected = f"every tensor that {index.path.name} lists for this file"
        raise ModelFileError(mismatch(path, f"no tensor {shown(min(missing))}", expected))
    if extra:
        logger.warning(
            "%s: ignored %d tensors that %s does not list for this file, such as %s",
            path,
            len(extra),
            index.path.name,
            shown(min(extra)),
        )
    family = "safetensors" if kind == file_kind.SAFETENSORS else "torch"
    return family, {name: stored[name] for name in names}
