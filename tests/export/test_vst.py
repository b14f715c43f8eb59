"""What the plugin DDSP-VST loads: the same as of ddsp's own exporter, and for models of the right kind alone."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import InputError
from components.export.step import export
from components.synths import level
from components.synths.instrument import Instrument
from tests.export.conftest import beginner
from tests.export.test_export import LUTHIER, run_the_readme

# Of the plugin's src/util/Constants.h: names, sizes, and in which order it takes the outputs.
_INPUTS = {"call_f0_scaled:0": 1, "call_pw_scaled:0": 1, "call_state:0": 512}
_OUTPUTS = {f"StatefulPartitionedCall:{place}": size for place, size in enumerate((1, 60, 65, 512))}
_PLUGINS_TENSORFLOW = (2, 9)  # its externals/tensorflow


@pytest.fixture(scope="module")
def exported(plugin_beginner, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    assert export(plugin_beginner, "vst", str(folder)).error <= 1e-5
    return folder


def _opened(path: Path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    return interpreter


def _tensors(details: list[dict]) -> list[tuple]:
    return [(each["name"], each["shape"].tolist(), each["dtype"]) for each in details]


def _two_seconds(interpreter) -> np.ndarray:
    """What the plugin would be told in 100 frames, [frames, 638]."""
    places = {
        each["name"]: each["index"] for each in interpreter.get_input_details() + interpreter.get_output_details()
    }
    state, frames = np.zeros(512, np.float32), []
    for number in range(100):
        interpreter.set_tensor(places["call_f0_scaled:0"], np.float32([0.3 + 0.004 * number]))
        interpreter.set_tensor(places["call_pw_scaled:0"], np.float32([0.5 + 0.4 * np.sin(number / 9)]))
        interpreter.set_tensor(places["call_state:0"], state)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(places[name]).copy() for name in _OUTPUTS]
        state = outputs[-1]
        frames.append(np.concatenate(outputs))
    return np.array(frames)


def test_it_is_what_ddsp_s_own_exporter_writes_of_the_same_weights_but_for_the_level(
    plugin_beginner, exported, tmp_path
):
    weights = Instrument.load(plugin_beginner).model.decoder.weights
    np.savez(tmp_path / "weights.npz", **{f"{n:03d}": each.numpy() for n, each in enumerate(weights)})
    command = [sys.executable, "-m", "tests.export.ddsp_exporter", str(tmp_path / "weights.npz"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, theirs = _opened(exported / "flute.tflite"), _opened(tmp_path / "model.tflite")
    assert _tensors(ours.get_input_details()) == _tensors(theirs.get_input_details())
    assert _tensors(ours.get_output_details()) == _tensors(theirs.get_output_details())
    found, expected = _two_seconds(ours), _two_seconds(theirs)
    assert np.ptp(expected, axis=0).max() > 0.1
    gain = found[:, :1] / expected[:, :1]
    assert np.all(np.abs(20 * np.log10(gain)) < level.LIMIT_DB + 1e-3)
    expected[:, 61:126] *= gain  # the noise gets the gain of the amplitude
    np.testing.assert_allclose(found[:, 1:], expected[:, 1:], atol=1e-6)


def test_the_plugin_finds_the_tensors_that_it_asks_for(exported):
    interpreter = _opened(exported / "flute.tflite")
    found = {name: (shape, kind) for name, shape, kind in _tensors(interpreter.get_input_details())}
    assert found == {name: ([size], np.float32) for name, size in _INPUTS.items()}
    found = {name: (shape, kind) for name, shape, kind in _tensors(interpreter.get_output_details())}
    assert found == {name: ([size], np.float32) for name, size in _OUTPUTS.items()}


def test_the_plugin_s_old_runtime_has_the_operations(exported):
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs((exported / "flute.tflite").read_bytes(), 0)
    codes = [model.OperatorCodes(place) for place in range(model.OperatorCodesLength())]
    assert codes and all(code.BuiltinCode() != schema.BuiltinOperator.CUSTOM for code in codes)
    entries = [model.Metadata(place) for place in range(model.MetadataLength())]
    needed = next(entry for entry in entries if entry.Name() == b"min_runtime_version")
    version = bytes(model.Buffers(needed.Buffer()).DataAsNumpy()).rstrip(b"\0").decode()
    assert tuple(map(int, version.split(".")[:2])) <= _PLUGINS_TENSORFLOW


def test_the_plugin_reads_where_the_model_is_at_home(exported):
    with zipfile.ZipFile(exported / "flute.tflite") as archive:
        assert archive.testzip() is None
        metadata = json.loads(archive.read("metadata.json"))
    assert (metadata["mean_min_pitch_note_hz"], metadata["mean_max_pitch_note_hz"]) == (180.0, 900.0)
    assert metadata["mean_min_pitch_note"] == pytest.approx(53.526, abs=1e-3)
    assert (metadata["mean_min_power_note"], metadata["mean_max_power_note"]) == (-50.0, -5.0)
    assert [metadata[name] for name in ("frame_rate", "frame_size", "sample_rate")] == [50, 1024, 16000]
    assert [metadata[name] for name in ("num_harmonics", "num_noise_amps", "version")] == [60, 65, "3.7.0"]
    # By its time, with microseconds, the plugin tells one export from another.
    written = datetime.fromtimestamp((exported / "flute.tflite").stat().st_mtime, UTC)
    exported_at = datetime.fromisoformat(metadata["export_time"]).replace(tzinfo=UTC)
    assert exported_at.microsecond and abs((written - exported_at).total_seconds()) < 600


def test_the_example_runs_with_the_runtime_alone_and_equals_the_model(exported, plugin_beginner):
    found = run_the_readme(exported, f"{LUTHIER},tensorflow,onnxruntime")
    loudness_db = np.repeat(np.float32([-60 + np.arange(50)]), 5, axis=1)
    expected = Instrument.load(plugin_beginner).play(np.full((1, 250), 440.0), loudness_db)["controls"]
    for name in ("amplitudes", "harmonic_distribution", "noise_magnitudes"):
        np.testing.assert_allclose(found[name], expected[name][0, -1], rtol=1e-4, atol=1e-4, err_msg=name)


def test_other_formats_have_the_network_s_own_frames(plugin_beginner, tmp_path):
    import tensorflow as tf

    assert export(plugin_beginner, "savedmodel", str(tmp_path)).error <= 1e-4
    described = json.loads((tmp_path / "instrument.json").read_text())
    assert (described["frame_rate_hz"], described["hop_samples"], described["loudness"]) == (50, 320, "ddsp-3.7-power")
    play = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["play"]
    f0_hz, loudness_db = np.geomspace(300, 500, 123, dtype=np.float32), np.linspace(-60, -10, 123, dtype=np.float32)
    found = play(f0_hz=tf.constant(f0_hz), loudness_db=tf.constant(loudness_db), seed=tf.constant(0))
    whole = Instrument.load(plugin_beginner).play(f0_hz[None], loudness_db[None])
    assert found["audio"].shape == (123 * 64,)
    assert found["amplitudes"].shape == (25, 1)
    np.testing.assert_allclose(found["amplitudes"], whole["controls"]["amplitudes"][0, ::5], atol=1e-4)
    np.testing.assert_allclose(found["audio"][:2_880], whole["audio"][0, :2_880], atol=1e-4)


def test_models_that_the_plugin_would_not_load_are_refused(beginners, tmp_path):
    with pytest.raises(
        InputError, match=r"power at 50 frames per second: got one of the preset smoke with ddsp-3\.7 at 250"
    ):
        export(beginners["harmonic"], "vst", str(tmp_path / "out"))
    with pytest.raises(InputError, match="the harmonic synth only: got wavetable; train one with"):
        export(beginners["wavetable"], "vst", str(tmp_path / "out"))
    small = beginner(tmp_path / "small", "harmonic", "vst", "RnnFcDecoder.rnn_channels = 64")
    with pytest.raises(InputError, match="needs 512 units: got 64; train one with --synth harmonic --preset vst"):
        export(small, "vst", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
