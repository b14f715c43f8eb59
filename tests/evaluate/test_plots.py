"""What the small plots and pictures are made of."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from components.audio import pictures
from components.config.bindings import gate_of
from components.evaluate import plots
from components.evaluate.family_view import family_view
from components.evaluate.note_view import note_name
from components.evaluate.training_view import TrainingView
from components.nsynth.note import SAMPLE_RATE_HZ


def brightness(picture: str) -> np.ndarray:
    """Returns the lightness of a data: URI's picture, row 0 at the bottom."""
    image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    return np.asarray(image.convert("L"), float)[::-1]


@pytest.mark.parametrize("octave", [2, 4, 6])
def test_a_tone_is_a_line_at_its_octave(octave: int) -> None:
    f0_hz = pictures.LOWEST_HZ * 2**octave
    audio = 0.3 * np.sin(2 * np.pi * f0_hz * np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    rows = brightness(pictures.spectrogram(audio)).mean(axis=1)
    assert rows.argmax() / len(rows) == pytest.approx(octave / pictures.OCTAVES, abs=0.01)


def test_louder_is_lighter_on_one_scale() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ)
    levels = [brightness(pictures.spectrogram(gain * noise)).mean() for gain in (0.0, 0.001, 0.01, 0.1)]
    assert levels == sorted(levels)
    assert levels[0] < 25


def test_sinusoids_stand_at_their_frequencies() -> None:
    frequencies_hz = np.tile([pictures.LOWEST_HZ * 4, 3e4], (50, 1))  # the second is off the picture
    rows = brightness(pictures.partials_picture(frequencies_hz, np.ones((50, 2)))).mean(axis=1)
    assert rows.argmax() / len(rows) == pytest.approx(2 / pictures.OCTAVES, abs=0.02)
    assert (rows > 128).sum() < 5


def test_silent_controls_make_a_dark_picture() -> None:
    assert brightness(pictures.level_picture(np.zeros((50, 65)))).max() < 255


def test_a_gap_interrupts_the_path() -> None:
    x, y = np.arange(4.0), np.array([1.0, np.nan, 2.0, 3.0])
    assert plots.path(x, y) == "M0.0 1.0M2.0 2.0L3.0 3.0"


def test_ticks_are_round_and_inside() -> None:
    assert [text for _, text in plots.nice_ticks(4.7, 18.2, 5)] == ["5", "10", "15"]
    assert [text for _, text in plots.nice_ticks(0, 25_000, 4)] == ["0", "10,000", "20,000"]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [(8.3, 150.0, ["10", "20", "50", "100"]), (8.1, 13.0, ["10", "12"]), (0.9, 5.1, ["1", "2", "5"])],
)
def test_ticks_of_a_logarithmic_axis(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in plots.log_ticks(low, high)] == texts


def test_labels_keep_their_distance_and_stay_inside() -> None:
    lines = [plots.Line("", "", name, 0.0, at) for name, at in (("a", 199.0), ("b", 198.0), ("c", 60.0))]
    places = {line.label: line.label_y for line in plots.spread_labels(lines, 13, 206)}
    assert places["c"] < 60.1
    assert places["a"] - places["b"] == pytest.approx(13)
    assert places["a"] <= 206


def test_long_curves_are_binned() -> None:
    x, y = plots.binned(np.arange(10_000.0), np.ones(10_000))
    assert len(x) == 240
    assert (y == 1).all()


@pytest.mark.parametrize("odd", [math.nan, math.inf, 0.0, None])
def test_losses_of_earlier_releases_that_are_no_numbers_are_left_out(odd: float | None) -> None:
    curve = [
        {"step": step, "split": "valid", "total_loss": loss, "seconds": 1.0}
        for step, loss in ((1, 9.0), (2, odd), (3, 5.0))
    ]
    found = family_view("string", [TrainingView("string", "string", "harmonic", None, curve, None)], 1, 0, gate_of())
    assert found.curves
    (line,) = found.curves.lines
    assert "nan" not in line.path and line.path.count("L") == 1
    assert (
        family_view("string", [TrainingView("x", "string", "harmonic", None, curve[1:2], None)], 1, 0, gate_of()).curves
        is None
    )


@pytest.mark.parametrize(("midi", "name"), [(60, "C4"), (21, "A0"), (70, "A♯4")])
def test_note_names(midi: int, name: str) -> None:
    assert note_name(midi) == name
