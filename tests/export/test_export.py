"""Exports run without Luthier and compute what the model computes."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.config.catalog import SYNTHS
from components.core.errors import InputError, StepError
from components.export import step as steps
from components.export.step import export
from components.export.target import MARKER_NAME
from components.synths.instrument import Instrument

# Runs the example of a README where only the runtime can be imported, and saves what it computed.
_ALONE = """
import sys
refused = set(sys.argv[2].split(","))
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ImportError(f"{name} is not to be needed")
sys.meta_path.insert(0, Refuse())
space = {}
exec(sys.argv[1], space)
import numpy as np
kept = {name: np.asarray(values) for name, values in space["controls"].items()}
if "rendered" in space:
    kept["rendered"] = np.asarray(space["rendered"]["audio"])
np.savez("kept.npz", **kept)
"""
LUTHIER = "components,pipelines,ddsp,gin,librosa,tensorflow_probability"


def run_the_readme(folder: Path, refused: str) -> dict[str, np.ndarray]:
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    assert len(code.strip().splitlines()) <= 13
    command = [sys.executable, "-I", "-c", _ALONE, code, refused]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "kept.npz") as kept:
        return dict(kept)


@functools.cache
def _expected(model: str) -> dict[str, np.ndarray]:
    """The last frame of the examples' second."""
    loudness_db = np.float32([[-60 + 0.2 * number for number in range(250)]])
    played = Instrument.load(model).play(np.full((1, 250), 440.0), loudness_db)
    controls = {name: values[0, -1] for name, values in played["controls"].items()}
    if "frequencies" in controls:  # at Nyquist, where rounding decides, there is nothing to hear
        controls["amplitudes"] = np.where(np.abs(controls["frequencies"] - 8_000) > 1, controls["amplitudes"], np.nan)
    return controls


def _assert_close(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    known = np.isfinite(expected)
    assert known.mean() > 0.9
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("synth", SYNTHS)
@pytest.mark.parametrize(("name", "refused"), [("tflite", "tensorflow,onnxruntime"), ("onnx", "tensorflow,tf2onnx")])
def test_the_example_runs_with_the_runtime_alone_and_equals_the_model(beginners, export_of, synth, name, refused):
    folder = export_of(synth, name)
    found = run_the_readme(folder, f"{LUTHIER},{refused}")
    expected = _expected(beginners[synth])
    described = json.loads((folder / "instrument.json").read_text())
    assert set(described["outputs"]) == set(found) >= {"amplitudes", "noise_magnitudes", "next_state"}
    for output, tensor in described["outputs"].items():
        assert list(found[output].shape) == tensor["shape"]
        if output != "next_state":
            _assert_close(found[output], expected[output], output)
    assert np.abs(found["next_state"]).max() > 0


def test_the_example_of_a_savedmodel_runs_with_tensorflow_alone(beginners, export_of):
    folder = export_of("wavetable", "savedmodel")
    found = run_the_readme(folder, LUTHIER)
    for output, values in _expected(beginners["wavetable"]).items():
        if output != "f0_hz":
            _assert_close(found[output], values, output)
    assert found["rendered"].shape == (32_000,)
    assert (folder / "a440.wav").stat().st_size == 64_044


@pytest.mark.parametrize("synth", SYNTHS)
def test_a_savedmodel_plays_whole_curves_as_the_model_does(beginners, export_of, synth):
    import tensorflow as tf

    play = tf.saved_model.load(str(export_of(synth, "savedmodel") / "saved_model")).signatures["play"]
    f0_hz, loudness_db = np.geomspace(300, 500, 123, dtype=np.float32), np.linspace(-60, -10, 123, dtype=np.float32)
    found = play(f0_hz=tf.constant(f0_hz), loudness_db=tf.constant(loudness_db), seed=tf.constant(0))["audio"].numpy()
    whole = Instrument.load(beginners[synth]).play(f0_hz[None], loudness_db[None])
    assert found.shape == (123 * 64,)
    # From the second block on, the noise differs.
    noise = np.abs(whole["noise"]).max()
    np.testing.assert_allclose(found[:2_900], whole["audio"][0, :2_900], atol=1e-4)
    assert np.abs(found - whole["tonal"][0])[: 121 * 64].max() < 1.5 * noise < np.abs(whole["tonal"]).max()


def test_savedmodel_holds_the_pitch_through_gaps_as_the_model_does(beginners, export_of):
    import tensorflow as tf

    f0_hz, loudness_db = np.full(120, 330.0, np.float32), np.full(120, -20.0, np.float32)
    f0_hz[:10] = f0_hz[50:60] = 0.0
    f0_hz[60:] = 440.0
    play = tf.saved_model.load(str(export_of("harmonic", "savedmodel") / "saved_model")).signatures["play"]
    found = play(f0_hz=tf.constant(f0_hz), loudness_db=tf.constant(loudness_db), seed=tf.constant(3))
    whole = Instrument.load(beginners["harmonic"]).play(f0_hz[None], loudness_db[None])
    np.testing.assert_array_equal(found["f0_hz"].numpy(), whole["controls"]["f0_hz"][0])
    np.testing.assert_allclose(found["amplitudes"].numpy(), whole["controls"]["amplitudes"][0], atol=1e-4)


def test_to_cloud_storage_over_an_earlier_one_by_the_command(luthier, beginners, gcs):
    """Of the earlier export, a file that the new one does not have goes; a file of the user's stops the export."""
    uri = f"{gcs.bucket()}/exports/flute"
    storage.write_bytes(f"{uri}/saved_model/left.over", b"x")
    storage.write_json(f"{uri}/{MARKER_NAME}", {"schema_version": 1, "files": ["saved_model/left.over"]})
    command = ["export", "--model", beginners["harmonic"], "--format", "savedmodel", "--out", uri]
    finished = luthier(*command)
    assert finished.code == 0, finished.err
    assert "equal to the model within" in finished.out
    names = {info.name for info in storage.list_objects(uri)}
    assert {"README.md", "instrument.json", "saved_model/saved_model.pb"} <= names
    assert "saved_model/left.over" not in names
    storage.write_bytes(f"{uri}/saved_model/mine.txt", b"x")
    finished = luthier(*command)
    assert finished.code == 2 and "'saved_model/mine.txt' is there, and no export wrote it" in finished.err
    assert storage.read_bytes(f"{uri}/saved_model/mine.txt") == b"x"


def test_what_is_not_the_model_is_not_written(beginners, tmp_path, monkeypatch):
    played = Instrument.play

    def louder(self, *arguments):
        outputs = played(self, *arguments)
        outputs["controls"]["amplitudes"] += 2e-4
        return outputs

    monkeypatch.setattr(Instrument, "play", louder)
    with pytest.raises(StepError, match=r"off by 0\.0002, expected 0\.0001 or less"):
        export(beginners["harmonic"], "onnx", str(tmp_path / "out"))
    assert not list(tmp_path.glob("out/*"))


def test_not_a_number_is_a_difference(beginners):
    instrument = Instrument.load(beginners["harmonic"])

    def broken(inputs):
        return {"amplitudes": np.float32([np.nan]), "next_state": inputs["state"]}

    assert not steps.difference(instrument, broken, 64) <= 1e-4


def test_bad_input_in_one_line(refused, beginners, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert "no format 'tflight': did you mean 'tflite'?" in refused(
        "export", "--model", beginners["harmonic"], "--format", "tflight", "--out", out
    )
    assert "there is no model at" in refused("export", "--model", tmp_path, "--format", "onnx", "--out", out)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert "the package tf2onnx is missing; try pip install" in refused(
        "export", "--model", beginners["harmonic"], "--format", "onnx", "--out", out
    )


def test_a_missing_package_is_found_before_the_model_is_loaded(beginners, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setattr(Instrument, "load", lambda uri: pytest.fail("loaded"))
    with pytest.raises(InputError, match="ai-edge-litert is missing"):
        export(beginners["harmonic"], "tflite", str(tmp_path))
