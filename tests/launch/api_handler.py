"""The HTTP side of the simulated API server: paths to verbs, answers, and lost connections."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from tests.launch.api_rules import RefusedError
from tests.launch.api_streams import ResetError, Streams

_PATH = re.compile(
    r"/(?:api/v1|apis/batch/v1|apis/scheduling\.k8s\.io/v1|apis/kueue\.x-k8s\.io/v1beta2)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<collection>[^/]+)(?:/(?P<name>[^/]+))?(?P<log>/log)?"
)
_KUEUE = "/apis/kueue.x-k8s.io"
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


class Handler(Streams, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.cluster.ahead_s)

    def log_message(self, *arguments: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        with self.cluster.changed:
            self.cluster.connections.add(self.connection)

    def finish(self) -> None:
        with self.cluster.changed:
            self.cluster.connections.discard(self.connection)
        super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ResetError, BrokenPipeError, ConnectionResetError):
            self._reset()

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - as the base class wants them

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.cluster.page:
            return self._send(200, self.cluster.page)
        if parts.path.startswith(_KUEUE) and not self.cluster.has_kueue:
            return self._send(404, "404 page not found")
        if parts.path == _KUEUE:
            return self._send(200, {"kind": "APIGroup", "preferredVersion": {"version": "v1beta2"}})
        match = _PATH.fullmatch(parts.path)
        assert match, self.path
        self.collection, self.name = match["collection"], match["name"] or ""
        verb = _VERBS.get(self.command) or ("watch" if self.query.get("watch") else "get" if self.name else "list")
        resource = self.collection + ("/log" if match["log"] else "")
        fault, retry_after = self._fault("log" if match["log"] else verb, resource)
        try:
            if fault == "reset" or self.cluster.is_away:
                raise ResetError
            if isinstance(fault, int):
                raise RefusedError(fault, "Injected", "etcdserver: leader changed")
            self._check(match["namespace"], verb, resource)
            if verb == "watch":
                self.stream_watch(fault == "stall")
            elif match["log"]:
                self.stream_log()
            else:
                answer = self._act(verb, json.loads(body) if body else {})
                if fault == "lost":
                    raise ResetError
                self._send(201 if verb == "create" else 200, answer)
        except RefusedError as refused:
            self._send(refused.code, refused.status, retry_after)

    def _fault(self, verb: str, resource: str) -> tuple[object, int | None]:
        with self.cluster.changed:
            self.cluster.requests.append((verb, resource, self.query))
            # Whatever comes after the request was counted is about its stream, even if that has not begun.
            self.drops, self.ends = self.cluster.drops.get(verb, (0, False))[0], self.cluster.ends
            self.cluster.changed.notify_all()
            faults = self.cluster.faults[verb, resource]
            return faults.popleft() if faults else (None, None)

    def _check(self, namespace: str | None, verb: str, resource: str) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not scheme and self.cluster.knows_anonymous:
            user = 'User "system:anonymous"'
            raise RefusedError(403, "Forbidden", f'{resource} is forbidden: {user} cannot {verb} resource "{resource}"')
        if scheme.lower() != "bearer" or token != self.cluster.token:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        self.cluster.authorize(verb, resource, self.name)
        if namespace not in (self.cluster.namespace, None):
            if verb == "create":
                raise RefusedError(404, "NotFound", f'namespaces "{namespace}" not found')
            if verb == "get":
                raise RefusedError(404, "NotFound", f'{self.collection} "{self.name}" not found')

    def _act(self, verb: str, body: dict) -> dict:
        if verb == "create":
            return self.cluster.create(
                self.collection, body, self.query.get("fieldValidation") == "Strict", "dryRun" in self.query
            )
        if verb == "patch":
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            return self.cluster.patch(self.collection, self.name, body)
        if verb == "delete":
            return self.cluster.delete(self.collection, self.name, body)
        if verb == "get":
            return self.cluster.find(self.collection, self.name)
        with self.cluster.changed:
            items = [item for item in self.cluster.objects[self.collection].values() if self.selects(item)]
            return {"kind": "List", "metadata": {"resourceVersion": str(self.cluster.version)}, "items": items}

    def selects(self, item: dict) -> bool:
        for part in filter(None, self.query.get("labelSelector", "").split(",")):
            key, _, value = part.partition("=")
            if item["metadata"].get("labels", {}).get(key) != value:
                return False
        for part in filter(None, self.query.get("fieldSelector", "").split(",")):
            key, _, value = part.partition("=")
            found = item
            for step in key.split("."):
                found = found.get(step, {})
            if found != value:
                return False
        return True

    def _send(self, code: int, answer: dict | str, retry_after: int | None = None) -> None:
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Ends the connection with a RST, as a crashed proxy does."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
