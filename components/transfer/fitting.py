"""Bringing a recording into the range that a model was trained in, as ddsp's timbre transfer demo does.

Pitch moves by whole octaves until its median is nearest to the training's. Loudness is mapped so that the recording's
quantiles over the frames that sound become the training's, in straight lines from one to the next: the demo's quantile
mapping, through the quantiles that are in a model's card. What is beyond them moves along, in parallel. Other than the
demo's, no stretch or squeeze is more than 1.5: else a steady tone's flutter would become a crescendo.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from components.artifacts.model_card import ModelCard, Percentiles
from components.audio.f0 import fill_nearest, octaves_to_fit
from components.audio.levels import sounding_frames
from components.audio.loudness import FLOOR_DB
from components.core.errors import InputError
from components.nsynth.note import FloatArray
from components.transfer.curves import Curves

_MOST_STRETCH = 1.5
_MOST_OCTAVES, _MOST_DB = 6, 60  # to move by: the range of all music, and of loudness
_OPEN_BEFORE, _OPEN_AFTER = 5, 12  # frames: an attack begins before it is loud, a note rings on
_FADE_FRAMES = 5
_SHORTEST_SILENCE = 25  # frames, 0.1 s: what is shorter is part of the sound

_Mask = npt.NDArray[np.bool_]
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Steering:
    """What the user wants otherwise.

    Attributes:
        octaves: To move the pitch by; None for what fits the model.
        loudness_db: To add to the loudness, after it was fitted.
        auto: Whether pitch and loudness are fitted to the model.
    """

    octaves: int | None = None
    loudness_db: float = 0.0
    auto: bool = True

    def __post_init__(self) -> None:
        """Raises InputError where one is out of range."""
        for option, value, most in (
            ("octave", self.octaves or 0, _MOST_OCTAVES),
            ("loudness-db", self.loudness_db, _MOST_DB),
        ):
            if not -most <= value <= most:
                raise InputError(f"--{option} is {value}: expected from {-most} to {most}")


@dataclass(frozen=True)
class Fitted:
    """What a model is told.

    Attributes:
        octaves: By which the pitch was moved.
        f0_hz: f32[frames], without gaps.
        loudness_db: f32[frames].
        gate: What the sound is multiplied by, f32[frames], 0..1: 0 where the recording is silent.
    """

    octaves: int
    f0_hz: FloatArray
    loudness_db: FloatArray
    gate: FloatArray


def fit(heard: Curves, card: ModelCard, steering: Steering) -> Fitted:
    """Fits what was heard to a model.

    Args:
        heard: Of the recording; some of it has a pitch.
        card: The model's card. One without the statistics leaves the curves as they are.
        steering: What the user wants.
    """
    sounding = sounding_frames(heard.loudness_db)
    octaves = steering.octaves
    if octaves is None:
        trained = card.f0_hz if steering.auto else None
        octaves = octaves_to_fit(heard.f0_hz, sounding, trained.median) if trained else 0
    loudness = heard.loudness[card.loudness_definition]
    if steering.auto and card.loudness_db:
        loudness = _mapped(loudness, loudness[sounding], card.loudness_db)
    return Fitted(
        octaves,
        (fill_nearest(heard.f0_hz) * 2.0**octaves).astype(np.float32),
        np.maximum(loudness + steering.loudness_db, FLOOR_DB).astype(np.float32),
        gate(sounding),
    )


def _mapped(loudness_db: FloatArray, sounding_db: FloatArray, wanted_db: Percentiles) -> FloatArray:
    shares, wanted = _wanted(wanted_db)
    found = np.percentile(sounding_db, shares)
    steps, middle = np.diff(found), len(found) // 2
    reached = wanted.copy()
    # From the middle outwards: where a limit keeps a quantile from its place, the next ones make up for it.
    for i in range(middle, len(steps)):
        least, most = reached[i] + steps[i] / _MOST_STRETCH, reached[i] + steps[i] * _MOST_STRETCH
        reached[i + 1] = np.clip(wanted[i + 1], least, most)
    for i in reversed(range(middle)):
        least, most = reached[i + 1] - steps[i] * _MOST_STRETCH, reached[i + 1] - steps[i] / _MOST_STRETCH
        reached[i] = np.clip(wanted[i], least, most)
    inside = np.clip(loudness_db, found[0], found[-1])
    fitted: FloatArray = (np.interp(inside, found, reached) + loudness_db - inside).astype(np.float32)
    return fitted


def _wanted(wanted_db: Percentiles) -> tuple[_Array, _Array]:
    """Returns percentages and the training's loudness at them; a card of an older model has but three."""
    if wanted_db.quantiles:
        return np.linspace(0, 100, len(wanted_db.quantiles)), np.array(wanted_db.quantiles)
    return np.array([5.0, 50.0, 95.0]), np.array([wanted_db.p5, wanted_db.median, wanted_db.p95])


def gate(sounding: _Mask) -> FloatArray:
    """Returns a gain that is 1 wherever it sounds and around it, 0 in silence, with smooth edges. bool[frames]."""
    sounding = sounding.copy()
    for end, start in pairwise(np.flatnonzero(np.diff(sounding.astype(np.int8)))):
        if sounding[end] and start - end < _SHORTEST_SILENCE:
            sounding[end : start + 1] = True
    window = np.ones(_OPEN_BEFORE + 1 + _OPEN_AFTER)
    opened = np.convolve(np.pad(sounding.astype(float), (_OPEN_AFTER, _OPEN_BEFORE)), window, "valid")
    fade = np.hanning(2 * _FADE_FRAMES + 1)[1:-1]
    smooth = np.convolve(np.pad(np.minimum(opened, 1.0), _FADE_FRAMES - 1, mode="edge"), fade / fade.sum(), "valid")
    return smooth.astype(np.float32)
