"""`luthier play`: three parts become one sound; what cannot be played is refused before a model is loaded."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from components.artifacts.model_card import ModelCard, Percentiles
from components.audio.program_loudness import program_loudness_lufs
from components.synths.instrument import Instrument, save
from tests.play.scores import control, named, notes, write

_SMALL = ("RnnFcDecoder.ch = 8", "RnnFcDecoder.rnn_channels = 8")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """An untrained instrument, which renders the pitch that it is asked for."""
    from components.synths.ddsp_imports import gin, tf
    from components.synths.model import build, config_text, configured

    tf.keras.utils.set_random_seed(6)
    folder = tmp_path_factory.mktemp("model")
    with configured(config_text("harmonic", "smoke", _SMALL)):
        untrained, config = build(), gin.operative_config_str()
    ranges = {"f0_hz": Percentiles(110.0, 330.0, 880.0), "loudness_db": Percentiles(-50.0, -20.0, -5.0)}
    save(untrained, ModelCard("organ", "harmonic", **ranges), config, folder)
    return str(folder)


@pytest.fixture
def score(tmp_path):
    return write(
        tmp_path / "song.mid",
        [named("Flute"), control(0, 0, 10, 1), *notes(0, (0, 2, 69, 100))],
        [named("Violin"), control(0, 1, 10, 127), *notes(1, (2, 2, 64, 100))],
        [named("Chords"), *notes(2, (4.5, 1, 57, 80), (4.5, 1, 61, 80), (4.5, 1, 96, 80))],
    )


def _loudest_hz(audio, rate_hz=16_000):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 17))
    return float(np.argmax(spectrum) * rate_hz / (1 << 17))


def test_three_parts_become_one_sound(luthier, model, score, tmp_path):
    found = luthier("play", score, "--model", model, "--out", tmp_path / "song.wav")
    assert found.code == 0, found.err
    assert "part 1, Flute (channel 1, 1 note): organ harmonic, 1 voice" in found.out
    assert "part 3, Chords (channel 3, 3 notes): organ harmonic, 3 voices; moved by -1 octave into" in found.out
    audio, rate_hz = soundfile.read(tmp_path / "song.wav", dtype="float32")
    assert (rate_hz, audio.ndim) == (16_000, 2)
    assert 2.75 < len(audio) / rate_hz < 4
    assert program_loudness_lufs(audio) == pytest.approx(-18.0, abs=0.5) or np.abs(audio).max() > 0.95
    left, right = audio[3_200:14_400].T
    assert _loudest_hz(left) % 440 == pytest.approx(0, abs=2) or _loudest_hz(left) % 440 == pytest.approx(440, abs=2)
    assert np.abs(right).max() < 0.1 * np.abs(left).max()
    left, right = audio[22_000:30_000].T
    assert np.abs(left).max() < 0.1 * np.abs(right).max()
    assert not np.abs(audio[-1_600:]).max() > 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.mid", "song.wav"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--model", "/nowhere/model"], "no model at '/nowhere/model'"),
        ([], "its parts are 1: Flute (channel 1, 1 note); 2: Violin"),
        (["--out", "song.mp4"], "cannot write 'song.mp4'"),
        (["--loudness", "3"], "--loudness is 3: expected from -60 to -5 LUFS"),
        (["--rate", "3"], "--rate is 3"),
        (["--out-of-range", "stop"], "'stop' is not one of"),
    ],
)
def test_what_cannot_be_played(luthier, score, tmp_path, monkeypatch, more, complaint):
    monkeypatch.setattr(Instrument, "load", lambda uri: pytest.fail("the model was loaded"))
    found = luthier("play", score, "--out", tmp_path / "song.wav", *more)
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert complaint in found.err
    assert not (tmp_path / "song.wav").exists()
