"""One Hub repository at one commit: its files, from the client's cache or fetched by the client.

The client (huggingface_hub) does the transport, the cache and the progress bars, and reads its own
environment variables (HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE…).
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from ..errors import HubError, ModelFileError, mismatch, shown
from .file_sets import INDEX_SUFFIX, FileSet
from .hub_answers import answer_in_time, explained
from .hub_options import HubOptions
from .json_object import read_file, read_object
from .shard_index import parse_shard_index

logger = logging.getLogger(__name__)


class Repository:
    """A repository's files. The first file found fixes the commit for all later files.

    commit  its hash; None until it is known
    folder  where its files are: the cache's folder of the commit, or `local_dir`; None until one was found
    """

    def __init__(
        self, repo_id: str, options: HubOptions, local_dir: str | os.PathLike[str] | None = None
    ) -> None:
        """local_dir: a folder that the files are put into instead of the cache."""
        self.repo_id, self.options = repo_id, options
        self.cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
        self.local_files_only = options.local_files_only
        self.local_dir = None if local_dir is None else Path(local_dir)
        # A revision that is a full hash is the commit itself: no request to the Hub is needed.
        is_commit = options.revision and re.fullmatch(r"[0-9a-f]{40}", options.revision)
        self.commit = options.revision if is_commit else None
        self.folder: Path | None = None
        self.was_asked = False  # see _first_answer
        # Files that are not in the cache while the Hub cannot be reached, and the reason why it cannot.
        self.unknown: list[str] = []
        self.unknown_because = "local_files_only (--offline) allows no download"

    def fetch_set(self, files: FileSet) -> Path:
        """Fetch those files of `files` that exist. Returns `folder`.

        Raises HubError if no file of any choice exists, or if it is unknown whether a decisive one does.
        """
        self.unknown.clear()
        for name in files.extras:
            self.fetch(name)
        found: list[tuple[str, Path]] = []
        for choice in files.choices:
            found = [(name, path) for name in choice if (path := self.fetch(name)) is not None]
            if found:
                break
        if self.folder is None or (files.choices and not found):
            raise self._none_of(files)
        self._check_known(files.decisive)
        for name, path in found:
            if name.endswith(INDEX_SUFFIX):
                self._fetch_shards(path, name.removesuffix(path.name))
        if self.unknown:
            names = ", ".join(self.unknown)
            logger.info("%s: not in the cache, treated as absent: %s", self.repo_id, names)
        return self.folder

    def fetch(self, name: str) -> Path | None:
        """The local path of the file `name`; None if the repository lacks it, or if that is unknown."""
        path = self._fetched(name)
        if path is not None:
            self.folder = path.parents[name.count("/")]
            if self.local_dir is None:
                self.commit = self.commit or self.folder.name  # snapshots/<commit>/<name>
        return path

    def _fetched(self, name: str) -> Path | None:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        answer = self._first_answer(name)
        if isinstance(answer, Exception):
            if self.local_dir is not None:
                raise HubError(f"{self.repo_id}: {self._explained(answer, name)}") from answer
            self.unknown_because = self._explained(answer, name)
            self.local_files_only = True
        elif isinstance(answer, Path):
            return answer
        if self.local_dir is not None and self.commit is None:
            self.commit = self._request_commit()
        cached: object = None
        try:
            if self.local_files_only and self.local_dir is None:
                # The client itself would ask the Hub for something else.
                cached = self._in_cache(name, self.commit or self.options.revision)
                if cached is None:
                    self.unknown.append(name)
                return Path(cached) if isinstance(cached, str) else None
            if self.commit is not None:
                cached = self._in_cache(name, self.commit)
                if isinstance(cached, str) and self.local_dir is None:
                    return Path(cached)
                if cached is huggingface_hub._CACHED_NO_EXIST:
                    return None
            path = Path(
                huggingface_hub.hf_hub_download(
                    self.repo_id,
                    name,
                    revision=self.commit or self.options.revision,
                    token=self.options.token,
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
                self.unknown_because = self._explained(error.__cause__ or error, name)
                self.local_files_only = True  # the client has already retried
            self.unknown.append(name)
            return None
        except EntryNotFoundError as error:
            response = getattr(error, "response", None)
            if response is not None:
                self.commit = self.commit or response.headers.get("X-Repo-Commit")
            return None
        except Exception as error:  # the exceptions of the transport depend on the client's version
            raise HubError(f"{self.repo_id}: {self._explained(error, name)}") from error
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
        knows_commit = self.commit is not None and self.local_dir is None
        if knows_commit and self._in_cache(name, self.commit) is not None:
            return None
        self.was_asked = True
        if self.local_dir is not None:
            answer = answer_in_time(self._asked_commit)
            self.commit = self.commit or (answer if isinstance(answer, str) else None)
            return answer if isinstance(answer, Exception) else None
        revision = self.commit or self.options.revision or constants.DEFAULT_REVISION
        url = huggingface_hub.hf_hub_url(self.repo_id, name, revision=revision)
        token = self.options.token
        answer = answer_in_time(
            lambda seconds: (
                huggingface_hub.get_hf_file_metadata(url, token=token, timeout=seconds).commit_hash
            )
        )
        if isinstance(answer, Exception):
            return answer
        cached = self._in_cache(name, revision)
        if isinstance(cached, str) and Path(cached).parents[name.count("/")].name == answer:
            return Path(cached)
        return None

    def _in_cache(self, name: str, revision: str | None) -> object:
        """The path of a file in the cache as str, the client's mark of an absent one, or None: unknown."""
        import huggingface_hub

        return huggingface_hub.try_to_load_from_cache(
            self.repo_id, name, cache_dir=self.cache_dir, revision=revision
        )

    def _asked_commit(self, seconds: float) -> str | None:
        import huggingface_hub

        api = huggingface_hub.HfApi(token=self.options.token)
        return api.model_info(self.repo_id, revision=self.options.revision, timeout=seconds).sha

    def _request_commit(self) -> str | None:
        import huggingface_hub

        try:
            api = huggingface_hub.HfApi(token=self.options.token)
            return api.model_info(self.repo_id, revision=self.options.revision).sha
        except Exception as error:
            raise HubError(f"{self.repo_id}: {self._explained(error, 'its file list')}") from error

    def _none_of(self, files: FileSet) -> HubError:
        looked_for = ", ".join(name for names in (files.choices or [files.extras]) for name in names)
        if self.unknown:
            return HubError(
                f"{self.repo_id}: no such folder, no {files.what} in the cache ({self._cache()}), and "
                f"{self.unknown_because}; "
                f"looked for {looked_for}"
            )
        return HubError(f"{self.repo_id}: the repository has no {files.what}, looked for {looked_for}")

    def _check_known(self, decisive: tuple[str, ...]) -> None:
        """Raise HubError if it is unknown whether the repository has one of these files."""
        unknown = [name for name in decisive if name in self.unknown]
        listed = self._listed() if unknown else None
        missing = unknown if listed is None else [name for name in unknown if name in listed]
        if missing:
            raise HubError(
                f"{self.repo_id}: {', '.join(missing)}: not in the cache ({self._cache()}), and "
                f"{self.unknown_because}; results depend on whether the repository has it: "
                f"run 'roberta-c download {self.repo_id}' with a network"
            )

    def _listed(self) -> set[str] | None:
        """The names of all files of the commit; None if they are unknown.

        The client keeps this list when it downloads a complete repository (`hf download`).
        """
        from huggingface_hub import constants, file_download

        cache = Path(self.cache_dir or constants.HF_HUB_CACHE)
        name = file_download.repo_folder_name(repo_id=self.repo_id, repo_type="model")
        try:
            files = read_object(cache / name / "trees" / f"{self.commit}.json").get("files")
        except ModelFileError:  # there is none, or the client has changed its form
            return None
        return set(files) if isinstance(files, dict) else None

    def _fetch_shards(self, index: Path, prefix: str) -> None:
        """Fetch the files that an index names. prefix: the index's folder in the repository, with a slash."""
        suffix = Path(index.name.removesuffix(INDEX_SUFFIX)).suffix
        for name in dict.fromkeys(parse_shard_index(read_file(index), index, suffix).values()):
            if self.fetch(prefix + name) is None:
                reason = "the repository lacks it"
                if prefix + name in self.unknown:
                    reason = f"it is not in the cache ({self._cache()}) and {self.unknown_because}"
                raise HubError(f"{self.repo_id}: {index.name} names {shown(name)}, but {reason}")

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
            etag = huggingface_hub.get_hf_file_metadata(url, token=self.options.token).etag or ""
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

    def _explained(self, error: BaseException, name: str) -> str:
        return explained(error, name, self.repo_id, self.options, self._cache())
