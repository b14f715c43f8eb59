"""What the tests of training share: a small sorted set, undisturbed trainings, and a place to start others from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notes import make_note, write_sorted_set
from tests.train.numpy_trainer import SilentBar, make_loop
from tests.train.nursery import Nursery
from tests.train.trainings import command

_MEMORY = Path("/dev/shm")


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory if there is such a file system: every checkpoint is synced to the disk."""
    if not _MEMORY.is_dir():
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="luthier-test-", dir=_MEMORY))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training by the trainer in NumPy that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    make_loop(out).run(SilentBar())
    return out


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three notes to train on, one to validate, and one of another family."""
    notes = {
        "train": [*(make_note(pitch=pitch) for pitch in (52, 57, 64)), make_note("organ")],
        "valid": [make_note(pitch=60, seed=1)],
    }
    return write_sorted_set(tmp_path_factory.mktemp("data") / "sorted", notes)


@pytest.fixture(scope="package")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "stderr") as started:
        yield started


@pytest.fixture(scope="package")
def undisturbed(data: str, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training with BINDINGS."""
    out = tmp_path_factory.mktemp("runs") / "string-harmonic"
    code, said = nursery.run(*command(data, out))
    assert code == 0, said
    return out
