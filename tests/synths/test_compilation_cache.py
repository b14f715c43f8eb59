"""What XLA has compiled, kept in a folder: used by the next process, private, and removed if it is damaged."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from components.core.errors import InputError
from components.synths import compilation_cache

_PROGRAM = """
from components.synths.ddsp_imports import tf
from components.synths.compilation_cache import removed_if_damaged
with removed_if_damaged():
    print(float(tf.function(lambda x: tf.reduce_sum(tf.sin(x) * x), jit_compile=True)(tf.range(100.0))))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    return tmp_path / "cache"


def _run() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True)


def test_a_damaged_entry_is_removed_and_the_next_run_is_well(folder):
    first = _run()
    assert first.returncode == 0, first.stderr
    (entry,) = folder.rglob("*.pb")
    assert entry.parent.stat().st_mode & 0o777 == 0o700
    entry.write_bytes(entry.read_bytes()[:100])
    damaged = _run()
    assert damaged.returncode == 1
    assert re.search(r"StepError: the compiled code in '.*' is damaged and has been removed; run the", damaged.stderr)
    assert not list(folder.rglob("*.pb"))


def test_a_folder_that_others_may_write_into_is_refused(folder):
    compilation_cache.enable()
    (made,) = folder.iterdir()
    made.chmod(0o777)
    with pytest.raises(InputError, match="others may write into"):
        compilation_cache.enable()


@pytest.mark.parametrize("named", ["gs://bucket/cache", "a folder"])
def test_a_name_that_tensorflow_cannot_take_is_refused(named, monkeypatch):
    monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", named)
    with pytest.raises(InputError, match="expected a local folder"):
        compilation_cache.enable()


def test_other_errors_pass(folder):
    with pytest.raises(KeyError), compilation_cache.removed_if_damaged():
        raise KeyError("PartitionedCall")


def test_without_a_folder_nothing_is_set(monkeypatch):
    monkeypatch.delenv("LUTHIER_COMPILATION_CACHE", raising=False)
    before = os.environ.get("TF_XLA_FLAGS")
    compilation_cache.enable()
    assert os.environ.get("TF_XLA_FLAGS") == before
