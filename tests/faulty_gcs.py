"""A proxy before the Cloud Storage emulator that breaks connections as networks do, and says no as the service does.

The emulator answers every request, and heeds neither `generation` nor `ifGenerationMatch`. Through this proxy

* a request for a generation that is not there gets 404, and a write whose precondition fails gets 412;
* `inject` makes the next requests of an operation fail in the way asked for, `inject_at_random` some of all requests.

Operations: list, stat, read, delete, and of an upload start, chunk, finish (the chunk that completes it), status and
cancel; "upload" stands for all of an upload's. Kinds of faults:

* an HTTP status such as 503, with `retry_after` and `body` if given: the request does not reach the emulator;
* "reset": the connection is reset, for a read after `after_bytes` of the body, else before the emulator sees it;
* "cut": the body ends after `after_bytes`, and the header says so;
* "short": the body ends after `after_bytes`, though the header promised more;
* "stall": nothing more comes for `seconds`, after `after_bytes` of the body;
* "lost": the emulator does what was asked, and the connection is reset instead of an answer;
* "partial": only the first `after_bytes` of a chunk are stored;
* "unranged": a read is answered by the whole object;
* "damaged": a bit of the body is flipped, on its way down or up.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.faulty_handler import FaultyHandler

UPLOAD = ("start", "chunk", "finish", "status", "cancel")
_KINDS_AT_RANDOM = {
    "read": ("reset", "short", "503", "429", "unranged"),
    "chunk": ("reset", "503", "lost", "partial"),
    "finish": ("reset", "503", "lost"),
}
_UNIT_BYTES = 256 << 10


@dataclass
class Fault:
    """What happens to the next requests of an operation."""

    kind: str
    times: int = 1
    after_bytes: int = 0
    seconds: float = 0.0
    retry_after: str | None = None
    body: bytes = b"injected"


class FaultyGcs:
    """The running proxy. It counts what it did in `injected` by "operation kind", all requests by operation."""

    def __init__(self, emulator: str, make_bucket: Callable[[], str]) -> None:
        self.bucket = make_bucket
        self.emulator = urlsplit(emulator).netloc
        self.injected: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.user_projects: set[str] = set()  # all that were offered
        self.requester_pays = False  # True: requests without one are refused
        self.preconditions: dict[str, tuple[str, str, str]] = {}  # upload -> bucket, name, generation
        self.commit = threading.Lock()
        self._lock = threading.Lock()
        self._planned: dict[str, list[Fault]] = {}
        self._random: tuple[random.Random, float, tuple[str, ...]] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (FaultyHandler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def inject(self, operation: str, kind: str | int, times: int = 1, **details) -> None:
        """Plans a fault for the next `times` requests of the operation, after those that are planned already."""
        with self._lock:
            self._planned.setdefault(operation, []).append(Fault(str(kind), times, **details))

    def inject_at_random(self, seed: int, rate: float, operations: Iterable[str] = tuple(_KINDS_AT_RANDOM)) -> None:
        """Lets that part of the requests fail, each in one of the ways that befit it."""
        self._random = (random.Random(seed), rate, tuple(operations))

    def heal(self) -> None:
        """Takes back all faults that have not happened yet."""
        with self._lock:
            self._planned.clear()
        self._random = None

    def next_fault(self, operation: str) -> Fault | None:
        """Takes the fault planned for a request, and counts it."""
        with self._lock:
            self.requests[operation] += 1
            fault = self._take(operation)
            if fault is None and operation in UPLOAD:
                fault = self._take("upload")
            if fault is None and self._random is not None:
                source, rate, operations = self._random
                if operation in operations and source.random() < rate:
                    after_bytes = source.randrange(1, 20) * _UNIT_BYTES // 2
                    fault = Fault(source.choice(_KINDS_AT_RANDOM.get(operation, ("503",))), after_bytes=after_bytes)
            if fault is not None:
                self.injected[f"{operation} {fault.kind}"] += 1
            return fault

    def _take(self, operation: str) -> Fault | None:
        planned = self._planned.get(operation)
        if not planned:
            return None
        planned[0].times -= 1
        return planned[0] if planned[0].times else planned.pop(0)

    def live_generation(self, bucket: str, name: str) -> str:
        """Returns the generation that the emulator has; "0" if there is none."""
        status, _, body = self.forward("GET", f"/storage/v1/b/{bucket}/o/{name}", {}, b"")
        return str(json.loads(body)["generation"]) if status == 200 else "0"

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Lets the emulator answer a request."""
        connection = http.client.HTTPConnection(self.emulator, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
