"""Where a model's files are: a local folder as it is, or a Hub repository through huggingface_hub.

The client does the transport, the cache, the progress bars and reads its own environment variables
(HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE…). Here is which files to ask for, that all files of one
`resolve` come from one commit, and errors that say what to do. Reading the JSON files among them, as
strictly as a stranger's file should be, is here as well: an index names the files it needs.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import HubError, InputError, ModelFileError, mismatch, shown
from .json_object import MAX_JSON_BYTES, parse_object

logger = logging.getLogger(__name__)


_DISK_ERRORS = {"EACCES", "EDQUOT", "EEXIST", "EIO", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS"}


@dataclass(frozen=True)
class HubOptions:
    """Where and how the files of a Hub repository are fetched; a local folder needs none of it.

    revision          branch, tag or commit; None: the repository's main branch
    token             an access token; None: the stored one or HF_TOKEN; False: none
    cache_dir         folder of the cache; None: the client's own (HF_HOME, HF_HUB_CACHE)
    local_files_only  use the cache alone, without the network
    """

    revision: str | None = None
    token: str | bool | None = field(default=None, repr=False)
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False

    def check(self) -> None:
        """Raise InputError naming the first option of a wrong type or value.

        `resolve` and `download` call it, so that options nobody uses raise nothing.
        """
        revision, token = self.revision, self.token
        if revision is not None:
            # Git refuses these characters in a name, and the client makes a path of the name.
            is_name = isinstance(revision, str) and re.fullmatch(r"(?!/)[^\x00-\x20~^:?*\[\\\x7f]+", revision)
            if not is_name or ".." in revision:
                raise InputError(mismatch("revision", shown(revision), "a branch, tag or commit"))
        if not (token is None or isinstance(token, bool)):
            if not isinstance(token, str):
                raise InputError(mismatch("token", f"a {type(token).__name__}", "text like hf_…"))
            if not re.fullmatch(r"[!-~]+", token):  # the message never shows the token
                raise InputError(mismatch("token", "text with other than visible ASCII", "text like hf_…"))
        if self.cache_dir is not None and not isinstance(self.cache_dir, (str, os.PathLike)):
            raise InputError(mismatch("cache_dir", shown(self.cache_dir), "a folder"))
        if not isinstance(self.local_files_only, bool):
            raise InputError(mismatch("local_files_only", shown(self.local_files_only), "True or False"))


DEFAULT_OPTIONS = HubOptions()


class FileSet(NamedTuple):
    """Files that one part of the package reads: `extras` where they exist, and the first choice that does.

    Of a choice of several files, each that exists is taken. `extras` begin with config.json because
    it exists in every model repository: its answer tells the commit for all the other files.
    """

    what: str
    extras: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]


CONFIG = FileSet("configuration", (), (("config.json",),))
TOKENIZER = FileSet(
    "tokenizer",
    ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    (("tokenizer.json",), ("vocab.json", "merges.txt", "sentencepiece.bpe.model")),
)
# The order in which transformers looks; never tf_model.h5, flax_model.msgpack or onnx/. An index brings
# its shards along.
WEIGHTS = FileSet(
    "weights",
    ("config.json",),
    (
        ("model.safetensors",),
        ("model.safetensors.index.json",),
        ("pytorch_model.bin",),
        ("pytorch_model.bin.index.json",),
    ),
)


def resolve(
    path_or_id: str | os.PathLike[str],
    files: FileSet,
    options: HubOptions = DEFAULT_OPTIONS,
) -> Path:
    """A local folder that holds the files of `files` that exist.

    An existing folder is returned as it is. Anything else is a Hub repository ("org/name"): what the
    cache lacks is fetched, all at one commit, and the cache's folder for that commit is returned.

    Raises HubError where the files cannot be had, InputError for a bad argument, ModelFileError for
    an index of shards that is malformed.
    """
    options.check()
    if not isinstance(path_or_id, (str, os.PathLike)):
        raise InputError(f"path_or_id is {shown(path_or_id)}, expected a folder or a repository name")
    if os.path.isdir(path_or_id):
        return Path(path_or_id)
    if os.path.isfile(path_or_id):
        raise InputError(
            f"{os.fspath(path_or_id)} is a file, expected the folder that holds the model's files"
        )
    if not isinstance(path_or_id, str):
        raise HubError(f"no such folder: {shown(os.fspath(path_or_id), 200)}")
    _check_repo_id(path_or_id)
    return _Repository(path_or_id, options).fetch_set(files)


def download(
    repo_id: str,
    options: HubOptions = DEFAULT_OPTIONS,
    *,
    local_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Fetch configuration, tokenizer and the best weights of a repository; the folder they are in.

    That is the cache's folder, or `local_dir` with the files directly in it (beside the client's own
    `.cache`). Raises as `resolve` does.
    """
    options.check()
    if not isinstance(repo_id, str):
        raise InputError(f"repo_id is {shown(repo_id)}, expected a repository name of the form org/name")
    if local_dir is not None and (not isinstance(local_dir, (str, os.PathLike)) or os.path.isfile(local_dir)):
        raise InputError(f"local_dir is {shown(local_dir)}, expected a folder or the path of a new one")
    if os.path.isdir(repo_id):
        raise InputError(f"{shown(repo_id, 200)}: a folder on this machine, expected a Hub repository's name")
    _check_repo_id(repo_id)
    repository = _Repository(repo_id, options, local_dir)
    for files in (CONFIG, TOKENIZER, WEIGHTS):
        folder = repository.fetch_set(files)
    return folder


def read_json_object(path: Path) -> dict[str, Any]:
    """The one JSON object in the file `path`.

    Raises ModelFileError naming the file: missing, not a regular file, or refused by json_object.py.
    """
    if not os.path.isfile(path):  # also keeps open() from waiting on a FIFO
        found = "is not a regular file" if os.path.exists(path) else "no such file"
        raise ModelFileError(f"{path}: {found}, expected a JSON file")
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_object(data, path)


def cache_facts(options: HubOptions) -> dict[str, Any]:
    """Where the Hub's files are kept, where they come from, and what decided that.

    Of the token only where it is from. The client's own `get_token` may ask the network; this does not.
    """
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE if options.cache_dir is None else options.cache_dir)
    chosen_by = "cache_dir"
    if options.cache_dir is None:  # in the order in which the client looks
        names = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")
        chosen_by = next((name for name in names if name in os.environ), "default")
    return {
        "folder": os.fspath(cache),
        "chosen_by": chosen_by,
        "exists": cache.is_dir(),
        "endpoint": without_credentials(constants.ENDPOINT),
        "offline": bool(constants.HF_HUB_OFFLINE or options.local_files_only),
        "token": _token_source(options.token),
    }


def _token_source(token: str | bool | None) -> str | None:
    from huggingface_hub import constants

    if token is False:
        return None
    if isinstance(token, str):
        return "argument"
    if token is None and constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return None
    # As the client looks: the first variable that is not empty counts, even if it holds but blanks.
    name = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), None)
    if name is not None and os.environ[name].strip():
        return name
    with contextlib.suppress(OSError):
        if Path(constants.HF_TOKEN_PATH).read_bytes().strip():
            return "stored"
    return None


def without_credentials(text: str) -> str:
    """`text` with the name and password left out of a URL in it."""
    return re.sub(r"(?<=://)[^/\s]*@", "…@", text)


class _Repository:
    """One repository at one revision, pinned to the commit of the first file that it answers for."""

    def __init__(
        self, repo_id: str, options: HubOptions, local_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.repo_id = repo_id
        self.revision, self.token = options.revision, options.token
        self.cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
        self.local_files_only = options.local_files_only
        self.local_dir = None if local_dir is None else Path(local_dir)
        # A full hash needs no answer from the Hub.
        is_commit = self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision)
        self.commit = self.revision if is_commit else None
        # Files of which neither the Hub nor the cache could say whether they exist, and why not.
        self.unknown: list[str] = []
        self.unknown_because = "local_files_only (--offline) allows no download"

    def fetch_set(self, files: FileSet) -> Path:
        """Fetch what exists of `files`; the folder. Raises HubError where no choice exists."""
        self.unknown.clear()
        found = [path for name in files.extras if (path := self.fetch(name)) is not None]
        for choice in files.choices:
            found = [path for name in choice if (path := self.fetch(name)) is not None]
            if found:
                break
        looked_for = ", ".join(name for choice in files.choices for name in choice)
        if not found and self.unknown:
            raise HubError(
                f"{self.repo_id}: no such folder, no {files.what} in the cache ({self._cache()}), and "
                f"{self.unknown_because}; "
                f"looked for {looked_for}"
            )
        if not found:
            raise HubError(f"{self.repo_id}: the repository has no {files.what}, looked for {looked_for}")
        for path in found:
            if path.name.endswith(".index.json"):
                self._fetch_shards(path)
        if self.unknown:
            names = ", ".join(self.unknown)
            logger.info("%s: taken as absent, not being in the cache: %s", self.repo_id, names)
        return found[0].parent

    def fetch(self, name: str) -> Path | None:
        """The local path of the file `name`, or None where the repository is without it, or unknown."""
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        if self.local_dir is not None and self.commit is None:
            self.commit = self._ask_commit()
        cached: object = None
        try:
            if self.commit is not None:
                cached = huggingface_hub.try_to_load_from_cache(
                    self.repo_id, name, cache_dir=self.cache_dir, revision=self.commit
                )
                if isinstance(cached, str) and self.local_dir is None:
                    return Path(cached)
                if cached is huggingface_hub._CACHED_NO_EXIST:
                    return None
            path = Path(
                huggingface_hub.hf_hub_download(
                    self.repo_id,
                    name,
                    revision=self.commit or self.revision,
                    token=self.token,
                    cache_dir=self.cache_dir,
                    local_dir=self.local_dir,
                    local_files_only=self.local_files_only,
                )
            )
            if cached is None and not self.local_files_only:
                self._check_digest(path)
        except HubError:
            raise
        except LocalEntryNotFoundError as error:  # before its base class, which means a 404
            if not self.local_files_only:
                self.unknown_because = self._explain(error.__cause__ or error, name)
                self.local_files_only = True  # the client has retried for long enough
            self.unknown.append(name)
            return None
        except EntryNotFoundError as error:
            response = getattr(error, "response", None)
            if response is not None:
                self.commit = self.commit or response.headers.get("X-Repo-Commit")
            return None
        except Exception as error:  # whatever its transport raises: that depends on the client's version
            raise HubError(f"{self.repo_id}: {self._explain(error, name)}") from error
        if self.local_dir is None:
            self.commit = self.commit or path.parent.name  # snapshots/<commit>/<name>
        return path

    def _fetch_shards(self, index: Path) -> None:
        weight_map = read_json_object(index).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise ModelFileError(
                f"{index}: weight_map is {shown(weight_map)}, expected tensor and file names"
            )
        suffix = Path(index.name.removesuffix(".index.json")).suffix
        for name in dict.fromkeys(map(str, weight_map.values())):
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or not name.endswith(suffix):
                raise ModelFileError(
                    f"{index}: a shard is called {shown(name)}, expected a plain *{suffix} name"
                )
            if self.fetch(name) is None:
                reason = "the repository is without it"
                if name in self.unknown:
                    reason = f"it is not in the cache ({self._cache()}) and {self.unknown_because}"
                raise HubError(f"{self.repo_id}: {index.name} names {shown(name)}, but {reason}")

    def _ask_commit(self) -> str | None:
        import huggingface_hub

        try:
            api = huggingface_hub.HfApi(token=self.token)
            return api.model_info(self.repo_id, revision=self.revision).sha
        except Exception as error:
            raise HubError(f"{self.repo_id}: {self._explain(error, 'its file list')}") from error

    def _check_digest(self, path: Path) -> None:
        """Compare a file just fetched with the SHA-256 that the Hub has for it; the client checks sizes only.

        The Hub has one for its large files (weights, sentencepiece), as their ETag.
        """
        import hashlib

        import huggingface_hub

        blob = path
        if self.local_dir is not None:
            url = huggingface_hub.hf_hub_url(self.repo_id, path.name, revision=self.commit)
            etag = huggingface_hub.get_hf_file_metadata(url, token=self.token).etag or ""
        elif path.is_symlink():
            blob = path.parent / os.readlink(path)
            etag = blob.name
        else:
            return  # a file system without links: the cache does not keep the ETag
        if not re.fullmatch(r"[0-9a-f]{64}", etag):
            return
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        if digest.hexdigest() != etag:
            path.unlink()
            blob.unlink(missing_ok=True)
            raise HubError(
                f"{self.repo_id}: {path.name} arrived damaged and was deleted, try again "
                f"(SHA-256 {digest.hexdigest()}, expected {etag})"
            )

    def _cache(self) -> str:
        from huggingface_hub import constants

        return os.fspath(self.local_dir or self.cache_dir or constants.HF_HUB_CACHE)

    def _explain(self, error: BaseException, name: str) -> str:
        """What went wrong with the file `name` and what to do, for the end of a message."""
        from huggingface_hub import constants, errors, get_token

        endpoint = without_credentials(constants.ENDPOINT)
        token = None if self.token is False else get_token()
        if isinstance(self.token, str):
            token = self.token
        credentials = "this token may not read" if token else "needs token= or HF_TOKEN"
        if isinstance(error, errors.OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE allows no download"
        if isinstance(error, errors.RevisionNotFoundError):
            return f"no revision {shown(self.revision)} at {endpoint}"
        if isinstance(error, errors.GatedRepoError):
            return f"a gated repository that {credentials}; access is granted at {endpoint}/{self.repo_id}"
        if isinstance(error, errors.RepositoryNotFoundError):
            return f"no such folder, and no such repository at {endpoint} or a private one that {credentials}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 401:
            return f"{endpoint} does not know the token (token=, HF_TOKEN or the stored one)"
        if status is not None:
            return f"{endpoint} answered {status} for {name}"
        if isinstance(error, OSError) and errno.errorcode.get(error.errno or 0) in _DISK_ERRORS:
            where = f"{name} cannot be written in {self._cache()} ({error.strerror})"
            return f"{where}; make room there, or pass cache_dir= or set HF_HOME"
        detail = without_credentials(" ".join(str(error).split()))
        if token:  # some errors of HTTP libraries quote the headers
            detail = detail.replace(token, "…")
        return f"{name} could not be had from {endpoint} ({type(error).__name__}: {shown(detail, 200)})"


def _check_repo_id(repo_id: str) -> None:
    problem = f"no such folder, and not a repository name of the form org/name: {shown(repo_id, 200)}"
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?", repo_id):
        raise HubError(problem)  # without the price of importing the client
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise HubError(problem) from None
