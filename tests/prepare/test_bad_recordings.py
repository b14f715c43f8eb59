"""What cannot be prepared: one line that names the recording, and exit code 2."""

import numpy as np
import pytest
import soundfile


def _write(path, audio, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate)
    return path


def _noise(seconds, level):
    return level * np.random.default_rng(0).standard_normal(int(seconds * 16_000))


def test_no_recordings(refused, tmp_path):
    assert "no recordings at" in refused("prepare", tmp_path, "--out", tmp_path / "out")
    assert "no recordings at" in refused("prepare", tmp_path / "nowhere", "--out", tmp_path / "out")
    (tmp_path / "notes.txt").write_text("x")
    assert "is not a recording" in refused("prepare", tmp_path / "notes.txt", "--out", tmp_path / "out")


def test_unreadable_recording(refused, tmp_path):
    path = tmp_path / "string" / "broken.flac"
    path.parent.mkdir()
    path.write_bytes(b"fLaC and no more")
    assert f"cannot read the recording '{path}'" in refused("prepare", path, "--out", tmp_path / "out")


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_too_short_recording(refused, tmp_path, seconds):
    path = _write(tmp_path / "string" / "short.wav", _noise(seconds, 0.1))
    assert f"'{path}' is too short: {seconds:.3f} s" in refused("prepare", path, "--out", tmp_path / "out")


def test_too_quiet_recording(refused, tmp_path):
    path = _write(tmp_path / "string" / "quiet.wav", _noise(4.0, 1e-4))
    assert f"'{path}' is too quiet" in refused("prepare", path, "--out", tmp_path / "out")


def test_recording_without_pitch(refused, tmp_path):
    path = _write(tmp_path / "string" / "noise.wav", _noise(4.0, 0.1))
    assert f"'{path}' has no pitch" in refused("prepare", path, "--out", tmp_path / "out")


def test_recording_with_impossible_samples(refused, tmp_path):
    path = tmp_path / "string" / "nan.wav"
    path.parent.mkdir()
    soundfile.write(path, np.full(64_000, np.nan), 16_000, subtype="FLOAT")
    assert "samples that are not finite" in refused("prepare", path, "--out", tmp_path / "out")


def test_unclear_or_unknown_family(refused, tmp_path):
    path = _write(tmp_path / "strings" / "a.wav", _noise(1.0, 0.1))
    message = refused("prepare", path, "--out", tmp_path / "out")
    assert "of 1 recording by the directory: 'strings' (1: string?); name" in message
    message = refused("prepare", path, "--out", tmp_path / "out", "--family", "keybord")
    assert "'keybord': did you mean 'keyboard'?" in message
