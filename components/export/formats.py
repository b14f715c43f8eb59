"""The export formats: how each file is written, and how its runtime computes one frame."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.export import vst
from components.export.graphs import Arrays, Graphs, Shapes, Step, to_tflite
from components.synths.ddsp_imports import tf

_ONNX_OPSET = 17

# Both log every step of a conversion.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
logging.getLogger("tf2onnx").setLevel(logging.ERROR)


def _frame_tensors(graphs: Graphs) -> tuple[Shapes, Shapes]:
    inputs = {"f0_hz": [1], "loudness_db": [1], "state": [graphs.units]}
    return inputs, {name: spec.shape.as_list() for name, spec in sorted(graphs.frame.structured_outputs.items())}


@dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        file_name: Name of the file or directory; {family} is replaced by the family of the model.
        runtime: The package or program that runs the file.
        write: Writes the file to a path.
        open: Opens a written file with its runtime.
        tensors: Returns the shapes of the inputs and outputs of a frame.
        check: Raises InputError for a model that the format does not support.
    """

    file_name: str
    runtime: str
    write: Callable[[Graphs, Path], None]
    open: Callable[[Path], Step]
    tensors: Callable[[Graphs], tuple[Shapes, Shapes]] = _frame_tensors
    check: Callable[[Graphs], None] = lambda graphs: None

    def name_for(self, graphs: Graphs) -> str:
        """Returns the name of the file or directory in the export."""
        return self.file_name.format(family=graphs.card.family)


def _write_savedmodel(graphs: Graphs, path: Path) -> None:
    tf.saved_model.save(graphs, str(path), signatures={"frame": graphs.frame, "play": graphs.play})


def _open_savedmodel(path: Path) -> Step:
    loaded = tf.saved_model.load(str(path))
    frame = loaded.signatures["frame"]

    def step(inputs: Arrays) -> Arrays:
        outputs = frame(**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: values.numpy() for name, values in outputs.items()}

    return step


def _write_tflite(graphs: Graphs, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        tf.saved_model.save(graphs, scratch, signatures={"frame": graphs.frame})
        path.write_bytes(to_tflite(scratch, "frame"))


def _open_tflite(path: Path) -> Step:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner("frame")

    def step(inputs: Arrays) -> Arrays:
        outputs: Arrays = runner(**inputs)
        return outputs

    return step


def _write_onnx(graphs: Graphs, path: Path) -> None:
    import tf2onnx

    shapes = {"f0_hz": [1], "loudness_db": [1], "state": [graphs.units]}
    specs = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()]

    def frame(f0_hz: tf.Tensor, loudness_db: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs: dict[str, tf.Tensor] = graphs.frame(f0_hz=f0_hz, loudness_db=loudness_db, state=state)
        return outputs

    tf2onnx.convert.from_function(tf.function(frame), specs, opset=_ONNX_OPSET, output_path=str(path))


def _open_onnx(path: Path) -> Step:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


# The keys are catalog.FORMATS.
WRITERS = {
    "savedmodel": Format("saved_model", "tensorflow", _write_savedmodel, _open_savedmodel),
    "tflite": Format("instrument.tflite", "ai-edge-litert", _write_tflite, _open_tflite),
    "onnx": Format("instrument.onnx", "onnxruntime", _write_onnx, _open_onnx),
    "vst": Format("{family}.tflite", "DDSP-VST", vst.write, vst.opened, tensors=vst.tensors, check=vst.check),
}
