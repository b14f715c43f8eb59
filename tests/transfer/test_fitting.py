"""Recordings brought into a model's range, on curves whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from components.artifacts.model_card import ModelCard, Percentiles
from components.audio.levels import gate
from components.audio.loudness import LOUDNESS_DEFINITION, POWER_DEFINITION
from components.core.errors import InputError
from components.transfer.analysis import FeatureExtractor, Features
from components.transfer.fitting import TransferOptions, fit
from tests.transfer.recordings import sweep

CARD = ModelCard.parse(
    {
        "family": "string",
        "synth": "harmonic",
        **{
            "f0_hz": {"p5": 200.0, "median": 440.0, "p95": 900.0},
            "loudness_db": {"p5": -40.0, "median": -20.0, "p95": -10.0},
        },
    },
    "test",
)


def _features(f0_hz, loudness_db) -> Features:
    heard_db = np.asarray(loudness_db, np.float32)
    loudness = {LOUDNESS_DEFINITION: heard_db, POWER_DEFINITION: heard_db - 7}
    return Features(np.asarray(f0_hz, np.float32), loudness, np.zeros((1, 1)))


@pytest.mark.parametrize(("sung_hz", "octaves"), [(110.0, 2), (120.0, 2), (500.0, 0), (320.0, 0), (1_000.0, -1)])
def test_pitch_moves_by_the_octaves_that_bring_it_nearest(sung_hz, octaves):
    features = _features(np.full(100, sung_hz), np.full(100, -20.0))
    fitted = fit(features, CARD, TransferOptions())
    assert fitted.octaves == octaves
    np.testing.assert_allclose(fitted.f0_hz, sung_hz * 2.0**octaves, rtol=1e-6)
    assert fit(features, CARD, TransferOptions(octaves=1)).octaves == 1
    assert fit(features, CARD, TransferOptions(auto=False)).octaves == 0


def test_quiet_middle_and_loud_become_the_trainings():
    loudness_db = np.random.default_rng(0).permutation(np.linspace(-48, -16, 1_000))
    fitted = fit(_features(np.full(1_000, 440.0), loudness_db), CARD, TransferOptions()).loudness_db
    np.testing.assert_allclose(np.percentile(fitted, [5, 50, 95]), [-40, -20, -10], atol=0.5)
    assert (np.argsort(fitted) == np.argsort(loudness_db)).all()
    louder = fit(_features(np.full(1_000, 440.0), loudness_db), CARD, TransferOptions(loudness_db=6.0)).loudness_db
    np.testing.assert_allclose(louder - fitted, 6.0, atol=1e-4)


def _fitted_db(loudness_db, loudness) -> np.ndarray:
    return fit(
        _features(np.full(len(loudness_db), 440.0), loudness_db),
        ModelCard("string", "harmonic", loudness_db=loudness),
        TransferOptions(),
    ).loudness_db


def test_every_quantile_of_a_newer_card_becomes_the_trainings():
    shares = np.arange(0, 101, 5)
    # Evenly spread in the recording; in the training crowded twice, which three quantiles do not tell.
    loudness_db = np.random.default_rng(0).permutation(np.linspace(-48, -16, 1_001))
    wanted_db = np.interp(shares, [0, 25, 50, 75, 100], [-45.0, -33.8, -28.2, -17.0, -11.4])
    card = Percentiles(*wanted_db[[1, 10, 19]])
    cards = (dataclasses.replace(card, quantiles=tuple(wanted_db.tolist())), card)
    by_all, by_three = (_fitted_db(loudness_db, each) for each in cards)
    np.testing.assert_allclose(np.percentile(by_all, shares), wanted_db, atol=0.02)
    assert np.abs(np.percentile(by_three, shares) - wanted_db).max() > 2.0
    assert (np.argsort(by_all) == np.argsort(loudness_db)).all()


def test_stretch_is_limited_and_values_beyond_the_quantiles_are_shifted():
    random = np.random.default_rng(0)
    finer = dataclasses.replace(CARD.loudness_db, quantiles=tuple(np.sort(random.uniform(-60, 0, 21)).tolist()))
    loudness_db = np.sort(np.concatenate([np.full(50, -60.0), random.uniform(-35, -10, 500), np.full(50, -22.0)]))
    fitted = _fitted_db(loudness_db, finer).astype(np.float64)
    loudness_db = loudness_db.astype(np.float32).astype(np.float64)
    slopes = np.diff(fitted)[np.diff(loudness_db) > 0.02] / np.diff(loudness_db)[np.diff(loudness_db) > 0.02]
    assert slopes.max() < 1.51
    assert slopes[1:].min() > 0.66
    assert slopes[0] == pytest.approx(1.0, abs=0.01)  # from what does not sound to the softest that does
    steady = -30 + 0.1 * np.sin(np.arange(1_000))
    assert np.ptp(_fitted_db(steady, finer)) < 0.4


def test_without_fit_only_what_was_asked_for_is_done():
    loudness_db = np.linspace(-60, -10, 100)
    fitted = fit(_features(np.full(100, 100.0), loudness_db), CARD, TransferOptions(1, -3.0, auto=False))
    np.testing.assert_allclose(fitted.loudness_db, loudness_db - 3.0, atol=1e-4)
    np.testing.assert_allclose(fitted.f0_hz, 200.0)


@pytest.mark.parametrize(("octaves", "loudness_db"), [(7, 0.0), (None, 61.0), (None, float("nan"))])
def test_options_out_of_range_are_refused(octaves, loudness_db):
    with pytest.raises(InputError, match=r"^--(octave|loudness-db) is .*: expected from -\d+ to \d+$"):
        TransferOptions(octaves, loudness_db)


def test_a_steady_tones_flutter_stays_one():
    loudness_db = -30 + 0.1 * np.sin(np.arange(1_000))
    fitted = fit(_features(np.full(1_000, 440.0), loudness_db), CARD, TransferOptions()).loudness_db
    assert np.ptp(fitted) < 0.4
    np.testing.assert_allclose(np.median(fitted), -20.0, atol=0.1)


def test_a_card_without_statistics_leaves_the_features_alone():
    features = _features(np.full(100, 100.0), np.linspace(-60, -10, 100))
    fitted = fit(features, ModelCard("string", "harmonic"), TransferOptions())
    np.testing.assert_array_equal(fitted.f0_hz, features.f0_hz)
    np.testing.assert_array_equal(fitted.loudness_db, features.loudness_db)


def test_the_gate_opens_before_the_sound_and_closes_softly_after_it():
    sounding = np.zeros(200, bool)
    sounding[80:100] = sounding[110:120] = True
    gain = gate(sounding)
    assert len(gain) == 200
    assert (gain[79:121] == 1).all()
    assert not gain[:70].any()
    assert not gain[140:].any()
    assert np.abs(np.diff(gain)).max() < 0.35


def test_features_do_not_depend_on_the_length_of_the_blocks():
    audio = sweep(1.5, 16_000).astype(np.float32)[:23_990]
    audio[:4_000] = 0.0

    def extracted(block: int) -> Features:
        extractor = FeatureExtractor(len(audio))
        for start in range(0, len(audio), block):
            extractor.push(audio[start : start + block])
        return extractor.finish()

    whole, parts = extracted(len(audio)), extracted(1_111)
    assert len(whole.f0_hz) == len(whole.loudness_db) == 375
    np.testing.assert_allclose(parts.f0_hz, whole.f0_hz, rtol=1e-4)
    np.testing.assert_allclose(parts.loudness_db, whole.loudness_db, atol=1e-3)
    np.testing.assert_allclose(parts.bands, whole.bands, rtol=1e-3, atol=1e-9)
    truth = 150 * 2 ** (2 * np.arange(375) * 64 / 24_000)
    inside = slice(75, 360)
    cents = 1200 * np.abs(np.log2(whole.f0_hz[inside] / truth[inside]))
    assert np.median(cents) < 10
