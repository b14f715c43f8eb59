"""The tables of scores in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts.scores import Group, Summary
from components.core.text import counted
from components.evaluate.training_view import TrainingView

# Title, unit and key in the evaluation's summary. NUMBERS are in the first table; lower is better for all of them.
NUMBERS = (
    ("Spectral loss", "", "spectral_loss"),
    ("Log-mel distance", "dB", "log_mel_distance_db"),
    ("MFCC distance", "", "mfcc_distance"),
    ("Pitch error", "cents", "pitch_error_cents"),
    ("Loudness error", "dB", "loudness_error_db"),
)
MORE_NUMBERS = (
    ("Share of frames within 50 cents", "", "pitch_within_share"),
    ("Pitch error against the pitch asked for", "cents", "played_error_cents"),
    ("Error of the record's pitch", "cents", "label_error_cents"),
    ("Level above the original's", "dB", "level_bias_db"),
    ("Share of frames with a detected pitch", "", "pitch_heard_share"),
    ("Harmonic-to-noise ratio minus that of the original", "dB", "noise_balance_db"),
    ("Level where the original is silent", "dB", "silence_level_db"),
    ("Share of clipped samples", "", "clipped_share"),
)


@dataclass(frozen=True)
class Cell:
    """A number in the table; `best` marks the lowest of its column where there is something to compare."""

    text: str
    best: bool = False


def columns(trainings: Sequence[TrainingView]) -> list[list[Cell]]:
    """Returns the first table, column by column: the validation loss, then NUMBERS; a cell for each training."""
    values = [[training.valid_loss for training in trainings]]
    for _, _, key in NUMBERS:
        summaries = [_summary(training, key) for training in trainings]
        values.append([each.mean if each else None for each in summaries])
    return [_column(column) for column in values]


def spreads(trainings: Sequence[TrainingView]) -> list[tuple[str, list[str]]]:
    """Returns every score: title, and for each training the mean with its interval, median and 95th percentile."""
    rows = []
    for title, unit, key in (*NUMBERS, *MORE_NUMBERS):
        found = [_summary(training, key) for training in trainings]
        if any(found):
            rows.append((f"{title}, {unit}" if unit else title, [_spread(each) if each else "–" for each in found]))
    return rows


def groups(trainings: Sequence[TrainingView]) -> list[tuple[str, list[str]]]:
    """Returns the spectral loss by register and velocity: a row for each group, a column for each training."""
    rows: dict[str, list[str]] = {}
    for by in ("register", "velocity"):
        known = {name: each.notes for one in trainings if one.evaluation for name, each in _group(one, by).items()}
        for name, count in known.items():
            found = [_group(one, by).get(name) for one in trainings]
            cells = [text(group.means["spectral_loss"]) if group else "–" for group in found]
            rows[f"{name} {by}, {counted(count, 'note')}"] = cells
    return list(rows.items())


def text(value: float) -> str:
    """Returns a number as the report shows it; "–" for NaN, of silent notes alone."""
    if not math.isfinite(value):
        return "–"
    return (f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}").replace("-", "−")


def _spread(summary: Summary) -> str:
    if not math.isfinite(summary.mean):
        return text(summary.mean)
    interval = f"{text(summary.low)} to {text(summary.high)}"
    return f"{text(summary.mean)} ({interval}); median {text(summary.median)}; 95th percentile {text(summary.p95)}"


def _summary(training: TrainingView, key: str) -> Summary | None:
    return training.evaluation.summary.get(key) if training.evaluation else None


def _group(training: TrainingView, by: str) -> dict[str, Group]:
    return training.evaluation.groups.get(by, {}) if training.evaluation else {}


def _column(values: Sequence[float | None]) -> list[Cell]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    best = min(known) if len(known) > 1 else None
    return [Cell("–") if value is None else Cell(text(value), value == best) for value in values]
