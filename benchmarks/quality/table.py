"""The tables of benchmarks.quality, in Markdown, and the agreement of the product's numbers with the judge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.quality.arrays import Verdict
from benchmarks.quality.trainings import DDSP, OURS, Case

Verdicts = Mapping[Case, Verdict]
# Title, name and decimals of what the table shows of the notes.
_MEASURES = (
    ("log-mel, dB", "log_mel_db", 1),
    ("MFCC", "mfcc", 0),
    ("loudness error, dB", "loudness_error_db", 1),
    ("level bias, dB", "level_bias_db", 1),
    ("pitch, cents", "pitch_error_cents", 1),
    ("within 50 cents, %", "pitch_within_share", 0),
)
_STEADY = (("between partials, dB", "inharmonic_db"), ("wobble, dB", "wobble_db"), ("in silence, dB", "silence_db"))
# The product's number of a note, and the judge's of the same.
_SAME = {
    "log_mel_distance_db": "log_mel_db",
    "mfcc_distance": "mfcc",
    "loudness_error_db": "loudness_error_db",
    "level_bias_db": "level_bias_db",
    "pitch_error_cents": "pitch_error_cents",
    "pitch_within_share": "pitch_within_share",
}
_LEAST_NOTES = 8
# What nobody hears is no difference in order, and trackers disagree about it: less than 10 cents; two frames of the
# judge, 80 ms, out of tune at the ends of a note, 2.5 % of the shortest. Without any pitch, a note is an octave off.
_LEAST_CENTS, _MOST_CENTS = 10.0, 1200.0
_IN_TUNE_SHARE = 0.975
_LEAST_DB = 1.0  # of loudness, as of the product: components/artifacts/comparison.py
_MUST_WIN = ("log_mel_db", "mfcc")


def markdown(verdicts: Verdicts) -> str:
    """Returns the comparison by synth and family, the means over seeds and notes; Luthier's numbers before ddsp's."""
    titles = [title for title, *_ in _MEASURES] + [title for title, _ in _STEADY]
    lines = [f"| synth | family | {' | '.join(titles)} | ahead |", f"| --- | --- |{' --- |' * (len(titles) + 1)}"]
    for synth, family in dict.fromkeys((case.synth, case.family) for case in verdicts):
        ours, ddsps = (_of(verdicts, whose, synth, family) for whose in (OURS, DDSP))
        cells = [_pair(mean(ours, name), mean(ddsps, name), name, digits) for _, name, digits in _MEASURES]
        cells += [_pair(steady(ours, name), steady(ddsps, name), name, 1) for _, name in _STEADY]
        lines.append(f"| {synth} | {family} | {' | '.join(cells)} | {_ahead(ours, ddsps)} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Agreement:
    """How well the product's numbers order notes as the judge does.

    Attributes:
        notes: The number of notes.
        ranks: The rank correlation (Spearman) by name of the product's number. A number that applies to fewer than
            eight notes has none, nor one that is the same for all notes.
        alike: Those of which product or judge hears no difference between any two notes.
    """

    notes: int
    ranks: dict[str, float]
    alike: tuple[str, ...]


def agreement(verdicts: Verdicts) -> Agreement:
    """Compares the order of the notes of some models by the product's numbers with that by the judge's."""
    pairs = [pair for verdict in verdicts.values() if verdict.product for pair in _pairs(verdict)]
    ranks, alike = dict[str, float](), []
    for product, judged in _SAME.items():
        values = [pair for ours, theirs in pairs if (pair := _comparable(ours, theirs, product, judged))]
        if len(values) < _LEAST_NOTES:
            continue
        if all(len(set(column)) > 1 for column in zip(*values, strict=True)):
            ranks[product] = round(float(spearmanr(values).statistic), 3)
        else:
            alike.append(product)
    return Agreement(len(pairs), ranks, tuple(alike))


def agreement_text(whose: str, found: Agreement) -> str:
    """Returns the agreement as a sentence."""
    ranks = ", ".join(f"`{name}` {value:.2f}" for name, value in found.ranks.items())
    alike = f"; no difference is heard in {', '.join(f'`{name}`' for name in found.alike)}" if found.alike else ""
    return f"Rank correlation with the judge over {found.notes} notes of {whose}: {ranks}{alike}."


def _comparable(ours: dict[str, Any], theirs: dict[str, Any], product: str, judged: str) -> tuple[float, float] | None:
    """Returns the product's and the judge's number of a note; None where one does not apply."""
    one, other = ours.get(product), theirs[judged]
    if product == "pitch_error_cents" and theirs["pitch_within_share"] is not None:
        cents = [_MOST_CENTS if each is None else min(max(each, _LEAST_CENTS), _MOST_CENTS) for each in (one, other)]
        return cents[0], cents[1]
    if product == "pitch_within_share" and one is not None and other is not None:
        return min(one, _IN_TUNE_SHARE), min(other, _IN_TUNE_SHARE)
    if one is None or other is None:
        return None
    if product == "loudness_error_db":
        return max(one, _LEAST_DB), max(other, _LEAST_DB)
    if product == "level_bias_db":
        return _noticed(one), _noticed(other)
    return float(one), float(other)


def _noticed(bias_db: float) -> float:
    return bias_db if abs(bias_db) > _LEAST_DB else 0.0


def mean(verdicts: Sequence[Verdict], name: str) -> float | None:
    """Returns the mean of a measure over all notes that have it."""
    values = [value for verdict in verdicts for note in verdict.notes if (value := getattr(note, name)) is not None]
    return float(np.mean(values)) if values else None


def steady(verdicts: Sequence[Verdict], name: str) -> float | None:
    """Returns the highest of the seeds of what is measured on steady notes."""
    return max((getattr(verdict.steady, name) for verdict in verdicts), default=None)


def as_json(verdicts: Verdicts) -> list[dict[str, Any]]:
    """Returns everything that was measured, one entry a model."""
    return [{**asdict(case), **asdict(verdict)} for case, verdict in verdicts.items()]


def _pairs(verdict: Verdict) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(product, asdict(note)) for product, note in zip(verdict.product, verdict.notes, strict=True)]


def _of(verdicts: Verdicts, whose: str, synth: str, family: str) -> list[Verdict]:
    return [
        verdict for case, verdict in verdicts.items() if (case.whose, case.synth, case.family) == (whose, synth, family)
    ]


def _pair(ours: float | None, ddsps: float | None, name: str, digits: int) -> str:
    factor = 100 if name == "pitch_within_share" else 1
    shown = ["–" if each is None else f"{factor * each:.{digits}f}" for each in (ours, ddsps)]
    return " / ".join(shown) if ddsps is not None else shown[0]


def _ahead(ours: Sequence[Verdict], ddsps: Sequence[Verdict]) -> str:
    """Returns whether the means are ahead of ddsp's in log-mel and MFCC, or in which they are not."""
    if not (ours and ddsps):
        return ""
    lost = [title for title, name, _ in _MEASURES if name in _MUST_WIN and not _lower(ours, ddsps, name)]
    return f"no: {', '.join(lost)}" if lost else "yes"


def _lower(ours: Sequence[Verdict], ddsps: Sequence[Verdict], name: str) -> bool:
    mine, theirs = mean(ours, name), mean(ddsps, name)
    return mine is not None and theirs is not None and mine < theirs
