"""A small Hub on this machine: enough of its API for the Hub's own client to push and pull.

Repositories, Git commits, branches, tags and LFS objects are kept in memory. Faults can be
injected: each names the requests that it meets, how often, and what is done to them.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_test0123456789abcdefghijklmnopqrst"
_LFS = (".safetensors", ".onnx", ".png")


@dataclass
class Fault:
    """Answer the next `times` requests that match with `status`; None: cut the connection."""

    method: str
    path: str
    status: int | None
    times: int = 1
    headers: dict = field(default_factory=dict)

    def meets(self, method: str, path: str) -> bool:
        if self.times and self.method == method and re.search(self.path, path):
            self.times -= 1
            return True
        return False


@dataclass
class Repository:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes]) -> str:
        oid = hashlib.sha1(repr((sorted(files), len(self.commits))).encode()).hexdigest()
        self.commits[oid] = files
        return oid

    def resolve(self, revision: str) -> str | None:
        if revision in self.commits:
            return revision
        return self.refs.get(revision) or self.tags.get(revision)


class Hub:
    """The server; `with Hub() as hub` starts and stops it.

    Attributes:
        url: for HF_ENDPOINT.
        requests: (method, path) of everything asked for.
        repositories: by id.
        faults: to inject.
    """

    def __init__(self):
        self.requests: list[tuple[str, str]] = []
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        hub = self

        class Handler(_Handler):
            def __init__(self, *arguments):
                self.hub = hub
                super().__init__(*arguments)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        repository = self.repositories[repo_id]
        return repository.commits[repository.resolve(revision)]


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path: str, content: bytes) -> dict:
    entry = {"type": "file", "path": path, "size": len(content), "oid": _blob(content)}
    if path.endswith(_LFS):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
    return entry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def reply(self, content=None, status: int = 200, headers: dict | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        if self.command == "HEAD":
            headers.setdefault("Content-Length", str(len(body)))
            body = b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, message: str, code: str = "") -> None:
        self.reply({"error": message}, status, {"X-Error-Message": message, "X-Error-Code": code})

    def handle_request(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        path = unquote(url.path)
        body = self.read_body()
        self.hub.requests.append((self.command, path))
        for fault in self.hub.faults:
            if fault.meets(self.command, path):
                if fault.status is None:
                    self.close_connection = True
                    self.connection.close()
                    return None
                return self.reply({"error": "injected"}, fault.status, fault.headers)
        # The token goes to the Hub, and never with the content to the storage behind it.
        authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if self.command != "PUT" and self.headers.get("Authorization") and not authorised:
            return self.refuse(401, "Invalid username or password.")
        for method, pattern, needs_token, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == ("GET" if self.command == "HEAD" else self.command):
                if needs_token and not authorised:
                    return self.refuse(401, "Invalid username or password.")
                return answer(self, body, **match.groupdict())
        return self.refuse(404, f"the local Hub has no {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def find(self, repo_id: str, revision: str = "main") -> dict[str, bytes] | None:
        """Files at a revision; None, and the client is told, where there are none."""
        repository = self.hub.repositories.get(repo_id)
        hidden = repository and repository.private and not self.headers.get("Authorization")
        if repository is None or hidden:
            self.refuse(401 if hidden else 404, "Repository not found", "RepoNotFound")
            return None
        if repository.resolve(revision) is None:
            self.refuse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
            return None
        return self.hub.files(repo_id, revision)

    def whoami(self, body):
        self.reply({"name": "tester", "type": "user", "auth": {"type": "access_token"}})

    def create(self, body):
        payload = json.loads(body)
        repo_id = f"{payload.get('organization') or 'tester'}/{payload['name']}"
        answer = {"url": f"{self.hub.url}/{repo_id}", "name": repo_id}
        if repo_id in self.hub.repositories:
            return self.reply({**answer, "error": "You already created this model repo"}, 409)
        private = payload.get("visibility") == "private" or bool(payload.get("private"))
        repository = self.hub.repositories[repo_id] = Repository(private)
        repository.refs["main"] = repository.commit({".gitattributes": b""})
        return self.reply(answer)

    def validate_yaml(self, body):
        self.reply({"errors": [], "warnings": []})

    def branch(self, body, repo_id, name):
        repository = self.hub.repositories[repo_id]
        if name in repository.refs:
            return self.refuse(409, "Reference already exists")
        repository.refs[name] = repository.refs["main"]
        return self.reply({})

    def tag(self, body, repo_id, revision):
        repository, name = self.hub.repositories[repo_id], json.loads(body)["tag"]
        if name in repository.tags:
            return self.refuse(409, "Tag reference exists already")
        repository.tags[name] = repository.resolve(revision)
        return self.reply({})

    def refs(self, body, repo_id):
        if self.find(repo_id) is None:
            return
        repository = self.hub.repositories[repo_id]
        self.reply(
            {
                "branches": _refs("heads", repository.refs),
                "tags": _refs("tags", repository.tags),
                "converts": [],
            }
        )

    def preupload(self, body, repo_id, revision):
        files = self.find(repo_id, revision)
        if files is None:
            return
        answers = []
        for file in json.loads(body)["files"]:
            path, content = file["path"], files.get(file["path"])
            entry = None if content is None else _entry(path, content)
            answers.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if path.endswith(_LFS) else "regular",
                    "shouldIgnore": False,
                    "oid": entry and entry.get("lfs", entry)["oid"],
                }
            )
        self.reply({"files": answers, "commitOid": self.hub.repositories[repo_id].refs["main"]})

    def lfs_batch(self, body, repo_id):
        objects = json.loads(body)["objects"]
        for entry in objects:
            if entry["oid"] not in self.hub.objects:
                actions = {"upload": "lfs", "verify": "lfs/verify"}
                entry["actions"] = {
                    action: {"href": f"{self.hub.url}/{where}/{entry['oid']}"}
                    for action, where in actions.items()
                }
        self.reply({"transfer": "basic", "objects": objects})

    def lfs_put(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.refuse(400, "the content does not have this hash")
        self.hub.objects[oid] = body
        return self.reply({})

    def lfs_verify(self, body, oid):
        self.reply({}, 200 if oid in self.hub.objects else 404)

    def commit(self, body, repo_id, revision):
        files = self.find(repo_id, revision)
        if files is None:
            return
        files = dict(files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        repository = self.hub.repositories[repo_id]
        oid = repository.commit(files)
        answer = {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{oid}", "commitOid": oid}
        if self.query.get("create_pr"):
            repository.pull_requests.append(oid)
            number = len(repository.pull_requests)
            answer["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/{number}"
        else:
            repository.refs[revision] = oid
        self.reply(answer)

    def info(self, body, repo_id, revision="main"):
        files = self.find(repo_id, revision)
        if files is None:
            return
        repository = self.hub.repositories[repo_id]
        self.reply(
            {
                "id": repo_id,
                "modelId": repo_id,
                "sha": repository.resolve(revision),
                "private": repository.private,
                "tags": [],
                "siblings": [{"rfilename": path} for path in sorted(files)],
            }
        )

    def tree(self, body, repo_id, revision, folder=""):
        files = self.find(repo_id, revision)
        if files is None:
            return
        inside = {path for path in files if not folder or path.startswith(folder.strip("/") + "/")}
        if folder and not inside:
            return self.refuse(404, f"{folder} does not exist", "EntryNotFound")
        return self.reply([_entry(path, files[path]) for path in sorted(inside)])

    def resolve(self, body, repo_id, revision, path):
        files = self.find(repo_id, revision)
        if files is None:
            return
        repository = self.hub.repositories[repo_id]
        headers = {"X-Repo-Commit": repository.resolve(revision)}
        if path not in files:
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return self.reply({"error": "Entry not found"}, 404, headers)
        entry = _entry(path, files[path])
        headers |= {"ETag": f'"{entry["oid"]}"', "Content-Type": "application/octet-stream"}
        if "lfs" in entry:
            headers |= {"X-Linked-ETag": f'"{entry["lfs"]["oid"]}"'}
            headers |= {"X-Linked-Size": str(entry["size"])}
        return self.reply(files[path], headers=headers)


def _refs(kind: str, refs: dict[str, str]) -> list[dict]:
    return [
        {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}
        for name, oid in refs.items()
    ]


_ID = "(?P<repo_id>[^/]+/[^/]+)"
_MODEL = f"/api/(?:models|datasets|spaces)/{_ID}"
# method, path, whether a token is needed, answer
_ROUTES: list[tuple[str, str, bool, Callable]] = [
    ("GET", "/api/whoami-v2", True, _Handler.whoami),
    ("POST", "/api/repos/create", True, _Handler.create),
    ("POST", "/api/validate-yaml", False, _Handler.validate_yaml),
    ("POST", f"{_MODEL}/branch/(?P<name>.+)", True, _Handler.branch),
    ("POST", f"{_MODEL}/tag/(?P<revision>.+)", True, _Handler.tag),
    ("GET", f"{_MODEL}/refs", False, _Handler.refs),
    ("POST", f"{_MODEL}/preupload/(?P<revision>.+)", True, _Handler.preupload),
    (
        "POST",
        f"(?:/datasets|/spaces)?/{_ID}\\.git/info/lfs/objects/batch",
        True,
        _Handler.lfs_batch,
    ),
    ("POST", "/lfs/verify/(?P<oid>.+)", True, _Handler.lfs_verify),
    ("PUT", "/lfs/(?P<oid>.+)", False, _Handler.lfs_put),
    ("POST", f"{_MODEL}/commit/(?P<revision>.+)", True, _Handler.commit),
    ("GET", _MODEL, False, _Handler.info),
    ("GET", f"{_MODEL}/revision/(?P<revision>.+)", False, _Handler.info),
    ("GET", f"{_MODEL}/tree/(?P<revision>[^/]+)(?P<folder>/.*)?", False, _Handler.tree),
    # Libraries are data sets, metrics of `evaluate` are Spaces.
    (
        "GET",
        f"(?:/datasets|/spaces)?/{_ID}/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        False,
        _Handler.resolve,
    ),
]
