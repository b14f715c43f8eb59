"""The format of the plugin DDSP-VST (github.com/magenta/ddsp-vst): a TFLite file with appended JSON metadata.

The plugin reads tensors by name (src/util/Constants.h) and requires exact sizes. So the file has the tensors of ddsp's
`ddsp_export --inference_model=vst_stateless_predict_controls`: the function `call` with its results in that order. The
plugin displays the content of metadata.json, which is in a zip archive appended to the file.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from components.artifacts.model_card import ModelCard, Percentiles
from components.audio.loudness import POWER_DEFINITION, WINDOW_SAMPLES
from components.core.errors import InputError
from components.export.graphs import DEFAULT_PITCH_HZ, Arrays, Graphs, Shapes, Step, to_tflite
from components.nsynth.note import SAMPLE_RATE_HZ
from components.synths.ddsp_imports import preprocessing, tf
from components.synths.network import ControlNetwork

METADATA_NAME = "metadata.json"
_INPUTS: Shapes = {"f0_scaled": [1], "pw_scaled": [1], "state": [512]}
_OUTPUTS: Shapes = {"amplitudes": [1], "harmonic_distribution": [60], "noise_magnitudes": [65], "next_state": [512]}
_FRAMES_PER_SECOND = 50
_DEFAULT_POWER_DB = Percentiles(-60.0, -35.0, -10.0)  # of a model whose card has none


def check(graphs: Graphs) -> None:
    """Refuses a model that the plugin cannot load.

    Raises:
        InputError: The model is not a harmonic synth of the preset `vst`, or its sizes are not those of the plugin.
    """
    card, network = graphs.card, ControlNetwork(graphs.instrument)
    wanted = "train one with --synth harmonic --preset vst"
    if card.synth != "harmonic":
        raise InputError(f"DDSP-VST supports the harmonic synth only: got {card.synth}; {wanted}")
    definition, rate = graphs.instrument.loudness_definition, graphs.frame_rate_hz
    if definition != POWER_DEFINITION or rate != _FRAMES_PER_SECOND:
        raise InputError(
            f"DDSP-VST needs a model of power at {_FRAMES_PER_SECOND} frames per second: got one of the preset "
            f"{card.preset or '(unknown)'} with {definition} at {rate} frames per second; {wanted}"
        )
    sizes = {"units": network.units, **network.outputs}
    fixed = {"units": 512, "amps": 1, "harmonic_distribution": 60, "noise_magnitudes": 65}
    for name, size in fixed.items():
        if sizes.get(name) != size:
            raise InputError(f"DDSP-VST needs {size} {name}: got {sizes.get(name)}; {wanted}")


def tensors(graphs: Graphs) -> tuple[Shapes, Shapes]:
    """Returns the shapes of a frame's inputs and outputs, in the plugin's order."""
    return _INPUTS, _OUTPUTS


def write(graphs: Graphs, path: Path) -> None:
    """Writes the TFLite file and appends the metadata."""
    module = tf.Module()
    module.weights = graphs.weights
    specs = {name: tf.TensorSpec(shape) for name, shape in _INPUTS.items()}
    module.call = graphs.traced(partial(_call, ControlNetwork(graphs.instrument)), **specs)
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        tf.saved_model.save(module, scratch, signatures={"call": module.call})
        path.write_bytes(to_tflite(scratch, "call"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_NAME, json.dumps(metadata(graphs.card)))


def _call(
    network: ControlNetwork, f0_scaled: tf.Tensor, pw_scaled: tf.Tensor, state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    features = {"f0_scaled": f0_scaled, "pw_scaled": pw_scaled, "f0_hz": preprocessing.inv_scale_f0_hz(f0_scaled)}
    framed = {name: tf.reshape(values, [1, 1, 1]) for name, values in features.items()}
    controls, following = network.controls_of(framed, state[None])
    amplitudes, harmonics, noise = (
        tf.reshape(controls[name], [-1]) for name in ("amplitudes", "harmonic_distribution", "noise_magnitudes")
    )
    return amplitudes, harmonics, noise, tf.reshape(following, [-1])


def metadata(card: ModelCard) -> dict[str, Any]:
    """Returns the metadata that ddsp_export writes and the plugin reads: the training's range, the time of export.

    ddsp averages the lowest and the highest pitch and power over the training examples. For examples of one note each,
    that is no range, so these are the 5th and 95th percentile over all sounding frames.

    Args:
        card: The model card.
    """
    pitch_hz, power_db = card.f0_hz or DEFAULT_PITCH_HZ, card.loudness_db or _DEFAULT_POWER_DB
    return {
        "mean_min_pitch_note": _midi(pitch_hz.p5),
        "mean_max_pitch_note": _midi(pitch_hz.p95),
        "mean_min_pitch_note_hz": pitch_hz.p5,
        "mean_max_pitch_note_hz": pitch_hz.p95,
        "mean_min_power_note": power_db.p5,
        "mean_max_power_note": power_db.p95,
        "version": version("ddsp"),
        "export_time": datetime.now(UTC).replace(tzinfo=None).isoformat(),  # the plugin distinguishes models by it
        "num_harmonics": _OUTPUTS["harmonic_distribution"][0],
        "num_noise_amps": _OUTPUTS["noise_magnitudes"][0],
        "frame_rate": _FRAMES_PER_SECOND,
        "frame_size": WINDOW_SAMPLES[POWER_DEFINITION],
        "sample_rate": SAMPLE_RATE_HZ,
    }


def _midi(frequency_hz: float) -> float:
    return float(69 + 12 * np.log2(frequency_hz / 440))


def opened(path: Path) -> Step:
    """Opens a file as the plugin does, by the names of the tensors."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    indices = {
        each["name"]: each["index"] for each in interpreter.get_input_details() + interpreter.get_output_details()
    }
    inputs = {name: indices[f"call_{name}:0"] for name in _INPUTS}
    outputs = {name: indices[f"StatefulPartitionedCall:{number}"] for number, name in enumerate(_OUTPUTS)}
    return partial(_step, interpreter, inputs, outputs)


def _step(interpreter: Any, inputs: dict[str, int], outputs: dict[str, int], curves: Arrays) -> Arrays:
    scaled = {
        "f0_scaled": preprocessing.scale_f0_hz(curves["f0_hz"]),
        "pw_scaled": preprocessing.scale_db(curves["loudness_db"]),
        "state": curves["state"],
    }
    for name, index in inputs.items():
        interpreter.set_tensor(index, np.asarray(scaled[name], np.float32))
    interpreter.invoke()
    return {name: interpreter.get_tensor(index) for name, index in outputs.items()}
