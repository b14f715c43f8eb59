"""Writes a model in a format that other software loads, after checking that it does there what it does here."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components import storage
from components.core.errors import StepError
from components.export.catalog import check_format
from components.export.graphs import DEFAULT_PITCH_HZ
from components.nsynth.note import SAMPLE_RATE_HZ
from components.registry.download import downloaded
from components.telemetry import log

if TYPE_CHECKING:
    from components.export.graphs import Step
    from components.synths.instrument import Instrument

_LOG = log.get(__name__)

_CHECKED_FRAMES = 250
_TOLERANCE = 1e-4  # of controls, and of their size where they are larger than 1, as frequencies in Hz are


@dataclass(frozen=True)
class ExportResult:
    """What was exported.

    Attributes:
        uri: The folder: the model in its format, README.md and instrument.json.
        total_bytes: Size of all files.
        error: The largest difference of a control from the model's own, relative to it where it is above 1.
    """

    uri: str
    total_bytes: int
    error: float


def export(model_uri: str, format_name: str, out_uri: str, tracking_uri: str = "") -> ExportResult:
    """Exports a model.

    Args:
        model_uri: A model directory, a training directory, or models:/NAME@ALIAS of a registry.
        format_name: One of catalog.FORMATS.
        out_uri: The folder to write; what is there of an earlier export is replaced.
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.

    Raises:
        InputError: No such format or model, a model that the format is not for, or a package that it takes is missing.
        StepError: What was written does not do what the model does.
    """
    check_format(format_name)
    from components.export.formats import WRITERS
    from components.export.graphs import Graphs
    from components.export.readme import describe, write_readme
    from components.synths.instrument import Instrument

    chosen = WRITERS[format_name]
    with downloaded(model_uri, tracking_uri) as address:
        instrument = Instrument.load(address)
    with tempfile.TemporaryDirectory(prefix="luthier-") as scratch:
        folder, graphs = Path(scratch), Graphs(instrument)
        chosen.check(graphs)
        file_name = chosen.name_for(graphs)
        chosen.write(graphs, folder / file_name)
        error = difference(instrument, chosen.open(folder / file_name), graphs.units)
        if not error <= _TOLERANCE:
            raise StepError(
                f"the {format_name} of '{model_uri}' is not the model: its controls are off by {error:.2g}, "
                f"expected {_TOLERANCE} or less; nothing was written"
            )
        description = describe(graphs, format_name, error)
        storage.write_json(str(folder / "instrument.json"), description)
        write_readme(folder / "README.md", description, format_name)
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        storage.delete_tree(storage.join(out_uri, file_name))
        storage.upload_tree(folder, out_uri)
    return ExportResult(out_uri, total, error)


def difference(instrument: Instrument, step: Step, units: int) -> float:
    """Returns how far a format's controls are from the model's, over a second through the pitches of its training.

    Args:
        instrument: The model.
        step: A frame of the format; see graphs.Step.
        units: Numbers in the state.
    """
    from components.synths.xla import without_xla

    pitch_hz = instrument.card.f0_hz or DEFAULT_PITCH_HZ
    f0_hz = np.geomspace(pitch_hz.p5, pitch_hz.p95, _CHECKED_FRAMES, dtype=np.float32)
    loudness_db = (-45 + 35 * np.sin(np.linspace(0, 9, _CHECKED_FRAMES))).astype(np.float32)
    with without_xla():  # to compile takes longer than to play a second once
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
                # At the Nyquist frequency rounding decides whether a sinusoid is silenced; it is heard in neither case.
                off = off[wanted["frequencies"][0, frame] < SAMPLE_RATE_HZ / 2 - 1]
            worst = float(np.maximum(worst, off.max()))  # NaN stays NaN
    return worst
