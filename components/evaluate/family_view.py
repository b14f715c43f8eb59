"""One family as the report shows it: who won, the numbers, the notes, the training curves and what it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluate import plots
from components.evaluate.evaluation import Evaluation
from components.evaluate.note_view import NoteView, views
from components.evaluate.training import Training, winner_of
from components.synths.catalog import SYNTHS

# Column of the table of numbers: title, unit, key in the evaluation's summary.
NUMBERS = (
    ("Spectral loss", "", "spectral_loss"),
    ("Log-mel distance", "dB", "log_mel_distance_db"),
    ("Pitch error", "cents", "pitch_error_cents"),
    ("Loudness error", "dB", "loudness_error_db"),
)


@dataclass(frozen=True)
class Cell:
    """A number in the table; `best` marks the lowest of its column where there is something to compare."""

    text: str
    best: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """A synth's numbers; `missing` says why there are none."""

    synth: str
    cells: list[Cell]
    missing: str
    config: list[tuple[str, str]]


@dataclass(frozen=True)
class FamilyView:
    """All that the page says about one family."""

    name: str
    winner: str
    headline: str
    verdict: str
    rows: list[Row]
    missing: list[str]
    notes: list[NoteView]
    transfers: list[NoteView]
    transfer_family: str
    curves: plots.Plot | None
    held_out: str


def _place(synth: str) -> tuple[int, str]:
    return (SYNTHS.index(synth) if synth in SYNTHS else len(SYNTHS), synth)


def family_view(name: str, trainings: list[Training], most: int) -> FamilyView:
    """Returns what there is to say about a family.

    Args:
        name: The family.
        trainings: Its trainings.
        most: At most so many held-out notes to hear.
    """
    trainings = sorted(trainings, key=lambda training: _place(training.synth))
    winner = winner_of(trainings)
    headline, verdict = _verdict(name, trainings, winner)
    evaluated = [training.evaluation for training in trainings if training.evaluation]
    return FamilyView(
        name=name,
        winner=winner.synth if winner and len(trainings) > 1 else "",
        headline=headline,
        verdict=verdict,
        rows=_rows(trainings),
        missing=[f"{training.synth} {training.missing()}" for training in trainings if training.missing()],
        notes=views(trainings, Training.heard, most),
        transfers=views(trainings, Training.transfers, most),
        transfer_family=next((one.transfer.family for one in evaluated if one.transfer), ""),
        curves=_curves(name, trainings),
        held_out=_held_out(evaluated),
    )


def _held_out(evaluated: Sequence[Evaluation]) -> str:
    if not evaluated:
        return ""
    count = len(evaluated[0].notes)
    return f"{count} held-out {'note' if count == 1 else 'notes'} ({evaluated[0].split} split)"


def _verdict(name: str, trainings: Sequence[Training], winner: Training | None) -> tuple[str, str]:
    """Returns a headline and a sentence or two below it."""
    if winner is None or winner.evaluation is None or winner.valid_loss is None:
        return f"{name.capitalize()}: nothing to compare yet", ""
    ranked = sorted((one.valid_loss, one.synth) for one in trainings if one.valid_loss is not None)
    loss = f"validation loss {winner.valid_loss:.2f}"
    if len(ranked) == 1:
        mean = winner.evaluation.summary["spectral_loss"].mean
        text = f"{loss.capitalize()}, spectral loss {mean:.2f} on the held-out notes."
        return f"{name.capitalize()}, {winner.synth} synth", text
    others = " and ".join(f"{synth} {value:.2f}" for value, synth in ranked[1:])
    ahead = 100.0 * (1.0 - ranked[0][0] / ranked[1][0])
    return (
        f"{name.capitalize()}: {winner.synth} wins by {ahead:.1f} %",
        f"{loss.capitalize()}, against {others}; the lowest becomes the champion. {_second_opinion(trainings, winner)}",
    )


def _second_opinion(trainings: Sequence[Training], winner: Training) -> str:
    """Says whether the held-out notes agree with the validation loss."""
    means = sorted(
        (one.evaluation.summary["spectral_loss"].mean, one.synth) for one in trainings if one.evaluation is not None
    )
    best, synth = means[0]
    if synth == winner.synth:
        return f"On the held-out notes it is nearest, too: spectral loss {best:.2f}, next {means[1][0]:.2f}."
    mine = next(mean for mean, name in means if name == winner.synth)
    return f"On the held-out notes {synth} is nearer: spectral loss {best:.2f}, {winner.synth} {mine:.2f}."


def _rows(trainings: Sequence[Training]) -> list[Row]:
    columns = [_column([(training.valid_loss, "") for training in trainings])]
    columns += [_column([_mean(training, key) for training in trainings]) for _, _, key in NUMBERS]
    return [
        Row(training.synth, [column[place] for column in columns], training.missing(), _config(training))
        for place, training in enumerate(trainings)
    ]


def _mean(training: Training, key: str) -> tuple[float | None, str]:
    """Returns the mean of a number over the held-out notes, and what else there is to say about it."""
    summary = training.evaluation.summary.get(key) if training.evaluation else None
    if summary is None:
        return None, ""
    return summary.mean, f"median {summary.median:.2f}, 95 % below {summary.p95:.2f}"


def _text(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _column(values: Sequence[tuple[float | None, str]]) -> list[Cell]:
    known = [value for value, _ in values if value is not None]
    best = min(known) if len(known) > 1 else None
    return [
        Cell("–" if value is None else _text(value), value is not None and value == best, detail)
        for value, detail in values
    ]


def _config(training: Training) -> list[tuple[str, str]]:
    """Returns what the training was made of, for the summary at the end of a family."""
    run, model = training.run, training.evaluation.model if training.evaluation else {}
    values = {
        "preset": run.get("preset", model.get("preset")),
        "steps": run.get("steps", model.get("steps")),
        "parameters": f"{model['num_parameters']:,}" if "num_parameters" in model else None,
        "settings": "; ".join(run.get("bindings", [])) or None,
        "trained for": _duration(training),
        "ended": run.get("stop_reason"),
        "data": run.get("data_uri"),
        "data fingerprint": str(run.get("data_fingerprint", model.get("data_fingerprint", "")))[:16] or None,
        "code": str(run.get("git_commit") or run.get("code_fingerprint") or "")[:16] or None,
        "image": run.get("image"),
    }
    return [(name, str(value)) for name, value in values.items() if value is not None]


def _duration(training: Training) -> str | None:
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


def _curves(family: str, trainings: Sequence[Training]) -> plots.Plot | None:
    """Returns the training curves of a family's synths: validation loss, with the training loss behind it."""
    series, every = [], []
    for training in trainings:
        for split in ("train", "valid"):
            points = [(line["step"], line["total_loss"]) for line in training.curve if line["split"] == split]
            if points:
                steps, losses = plots.binned(*np.array(points, dtype=float).T)
                every += list(zip(steps, losses, strict=True))
                label = training.synth if split == "valid" else ""
                series.append(plots.Series(steps, np.log(losses), f"{split} {training.synth}", label))
    if not every:
        return None
    last_step, top = max(step for step, _ in every), max(loss for _, loss in every)
    low = min(loss for _, loss in every)
    x_axis = plots.Axis(0, max(last_step, 1.0), 34, 270, plots.nice_ticks(0, last_step, 4))
    # Logarithmic: a tenth less is as much worth at the end as at the start, and the ends are what is compared.
    ticks = [(float(np.log(value)), text) for value, text in plots.log_ticks(low * 0.95, top)]
    y_axis = plots.Axis(float(np.log(low * 0.95)), float(np.log(top * 1.01)), 206, 8, ticks)
    lines = plots.spread_labels(plots.draw(series, x_axis, y_axis), 13, 206)
    title, words = "Loss over steps", f"Training curves of the {family} models: loss over steps"
    return plots.Plot(title, words, 350, 228, lines, y_axis.marks(), x_axis.marks())
