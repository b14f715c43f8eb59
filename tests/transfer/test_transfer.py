"""Recordings played by models, through the command and by ear of the tracker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components import storage
from components.synths.streaming import BLOCK_FRAMES
from components.transfer.step import transfer
from tests.transfer.recordings import melody, sweep, write


def _sound(path: Path | str) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


@pytest.mark.parametrize("kind", ["sweep", "melody"])
def test_a_trained_instrument_follows_pitch_and_loudness(strings, tmp_path, kind):
    audio, rate = (np.stack([sweep(), 0.8 * sweep()], axis=1), 44_100) if kind == "sweep" else (melody(), 48_000)
    result = transfer([strings], write(tmp_path / f"{kind}.wav", audio, rate), str(tmp_path / "out.wav"))
    found = result.sounds[0].likeness
    assert found.pitch_error_cents < 10
    assert found.pitch_heard_share > 0.8
    assert found.loudness_correlation > 0.95
    played = _sound(tmp_path / "out.wav")
    assert len(played) == round(len(audio) * 16_000 / rate)
    assert 0.01 < np.abs(played).max() <= 0.99


def test_no_click_where_blocks_join(strings, tmp_path):
    tone = sweep(8.0, 16_000, octaves=0.2)
    transfer([strings], write(tmp_path / "in.wav", tone), str(tmp_path / "out.wav"))
    jumps = np.abs(np.diff(_sound(tmp_path / "out.wav"), 2))[800:-800]  # second differences: a kink counts as well
    block = BLOCK_FRAMES * 64
    near_joins = np.zeros(len(jumps), bool)
    for late in range(0, 3):
        for join in range(block - late * 64, len(jumps) + 800, block):
            near_joins[max(0, join - 804) : max(0, join - 796)] = True
    assert near_joins.sum() > 100
    assert jumps[near_joins].max() <= jumps[~near_joins].max()


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


def test_a_champion_of_the_registry(beginners, tmp_path, luthier):
    """The registry is real; what is registered is a folder as MLflow keeps one."""
    from components.registry.connection import connected

    tracking = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    with connected(tracking, "luthier") as (client, _):
        client.create_registered_model("ddsp-string")
        client.create_model_version("ddsp-string", beginners["harmonic"], None)
        client.set_registered_model_alias("ddsp-string", "champion", "1")
    recording = write(tmp_path / "take.wav", sweep(0.5, 16_000))
    arguments = ["--input", recording, "--out", tmp_path / "out.wav", "--tracking-uri", tracking]
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
