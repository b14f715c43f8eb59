"""Which of two models is nearer to the recordings, from numbers whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from components.artifacts.comparison import choose, compare
from components.artifacts.scores import NoteNumbers, Numbers

NUMBERS = Numbers(
    spectral_loss=6.0,
    log_mel_distance_db=6.0,
    mfcc_distance=45.0,
    pitch_error_cents=3.0,
    pitch_heard_share=1.0,
    loudness_error_db=3.0,
    noise_balance_db=None,
    silence_level_db=None,
    clipped_share=0.0,
    pitch_within_share=0.95,
)


def notes(count: int, factor: float = 1.0, spread: float = 0.0, seed: int = 0, **more: float) -> list[NoteNumbers]:
    """Notes whose distances are those of NUMBERS times a factor, scattered around it."""
    random, found = np.random.default_rng(seed), []
    for number in range(count):
        scale = factor * math.exp(spread * random.standard_normal())
        names = ("spectral_loss", "log_mel_distance_db", "mfcc_distance", "loudness_error_db")
        scaled = replace(NUMBERS, **{name: scale * getattr(NUMBERS, name) for name in names})
        found.append(NoteNumbers(f"note-{number}", 60, 100, replace(scaled, **more)))
    return found


def test_a_model_that_is_nearer_on_every_note_is_told_apart() -> None:
    found = compare(notes(12, 0.8), notes(12, 1.0))
    assert found.separable
    assert found.low == pytest.approx(found.ratio) == pytest.approx(found.high)
    assert found.measures["mfcc_distance"] == pytest.approx((0.8 * 45 + 5) / 50)
    assert found.measures["pitch"] == 1.0
    assert compare(notes(12, 1.0), notes(12, 0.8)).ratio == pytest.approx(1 / found.ratio)
    assert "nearer to the recordings (12 notes, 95 % interval −" in found.text()


def test_a_difference_within_the_scatter_is_not() -> None:
    found = compare(notes(12, 0.98, 0.2, seed=1), notes(12, 1.0, 0.2, seed=2))
    assert found.low is not None and found.high is not None and found.low < 1 < found.high
    assert not found.separable


def test_the_interval_is_students() -> None:
    """Of differences -1, 0, 1, ... in one measure: scipy.stats.t.interval gives the same."""
    pytest.importorskip("scipy")
    from scipy.stats import t

    first, second = notes(8, 0.9, 0.1, seed=3), notes(8)
    found = compare(first, second)
    values = [math.log(compare([one], [other]).ratio) for one, other in zip(first, second, strict=True)]
    low, high = t.interval(0.95, 7, np.mean(values), np.std(values, ddof=1) / math.sqrt(8))
    assert (math.log(found.low or 0), math.log(found.high or 0)) == pytest.approx((low, high), rel=2e-3)


def test_of_a_few_notes_all_measures_must_agree() -> None:
    assert compare(notes(2, 0.9), notes(2)).separable
    found = compare(notes(2, 0.9, pitch_within_share=0.5), notes(2))
    assert (found.separable, found.low) == (False, None)
    assert "not all measures agree" in found.text()


def test_the_lower_spectral_loss_alone_does_not_win() -> None:
    """The brass of the report: the sinusoidal has the lower loss, and all other measures speak against it."""
    harmonic = notes(12, 1.0, 0.1, seed=1)
    sinusoidal = [
        replace(each, numbers=replace(each.numbers, spectral_loss=0.98 * each.numbers.spectral_loss))
        for each in notes(12, 1.3, 0.1, seed=1, pitch_within_share=0.8)
    ]
    loss = [replace(each, numbers=replace(each.numbers, spectral_loss=5.9)) for each in sinusoidal]
    found = choose([loss, harmonic])
    assert (found.best, found.tied) == (1, [])
    assert found.differences[0].measures["spectral_loss"] < 1.1 < found.differences[0].measures["log_mel_distance_db"]


def test_the_champion_stays_where_it_is_too_close_to_call() -> None:
    models = [notes(12, 1.0, 0.2, seed=1), notes(12, 0.99, 0.2, seed=2), notes(12, 2.0, 0.2, seed=3)]
    best = choose(models).best
    other = 1 - best
    assert choose(models, keep=other).best == other
    assert choose(models, keep=2).best == best
    assert choose(models, keep=other).tied == [best]


def test_silence_loses_by_its_pitch_and_files_of_schema_3_compare() -> None:
    silent = notes(8, 1.0, pitch_within_share=0.0)
    assert compare(silent, notes(8)).measures["pitch"] > 5
    old = [replace(each, numbers=replace(each.numbers, pitch_within_share=None)) for each in notes(8)]
    assert compare(old, old).ratio == 1.0
    unpitched = [replace(each, numbers=replace(each.numbers, pitch_heard_share=None)) for each in old]
    assert "pitch" not in compare(unpitched, notes(8)).measures


def test_numbers_that_are_none_do_not_stop_it() -> None:
    broken = notes(1, spectral_loss=math.nan, log_mel_distance_db=math.inf, loudness_error_db=-1.0)
    assert math.isfinite(compare(broken, notes(1)).ratio)
    assert choose([[], []]).best == 0
