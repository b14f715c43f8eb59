"""Checkpoints: what is whole is found, what is not is recognised, and never is there none where there was one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.core.errors import InputError
from components.train.checkpoints import Checkpoints, Damaged, Snapshot, decode, encode


def _snapshot(step: int) -> Snapshot:
    arrays = {"weights/000": np.arange(12, dtype=np.float32).reshape(3, 4) / 7, "optimizer/000": np.array(step)}
    return Snapshot({"step": step, "best_loss": float("inf"), "rollbacks": [{"reason": "ü"}]}, arrays)


def _steps(uri: object) -> list[str]:
    return [info.name for info in storage.list_objects(storage.join(str(uri), "checkpoints"))]


def test_what_comes_back_is_what_went_in(tmp_path):
    Checkpoints(str(tmp_path)).save(_snapshot(7))
    found = Checkpoints(str(tmp_path)).newest()
    assert found.state == _snapshot(7).state
    for name, array in _snapshot(7).arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_every_cut_and_every_flipped_bit_is_recognised():
    content = b"".join(encode(_snapshot(7)))
    for end in range(len(content)):
        with pytest.raises(Damaged):
            decode(content[:end])
    first_line = content.index(b"\n")
    step_digit = content.index(b'"step": 7') + len(b'"step": ')
    for position in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            try:
                decode(bytes(flipped))
            except Damaged:
                continue
            # The first line is for people too: its step is not what is gone by, nor are names that nobody asks for.
            assert position < first_line
            assert abs(position - step_digit) < len('"step": 7')
    with pytest.raises(Damaged):
        decode(content + b"x")


@pytest.fixture(params=["local", "gs"])
def uri(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("gcs").bucket()


def test_the_newest_two_are_kept_and_the_newest_whole_one_is_taken(uri):
    checkpoints = Checkpoints(uri)
    assert checkpoints.newest() is None
    assert not checkpoints.any()
    for step in (5, 9, 100_000_000, 10):
        checkpoints.save(_snapshot(step))
        assert len(_steps(uri)) <= 2
    assert _steps(uri) == ["step-00000010.ckpt", "step-100000000.ckpt"]
    storage.write_bytes(storage.join(uri, "checkpoints", "step-100000000.ckpt"), b"{}")
    assert checkpoints.newest().state["step"] == 10
    assert _steps(uri) == ["step-00000010.ckpt"]
    storage.write_bytes(storage.join(uri, "checkpoints", "step-00000010.ckpt"), b"")
    with pytest.raises(InputError, match=r"none of the checkpoints .* \(step-00000010.ckpt: its first line"):
        checkpoints.newest()
    assert checkpoints.any()


def test_one_that_arrives_damaged_is_not_deleted(faulty_gcs):
    uri = faulty_gcs.bucket()
    checkpoints = Checkpoints(uri)
    for step in (5, 9):
        checkpoints.save(Snapshot({"step": step}, {"weights/000": np.arange(4096.0)}))
    faulty_gcs.inject("read", "damaged", times=1000)
    with pytest.raises(storage.Corrupted, match=r"step-00000009\.ckpt' arrived damaged"):
        checkpoints.newest()
    faulty_gcs.heal()
    assert _steps(uri) == ["step-00000005.ckpt", "step-00000009.ckpt"]
    assert checkpoints.newest().state["step"] == 9


@pytest.mark.parametrize("newer", ["step-00000009.ckpt", "step-00000005.ckpt"])
def test_one_of_a_newer_release_is_said_to_be_so_and_nothing_is_deleted(uri, newer):
    checkpoints, name = Checkpoints(uri), storage.join(uri, "checkpoints", newer)
    for step in (5, 9):
        checkpoints.save(_snapshot(step))
    content = storage.read_bytes(name)
    storage.write_bytes(name, content.replace(b"luthier-checkpoint-1", b"luthier-checkpoint-12"))
    with pytest.raises(
        InputError, match=rf"'.*{newer}' is of a newer release of Luthier: its format is 12, expected 1"
    ):
        checkpoints.newest()
    assert _steps(uri) == ["step-00000005.ckpt", "step-00000009.ckpt"]


def test_a_format_that_is_no_number_is_damage(tmp_path):
    Checkpoints(str(tmp_path)).save(_snapshot(1))
    for first_line in (
        b'{"format": "luthier-checkpoint-x"}',
        b'{"format": 2}',
        b'["luthier-checkpoint-2"]',
        b"[" * 9000,
    ):
        storage.write_bytes(str(tmp_path / "checkpoints" / "step-00000002.ckpt"), first_line + b"\n")
        assert Checkpoints(str(tmp_path)).newest().state["step"] == 1


def test_a_full_disk_leaves_the_checkpoints_from_before_and_no_half_one(tmp_path):
    """A file may have 100 kB in the process that saves; the checkpoint needs 400."""
    Checkpoints(str(tmp_path)).save(_snapshot(1))
    code = """
import resource, sys
import numpy as np
from components.train.checkpoints import Checkpoints, Snapshot
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
Checkpoints(sys.argv[1]).save(Snapshot({"step": 2}, {"weights/000": np.zeros(100_000, np.float32)}))
"""
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "Error: cannot save the checkpoint of step 2 (0.4 MB): File too large" in ended.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001.ckpt"]
    assert Checkpoints(str(tmp_path)).newest().state["step"] == 1


def test_no_permission_is_not_taken_for_a_full_disk(tmp_path):
    Path(tmp_path, "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot write"):
        Checkpoints(str(tmp_path)).save(_snapshot(1))
