"""The students' study: `--preset seed` on a single string note, 340 steps, which took them about five minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.report import Row, rows_json
from benchmarks.timing import Series
from benchmarks.train import samples
from benchmarks.train.part import Figure, Part
from components import storage
from components.artifacts.training_dir import TrainingDir
from components.config.catalog import SYNTHS
from components.telemetry import progress

_PRESET = "seed"
_STUDY_S, _STUDY_LOSS = 300.0, 6.0  # the upper end of its band, 4.5-6


def measure(folder: Path, steps: int | None = None) -> Part:
    """Trains every synth on one note.

    Args:
        folder: A scratch folder.
        steps: Fewer than the preset's 340, to try this out.
    """
    samples.sorted_samples(folder)
    note, runs = samples.sorted_note(folder), dict[str, dict[str, Any]]()
    with progress.bar("study", len(SYNTHS), "trainings") as bar:
        for synth in SYNTHS:
            runs[synth] = _train(note, folder / f"study-{synth}", synth, steps)
            bar.advance(note=f"{synth}: {runs[synth]['last_spectral_loss']:.2f}")
    rows = [_row(synth, run) for synth, run in runs.items()]
    losses = [
        Figure(f"study-{synth}-loss", "loss", run["last_spectral_loss"], _STUDY_LOSS) for synth, run in runs.items()
    ]
    figures = rows_json(rows)
    for figure in losses:
        figures |= figure.json()
    return Part(figures, _markdown(runs, losses), {"runs": runs})


def _train(data: Path, out: Path, synth: str, steps: int | None) -> dict[str, Any]:
    """Returns the run.json of a training, and the seconds of the whole command."""
    bindings = ["--set", "train.initial_weights = 'random'"]  # as in the study
    bindings += ["--set", f"train.max_steps = {steps}"] if steps else []
    start = time.perf_counter()
    samples.run_luthier("train", "--data", data, "--synth", synth, "--preset", _PRESET, "--out", out, *bindings)
    seconds = time.perf_counter() - start
    return {**storage.read_json(TrainingDir(str(out)).record_uri), "command_s": round(seconds, 2)}


def _row(synth: str, run: dict[str, Any]) -> Row:
    what = (
        f"`luthier train`, {run['steps']} steps on one note, from process start to end; peer: the study's five minutes"
    )
    return Row(f"study-{synth}", Series((run["command_s"],)), Series((_STUDY_S,)), what)


def _markdown(runs: dict[str, dict[str, Any]], losses: list[Figure]) -> str:
    lines = [
        "| synth | steps | whole command | of it training | spectral loss at first | at the end | asked |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (synth, run), figure in zip(runs.items(), losses, strict=True):
        ends = f"{run['first_spectral_loss']:.2f} | {run['last_spectral_loss']:.2f}"
        times = f"{run['command_s']:.0f} s | {run['seconds']:.0f} s"
        lines.append(f"| {synth} | {run['steps']} | {times} | {ends} | <= {_STUDY_LOSS:g} {figure.verdict} |")
    return "\n".join(lines)
