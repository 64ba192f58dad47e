"""A Hub on 127.0.0.1 that serves local folders by the routes that the real client requests.

    with LoopbackHub({"org/name": {"main": folder}}, private={"org/secret": "hf_token"}) as hub:
        subprocess.run([...], env=hub.environment(home))  # the client reads its variables at import
        hub.requests  # [("HEAD", "/org/name/resolve/main/config.json"), …]

A commit is the hash of a folder's contents. Answers and headers are those of the real Hub as the
client's source reads them: X-Repo-Commit, ETag (git's blob hash, or SHA-256 for large files, which
also have X-Linked-Etag and X-Linked-Size), X-Error-Code; a repository that may not be seen is 401
without a token and 404 with one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

LARGE_FILE_SUFFIXES = {".bin", ".safetensors", ".model", ".h5", ".msgpack", ".onnx"}


class Fault(NamedTuple):
    """A fault of one response, after `after` bytes of a file's body: "cut", "stall" or "damage"."""

    kind: str
    after: int


class LoopbackHub:
    """Serves `repositories[repo_id][revision] = folder` until `stop()`.

    `private` and `gated` map a repo_id among them to the token that may read it.
    """

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, str | os.PathLike[str]]],
        *,
        private: Mapping[str, str] | None = None,
        gated: Mapping[str, str] | None = None,
    ):
        self.private = dict(private or {})
        self.gated = dict(gated or {})
        self.requests: list[tuple[str, str]] = []
        self.ranges: list[tuple[str, str]] = []  # (path, Range header) of the requests that have one
        self.stalled = threading.Event()  # set when a "stall" has begun
        self.outage: int | None = None  # a status: every response is a web page with it
        self._folders: dict[tuple[str, str], Path] = {}  # (repo_id, revision or commit)
        self._commits: dict[tuple[str, str], str] = {}
        self._faults: dict[str, list[Fault]] = {}
        self._moves: dict[tuple[str, str], tuple[str, Path]] = {}  # (repo_id, file) → (revision, folder)
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        for repo_id, revisions in repositories.items():
            for revision, folder in revisions.items():
                self.publish(repo_id, revision, folder)
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> LoopbackHub:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def publish(self, repo_id: str, revision: str, folder: str | os.PathLike[str]) -> str:
        """Points `revision` at the folder's current contents and returns the commit. To be called again
        after a file changes."""
        folder = Path(folder)
        digest = hashlib.sha1()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
        commit = digest.hexdigest()
        self._folders[repo_id, revision] = self._folders[repo_id, commit] = folder
        self._commits[repo_id, revision] = self._commits[repo_id, commit] = commit
        return commit

    def move_after(self, repo_id: str, name: str, revision: str, folder: str | os.PathLike[str]) -> None:
        """Publish another folder as `revision` when the contents of the file `name` are next requested: this
        request still gets the old ones."""
        self._moves[repo_id, name] = revision, Path(folder)

    def commit(self, repo_id: str, revision: str = "main") -> str:
        """The commit that `revision` points at."""
        return self._commits[repo_id, revision]

    def environment(self, home: str | os.PathLike[str], **extra: str) -> dict[str, str]:
        """Variables for a process whose client talks to this hub alone and keeps its files in `home`."""
        ours = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "TQDM_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment.update(HF_ENDPOINT=self.endpoint, HF_HOME=os.fspath(home), HF_HUB_DISABLE_TELEMETRY="1")
        environment.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        return {**environment, **extra}

    def cut_short(self, name: str, after: int, times: int = 1) -> None:
        """Close the connection of the next `times` downloads of `name` after `after` bytes."""
        self._faults.setdefault(name, []).extend([Fault("cut", after)] * times)

    def stall(self, name: str, after: int) -> None:
        """Send nothing more of the next download of `name` after `after` bytes; `stalled` is then set."""
        self._faults.setdefault(name, []).append(Fault("stall", after))

    def damage(self, name: str, at: int = 0) -> None:
        """Flip the byte at `at` in the next download of `name`."""
        self._faults.setdefault(name, []).append(Fault("damage", at))

    def heal(self) -> None:
        """Removes all faults that have not occurred yet."""
        self._faults.clear()

    def downloads(self) -> list[str]:
        """The names of the files whose contents were requested, in order."""
        matches = [_RESOLVE.fullmatch(path) for method, path in self.requests if method == "GET"]
        return [match["name"] for match in matches if match]

    def stop(self) -> None:
        """Go away, open connections included; the address answers nothing from then on."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            _shut(connection)
        self._thread.join()


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def git_blob_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


_REPO = r"(?P<repo>[^/]+(?:/[^/]+)?)"
_RESOLVE = re.compile(rf"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_INFO = re.compile(rf"/api/models/{_REPO}(?:/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(rf"/api/models/{_REPO}/tree/(?P<revision>[^/]+)")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: LoopbackHub):
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        pass  # a client that went away is part of some tests


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self):
        super().setup()
        self.hub = self.server.hub
        self.hub._connections.add(self.connection)

    def finish(self):
        self.hub._connections.discard(self.connection)
        super().finish()

    def log_message(self, format, *args):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path))
        if "Range" in self.headers:
            self.hub.ranges.append((path, self.headers["Range"]))
        if self.hub.outage is not None:
            return self._send(self.hub.outage, b"<html>sorry</html>", {"Content-Type": "text/html"})
        for pattern, answer in ((_RESOLVE, self._file), (_TREE, self._tree), (_INFO, self._info)):
            match = pattern.fullmatch(path)
            if match:
                parts = {key: unquote(value or "main") for key, value in match.groupdict().items()}
                return answer(**parts)
        return self._fail(404, "NotFound", "no such route")

    def _commit_of(self, repo: str, revision: str, *, contents: bool) -> str | None:
        """The commit, or None after the refusal has been sent."""
        authorization = self.headers.get("Authorization", "")
        token = authorization.removeprefix("Bearer ") or None
        known = any(repo_id == repo for repo_id, _ in self.hub._folders)
        if not known or self.hub.private.get(repo, token) != token:
            if token is None:
                self._fail(401, "RepoNotFound", "Invalid username or password.")
            else:
                self._fail(404, "RepoNotFound", "Repository not found")
            return None
        if contents and self.hub.gated.get(repo, token) != token:
            self._fail(401 if token is None else 403, "GatedRepo", f"Access to model {repo} is restricted.")
            return None
        commit = self.hub._commits.get((repo, revision))
        if commit is None:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _info(self, repo: str, revision: str):
        commit = self._commit_of(repo, revision, contents=False)
        if commit is not None:
            siblings = [{"rfilename": name} for name, _ in self._files(repo, commit)]
            self._json({"_id": commit[:24], "id": repo, "modelId": repo, "sha": commit, "siblings": siblings})

    def _tree(self, repo: str, revision: str):
        commit = self._commit_of(repo, revision, contents=False)
        if commit is None:
            return
        entries = []
        for name, path in self._files(repo, commit):
            data = path.read_bytes()
            entry = {"type": "file", "path": name, "size": len(data), "oid": git_blob_hash(data)}
            if path.suffix in LARGE_FILE_SUFFIXES:
                entry["lfs"] = {"oid": file_sha256(path), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        self._json(entries)

    def _file(self, repo: str, revision: str, name: str):
        commit = self._commit_of(repo, revision, contents=True)
        if commit is None:
            return None
        path = dict(self._files(repo, commit)).get(name)
        if path is None:
            return self._fail(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
        data = path.read_bytes()
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if path.suffix in LARGE_FILE_SUFFIXES:
            headers["X-Linked-Etag"] = headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(data))
        else:
            headers["ETag"] = f'"{git_blob_hash(data)}"'
        move = self.hub._moves.pop((repo, name), None) if self.command == "GET" else None
        if move is not None:
            self.hub.publish(repo, *move)
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start is None:
            self._send(200, data, headers, name)
        else:
            first = int(start[1])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            self._send(206, data[first:], headers, name)
        return None

    def _files(self, repo: str, commit: str) -> list[tuple[str, Path]]:
        folder = self.hub._folders[repo, commit]
        return [(p.relative_to(folder).as_posix(), p) for p in sorted(folder.rglob("*")) if p.is_file()]

    def _json(self, value: object):
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str], name: str | None = None):
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        faults = self.hub._faults.get(name or "")
        fault = faults.pop(0) if faults else None
        if fault is None:
            self.wfile.write(body)
        elif fault.kind == "damage":
            self.wfile.write(body[: fault.after] + bytes([body[fault.after] ^ 1]) + body[fault.after + 1 :])
        else:
            self.wfile.write(body[: fault.after])
            if fault.kind == "stall":
                self.hub.stalled.set()
                self.hub._stopping.wait(60)
            self.close_connection = True
            _shut(self.connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
