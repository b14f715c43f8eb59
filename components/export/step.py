"""Exports a model: writes it in the format of other software and checks that the result computes the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from components import storage
from components.audio.writing import check_writable
from components.core.errors import StepError
from components.export.catalog import check_format
from components.export.graphs import DEFAULT_PITCH_HZ
from components.export.target import DESCRIPTION_NAME, check_target, replace_export
from components.nsynth.note import SAMPLE_RATE_HZ
from components.registry.download import downloaded
from components.telemetry import log

if TYPE_CHECKING:
    from components.export.graphs import Step
    from components.synths.instrument import Instrument

_LOG = log.get(__name__)

_CHECKED_FRAMES = 250
_TOLERANCE = 1e-4  # of controls; relative to a control above 1, such as a frequency in Hz


@dataclass(frozen=True)
class ExportResult:
    """The result of an export.

    Attributes:
        uri: The directory with the model in its format, README.md and instrument.json.
        total_bytes: Size of all files.
        error: The largest difference of a control from that of the model, relative to a control above 1.
    """

    uri: str
    total_bytes: int
    error: float


def export(model_uri: str, format_name: str, out_uri: str, tracking_uri: str = "") -> ExportResult:
    """Exports a model.

    Args:
        model_uri: A model directory, a training directory, or models:/NAME@ALIAS of a registry.
        format_name: One of catalog.FORMATS.
        out_uri: The directory to write; an earlier export in it is replaced, any other file stays.
        tracking_uri: The MLflow registry; if empty, that of MLFLOW_TRACKING_URI.

    Raises:
        InputError: There is no such format or model, the format does not support the model, a package is missing, or
            `out_uri` cannot be written or has a file of the same name that no export wrote.
        StepError: The written model does not compute what the model computes.
    """
    check_format(format_name)
    from components.export.formats import WRITERS
    from components.export.graphs import Graphs
    from components.export.readme import IMPULSE_RESPONSE_NAME, README_NAME, describe, write_readme
    from components.synths.instrument import Instrument

    chosen = WRITERS[format_name]
    with downloaded(model_uri, tracking_uri) as address:
        instrument = Instrument.load(address)
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        folder, graphs = Path(scratch), Graphs(instrument)
        chosen.check(graphs)
        file_name = chosen.name_for(graphs)
        response = instrument.impulse_response
        names = [file_name, README_NAME, DESCRIPTION_NAME, *([] if response is None else [IMPULSE_RESPONSE_NAME])]
        # Before the work, and after the model was accepted.
        check_target(out_uri, names)
        check_writable(storage.join(out_uri, DESCRIPTION_NAME))
        chosen.write(graphs, folder / file_name)
        error = difference(instrument, chosen.open(folder / file_name), graphs.units)
        if not error <= _TOLERANCE:
            raise StepError(
                f"the {format_name} export of '{model_uri}' differs from the model: controls are off by {error:.2g}, "
                f"expected {_TOLERANCE} or less; nothing was written"
            )
        if response is not None:
            whole = np.concatenate([np.ones(1, np.float32), response])
            soundfile.write(folder / IMPULSE_RESPONSE_NAME, whole, SAMPLE_RATE_HZ, subtype="FLOAT")
        description = describe(graphs, format_name, error)
        storage.write_json(str(folder / DESCRIPTION_NAME), description)
        write_readme(folder / README_NAME, description, format_name)
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        replace_export(folder, out_uri, names)
    return ExportResult(out_uri, total, error)


def difference(instrument: Instrument, step: Step, units: int) -> float:
    """Returns the largest difference between the controls of an export and of the model, over a second of curves.

    The curves go through the pitch range of the training.

    Args:
        instrument: The model.
        step: Computes a frame of the export; see graphs.Step.
        units: Size of the state.
    """
    from components.synths.xla import without_xla

    pitch_hz = instrument.card.f0_hz or DEFAULT_PITCH_HZ
    f0_hz = np.geomspace(pitch_hz.p5, pitch_hz.p95, _CHECKED_FRAMES, dtype=np.float32)
    loudness_db = (-45 + 35 * np.sin(np.linspace(0, 9, _CHECKED_FRAMES))).astype(np.float32)
    with without_xla():  # compiling takes longer than computing one second
        wanted = instrument.play(f0_hz[None], loudness_db[None])["controls"]
    state, worst = np.zeros(units, np.float32), 0.0
    for frame in range(0, _CHECKED_FRAMES, instrument.stride):
        one = slice(frame, frame + 1)
        found = dict(step({"f0_hz": f0_hz[one], "loudness_db": loudness_db[one], "state": state}))
        state = found.pop("next_state")
        for name, values in found.items():
            expected = wanted[name][0, frame]
            off = np.abs(values - expected) / np.maximum(np.abs(expected), 1.0)
            if name == "amplitudes" and "frequencies" in wanted:
                # At the Nyquist frequency, rounding decides whether the amplitude is 0; it is inaudible in both cases.
                off = off[wanted["frequencies"][0, frame] < SAMPLE_RATE_HZ / 2 - 1]
            worst = float(np.maximum(worst, off.max()))  # NaN stays NaN
    return worst
