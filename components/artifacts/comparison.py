"""Which of two models is nearer to the recordings: a score of several measures, paired over the same held-out notes.

The distance of a note is the geometric mean of five measures. Each has a floor, below which no difference is heard: it
keeps a ratio of two very small numbers from deciding. Two models are compared by the ratio of their distances on the
same notes, so that hard notes are hard for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from components.artifacts.scores import NoteNumbers, Numbers

FEWEST_NOTES = 6
"""Of an interval. Of fewer notes, two models can be told apart only where all notes and measures agree."""
MEASURES = {
    "log_mel_distance_db": "log-mel distance",
    "mfcc_distance": "MFCC distance",
    "loudness_error_db": "loudness",
    "pitch": "pitch",
    "spectral_loss": "spectral loss",
}
"""The measures, and what to call them."""
# A tenth of the frames out of tune, 1 dB, a spectral loss of 0.5: about what nobody hears.
_FLOORS = {
    "log_mel_distance_db": 1.0,
    "mfcc_distance": 5.0,
    "loudness_error_db": 1.0,
    "pitch": 0.1,
    "spectral_loss": 0.5,
}
_RIGHT_CENTS = 50.0
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """How two models compare on the same notes.

    Attributes:
        ratio: Distance of the first by distance of the second, geometric mean over the notes: below 1 the first is
            nearer to the recordings.
        low: Lower end of the 95 % interval of the ratio; None where there are too few notes for one.
        high: Upper end.
        notes: The number of notes.
        separable: Whether the notes tell the two apart.
        measures: The ratio of each measure of MEASURES that applies to some of the notes.
    """

    ratio: float
    low: float | None
    high: float | None
    notes: int
    separable: bool
    measures: dict[str, float]

    def text(self) -> str:
        """Returns the difference in words: "5 % nearer to the recordings (12 notes, 95 % interval −8 % to −2 %)"."""
        share = f"{100 * abs(self.ratio - 1):.1f} % {'farther from' if self.ratio > 1 else 'nearer to'} the recordings"
        counted = f"{self.notes} {'note' if self.notes == 1 else 'notes'}"
        if self.low is None or self.high is None:
            agreed = "all measures agree" if self.separable else "not all measures agree"
            return f"{share} ({counted}, {agreed})"
        low, high = (f"{100 * (end - 1):+.1f} %".replace("-", "−") for end in (self.low, self.high))
        return f"{share} ({counted}, 95 % interval {low} to {high})"


@dataclass(frozen=True)
class Choice:
    """The best of some models.

    Attributes:
        best: Its index.
        tied: Indices of those that cannot be told apart from it, in order; without its own.
        differences: How each other model compares with the best, by index: a ratio above 1 is farther.
    """

    best: int
    tied: list[int]
    differences: dict[int, Difference]


def log_distances(numbers: Numbers) -> dict[str, float]:
    """Returns the logarithm of a note's distance by measure; without pitch where the recording has none."""
    values: dict[str, float | None] = {name: getattr(numbers, name) for name in _FLOORS if name != "pitch"}
    values["pitch"] = _wrong_share(numbers)
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    return {name: math.log(max(value, 0.0) + _FLOORS[name]) for name, value in known.items()}


def compare(first: Sequence[NoteNumbers], second: Sequence[NoteNumbers]) -> Difference:
    """Compares two models by the notes that both have numbers of.

    Args:
        first: The numbers of one model, a note each.
        second: Of the other model.
    """
    pairs = _pairs(first, second)
    by_note = [found for one, other in pairs if (found := _by_measure(one.numbers, other.numbers))]
    if not by_note:
        return Difference(1.0, None, None, 0, False, {})
    differences = [fmean(some.values()) for some in by_note]
    middle, half = fmean(differences), _half_interval(differences)
    measures = {
        name: math.exp(fmean(values))
        for name in MEASURES
        if (values := [some[name] for some in by_note if name in some])
    }
    return Difference(
        ratio=math.exp(middle),
        low=None if half is None else math.exp(middle - half),
        high=None if half is None else math.exp(middle + half),
        notes=len(differences),
        separable=_all_agree(by_note) if half is None else abs(middle) > half,
        measures=measures,
    )


def choose(models: Sequence[Sequence[NoteNumbers]], keep: int | None = None) -> Choice:
    """Chooses the best of some models.

    Args:
        models: The numbers of each, of the same notes; one model or more.
        keep: The present champion among them: it stays the best where it cannot be told apart from the best.
    """
    best = min(range(len(models)), key=lambda index: (_distance(models[index]), index))
    if keep is not None and not compare(models[keep], models[best]).separable:
        best = keep
    differences = {index: compare(numbers, models[best]) for index, numbers in enumerate(models) if index != best}
    tied = [index for index, difference in differences.items() if not difference.separable]
    return Choice(best, tied, differences)


def _pairs(first: Sequence[NoteNumbers], second: Sequence[NoteNumbers]) -> list[tuple[NoteNumbers, NoteNumbers]]:
    others = {note.id: note for note in second}
    return [(note, others[note.id]) for note in first if note.id in others]


def _distance(notes: Sequence[NoteNumbers]) -> float:
    distances = [fmean(found.values()) for note in notes if (found := log_distances(note.numbers))]
    return fmean(distances) if distances else math.inf


def _wrong_share(numbers: Numbers) -> float | None:
    """Returns in which share of the pitched frames the pitch is not heard or is wrong."""
    if numbers.pitch_within_share is not None:
        return 1.0 - numbers.pitch_within_share
    if numbers.pitch_heard_share is None:
        return None
    # A file of schema 3: the median alone says whether the frames that are heard are right.
    right = numbers.pitch_error_cents is not None and numbers.pitch_error_cents <= _RIGHT_CENTS
    return 1.0 - numbers.pitch_heard_share if right else 1.0


def _by_measure(first: Numbers, second: Numbers) -> dict[str, float]:
    ours, theirs = log_distances(first), log_distances(second)
    return {name: ours[name] - theirs[name] for name in ours.keys() & theirs.keys()}


def _all_agree(by_note: Sequence[dict[str, float]]) -> bool:
    """Tells whether one model is nearer in some measure of every note and farther in none."""
    signs = [{math.copysign(1.0, value) for value in some.values() if value} for some in by_note]
    return all(len(some) == 1 for some in signs) and len(set.union(*signs)) == 1


def _half_interval(values: Sequence[float]) -> float | None:
    """Returns half the width of Student's 95 % interval of the mean; None for fewer than FEWEST_NOTES."""
    if len(values) < FEWEST_NOTES:
        return None
    return _student(len(values) - 1) * stdev(values) / math.sqrt(len(values))


def _student(degrees: int) -> float:
    """Returns Student's 97.5th percentile, by its expansion around the normal one: within 0.2 % from 5 degrees on.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    x = NormalDist().inv_cdf((1.0 + _CONFIDENCE) / 2)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return x + math.fsum(term / degrees ** (power + 1) for power, term in enumerate(terms))
