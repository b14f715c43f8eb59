"""What cannot be transferred: one line that says why, and exit code 2, before anything heavy is done."""

from __future__ import annotations

import importlib.util
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from components.synths.instrument import Instrument
from tests.transfer.recordings import sweep, write


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "take.wav", sweep(0.5, 16_000))


@pytest.fixture
def refuse(refused, untrained, tmp_path):
    def run(recording, *more, model=untrained["harmonic"], out=tmp_path / "out.wav"):
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
        (np.zeros(0), "is too short: 0.000 s, expected 0.1 s or more"),
        (np.zeros(1_000), "is too short: 0.062 s"),
        (np.zeros(16_000), "is silent: its peak is 0.00000, expected 0.001 or more"),
        (np.full(16_000, np.nan), "has samples that are not finite"),
    ],
    ids=["empty", "short", "silent", "not-numbers"],
)
def test_recordings_that_cannot_be_rendered(refuse, tmp_path, audio, complaint):
    assert complaint in refuse(write(tmp_path / "bad.wav", audio, subtype="FLOAT"))


def test_a_recording_without_pitch(refuse, tmp_path):
    noise = write(tmp_path / "bad.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000))
    assert "has no pitch between 20 and 4300 Hz" in refuse(noise)


def test_an_input_with_nothing_but_hum_and_whine(refuse, tmp_path):
    """The whine of a power supply has a peak; of the hum, far below -80 dB, a tracker still finds the pitch."""
    seconds = np.arange(48_000) / 48_000
    whine = 0.002 * np.sin(2 * np.pi * 20_000 * seconds) * np.sin(np.pi * seconds)
    hum = 1e-5 * (np.sin(2 * np.pi * 100 * seconds) + np.sin(2 * np.pi * 200 * seconds))
    assert "is silent below 8000 Hz" in refuse(write(tmp_path / "hum.wav", whine + hum, 48_000, subtype="FLOAT"))


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
    assert "is too long: more than 10.0 minutes, expected 10 at most; cut it into pieces" in refuse(path)


@pytest.mark.usefixtures("no_model")
def test_arguments_that_mean_nothing(refuse, recording):
    assert "--pitch is 'creep': did you mean 'crepe'?" in refuse(recording, "--pitch", "creep")
    assert "--octave is 9: expected from -6 to 6" in refuse(recording, "--octave", 9)
    assert "--loudness-db is nan: expected from -60 to 60" in refuse(recording, "--loudness-db", "nan")


@pytest.mark.usefixtures("no_model")
def test_without_crepes_weights_one_line_says_what_to_install(refuse, recording, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = refuse(recording, "--pitch", "crepe")
    assert "the package torchcrepe is missing; try pip install 'luthier[crepe]'" in line


@pytest.mark.usefixtures("no_model")
def test_outputs_that_cannot_be_written(refuse, untrained, recording, tmp_path):
    assert "got the ending '.mp4'" in refuse(recording, out=tmp_path / "out.mp4")
    assert "--rate is 100: expected from 8000 to 192000 Hz" in refuse(recording, "--rate", 100)
    assert "expected a directory" in refuse(recording, "--model", untrained["wavetable"])
    (tmp_path / "file").touch()
    into_a_file = f"cannot write into '{tmp_path}/file': it is a file; expected a writable directory"
    assert into_a_file in refuse(recording, out=tmp_path / "file" / "out.wav")
    assert into_a_file in refuse(recording, "--model", untrained["wavetable"], out=tmp_path / "file")
    assert "cannot write into '/proc/nothing'" in refuse(recording, out="/proc/nothing/out.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "it is a directory, expected a file" in refuse(recording, out=tmp_path / "folder.wav")


@pytest.mark.usefixtures("no_model")
def test_models_that_are_not_there(refuse, recording, untrained, tmp_path):
    folder = Path(untrained["harmonic"]).parent
    assert "try a training that has finished" in refuse(recording, model=tmp_path / "nothing")
    line = refuse(recording, model=folder / "harmonics")
    assert f"there is no model at '{folder}/harmonics': got nothing" in line
    assert "beside it, did you mean 'harmonic'" in line
    assert "models are in it: harmonic, wavetable" in refuse(recording, model=folder)


@pytest.mark.usefixtures("no_model")
def test_models_that_are_not_in_the_registry(refuse, recording, registry, tmp_path):
    from components.registry.client import open_client

    client = open_client(registry)
    client.create_registered_model("ddsp-string")
    client.create_model_version("ddsp-string", str(tmp_path / "lost"), None)
    tracking = ["--tracking-uri", registry]
    assert "did you mean 'ddsp-string'?" in refuse(recording, *tracking, model="models:/ddsp-strng@champion")
    champion = "models:/ddsp-string@champion"
    assert f"there is no '{champion}': ddsp-string has the versions 1" in refuse(recording, *tracking, model=champion)
    assert "cannot download 'models:/ddsp-string/1'" in refuse(recording, *tracking, model="models:/ddsp-string/1")
    assert "expected models:/NAME@ALIAS" in refuse(recording, *tracking, model="models:ddsp-string@champion")


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.mark.usefixtures("no_model")
def test_a_registry_that_is_none(refuse, recording, monkeypatch):
    from components.registry import client

    def answer(uri: str) -> str:
        return refuse(recording, "--tracking-uri", uri, model="models:/ddsp-string@champion")

    assert "cannot reach MLflow at 'http://127.0.0.1:9'" in answer("http://127.0.0.1:9")
    # It takes the connection and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as mute, monkeypatch.context() as impatient:
        impatient.setattr(client, "HEALTH_TIMEOUT_S", 0.5)
        assert "cannot reach MLflow at" in answer(f"http://127.0.0.1:{mute.getsockname()[1]}")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Stranger) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        assert "there is no MLflow at 'http://127.0.0.1:" in answer(f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
