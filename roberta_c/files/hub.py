"""Find a model's files: in a local folder, or in a Hub repository through the client (huggingface_hub).

`ModelFiles` and `resolve` fetch the files that one part of the package reads (file_sets.py), `download` those
of all parts. All files of one ModelFiles are of one commit (hub_repository.py), and errors say what to do
(hub_answers.py).
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from ..errors import HubError, InputError, mismatch, shown
from .file_sets import (
    BGE_M3_HEADS,
    CONFIG,
    MODEL_SETTINGS,
    MODULE_LIST,
    MODULES,
    TOKENIZER,
    WEIGHTS,
    FileSet,
    below,
    files_of_module,
)
from .hub_options import DEFAULT_OPTIONS, HubOptions
from .hub_repository import Repository
from .module_list import read_module_list


class ModelFiles:
    """The files of a local folder, or of one commit of a Hub repository: that of the first `fetch`."""

    def __init__(self, path_or_id: str | os.PathLike[str], hub_options: HubOptions = DEFAULT_OPTIONS) -> None:
        """An existing folder is a local one. Anything else must be the name of a repository ("org/name").

        Raises HubError for a name that cannot be one, InputError for a bad argument.
        """
        hub_options.check()
        if not isinstance(path_or_id, (str, os.PathLike)):
            raise InputError(mismatch("path_or_id", shown(path_or_id), "a folder or a repository name"))
        if isinstance(path_or_id, str):  # the methods of a subclass could give anything
            path_or_id = str.__str__(path_or_id)
        self.path_or_id: str | Path = path_or_id if isinstance(path_or_id, str) else Path(path_or_id)
        self._hub_options = hub_options
        self._repository: Repository | None = None
        if os.path.isdir(path_or_id):
            return
        if os.path.lexists(path_or_id):
            found = "a file" if os.path.isfile(path_or_id) else "a device, a pipe, or a link without a folder"
            expected = "the folder that holds the model's files"
            raise InputError(mismatch(shown(os.fspath(path_or_id), 200), found, expected))
        if not isinstance(path_or_id, str):
            raise HubError(f"no such folder: {shown(os.fspath(path_or_id), 200)}")
        _check_repo_id(path_or_id)
        self._repository = Repository(path_or_id, hub_options)

    def fetch(self, files: FileSet, folder: str = "") -> Path:
        """The local path of `folder`, a path below the model's own, with those of `files` that exist.

        Files of a repository that the cache lacks are downloaded; those of a local folder are not looked for.
        Raises HubError if files cannot be fetched, ModelFileError for a malformed shard index.
        """
        if self._repository is None:
            return Path(self.path_or_id, folder)
        return self._repository.fetch_set(below(folder, files)) / folder

    @property
    def hub_options(self) -> HubOptions:
        """The options that give the same files: after a `fetch`, `revision` is the commit."""
        commit = None if self._repository is None else self._repository.commit
        return dataclasses.replace(self._hub_options, revision=commit) if commit else self._hub_options


def resolve(
    path_or_id: str | os.PathLike[str],
    files: FileSet,
    options: HubOptions = DEFAULT_OPTIONS,
) -> Path:
    """A local folder with those files of `files` that exist.

    The path of an existing folder is returned unchanged. For a repository it is the cache's folder of the
    commit. Raises HubError, InputError, ModelFileError, as ModelFiles does.
    """
    return ModelFiles(path_or_id, options).fetch(files)


def is_same_place(value: Any, path_or_id: str | os.PathLike[str]) -> bool:
    """Whether `value` is that path or name. Other objects are not compared: `==` of theirs may raise."""
    return isinstance(value, str | os.PathLike) and value == path_or_id


def pinned(
    path_or_id: str | os.PathLike[str], options: HubOptions = DEFAULT_OPTIONS, files: FileSet = CONFIG
) -> HubOptions:
    """`options` with the commit that `files` are of now, for loads of files that belong together.

    A branch may move between two loads. `files` are fetched; the options of a local folder do not change.
    Raises HubError, InputError, as ModelFiles does.
    """
    model_files = ModelFiles(path_or_id, options)
    model_files.fetch(files)
    return model_files.hub_options


def download(
    repo_id: str,
    options: HubOptions = DEFAULT_OPTIONS,
    *,
    local_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Fetch a repository's configuration, tokenizer and best weights. Returns the folder that holds them.

    Of a sentence-transformers repository also the files of its modules, one of which may be the encoder in a
    subfolder, and its settings; of bge-m3 also its heads.

    The returned folder is the cache's for the commit, or `local_dir`: the files are then directly in it,
    beside the client's own folder `.cache`. Raises as `resolve` does.
    """
    options.check()
    if not isinstance(repo_id, str):
        raise InputError(mismatch("repo_id", shown(repo_id), "a repository name of the form org/name"))
    if local_dir is not None and (not isinstance(local_dir, (str, os.PathLike)) or os.path.isfile(local_dir)):
        raise InputError(mismatch("local_dir", shown(local_dir), "a folder or the path of a new one"))
    if os.path.isdir(repo_id):
        found, expected = "a folder on this machine", "the name of a Hub repository"
        raise InputError(mismatch(shown(repo_id, 200), found, expected))
    _check_repo_id(repo_id)
    repository = Repository(repo_id, options, local_dir)
    folder = repository.fetch_set(MODULE_LIST)
    path = repository.fetch(MODULES)
    modules = [] if path is None else read_module_list(path)
    encoder = next((module.folder for module in modules if module.kind == "Transformer"), "")
    for files in (CONFIG, TOKENIZER, WEIGHTS):
        repository.fetch_set(below(encoder, files))
    repository.fetch_set(BGE_M3_HEADS)
    if modules:
        repository.fetch_set(MODEL_SETTINGS)
    for module in modules:
        for files in files_of_module(module.kind):
            repository.fetch_set(below(module.folder, files))
    return folder


def show_progress_bars(enabled: bool) -> None:
    """Turn the client's progress bars on or off."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # not in its __all__
        disable_progress_bars,
        enable_progress_bars,
    )

    (enable_progress_bars if enabled else disable_progress_bars)()


def _check_repo_id(repo_id: str) -> None:
    problem = f"no such folder, and not a repository name of the form org/name: {shown(repo_id, 200)}"
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?", repo_id):
        raise HubError(problem)  # importing the client takes long, and is not needed for this
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # not in its __all__

    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise HubError(problem) from None
