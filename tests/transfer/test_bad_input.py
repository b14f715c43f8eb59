"""What cannot be transferred: one line that says why, and exit code 2, before anything heavy is done."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from components.synths.instrument import Instrument
from tests.transfer.recordings import sweep, write


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "take.wav", sweep(0.5, 16_000))


@pytest.fixture
def refuse(refused, beginners, tmp_path):
    def run(recording, *more, model=beginners["harmonic"], out=tmp_path / "out.wav"):
        line = refused("transfer", "--model", model, "--input", recording, "--out", out, *more)
        assert not (tmp_path / "out.wav").exists()
        return line

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(Instrument, "load", lambda uri: pytest.fail("the model was loaded"))


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (np.zeros(0), "is too short: 0.00 s, expected 0.1 s or more"),
        (np.zeros(1_000), "is too short: 0.06 s"),
        (np.zeros(16_000), "is silent: its peak is 0.00000, expected 0.001 or more"),
        (np.full(16_000, np.nan), "has samples that are not numbers"),
        (np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), "has no pitch between 47 and 2094 Hz"),
    ],
    ids=["empty", "short", "silent", "not-numbers", "noise"],
)
def test_recordings_that_cannot_be_played(refuse, tmp_path, audio, complaint):
    assert complaint in refuse(write(tmp_path / "bad.wav", audio, subtype="FLOAT"))


@pytest.mark.usefixtures("no_model")
def test_files_that_are_no_recordings(refuse, tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("not a sound")
    assert f"cannot read the recording '{text}'" in refuse(text)
    text.write_bytes(b"")
    assert f"cannot read the recording '{text}'" in refuse(text)
    assert "there is no recording at" in refuse(tmp_path / "nowhere.wav")
    assert "there is no recording at" in refuse(tmp_path)


@pytest.mark.usefixtures("no_model")
def test_a_recording_of_more_than_ten_minutes(refuse, tmp_path):
    path = write(tmp_path / "long.flac", np.zeros(601 * 8_000), 8_000)
    assert "is too long: 10.0 minutes, expected 10 at most; cut it into pieces" in refuse(path)


def test_a_clipped_recording_is_played_with_a_warning(luthier, beginners, tmp_path, recording):
    clipped = write(tmp_path / "clipped.wav", np.clip(8 * sweep(0.5, 16_000), -0.9, 0.9))
    arguments = ["transfer", "--model", beginners["harmonic"], "--out", tmp_path / "out.wav", "--input"]
    finished = luthier(*arguments, clipped)
    assert finished.code == 0
    assert f"'{clipped}' is clipped" in finished.err
    assert "is clipped" not in luthier(*arguments, recording).err


@pytest.mark.usefixtures("no_model")
def test_outputs_that_cannot_be_written(refuse, beginners, recording, tmp_path):
    assert "got the ending '.mp4'" in refuse(recording, out=tmp_path / "out.mp4")
    assert "expected --rate from 8000 to 192000" in refuse(recording, "--rate", 100)
    assert "expected a folder" in refuse(recording, "--model", beginners["wavetable"])


def test_models_that_are_not_there(refuse, recording, tmp_path):
    from components.registry.connection import connected

    assert "there is no model at" in refuse(recording, model=tmp_path / "nothing")
    tracking = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    with connected(tracking, "luthier") as (client, _):
        client.create_registered_model("ddsp-string")
    registry = ["--tracking-uri", tracking]
    assert "did you mean 'ddsp-string'?" in refuse(recording, *registry, model="models:/ddsp-strng@champion")
    assert "there is no 'models:/ddsp-string@champion'" in refuse(
        recording, *registry, model="models:/ddsp-string@champion"
    )
    nobody = ["--tracking-uri", "http://127.0.0.1:9"]
    assert "cannot reach MLflow at 'http://127.0.0.1:9'" in refuse(
        recording, *nobody, model="models:/ddsp-string@champion"
    )
    assert soundfile.info(recording).frames == 8_000
