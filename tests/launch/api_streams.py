"""The streams of the simulated API server: watches with bookmarks, and logs of containers that may still run."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from tests.launch.api_rules import KINDS, RefusedError


class ResetError(Exception):
    """The connection is to be reset."""


class Streams:
    """The part of the handler that streams."""

    def stream_watch(self, is_stalled: bool) -> None:
        cluster, version = self.cluster, int(self.query["resourceVersion"])
        with cluster.changed:
            is_gone = version < cluster.oldest
            gone = RefusedError(410, "Expired", f"too old resource version: {version} ({cluster.oldest})")
            if is_gone and not cluster.is_gone_in_stream:
                raise gone
            cluster.watching[self.collection] += not is_gone and not is_stalled
        self._begin("application/json")
        if is_gone:
            self._chunk({"type": "ERROR", "object": gone.status})
            return self._finish()
        if is_stalled:  # the connection is open, and nothing comes any more
            with cluster.changed:
                cluster.changed.wait_for(lambda: cluster.drops.get("watch", (0, False))[0] > self.drops, 30)
            raise ResetError
        try:
            self._send_changes(version)
        finally:
            with cluster.changed:
                cluster.watching[self.collection] -= 1
        return self._finish()

    def _send_changes(self, version: int) -> None:
        """Sends what changes after a version, and bookmarks, until the watch is over."""
        cluster = self.cluster
        deadline = time.monotonic() + min(cluster.watch_s, float(self.query["timeoutSeconds"]))
        api_version, kind = KINDS[self.collection]
        while time.monotonic() < deadline:
            with cluster.changed:
                news = [entry for entry in cluster.history if entry[0] > version]
                if not news:
                    cluster.changed.wait(min(cluster.bookmark_s, max(0.0, deadline - time.monotonic())))
                    news = [entry for entry in cluster.history if entry[0] > version]
                version, dropped = cluster.version, cluster.drops.get("watch", (0, False))
                is_ended = cluster.ends > self.ends
            for _, collection, event, item in news:
                if collection == self.collection and self.selects(item):
                    if dropped[0] > self.drops and dropped[1]:
                        self._chunk({"type": event, "object": item}, share=0.5)
                        if dropped[1] == "in order":
                            return
                        raise ResetError
                    self._chunk({"type": event, "object": item})
            if cluster.is_away or (dropped[0] > self.drops and not dropped[1]):
                raise ResetError
            if is_ended or not news:
                metadata = {"resourceVersion": str(version)}
                bookmark = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
                self._chunk({"type": "BOOKMARK", "object": bookmark})
            if is_ended:
                return

    def stream_log(self) -> None:
        cluster, log = self.cluster, self.cluster.logs[self.name]
        with cluster.changed:
            pod = cluster.find("pods", self.name)
            if not pod["status"].get("containerStatuses"):
                message = f'container "trainer" in pod "{self.name}" is waiting to start: ContainerCreating'
                raise RefusedError(400, "BadRequest", message)
            since = self.query.get("sinceTime")
            since_ns = int(datetime.fromisoformat(since).timestamp()) * 10**9 if since else 0
            position = 0
            if "tailLines" in self.query:
                position = max(0, len(log.lines) - int(self.query["tailLines"]))
        assert self.query["timestamps"] == self.query["follow"] == "true"
        self._begin("text/plain")
        while True:
            with cluster.changed:
                if len(log.lines) == position and not log.is_over:
                    cluster.changed.wait(0.1)
                news, is_over = log.lines[position:], log.is_over
                dropped = cluster.drops.get("log", (0, False))
            for at_ns, text in news:
                if at_ns >= since_ns or at_ns < 0:
                    line = f"{_stamp(at_ns)} {text}\n".encode() if at_ns >= 0 else f"{text}\n".encode()
                    if dropped[0] > self.drops and dropped[1]:
                        self._raw(line[: len(line) // 2])
                        raise ResetError
                    self._raw(line)
            position += len(news)
            if cluster.is_away or (dropped[0] > self.drops and not dropped[1]):
                raise ResetError
            if is_over and not news:
                return self._finish()

    def _begin(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, event: dict, share: float = 1.0) -> None:
        data = json.dumps(event).encode() + b"\n"
        self._raw(data[: int(len(data) * share)])

    def _raw(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _finish(self) -> None:
        self.wfile.write(b"0\r\n\r\n")


def _stamp(at_ns: int) -> str:
    seconds, nanoseconds = divmod(at_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
