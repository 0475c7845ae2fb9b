"""A stand-in for the hub: a server on this machine that keeps what is pushed to it.

It answers what `huggingface_hub` asks for when a model is uploaded: the hub's API
(https://huggingface.co/docs/hub/api) and the batch requests of Git LFS. What is committed lies in
`repositories`, byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_OfAStandInAlone"
"""The one that it knows."""

Answer = tuple[int, dict[str, Any]]


@dataclass
class Repository:
    """A model: its files, the messages of its commits, and who can see it."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """Of the newest commit."""
        return hashlib.sha1(repr((self.files, self.commits)).encode()).hexdigest()


@dataclass
class Hub:
    """The state of the stand-in.

    Attributes:
        address: where it answers.
        repositories: by `USER/NAME`.
        objects: what was sent by content, by SHA-256.
        asked: every request, such as `POST /api/repos/create`.
        failing: answers in place of its own: status and message by the beginning of a request.
        held: requests, by their beginnings, that wait for `let_go` and then are not answered.
        reached: set when one waits.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: dict[str, tuple[int, str]] = field(default_factory=dict)
    held: str = "-"
    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> Answer:
        """What a request is answered with."""
        asked = f"{method} {path}"
        self.asked.append(asked)
        for beginning, (status, said) in self.failing.items():
            if asked.startswith(beginning):
                return status, {"error": said}
        if asked.startswith("PUT /objects/"):  # its address says who may
            return self._put(path.rpartition("/")[2], body)
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if asked == "GET /api/whoami-v2":
            return 200, {"name": "ada", "type": "user"}
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            return self._of_a_model(name, path, body)
        if asked == "POST /api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if asked == "POST /api/repos/create":
            return self._create(json.loads(body))
        return self._batch(json.loads(body))

    def _of_a_model(self, name: str, path: str, body: bytes) -> Answer:
        if name not in self.repositories:
            return 404, {"error": "Repository not found", "code": "RepoNotFound"}
        if "/preupload/" in path:
            return self._modes(json.loads(body))
        if "/commit/" in path:
            return self._commit(name, [json.loads(line) for line in body.splitlines()])
        return 200, self._info(name)

    def _info(self, name: str) -> dict[str, Any]:
        repository = self.repositories[name]
        siblings = [{"rfilename": name} for name in repository.files]
        return {"id": name, "modelId": name, "sha": repository.sha, "private": repository.private,
                "siblings": siblings, "tags": [], "downloads": 0, "likes": 0}  # fmt: skip

    def _create(self, asked: dict[str, Any]) -> Answer:
        if asked["organization"] not in ("ada", "engines"):
            return 403, {"error": f"You don't have the rights to create a model under the "
                                  f"namespace \"{asked['organization']}\""}  # fmt: skip
        name = f"{asked['organization']}/{asked['name']}"
        address = {"url": f"{self.address}/{name}"}
        if name in self.repositories:
            return 409, {"error": "You already created this model repo", **address}
        self.repositories[name] = Repository(private=asked.get("visibility") == "private")
        return 200, address

    def _validate(self, content: str) -> Answer:
        if content.startswith("---\n"):
            return 200, {"errors": [], "warnings": []}
        return 200, {"errors": [], "warnings": [{"message": "empty or missing yaml metadata"}]}

    def _modes(self, asked: dict[str, Any]) -> Answer:
        """Weights go by content, as the hub's usual .gitattributes has it, the rest as text."""
        return 200, {"files": [
            {"path": file["path"], "shouldIgnore": False,
             "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular"}
            for file in asked["files"]
        ]}  # fmt: skip

    def _batch(self, asked: dict[str, Any]) -> Answer:
        return 200, {"transfer": "basic", "objects": [
            {**wanted} if wanted["oid"] in self.objects else
            {**wanted, "actions": {"upload": {"href": f"{self.address}/objects/{wanted['oid']}"}}}
            for wanted in asked["objects"]
        ]}  # fmt: skip

    def _put(self, oid: str, body: bytes) -> Answer:
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {"error": "another digest"}
        self.objects[oid] = body
        return 200, {}

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> Answer:
        repository = self.repositories[name]
        files = dict(repository.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        repository.files = files
        repository.commits.append(message)
        oid = repository.sha
        return 200, {"commitOid": oid, "commitUrl": f"{self.address}/{name}/commit/{oid}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        hub = self.server.hub
        if f"{self.command} {self.path}".startswith(hub.held):
            hub.reached.set()
            hub.let_go.wait(60)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content = hub.answer(self.command, self.path.partition("?")[0], body, self.headers)
        data = json.dumps(content).encode()
        self.send_response(status)
        if "code" in content:
            self.send_header("X-Error-Code", content["code"])
        if "error" in content:
            self.send_header("X-Error-Message", content["error"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815  # names of the standard library

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@contextmanager
def stand_in() -> Iterator[Hub]:
    """A hub of this machine, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = Hub(address=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.hub
    finally:
        server.hub.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
