"""Find a model's files: in a local folder, or in a Hub repository through the client (huggingface_hub).

The client does the transport, the cache and the progress bars, and reads its own environment variables
(HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE…). This module chooses the files to fetch, takes all files of
one `resolve` from one commit, and raises errors that say what to do.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import HubError, InputError, mismatch, shown
from .json_object import read_file
from .module_list import read_module_list
from .shard_index import parse_shard_index

logger = logging.getLogger(__name__)

# Names of the operating system's errors that mean a file cannot be written.
_DISK_ERRORS = {"EACCES", "EDQUOT", "EEXIST", "EIO", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS"}


# How long the Hub may take for its first answer, unless HF_HUB_ETAG_TIMEOUT says otherwise, and how long it
# is not asked again if it gave none; in seconds.
ANSWER_SECONDS, RETRY_SECONDS = 1.5, 30.0


@dataclass(frozen=True)
class HubOptions:
    """How to fetch the files of a Hub repository. Local folders ignore these options.

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

        `resolve` and `download` call this; options that are never used are never checked.
        """
        revision, token = self.revision, self.token
        if revision is not None:
            # Git refuses these characters in a name, and the client makes a path of the name.
            is_name = isinstance(revision, str) and re.fullmatch(r"(?!/)[^\x00-\x20~^:?*\[\\\x7f]+", revision)
            if not is_name or ".." in revision:
                raise InputError(mismatch("revision", shown(revision), "a branch, tag or commit"))
        if not (token is None or isinstance(token, bool)):
            if not isinstance(token, str):
                raise InputError(mismatch("token", type(token).__name__, "text like hf_…"))
            if not re.fullmatch(r"[!-~]+", token):  # the message never shows the token
                raise InputError(mismatch("token", "text with other than visible ASCII", "text like hf_…"))
        if self.cache_dir is not None and not isinstance(self.cache_dir, (str, os.PathLike)):
            raise InputError(mismatch("cache_dir", shown(self.cache_dir), "a folder"))
        if not isinstance(self.local_files_only, bool):
            raise InputError(mismatch("local_files_only", shown(self.local_files_only), "True or False"))


DEFAULT_OPTIONS = HubOptions()
KEYWORDS = tuple(option.name for option in fields(HubOptions))


class FileSet(NamedTuple):
    """The files that one part of the package reads.

    what     the name of these files in messages
    extras   optional files: each one that exists is fetched. config.json comes first, because every model
             repository has it, and the Hub's response to it names the commit of all other files.
    choices  alternatives, best first. The first of which a file exists is used; its other files may be
             missing.
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
INDEX_SUFFIX = ".index.json"
# In transformers' order of preference. tf_model.h5, flax_model.msgpack and onnx/ are never read.
WEIGHT_FILES = (
    "model.safetensors",
    f"model.safetensors{INDEX_SUFFIX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX_SUFFIX}",
)
# `resolve` fetches the shards that an index lists together with the index.
WEIGHTS = FileSet("weights", ("config.json",), tuple((name,) for name in WEIGHT_FILES))

# The files of sentence-transformers at the top of a repository: modules.json names the folders of the others.
SENTENCE = FileSet(
    "sentence-transformers configuration",
    ("config.json", "modules.json", "config_sentence_transformers.json"),
    (("modules.json",), ("config.json",)),
)
# The settings of the encoder beside its config.json, in sentence-transformers' order of preference: the file
# has the name of the model type that the encoder once had.
SENTENCE_SETTINGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
ENCODER_SETTINGS = FileSet("configuration", (), (*((name,) for name in SENTENCE_SETTINGS), *CONFIG.choices))
# A module's weights; its config.json is optional, since a module without settings has none.
MODULE_WEIGHTS = FileSet("weights of a module", (), (("model.safetensors",), ("pytorch_model.bin",)))
MODULE_CONFIG = FileSet("configuration of a module", ("config.json",), ())


def below(folder: str, files: FileSet) -> FileSet:
    """`files` of a folder in a sentence-transformers repository; "" is the repository's own.

    modules.json is fetched first: the path of a file at the top of the cache's folder tells the commit.
    Without alternatives, modules.json is the file that must exist.
    """
    if not folder and files.choices:
        return files
    prefix = f"{folder}/" if folder else ""
    extras = ("modules.json", *(prefix + name for name in files.extras))
    choices = tuple(tuple(prefix + name for name in choice) for choice in files.choices)
    return FileSet(files.what, extras, choices or (("modules.json",),))


def weights(use_safetensors: bool | None) -> FileSet:
    """WEIGHTS; with False or True without, or of, safetensors alone. Raises InputError."""
    if use_safetensors is None:
        return WEIGHTS
    if not isinstance(use_safetensors, bool):
        raise InputError(mismatch("use_safetensors", shown(use_safetensors), "True, False or None"))
    choices = tuple(choice for choice in WEIGHTS.choices if choice[0].startswith("model.") is use_safetensors)
    return WEIGHTS._replace(choices=choices)


def resolve(
    path_or_id: str | os.PathLike[str],
    files: FileSet,
    options: HubOptions = DEFAULT_OPTIONS,
) -> Path:
    """A local folder with those files of `files` that exist.

    The path of an existing folder is returned unchanged. Anything else must be the name of a Hub repository
    ("org/name"): files that the cache lacks are downloaded, all from one commit, and the result is the
    cache's folder for that commit.

    Raises HubError if the files cannot be fetched, InputError for a bad argument, ModelFileError for a
    malformed shard index.
    """
    options.check()
    if not isinstance(path_or_id, (str, os.PathLike)):
        raise InputError(mismatch("path_or_id", shown(path_or_id), "a folder or a repository name"))
    if os.path.isdir(path_or_id):
        return Path(path_or_id)
    if os.path.isfile(path_or_id):
        expected = "the folder that holds the model's files"
        raise InputError(mismatch(shown(os.fspath(path_or_id), 200), "a file", expected))
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
    """Fetch a repository's configuration, tokenizer and best weights. Returns the folder that holds them.

    Of a sentence-transformers repository also the files of its modules; the encoder may be in a subfolder.

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
    repository = _Repository(repo_id, options, local_dir)
    repository.fetch("config.json")  # first, as for every FileSet
    path = repository.fetch(SENTENCE.choices[0][0])
    modules = [] if path is None else read_module_list(path)
    encoder = next((module.folder for module in modules if module.kind == "Transformer"), "")
    for files in (CONFIG, TOKENIZER, WEIGHTS):
        folder = repository.fetch_set(below(encoder, files))
    if path is None:
        return folder
    for name in SENTENCE.extras:
        repository.fetch(name)
    for module in modules:
        is_encoder = module.kind == "Transformer"
        repository.fetch_set(below(module.folder, ENCODER_SETTINGS if is_encoder else MODULE_CONFIG))
        if module.kind == "Dense":
            repository.fetch_set(below(module.folder, MODULE_WEIGHTS))
    return path.parent


def cache_facts(options: HubOptions) -> dict[str, Any]:
    """The cache's folder and what decided it, the endpoint, whether the network is off, the token's source.

    The token itself is no part of the result. This does not use the network; the client's own `get_token`
    may.
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
    # The client takes the first variable that is not empty, even if it holds only blanks.
    name = next((name for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)), None)
    if name is not None and os.environ[name].strip():
        return name
    with contextlib.suppress(OSError):
        if Path(constants.HF_TOKEN_PATH).read_bytes().strip():
            return "stored"
    return None


def without_credentials(text: str) -> str:
    """`text` without the user name and password of each URL in it."""
    return re.sub(r"(?<=://)[^/\s]*@", "…@", text)


class _Repository:
    """One repository at one revision. The first file found fixes the commit for all later files."""

    def __init__(
        self, repo_id: str, options: HubOptions, local_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.repo_id = repo_id
        self.revision, self.token = options.revision, options.token
        self.cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
        self.local_files_only = options.local_files_only
        self.local_dir = None if local_dir is None else Path(local_dir)
        # A revision that is a full hash is the commit itself: no request to the Hub is needed.
        is_commit = self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision)
        self.commit = self.revision if is_commit else None
        self.was_asked = False  # see _first_answer
        # Files that are not in the cache while the Hub cannot be reached, and the reason why it cannot.
        self.unknown: list[str] = []
        self.unknown_because = "local_files_only (--offline) allows no download"

    def fetch_set(self, files: FileSet) -> Path:
        """Fetch those files of `files` that exist. Returns their folder.

        Raises HubError if no file of any choice exists.
        """
        self.unknown.clear()
        for name in files.extras:
            self.fetch(name)
        found: list[tuple[str, Path]] = []
        for choice in files.choices:
            found = [(name, path) for name in choice if (path := self.fetch(name)) is not None]
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
        for name, path in found:
            if name.endswith(INDEX_SUFFIX):
                self._fetch_shards(path, name.removesuffix(path.name))
        if self.unknown:
            names = ", ".join(self.unknown)
            logger.info("%s: not in the cache, treated as absent: %s", self.repo_id, names)
        return found[0][1].parent

    def fetch(self, name: str) -> Path | None:
        """The local path of the file `name`; None if the repository lacks it, or if that is unknown."""
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        answer = self._first_answer(name)
        if isinstance(answer, Exception):
            if self.local_dir is not None:
                raise HubError(f"{self.repo_id}: {self._explain(answer, name)}") from answer
            self.unknown_because = self._explain(answer, name)
            self.local_files_only = True
        elif isinstance(answer, Path):
            self.commit = answer.parent.name
            return answer
        if self.local_dir is not None and self.commit is None:
            self.commit = self._request_commit()
        cached: object = None
        try:
            if self.local_files_only and self.local_dir is None:
                # The client itself would ask the Hub for something else.
                cached = huggingface_hub.try_to_load_from_cache(
                    self.repo_id, name, cache_dir=self.cache_dir, revision=self.commit or self.revision
                )
                if not isinstance(cached, str):
                    if cached is None:
                        self.unknown.append(name)
                    return None
                self.commit = self.commit or Path(cached).parent.name
                return Path(cached)
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
                self._check_digest(path, name)
        except HubError:
            raise
        except LocalEntryNotFoundError as error:  # before its base class, which means a 404
            if not self.local_files_only:
                self.unknown_because = self._explain(error.__cause__ or error, name)
                self.local_files_only = True  # the client has already retried
            self.unknown.append(name)
            return None
        except EntryNotFoundError as error:
            response = getattr(error, "response", None)
            if response is not None:
                self.commit = self.commit or response.headers.get("X-Repo-Commit")
            return None
        except Exception as error:  # the exceptions of the transport depend on the client's version
            raise HubError(f"{self.repo_id}: {self._explain(error, name)}") from error
        if self.local_dir is None:
            self.commit = self.commit or path.parent.name  # snapshots/<commit>/<name>
        return path

    def _first_answer(self, name: str) -> Exception | Path | None:
        """Ask the Hub for the file `name`, before the client does, which tries again and again for a minute.

        Returns an error if the Hub cannot be reached or answers that it cannot serve now; the file's path if
        the cache has the Hub's current version of it; else None: the client is to fetch it. Only the first
        call asks.
        """
        import huggingface_hub
        from huggingface_hub import constants

        if self.was_asked or self.local_files_only or constants.HF_HUB_OFFLINE:
            return None
        if self.commit is not None and self.local_dir is None:
            cached = huggingface_hub.try_to_load_from_cache(
                self.repo_id, name, cache_dir=self.cache_dir, revision=self.commit
            )
            if cached is not None:
                return None
        self.was_asked = True
        if self.local_dir is not None:
            answer = _answer_in_time(self._asked_commit)
            self.commit = self.commit or (answer if isinstance(answer, str) else None)
            return answer if isinstance(answer, Exception) else None
        revision = self.commit or self.revision or constants.DEFAULT_REVISION
        url = huggingface_hub.hf_hub_url(self.repo_id, name, revision=revision)
        answer = _answer_in_time(
            lambda seconds: (
                huggingface_hub.get_hf_file_metadata(url, token=self.token, timeout=seconds).commit_hash
            )
        )
        if isinstance(answer, Exception):
            return answer
        cached = huggingface_hub.try_to_load_from_cache(
            self.repo_id, name, cache_dir=self.cache_dir, revision=revision
        )
        is_current = isinstance(cached, str) and Path(cached).parent.name == answer
        return Path(cached) if isinstance(cached, str) and is_current else None

    def _asked_commit(self, seconds: float) -> str | None:
        import huggingface_hub

        api = huggingface_hub.HfApi(token=self.token)
        return api.model_info(self.repo_id, revision=self.revision, timeout=seconds).sha

    def _fetch_shards(self, index: Path, prefix: str) -> None:
        """Fetch the files that an index names. prefix: the index's folder in the repository, with a slash."""
        suffix = Path(index.name.removesuffix(INDEX_SUFFIX)).suffix
        for name in dict.fromkeys(parse_shard_index(read_file(index), index, suffix).values()):
            if self.fetch(prefix + name) is None:
                reason = "the repository lacks it"
                if prefix + name in self.unknown:
                    reason = f"it is not in the cache ({self._cache()}) and {self.unknown_because}"
                raise HubError(f"{self.repo_id}: {index.name} names {shown(name)}, but {reason}")

    def _request_commit(self) -> str | None:
        import huggingface_hub

        try:
            api = huggingface_hub.HfApi(token=self.token)
            return api.model_info(self.repo_id, revision=self.revision).sha
        except Exception as error:
            raise HubError(f"{self.repo_id}: {self._explain(error, 'its file list')}") from error

    def _check_digest(self, path: Path, name: str) -> None:
        """Compare the SHA-256 of a downloaded file with the Hub's, because the client compares only sizes.

        The Hub gives the SHA-256 of its large files (weights, sentencepiece models) as their ETag. Raises
        HubError, after deleting the file, if they differ.
        """
        import hashlib

        import huggingface_hub

        blob = path
        if self.local_dir is not None:
            url = huggingface_hub.hf_hub_url(self.repo_id, name, revision=self.commit)
            etag = huggingface_hub.get_hf_file_metadata(url, token=self.token).etag or ""
        elif path.is_symlink():
            blob = path.parent / os.readlink(path)
            etag = blob.name
        else:
            return  # on a file system without links the cache does not keep the ETag
        if not re.fullmatch(r"[0-9a-f]{64}", etag):
            return
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        if digest.hexdigest() != etag:
            path.unlink()
            blob.unlink(missing_ok=True)
            damaged = mismatch(f"{name}: SHA-256", digest.hexdigest(), etag)
            raise HubError(f"{self.repo_id}: {damaged}: the damaged file was deleted, try again")

    def _cache(self) -> str:
        from huggingface_hub import constants

        return os.fspath(self.local_dir or self.cache_dir or constants.HF_HUB_CACHE)

    def _explain(self, error: BaseException, name: str) -> str:
        """The end of an error message: what went wrong with the file `name`, and what to do."""
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
            return f"{where}; free space there, or pass cache_dir= or set HF_HOME"
        detail = without_credentials(" ".join(str(error).split()))
        if token:  # some errors of HTTP libraries quote the request's headers
            detail = detail.replace(token, "…")
        return f"{name} could not be fetched from {endpoint} ({type(error).__name__}: {shown(detail, 200)})"


# Endpoints that could not be reached: when, and the error.
_unreachable: dict[str, tuple[float, Exception]] = {}


def _answer_in_time(ask: Callable[[float], str | None]) -> Exception | str | None:
    """What `ask`, called with a timeout in seconds, returns of the Hub: a commit.

    Returns None if the Hub refuses, and an error if it does not answer in time or cannot serve now. The
    request runs in a thread of its own, because a name server may take longer than any timeout.
    """
    from huggingface_hub import constants

    before = _unreachable.get(constants.ENDPOINT)
    if before is not None and time.monotonic() - before[0] < RETRY_SECONDS:
        return before[1]
    seconds = ANSWER_SECONDS
    if os.environ.get("HF_HUB_ETAG_TIMEOUT"):
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
    answers: list[Exception | str | None] = []

    def run() -> None:
        try:
            answers.append(ask(seconds))
        except Exception as error:  # the exceptions of the transport depend on the client's version
            status = getattr(getattr(error, "response", None), "status_code", None)
            # The client says of a refusal what it is, and marks absent files in its cache.
            answers.append(error if status is None or status == 429 or status >= 500 else None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    answer = answers[0] if answers else TimeoutError(f"no answer within {seconds:g} s")
    if isinstance(answer, Exception):
        _unreachable[constants.ENDPOINT] = time.monotonic(), answer
    else:
        _unreachable.pop(constants.ENDPOINT, None)
    return answer


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


def show_progress_bars(enabled: bool) -> None:
    """Turn the client's progress bars on or off."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # not in its __all__
        disable_progress_bars,
        enable_progress_bars,
    )

    (enable_progress_bars if enabled else disable_progress_bars)()
