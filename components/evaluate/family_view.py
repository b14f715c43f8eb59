"""One family in the report: the result, the scores, the notes, the training curves, data and configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.artifacts.clips import KINDS
from components.artifacts.evaluation import Evaluation, ListeningSample
from components.artifacts.verdict import FamilyVerdict, family_verdict
from components.audio.f0 import note_name
from components.config.gate import Gate
from components.core.text import counted
from components.evaluate import number_view, plots
from components.evaluate.clip_view import ORIGINAL, Clip, Sound, clips
from components.evaluate.kept_view import KeptView, kept_view
from components.evaluate.note_view import NoteView, name_of, sounds, views
from components.evaluate.piece_view import PieceView, piece_views
from components.evaluate.training_view import TrainingView


@dataclass(frozen=True)
class Row:
    """A synth's scores; `missing` says why there are none."""

    synth: str
    cells: list[number_view.Cell]
    missing: str
    config: list[tuple[str, str]]


@dataclass(frozen=True)
class Worst:
    """A note with a high loss: title, id, loss, and the clips of original and resynthesis."""

    title: str
    id: str
    loss: str
    clips: list[Clip]


@dataclass(frozen=True)
class FamilyView:
    """Everything in the report about one family."""

    name: str
    verdict: FamilyVerdict
    rows: list[Row]
    missing: list[str]
    pieces: list[PieceView]
    notes: list[NoteView]
    kept: KeptView | None
    curves: plots.Plot | None
    held_out: str
    spreads: list[tuple[str, list[str]]]
    groups: list[tuple[str, list[str]]]
    worst: list[Worst]

    def badge(self, synth: str) -> str:
        """Returns what marks a synth among the others: "closest", or "tied" for several of them; "" for none or all."""
        best = (self.verdict.best, *self.verdict.too_close)
        if synth not in best or len(best) == len(self.rows):
            return ""
        return "closest" if len(best) == 1 else "tied"


def family_view(
    name: str, trainings: Sequence[TrainingView], max_notes: int, kept_bytes: int, gate: Gate
) -> FamilyView:
    """Returns the view of a family.

    Args:
        name: The family.
        trainings: Its trainings, in the order of the columns.
        max_notes: Maximum number of held-out notes with pictures.
        kept_bytes: What the clips of the other held-out notes may take in the page.
        gate: The gate of the run.
    """
    notes = views(trainings, max_notes)
    verdict = family_verdict(name, {each.synth: each.evaluation for each in trainings}, gate)
    evaluated = [training.evaluation for training in trainings if training.evaluation]
    return FamilyView(
        name=name,
        verdict=verdict,
        rows=_rows(trainings),
        missing=[f"{training.synth} {training.missing()}" for training in trainings if training.missing()],
        pieces=piece_views(name, trainings, verdict.best),
        notes=notes,
        kept=kept_view(name, trainings, [note.id for note in notes], kept_bytes),
        curves=_curves(name, trainings),
        held_out=_held_out(evaluated),
        spreads=number_view.spreads(trainings),
        groups=number_view.groups(trainings),
        worst=_worst(trainings[0]) if len(trainings) == 1 else [],
    )


def _held_out(evaluated: Sequence[Evaluation]) -> str:
    if not evaluated:
        return ""
    return f"{counted(len(evaluated[0].notes), 'held-out note')} ({evaluated[0].split} split)"


def _worst(training: TrainingView) -> list[Worst]:
    """Returns the notes with the highest loss. In reports of one training only: their clips make a report large."""
    if training.evaluation is None or len(training.evaluation.notes) <= len(training.samples()):
        return []  # all notes are in the report already
    losses = {note.id: note.numbers.spectral_loss for note in training.evaluation.notes}
    return [
        Worst(
            f"{note_name(sample.pitch)}, velocity {sample.velocity}",
            sample.id,
            number_view.text(losses[sample.id]),
            _pair(training, sample),
        )
        for sample in training.evaluation.worst
    ]


def _pair(training: TrainingView, sample: ListeningSample) -> list[Clip]:
    audio = sounds(training, sample, KINDS)
    name = name_of(sample.family, sample.pitch, sample.velocity)
    return clips(
        [
            Sound("Recording", f"recording, {name}", audio[ORIGINAL], ORIGINAL),
            Sound(training.synth, f"{training.synth}, {name}", audio["resynthesis"], training.synth),
        ]
    )


def _rows(trainings: Sequence[TrainingView]) -> list[Row]:
    columns = number_view.columns(trainings)
    return [
        Row(training.synth, [column[index] for column in columns], training.missing(), _config(training))
        for index, training in enumerate(trainings)
    ]


def _config(training: TrainingView) -> list[tuple[str, str]]:
    """Returns data and configuration of a training, for the section at the end of a family."""
    run, card = training.run, training.evaluation.model if training.evaluation else None
    outcome, known = run.outcome if run else None, run or card
    steps = outcome.steps if outcome else card.steps if card else None
    values = {
        "preset": known.preset if known else None,
        "steps": steps,
        "parameters": f"{card.num_parameters:,}" if card and card.num_parameters else None,
        "settings": "; ".join(run.bindings) if run else None,
        "trained for": _duration(training),
        "stopped because": outcome.stop_reason if outcome else None,
        "data": run.data_uri if run else None,
        "data fingerprint": known.data_fingerprint[:16] if known else None,
        "training version": run.training_version if run else None,
        "code": (run.git_commit or "")[:16] if run else None,
        "image": run.image if run else None,
    }
    return [(name, str(value)) for name, value in values.items() if value]


def _duration(training: TrainingView) -> str | None:
    if not training.curve:
        return None
    seconds = float(training.curve[-1]["seconds"])
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _curves(family: str, trainings: Sequence[TrainingView]) -> plots.Plot | None:
    """Returns the training curves of a family's synths: the validation loss, and the training loss in a pale colour.

    Files of earlier releases may hold losses that are not finite: these have no place on the axis.
    """
    series, points_of_all = [], []
    for training in trainings:
        for split in ("train", "valid"):
            known = [(line["step"], line.get("total_loss")) for line in training.curve if line["split"] == split]
            points = [(step, loss) for step, loss in known if loss is not None and 0 < loss < math.inf]
            if points:
                steps, losses = plots.binned(*np.array(points, dtype=float).T)
                points_of_all += list(zip(steps, losses, strict=True))
                label = training.synth if split == "valid" else ""
                series.append(plots.Series(steps, np.log(losses), f"{split} {training.synth}", label))
    if not points_of_all:
        return None
    last_step, top = max(step for step, _ in points_of_all), max(loss for _, loss in points_of_all)
    low = min(loss for _, loss in points_of_all)
    x_axis = plots.Axis(0, max(last_step, 1.0), 34, 270, plots.nice_ticks(0, last_step, 4))
    # Logarithmic: the same relative difference has the same height at the end, where the synths are compared.
    ticks = [(float(np.log(value)), text) for value, text in plots.log_ticks(low * 0.95, top)]
    y_axis = plots.Axis(float(np.log(low * 0.95)), float(np.log(top * 1.01)), 206, 8, ticks)
    lines = plots.spread_labels(plots.draw(series, x_axis, y_axis), 13, 206)
    title, words = "Loss over steps", f"Training curves of the {family} models: loss over steps"
    return plots.Plot(title, words, 350, 228, lines, y_axis.marks(), x_axis.marks())
