"""The proxy's side towards the client: one request, the fault planned for it, and the service's preconditions."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

_OBJECT = re.compile(r"(?:/download|/upload)?/storage/v1/b/([^/]+)/o(?:/(.+))?")


class FaultyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Any  # the FaultyGcs

    def log_message(self, format, *args) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:  # the client went away
            self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        project = self._query().get("userProject")
        if project is not None:
            self.proxy.user_projects.add(project)
        elif self.proxy.requester_pays:
            return self._answer(400, {}, b"Bucket is a requester pays bucket but no user project provided.")
        fault = self.proxy.next_fault(self._operation())
        kind = fault.kind if fault else ""
        if kind.isdecimal():
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return self._answer(int(kind), extra, fault.body)
        if kind == "reset" and self._operation() != "read":
            return self._reset()
        if kind == "stall" and self._operation() != "read":
            time.sleep(fault.seconds)
        headers = {
            key: value for key, value in self.headers.items() if key.lower() not in ("connection", "content-length")
        }
        if kind == "unranged":
            headers = {key: value for key, value in headers.items() if key.lower() != "range"}
        if kind == "partial":
            body = self._cut(headers, body, fault.after_bytes)
        if kind == "damaged" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        with self._preconditions() as refused:
            status, answered, content = (refused, {}, b"refused") if refused else self._forward(headers, body)
        if kind == "lost":
            return self._reset()
        if kind == "damaged" and self._operation() == "read":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if kind == "cut":
            content = content[: fault.after_bytes]
        return self._answer(status, answered, content, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 (names that http.server looks for)

    def _query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}

    def _operation(self) -> str:
        if "upload_id" in self._query():
            if self.command == "DELETE":
                return "cancel"
            span, _, total = self.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
            if span == "*" and total != "0":
                return "status"
            return "chunk" if total == "*" else "finish"
        if self.command == "POST":
            return "start"
        if self.command == "DELETE":
            return "delete"
        if self._query().get("alt") == "media":
            return "read"
        path = urlsplit(self.path).path
        if "/o/" in path:
            return "stat"
        return "list" if path.endswith("/o") else "bucket"  # which the client's tracing asks for in the background

    def _forward(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, answered, content = self.proxy.forward(self.command, self.path, headers, body)
        if self._operation() == "start" and "Location" in answered and "ifGenerationMatch" in self._query():
            upload = parse_qs(urlsplit(answered["Location"]).query)["upload_id"][0]
            bucket, name = self._object()
            self.proxy.preconditions[upload] = (bucket, name, self._query()["ifGenerationMatch"])
        return status, answered, content

    def _object(self) -> tuple[str, str]:
        found = _OBJECT.fullmatch(urlsplit(self.path).path)
        assert found, self.path
        return found[1], found[2] or quote(self._query()["name"], safe="")

    @contextmanager
    def _preconditions(self) -> Iterator[int]:
        """Gives the status with which the service would refuse this request, or 0; nothing changes meanwhile."""
        query = self._query()
        with self.proxy.commit:
            if "upload_id" in query:
                expected = self.proxy.preconditions.get(query["upload_id"])
                last = "/*" not in self.headers.get("Content-Range", "/*")
                refused = expected and last and self.proxy.live_generation(*expected[:2]) != expected[2]
                yield 412 if refused else 0
            elif "generation" in query and self.proxy.live_generation(*self._object()) != query["generation"]:
                yield 404
            elif (
                "ifGenerationMatch" in query
                and self.proxy.live_generation(*self._object()) != query["ifGenerationMatch"]
            ):
                yield 412
            else:
                yield 0

    def _cut(self, headers: dict[str, str], body: bytes, size: int) -> bytes:
        first = int(re.search(r"bytes (\d+)-", headers["Content-Range"])[1])
        size = max(1, min(size, len(body) - 1))
        headers["Content-Range"] = f"bytes {first}-{first + size - 1}/*"
        return body[:size]

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Any = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() not in ("content-length", "server", "date", "connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        kind = fault.kind if fault and self._operation() == "read" else ""
        if kind in ("reset", "short", "stall"):
            self.wfile.write(body[: fault.after_bytes])
            if kind == "reset":
                return self._reset()
            if kind == "short" and fault.after_bytes < len(body):
                self.close_connection = True
                return None
            time.sleep(fault.seconds)
            body = body[fault.after_bytes :]
        self.wfile.write(body)
        return None

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
