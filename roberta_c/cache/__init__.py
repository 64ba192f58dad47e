"""Packed weights kept in files: a model's first load writes them, later loads of any process map them.

    cache = open_cache("auto", checkpoint, kernels, "float32", False, num_threads=2)
    panels = cache.array("panels float32 a.weight", shape)      # None: not there; packed, then
    cache.keep("panels float32 a.weight", packed.panels)
    cache.finish()                                              # writes what was kept

Reading order: settings.py says where, identity.py what a file was made of, layout.py its form, reader.py and
writer.py read and write it, folder.py keeps the folder. docs/cache.md says what users may rely on.

Nothing that happens to the cache is an error of a load: weights are packed then, and a warning says why.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelFileError, ResourceError, one_line
from . import settings
from .errors import DamagedError, UnusableError

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from ..kernels import Kernels
    from .reader import PackedFile

logger = logging.getLogger(__name__)

ENCODER, HEAD = "encoder", "head"
# What the system, a file or a lack of memory can do. An exception of another kind is no failure of the cache:
# a signal handler may have raised it.
_FAILURES = (OSError, UnusableError, DamagedError, ResourceError, MemoryError)
_JUST_CHANGED = "the weight files were changed just now"
_told: set[tuple[str, str]] = set()  # folder and reason of warnings that were given


@dataclass
class CacheReport:
    """What a load has taken from the cache.

    state    "off", "small" (too little to be worth it), "read", "written", "being written", or "not used"
    reason   of "not used"
    folder   of the files; None if there is none
    nbytes   of the arrays that were read
    is_mapped   whether these are shared with other processes
    ms       what taking the weights took, in milliseconds
    packing_ms  what it took when the file was written; None unless it was read
    """

    state: str = "off"
    reason: str = ""
    folder: str | None = None
    nbytes: int = 0
    is_mapped: bool = False
    ms: float = 0.0
    packing_ms: float | None = None


def open_cache(
    cache: Any,
    checkpoint: Checkpoint,
    kernels: Kernels,
    dtype: str,
    allow_nonfinite: bool,
    num_threads: int,
) -> WeightCache:
    """The cache of one load. cache: as `from_pretrained` takes it. Raises InputError for a wrong argument.

    allow_nonfinite: a file is written by a load that has checked all that a load with the same value checks.
    """
    found = WeightCache()
    try:
        choice = settings.chosen(cache)
        if choice is None:
            return found
        found.report.folder = str(choice.folder)
        from . import identity

        if sum(file.size for file in identity.files_of(checkpoint)) < settings.MIN_BYTES:
            found.report.state = "small"
            return found
        facts = identity.key_facts(checkpoint, kernels, dtype, allow_nonfinite, num_threads)
        found.choose(choice, checkpoint, facts, num_threads)
    except InputError:
        raise
    except _FAILURES as error:
        found.give_up(error)
    return found


class WeightCache:
    """What one load takes from the cache and leaves there. Without `choose`: nothing.

    The encoder and the head have a file each, so that models with different heads share the encoder.
    """

    def __init__(self) -> None:
        self.report = CacheReport()
        self._choice: settings.Choice | None = None
        self._checkpoint: Checkpoint
        self._facts: dict[str, Any] = {}
        self._num_threads = 1
        self._writes: bool | None = None  # None: all weights so far come from files of the cache
        self._began = time.perf_counter()
        self._forget()

    def _forget(self) -> None:
        """Keep no array alive."""
        self._files: dict[str, PackedFile | None] = {}
        self._found: dict[str, dict[str, np.ndarray]] = {ENCODER: {}, HEAD: {}}
        self._kept: dict[str, dict[str, np.ndarray]] = {ENCODER: {}, HEAD: {}}

    def choose(
        self, choice: settings.Choice, checkpoint: Checkpoint, facts: dict[str, Any], num_threads: int
    ) -> None:
        """Use the cache in this folder. facts: of `identity.key_facts`."""
        self._choice, self._checkpoint, self._facts = choice, checkpoint, facts
        self._num_threads = num_threads

    @property
    def is_used(self) -> bool:
        """Whether arrays may be there, or may be kept."""
        return self._choice is not None

    def give_up(self, error: Exception) -> None:
        """Use no cache from now on, and say why, once for each reason. Raises what a handler raised."""
        if isinstance(error, OSError) and error.errno is None and not isinstance(error, ModelFileError):
            raise error  # such as the TimeoutError of a program that limits the time of a load
        self._choice = None
        self._forget()
        self.report.state, self.report.reason = "not used", _reason(error)
        _warn(self.report.folder, self.report.reason)

    # ---- while a model is loaded -----------------------------------------------------------------------

    def array(
        self, name: str, shape: Sequence[int] | None, part: str, dtype: str = "float32"
    ) -> np.ndarray | None:
        """The array of this name, read-only, if it is there with this type and shape (None: of any shape)."""
        if self._choice is None:
            return None
        try:
            if part not in self._files:
                self._files[part] = self._open(part)
            file = self._files[part]
            found = None if file is None else file.array(name)
        except _FAILURES as error:
            self.give_up(error)
            return None
        if found is None or found.dtype.name != dtype or (shape is not None and found.shape != tuple(shape)):
            return None
        self._found[part][name] = found
        return found

    def keep(self, name: str, array: np.ndarray, part: str) -> None:
        """Remember an array for the file. It must not change any more."""
        if self._choice is not None:
            self._kept[part][name] = array

    def _open(self, part: str) -> PackedFile | None:
        """The file of a part; None if there is none. A damaged one is removed."""
        from . import folder as private
        from . import identity
        from .reader import PackedFile

        assert self._choice is not None
        key = identity.key_text(self._facts, part)
        name = identity.file_name(key)
        try:
            with private.opened_folder(self._choice.folder) as folder:
                descriptor = inode = None
                try:
                    descriptor = private.open_file(folder, name)
                    inode = os.fstat(descriptor).st_ino
                    found = PackedFile(self._choice.folder, descriptor, key, self._num_threads)
                    self.report.state = "read"
                    return found
                except DamagedError as error:
                    private.remove_damaged(folder, name, inode, str(error))
                    _warn(str(self._choice.folder / name), str(error), "it is removed, and written again")
                finally:
                    if descriptor is not None:
                        os.close(descriptor)
        except FileNotFoundError:
            pass
        self._settle()
        return None

    def _settle(self) -> None:
        """Before weights are read that may be written to the cache: decide that. See SETTLED_SECONDS.

        Once, since what was read before would not be settled by waiting now.
        """
        from . import identity

        assert self._choice is not None
        if self._writes is not None:
            return
        settled = identity.settled_seconds(self._checkpoint)
        if self._choice.waits:
            if 0 <= settled < settings.SETTLED_SECONDS:
                began = time.perf_counter()
                time.sleep(settings.SETTLED_SECONDS - settled)
                self._began += time.perf_counter() - began
                settled = identity.settled_seconds(self._checkpoint)
            self._writes = settled >= settings.SETTLED_SECONDS and identity.is_unchanged(self._checkpoint)
        else:
            self._writes = settled >= settings.AUTO_SETTLED_SECONDS

    # ---- afterwards ------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The load has succeeded: write what was kept, if that is worth it."""
        report = self.report
        report.ms = (time.perf_counter() - self._began) * 1e3
        if self._choice is None:
            return
        try:
            read = {part: file for part, file in self._files.items() if file is not None}
            report.nbytes = sum(array.nbytes for found in self._found.values() for array in found.values())
            report.is_mapped = bool(read) and all(file.is_mapped for file in read.values())
            times = [file.header.facts.get("packing_ms") for file in read.values()]
            numbers = [one for one in times if isinstance(one, (int, float))]
            report.packing_ms = float(max(numbers)) if numbers else None
            sizes = {part: sum(array.nbytes for array in kept.values()) for part, kept in self._kept.items()}
            missing = [part for part, size in sizes.items() if size >= settings.MIN_BYTES]
            if self._writes is not False:
                for part in missing:
                    self._write(part)
            elif missing and not read:
                report.state, report.reason = "not used", _JUST_CHANGED
            if report.state == "off":  # neither read nor worth a file
                report.state = "small"
        except _FAILURES as error:
            self.give_up(error)
        self._forget()

    def _write(self, part: str) -> None:
        from . import identity, writer

        assert self._choice is not None
        key = identity.key_text(self._facts, part)
        source = os.fsencode(self._checkpoint.files[0]).decode(errors="replace")
        incomplete = self._files.get(part)
        checkpoint, facts, choice, report = self._checkpoint, self._facts, self._choice, self.report
        job = writer.Job(
            choice.folder,
            identity.file_name(key),
            key,
            {
                "source": source,
                "part": part,
                "dtype": self._facts["dtype"],
                "layout": self._facts["layout"][1],
                "packing_ms": round(report.ms, 1),
            },
            {**self._found[part], **self._kept[part]},
            None if incomplete is None else incomplete.inode,
            lambda: identity.is_unchanged(checkpoint, facts),
        )
        report.state = "being written"
        if choice.waits:
            writer.write(job, waits=True)
            report.state = "written"
            return

        def ended(is_there: bool, error: Exception | None) -> None:
            if is_there:
                report.state = "written"
            elif error is not None:
                report.state, report.reason = "not used", _reason(error)
                _warn(report.folder, report.reason)

        writer.write_meanwhile(job, ended)


def part_of(tensor: str) -> str:
    """The part of a model that a tensor of this canonical name belongs to."""
    return ENCODER if tensor.startswith(("embeddings.", "encoder.")) else HEAD


def wait_for_writers() -> None:
    """Wait until this process has written all cache files that it has begun."""
    from . import writer

    writer.wait()


def _reason(error: Exception) -> str:
    if isinstance(error, (UnusableError, ModelFileError)):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"{type(error).__name__}: {error}"


_ENDING = "weights are packed at each load (ROBERTA_C_CACHE=off turns the cache off)"


def _warn(place: str | None, reason: str, ending: str = _ENDING) -> None:
    """One warning for each place and reason, whatever numbers it has: those of a disk's room change."""
    told = (place or "", re.sub(r"[\d,]+", "", reason))
    if told not in _told:
        _told.add(told)
        logger.warning("%s; %s", one_line(f"cache {place or 'of packed weights'}: {reason}"), ending)
