"""Recordings played by models, through the command and by ear of the tracker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from mlflow import MlflowClient

from components import storage
from components.nsynth.note import HOP_SAMPLES
from components.synths.instrument import Instrument
from components.synths.streaming import BLOCK_FRAMES, BlockRenderer
from components.transfer.step import transfer
from tests.transfer.recordings import melody, sweep, write


def _sound(path: Path | str) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


@pytest.fixture(scope="module")
def played(strings, tmp_path_factory):
    """A sweep in stereo at 44.1 kHz and a melody at 48 kHz, and what the strings make of them."""
    folder = tmp_path_factory.mktemp("played")
    recordings = {"sweep": (np.stack([sweep(), 0.8 * sweep()], axis=1), 44_100), "melody": (melody(), 48_000)}
    return {
        kind: (audio, rate, transfer([strings], write(folder / f"{kind}.wav", audio, rate), str(folder / "out" / kind)))
        for kind, (audio, rate) in recordings.items()
    }


@pytest.mark.parametrize("kind", ["sweep", "melody"])
def test_a_trained_instrument_follows_pitch_and_loudness(played, kind):
    audio, rate, result = played[kind]
    found = result.sounds[0].likeness
    assert found.pitch_error_cents < 10
    assert found.pitch_heard_share > 0.95
    assert found.loudness_correlation > 0.95
    sound = _sound(result.sounds[0].out_uri)
    assert len(sound) == round(len(audio) * 16_000 / rate)
    assert 0.01 < np.abs(sound).max() <= 0.99


def test_by_other_ears_as_well(played):
    """YIN against the formula of the sweep, levels instead of loudness: nothing that the transfer itself hears with."""
    for kind, (audio, rate, result) in played.items():
        sound = _sound(result.sounds[0].out_uri)
        before, after = (
            _level_db(soxr.resample(audio if kind == "melody" else audio[:, 0], rate, 16_000)),
            _level_db(sound),
        )
        sounding = before > before.max() - 45
        assert np.corrcoef(before[sounding], after[sounding])[0, 1] > 0.95, kind
        if kind == "sweep":
            f0_hz = librosa.yin(sound, fmin=100, fmax=900, sr=16_000, frame_length=1_024, hop_length=64)
            asked_hz = 150 * 2 ** (2 * np.arange(len(f0_hz)) * 64 / len(sound) + result.sounds[0].octaves)
            assert np.median(1200 * np.abs(np.log2(f0_hz / asked_hz))) < 10


def _level_db(audio: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.convolve(audio**2, np.ones(1_024) / 1_024, "same")[::64] + 1e-12)


def test_no_click_where_blocks_join(strings, tmp_path):
    tone = sweep(8.0, 16_000, octaves=0.2)
    transfer([strings], write(tmp_path / "in.wav", tone), str(tmp_path / "out.wav"))
    kinks = np.abs(np.diff(_sound(tmp_path / "out.wav"), 2))  # second differences: not only jumps
    block, late = BLOCK_FRAMES * HOP_SAMPLES, BlockRenderer(Instrument.load(strings)).delay * HOP_SAMPLES
    joins = range(block - late, len(kinks) - 400, block)
    assert len(joins) == 7
    for join in joins:  # beside its own neighbourhood, two periods on either side
        around = np.concatenate([kinks[join - 210 : join - 6], kinks[join + 4 : join + 210]])
        assert kinks[join - 6 : join + 4].max() < 1.2 * around.max()


def test_silence_stays_silent_and_the_sound_around_it_is_whole(beginners, tmp_path):
    audio = np.concatenate(
        [np.zeros(16_000), sweep(1.0, 16_000), np.zeros(16_000), sweep(1.0, 16_000), np.zeros(8_000)]
    )
    transfer([beginners["harmonic"]], write(tmp_path / "in.wav", audio), str(tmp_path / "out.wav"))
    played = _sound(tmp_path / "out.wav")
    assert not played[:14_000].any()
    assert not played[34_500:46_000].any()
    assert not played[-6_000:].any()
    for start in (16_000, 48_000):
        assert np.abs(played[start : start + 16_000]).reshape(10, -1).max(axis=1).min() > 1e-3


def test_several_models_side_by_side_in_a_folder_and_on_a_page(luthier, beginners, tmp_path):
    recording = write(tmp_path / "my <take> & more.flac", sweep(1.0, 22_050), 22_050)
    models = [beginners["harmonic"], beginners["wavetable"], beginners["harmonic"]]
    options = [part for model in models for part in ("--model", model)]
    finished = luthier("transfer", *options, "--input", recording, "--out", tmp_path / "out", "--rate", 44_100)
    assert finished.code == 0, finished.err
    stem = "my <take> & more"
    names = [f"{stem}-string-harmonic.wav", f"{stem}-string-wavetable.wav", f"{stem}-string-harmonic-2.wav"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*names, f"{stem}.html"])
    for name in names:
        assert soundfile.info(tmp_path / "out" / name).samplerate == 44_100
        assert soundfile.info(tmp_path / "out" / name).frames == 44_100
    np.testing.assert_array_equal(_sound(tmp_path / "out" / names[0]), _sound(tmp_path / "out" / names[2]))
    page = (tmp_path / "out" / f"{stem}.html").read_text()
    assert page.count("data:image/webp;base64,") == 5  # the recording, three models, the scale
    assert "<take>" not in page
    assert re.findall(r'<audio[^>]*src="([^"]*)"', page)[:2] == [
        "../my%20%3Ctake%3E%20%26%20more.flac",
        "my%20%3Ctake%3E%20%26%20more-string-harmonic.wav",
    ]


def test_a_transfer_by_crepe(luthier, beginners, tmp_path):
    audio = np.concatenate([np.zeros(4_000), sweep(0.5, 16_000), np.zeros(4_000)])
    options = ["--input", write(tmp_path / "in.wav", audio), "--out", tmp_path / "out.wav", "--pitch", "crepe"]
    finished = luthier("transfer", "--model", beginners["harmonic"], *options)
    assert finished.code == 0, finished.err
    assert "hear: 1/1 s of sound" in finished.err
    assert soundfile.info(tmp_path / "out.wav").frames == len(audio)


def test_from_and_to_cloud_storage(beginners, tmp_path, gcs):
    bucket = gcs.bucket()
    storage.upload_tree(beginners["harmonic"], f"{bucket}/models/one")
    local = write(tmp_path / "take.ogg", sweep(0.5, 16_000))
    storage.write_bytes(f"{bucket}/takes/take.ogg", Path(local).read_bytes())
    result = transfer([f"{bucket}/models/one"], f"{bucket}/takes/take.ogg", f"{bucket}/out/sound.flac")
    again = transfer([beginners["harmonic"]], local, str(tmp_path / "out.flac"))
    assert storage.read_bytes(f"{bucket}/out/sound.flac") == (tmp_path / "out.flac").read_bytes()
    assert storage.exists(result.page_uri)
    assert again.page_uri == str(tmp_path / "out.html")


def test_a_champion_of_the_registry(beginners, tmp_path, luthier, registry):
    """The registry is real; what is registered is a folder as MLflow keeps one."""
    client = MlflowClient(tracking_uri=registry, registry_uri=registry)
    client.create_registered_model("ddsp-string")
    client.create_model_version("ddsp-string", beginners["harmonic"], None)
    client.set_registered_model_alias("ddsp-string", "champion", "1")
    recording = write(tmp_path / "take.wav", sweep(0.5, 16_000))
    arguments = ["--input", recording, "--out", tmp_path / "out.wav", "--tracking-uri", registry]
    assert luthier("transfer", "--model", "models:/ddsp-string@champion", *arguments).code == 0
    by_champion = _sound(tmp_path / "out.wav")
    transfer([beginners["harmonic"]], recording, str(tmp_path / "same.wav"))
    np.testing.assert_array_equal(by_champion, _sound(tmp_path / "same.wav"))


_MEASURE = """
import resource, sys
from components.transfer.step import transfer
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
model, short, long, out = sys.argv[1:]
transfer([model], short, out)
before = peak_mb()
transfer([model], long, out)
print(peak_mb() - before)
"""


def test_memory_does_not_grow_with_the_recording(beginners, tmp_path):
    tone = sweep(10.0, 16_000)
    short, long = write(tmp_path / "short.wav", tone), write(tmp_path / "long.wav", np.tile(tone, 7))
    arguments = [beginners["harmonic"], short, long, str(tmp_path / "out.wav")]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *arguments], capture_output=True, text=True, check=True)
    # The controls of a minute more would be 8 MB, their samples 4, what the layers make of them all at once some 250.
    assert float(done.stdout) < 30
