"""What XLA has compiled, kept in a folder: used by the next process, private, and removed if it is damaged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from components.core.errors import InputError
from components.synths import compilation_cache

_PROGRAM = """
from components.synths.ddsp_imports import tf
from components.synths.compilation_cache import removed_if_damaged
with removed_if_damaged():
    print(float(tf.function(lambda x: tf.reduce_sum(tf.sin(x) * x), jit_compile=True)(tf.range(100.0))))
"""


def _forget_flags(monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "")  # so that it is gone again after the test
    monkeypatch.delenv("TF_XLA_FLAGS")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", str(tmp_path / "cache"))
    _forget_flags(monkeypatch)
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
    os.environ.pop("TF_XLA_FLAGS")
    with pytest.raises(InputError, match="others may write into"):
        compilation_cache.enable()


@pytest.mark.parametrize("named", ["gs://bucket/cache", "a folder"])
def test_a_name_that_tensorflow_cannot_take_is_refused(named, monkeypatch):
    monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", named)
    with pytest.raises(InputError, match="expected a local directory"):
        compilation_cache.enable()


def test_other_errors_pass(folder):
    with pytest.raises(KeyError), compilation_cache.removed_if_damaged():
        raise KeyError("PartitionedCall")


def test_off_keeps_nothing(monkeypatch):
    monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", "off")
    _forget_flags(monkeypatch)
    compilation_cache.enable()
    assert "TF_XLA_FLAGS" not in os.environ


@pytest.fixture
def users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("LUTHIER_COMPILATION_CACHE", raising=False)
    _forget_flags(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "luthier/xla"


def test_without_a_name_it_is_in_the_users_cache_and_what_was_not_used_for_a_month_is_removed(users_cache):
    compilation_cache.enable()
    (folder,) = users_cache.iterdir()
    assert f"--tf_xla_persistent_cache_directory={folder} " in os.environ["TF_XLA_FLAGS"]
    entries = (("old", b"code", 31), ("new", b"code", 29), ("cut", b"", 1), ("being written", b"", 0))
    for name, content, age_days in entries:
        (folder / name).write_bytes(content)
        used_s = time.time() - age_days * 86_400
        os.utime(folder / name, (used_s, used_s))
    os.environ.pop("TF_XLA_FLAGS")
    compilation_cache.enable()
    assert {path.name for path in folder.iterdir()} == {"new", "being written"}


def test_the_folder_that_tensorflow_was_told_stays(users_cache, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/elsewhere")
    compilation_cache.enable()
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_persistent_cache_directory=/elsewhere"
    assert not users_cache.exists()


@pytest.mark.parametrize("named", [True, False])
def test_on_a_full_disk_nothing_is_kept_and_a_named_folder_is_refused(users_cache, monkeypatch, named):
    usage = shutil.disk_usage(users_cache.parent.parent)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    if named:
        monkeypatch.setenv("LUTHIER_COMPILATION_CACHE", str(users_cache))
    with pytest.raises(InputError, match="1,048,576 bytes free") if named else nullcontext():
        compilation_cache.enable()
    assert "TF_XLA_FLAGS" not in os.environ


def test_without_a_place_for_it_nothing_is_kept(users_cache):
    users_cache.parent.parent.joinpath("luthier").write_text("a file is in the way")
    compilation_cache.enable()
    assert "TF_XLA_FLAGS" not in os.environ
