"""A web application of a test's own, on a free port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import make_server

# Its first line would go to the stream of the test of then, and later ones to a closed one.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@contextmanager
def served(app: Callable[..., Any]) -> Iterator[str]:
    """Serves a WSGI application for as long as the block runs; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
