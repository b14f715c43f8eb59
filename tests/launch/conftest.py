"""A simulated cluster, and the log lines of a launcher that works on it."""

from __future__ import annotations

import json
import logging
import signal
import threading
from pathlib import Path

import pytest

from components.core import backoff
from components.launch import follow
from tests.launch.api_rules import TOKEN
from tests.launch.api_server import ApiServer
from tests.launch.workload import Controllers
from tests.notes import make_note, write_sorted_set

NAMED = {
    "priorityclasses": ["high", "system-node-critical"],
    "localqueues": ["gpus", "luthier"],
    "workloadpriorityclasses": ["luthier-training", "luthier-urgent"],
}
TEMPLATE = Path(__file__).parent / "training-job.yaml"


@pytest.fixture(scope="session")
def sorted_set(tmp_path_factory):
    root = tmp_path_factory.mktemp("launch") / "sorted"
    return write_sorted_set(root, {"train": [make_note(pitch=60), make_note("bass", pitch=40)]})


@pytest.fixture
def server(tmp_path, monkeypatch):
    api_server = ApiServer()
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "luthier"}}],
        "clusters": [{"name": "here", "cluster": {"server": api_server.url}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig))
    for name in ("LUTHIER_NAMESPACE", "KUBERNETES_SERVICE_HOST", "LUTHIER_TRAIN_IMAGE", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    api_server.put(
        "configmaps",
        {"metadata": {"name": "luthier-training-job"}, "data": {"training-job.yaml": TEMPLATE.read_text()}},
    )
    for collection, names in NAMED.items():
        for name in names:
            api_server.put(collection, {"metadata": {"name": name}})
    yield api_server
    api_server.drop("watch")
    api_server.drop("log")
    api_server.close()


@pytest.fixture
def controllers(server):
    controllers = Controllers(server)
    yield controllers
    controllers.join()
    assert not controllers.errors, controllers.errors


@pytest.fixture
def arguments(sorted_set, tmp_path):
    """The arguments of `luthier` that launch a training, without those that a test varies."""
    out = tmp_path / "runs" / "smoke-1" / "string-harmonic"
    words = ["launch", "--data", sorted_set, "--family", "string", "--synth", "harmonic", "--out", str(out)]
    return [*words, "--run", "smoke-1", "--image", "trainer:1"]


@pytest.fixture
def refused_after_creation(luthier):
    """Runs a launch that must end with exit code 2, after the Job was created; returns the last line."""

    def run(*arguments):
        finished = luthier(*arguments)
        assert finished.code == 2, finished
        assert "Traceback" not in finished.err
        last = finished.err.splitlines()[-1]
        assert last.startswith("luthier: "), finished.err
        return last

    return run


class LogLines(logging.Handler):
    """The launcher's log lines, for tests that wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.changed = [], threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.changed:
            self.texts.append(record.getMessage())
            self.changed.notify_all()

    def wait(self, part: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: any(part in text for text in self.texts), 60), (part, self.texts)

    def count(self, part: str) -> int:
        return sum(part in text for text in self.texts)


@pytest.fixture
def log_lines():
    # Not their common parent: setting up the command line's logging replaces the handlers there.
    handler = LogLines()
    loggers = [logging.getLogger(f"components.{part}") for part in ("launch", "kubernetes", "core")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def timing(monkeypatch):
    """Sets short intervals and time limits; returns a function that changes some of them for one test."""

    def change(retries=None, **values):
        outage = {"outage_s": retries["limit_s"]} if retries and "limit_s" in retries else {}
        times = {"permanent_s": 0.2, "first_check_s": 0.02, "longest_check_s": 0.2, **outage, **values}
        monkeypatch.setattr(follow, "DEFAULT_TIMING", follow.Timing(**times))
        policy = {"first_pause_s": 0.02, "longest_pause_s": 0.2, **(retries or {})}
        monkeypatch.setattr(backoff, "DEFAULT", backoff.RetryPolicy(**policy))

    change()
    return change


@pytest.fixture(autouse=True)
def time_limit():
    """Fails the test of a launcher that waits for ever."""

    def too_long(number, frame):
        raise TimeoutError("the launcher still waits after 300 s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
