"""What several tests need: a Cloud Storage emulator, costly folders built once, the command line as a user sees it.

`make test` runs two workers of pytest-xdist. Each is a process that imports TensorFlow once; a file's tests go to one
worker together, so that what the file's fixtures build is built once.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests import loggers
from tests.faulty_gcs import FaultyGcs
from tests.ports import free_port
from tests.waiting import wait_until

# Before anything imports TensorFlow: ddsp 3.7 uses Keras 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# XLA compiles for a second wherever a shape is new, and the tests need no speed. Those whose subject it is turn it on.
os.environ.setdefault("LUTHIER_XLA", "0")
if (
    "LUTHIER_COMPILATION_CACHE" not in os.environ
):  # one for all processes of these tests: what one compiles, others load
    os.environ["LUTHIER_COMPILATION_CACHE"] = tempfile.mkdtemp(prefix="luthier-xla-")
    atexit.register(shutil.rmtree, os.environ["LUTHIER_COMPILATION_CACHE"], ignore_errors=True)
# Several workers share the processor's cores, their child processes too.
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    for _threads in ("LUTHIER_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_threads, str(max(1, (os.cpu_count() or 1) // _workers)))

_TESTS = Path(__file__).parent
# Folders whose files share what is costly.
_TOGETHER = ("tests/evaluate", "tests/export/web")
# The folders whose tests take longest begin, so that the workers end at about the same time.
_FIRST = ("train", "pipelines", "export", "transfer", "synths", "register", "benchmarks", "evaluate", "launch")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Gives a file's tests to one worker, and files whose fixtures are costly and shared to the same one.

    Not by the mark xdist_group: pytest-xdist 3.8 writes it to an attribute that pytest 9.2 does not have, and splits
    every group without a word.
    """
    from xdist.scheduler import LoadFileScheduling

    class FileScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((folder for folder in _TOGETHER if file.startswith(f"{folder}/")), file)

    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest folders first."""
    ranks = {name: rank for rank, name in enumerate(_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.relative_to(_TESTS).parts[0], len(_FIRST)))


def pytest_collection_finish() -> None:
    """Takes what was imported out of the garbage collection, which would walk a million objects again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


BuiltOnce = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture
def with_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA compiles, as it does for users."""
    monkeypatch.setenv("LUTHIER_XLA", "1")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> BuiltOnce:
    """Builds a folder once for all workers: built_once(name, build) calls build(folder) or waits until another has.

    Whoever uses the folder must leave it as it is, or work on a copy.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built-once"

    def build_once(name: str, build: Callable[[Path], None]) -> Path:
        shared.mkdir(exist_ok=True)
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                build(unfinished)
                unfinished.rename(folder)
        return folder

    return build_once


@dataclass(frozen=True)
class Gcs:
    """A running Cloud Storage emulator; STORAGE_EMULATOR_HOST points at it, for child processes too."""

    endpoint: str
    numbers: Iterator[int]

    def bucket(self) -> str:
        """Makes a new bucket and returns its gs:// URI."""
        name = f"bucket-{next(self.numbers)}"
        body = json.dumps({"name": name}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.endpoint}/storage/v1/b?project=emulator", body, headers)
        urllib.request.urlopen(request).close()
        return f"gs://{name}"


def _is_up(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(f"{endpoint}/storage/v1/b?project=emulator").close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    port = free_port()
    start = "from gcp_storage_emulator.__main__ import main; main()"
    arguments = ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", "--quiet"]
    process = subprocess.Popen([sys.executable, "-c", start, *arguments], stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    earlier = os.environ.get("STORAGE_EMULATOR_HOST")
    try:
        wait_until(lambda: _is_up(endpoint), f"the emulator at {endpoint} answers", process=process)
        os.environ["STORAGE_EMULATOR_HOST"] = endpoint
        yield Gcs(endpoint, count())
    finally:
        os.environ.pop("STORAGE_EMULATOR_HOST", None)
        if earlier is not None:
            os.environ["STORAGE_EMULATOR_HOST"] = earlier
        process.kill()
        process.wait()


@pytest.fixture
def faulty_gcs(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyGcs]:
    """The emulator behind a proxy that breaks what it is told to break; STORAGE_EMULATOR_HOST points at the proxy."""
    proxy = FaultyGcs(gcs.endpoint, gcs.bucket)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.endpoint)
    yield proxy
    proxy.close()


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


Luthier = Callable[..., Finished]


@pytest.fixture
def luthier(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Luthier]:
    """Runs `luthier ARGUMENTS...` through its real entry point, in this process.

    The command sends its log to the test's stderr, which is closed after the test: then the loggers are as before.
    """
    from components import cli

    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["luthier", *map(str, arguments)])
        monkeypatch.setenv("PYTHONSAFEPATH", "")  # which the entry point sets
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        monkeypatch.delenv("PYTHONSAFEPATH")  # processes of the tests import from the checkout
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    with loggers.restored(*loggers.OURS):
        yield run


@pytest.fixture
def refused(luthier: Luthier) -> Callable[..., str]:
    """Runs a command that must end with exit code 2 and one line on stderr; returns the line."""

    def run(*arguments: object) -> str:
        finished = luthier(*arguments)
        assert finished.code == 2, finished
        assert finished.err.startswith("luthier: "), finished.err
        assert finished.err.count("\n") == 1, finished.err
        return finished.err

    return run


@pytest.fixture(scope="session")
def empty_registry(built_once: BuiltOnce) -> Path:
    """An empty MLflow database: the sixty migrations of a new one take seconds, so tests copy this one."""

    def build(folder: Path) -> None:
        from components.registry.client import open_for_writing

        with open_for_writing(f"sqlite:///{folder}/mlflow.db", "unused"):
            pass

    return built_once("empty-registry", build) / "mlflow.db"


@pytest.fixture
def registry(empty_registry: Path, tmp_path: Path) -> str:
    """The tracking URI of an empty registry of the test's own."""
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_registry, tmp_path / "mlflow" / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow/mlflow.db"
