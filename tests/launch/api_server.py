"""A simulated Kubernetes API server: the real protocol over HTTP for the collections that the launcher may use.

It refuses what a real one refuses: requests without its token, verbs that the Role of manifests/base does not give,
objects that the schemas of Kubernetes 1.36 do not know, names that are taken, patches and deletions of another uid,
versions that it has forgotten. And it breaks as real ones do, where it is told to:

* `fail` lets the next requests of a verb fail with a status, or with a connection that is reset before or after the
  server did what was asked;
* `drop` resets every open watch or log, in the middle of a line if asked, or ends it there "in order";
* `end` ends every open watch as a server does whose time limit for it is over, with a last bookmark;
* `forget` drops the history, so that versions from before are 410 Gone, as a status or within the stream;
* `away` closes the port for a while.
"""

from __future__ import annotations

import copy
import socket
import ssl
import threading
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer

import kubernetes_validate

from tests.launch.api_handler import Handler
from tests.launch.api_rules import CONFIG_MAPS, GROUPS, KINDS, ROLE, TOKEN, USER, Log, RefusedError, merge, now


class ApiServer:
    """The server, its objects and its faults. Everything is guarded by `changed`, which tells of every change."""

    def __init__(self, namespace: str = "luthier") -> None:
        self.namespace, self.token = namespace, TOKEN
        self.knows_anonymous = False  # True: requests without credentials are refused by RBAC, as by default
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[str, dict[str, dict]] = defaultdict(dict)
        self.history: list[tuple[int, str, str, dict]] = []
        self.version, self.oldest = 100, 0
        self.role, self.logs = set(ROLE), defaultdict(Log)
        self.requests: list[tuple[str, str, dict]] = []  # verb, resource, query
        self.faults: dict[tuple[str, str], deque] = defaultdict(deque)
        self.drops: dict[str, tuple[int, bool | str]] = {}  # verb: how many drops so far, and whether within a line
        self.ends = 0  # of watches, so far
        self.watching: Counter[str] = Counter()  # open watches by collection
        self.connections: set[socket.socket] = set()
        self.is_gone_in_stream = self.is_away = False
        self.has_kueue = True
        self.ahead_s = 0.0  # of its clock before that of the tests
        self.page = ""  # of a login, in place of every answer
        self.bookmark_s = 0.2
        self.watch_s = 600.0
        self.admission: Callable[[str, dict], None] = lambda collection, body: None
        self.created: Callable[[dict], None] = lambda body: None
        self.deleted: Callable[[dict], None] = lambda body: None
        self._port, self._server, self._tls = 0, None, None
        self._open()

    # --- what tests ask of it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def put(self, collection: str, body: dict) -> dict:
        """Stores an object, as a controller of the cluster would, and tells the watches."""
        with self.changed:
            kind = "MODIFIED" if body["metadata"]["name"] in self.objects[collection] else "ADDED"
            self.version += 1
            body = copy.deepcopy(body)
            body["apiVersion"], body["kind"] = KINDS[collection]
            body["metadata"] = {
                "namespace": self.namespace,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": now(),
                **body["metadata"],
                "resourceVersion": str(self.version),
            }
            self.objects[collection][body["metadata"]["name"]] = body
            self._tell(collection, kind, body)
            return copy.deepcopy(body)

    def remove(self, collection: str, name: str) -> None:
        with self.changed:
            body = self.objects[collection].pop(name, None)
            if body:
                self.version += 1
                body = copy.deepcopy(body)
                body["metadata"]["resourceVersion"] = str(self.version)
                self._tell(collection, "DELETED", body)

    def read(self, collection: str, name: str) -> dict | None:
        with self.changed:
            return copy.deepcopy(self.objects[collection].get(name))

    def wait_until(self, happened: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, timeout_s), f"never happened: {what}"

    def count(self, verb: str, resource: str) -> int:
        return sum((verb, resource) == request[:2] for request in self.requests)

    def fail(self, verb: str, resource: str, how: int | str, times: int = 1, retry_after: int | None = None) -> None:
        """`how`: a status, "reset" (before it is done), "lost" (done, and then reset) or, for a watch, "stall"."""
        with self.changed:
            self.faults[verb, resource].extend([(how, retry_after)] * times)

    def drop(self, verb: str, within_line: bool | str = False) -> None:
        with self.changed:
            self.drops[verb] = (self.drops.get(verb, (0, False))[0] + 1, within_line)
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ends += 1
            self.changed.notify_all()

    def forget(self, in_stream: bool = False) -> None:
        with self.changed:
            self.version += 1
            self.oldest, self.is_gone_in_stream = self.version, in_stream
            self.history.clear()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.close()
        with self.changed:
            self.is_away = True
            self.changed.notify_all()
            for connection in self.connections:
                with suppress(OSError):  # it has ended already
                    connection.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self.is_away = False
            self._open()

    def serve_tls(self, context: ssl.SSLContext) -> None:
        self.close()
        self._tls = context
        self._open()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- what the handler asks of it

    def authorize(self, verb: str, resource: str, name: str) -> None:
        allowed = (verb, resource) in self.role and (resource != "configmaps" or name in CONFIG_MAPS)
        if not allowed:
            who = f'{resource.replace("/", ".")} is forbidden: User "{USER}" cannot {verb} resource "{resource}"'
            group = GROUPS.get(resource, "")
            place = f'in API group "{group}" in the namespace "{self.namespace}"'
            raise RefusedError(403, "Forbidden", f"{who} {place}")

    def create(self, collection: str, body: dict, strict: bool, dry_run: bool = False) -> dict:
        name = body["metadata"]["name"]
        with self.changed:
            assert strict, "without fieldValidation=Strict a misspelt field of the template is dropped in silence"
            try:
                kubernetes_validate.validate(body, "1.36", strict=True)
            except kubernetes_validate.ValidationError as error:
                raise RefusedError(422, "Invalid", f'Job.batch "{name}" is invalid: {error.message}') from error
            self.admission(collection, body)
            if name in self.objects[collection]:
                raise RefusedError(409, "AlreadyExists", f'{collection}.batch "{name}" already exists')
            if dry_run:
                return self._defaulted(body)
            made = self.put(collection, self._defaulted(body))
        self.created(made)
        return made

    def patch(self, collection: str, name: str, patch: dict) -> dict:
        with self.changed:
            found = self.find(collection, name)
            if patch.get("metadata", {}).get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
                raise RefusedError(
                    409, "Conflict", f'Operation cannot be fulfilled on {collection} "{name}": Precondition failed'
                )
            return self.put(collection, merge(found, patch))

    def delete(self, collection: str, name: str, options: dict) -> dict:
        with self.changed:
            found = self.find(collection, name)
            if options["preconditions"]["uid"] != found["metadata"]["uid"]:
                raise RefusedError(409, "Conflict", "Precondition failed: UID in precondition")
            assert options["propagationPolicy"] == "Foreground", "the pods would go on without their Job"
            found["metadata"] |= {"deletionTimestamp": now(), "finalizers": ["foregroundDeletion"]}
            found = self.put(collection, found)
        self.deleted(found)
        return found

    def find(self, collection: str, name: str) -> dict:
        found = self.read(collection, name)
        if found is None:
            group = f".{GROUPS[collection]}" if collection in GROUPS else ""
            raise RefusedError(404, "NotFound", f'{collection}{group} "{name}" not found')
        return found

    def _defaulted(self, body: dict) -> dict:
        body = copy.deepcopy(body)
        body["spec"] = {"parallelism": 1, "completions": 1, "completionMode": "NonIndexed", "suspend": False} | body[
            "spec"
        ]
        return body | {"status": {}}

    def _tell(self, collection: str, kind: str, body: dict) -> None:
        self.history.append((self.version, collection, kind, copy.deepcopy(body)))
        self.changed.notify_all()

    def _open(self) -> None:
        handler = type("BoundHandler", (Handler,), {"cluster": self})
        ThreadingHTTPServer.allow_reuse_address = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
