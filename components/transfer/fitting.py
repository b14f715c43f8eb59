"""Fitting of a recording's features to the range that a model was trained in, as in ddsp's timbre transfer demo.

Pitch moves by whole octaves until its median is nearest to the training's. Loudness is mapped so that the recording's
quantiles over the frames that sound become the training's (artifacts.loudness_fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.artifacts.loudness_fit import fit_loudness_db
from components.artifacts.model_card import ModelCard
from components.audio.f0 import fill_nearest, octaves_to_fit
from components.audio.levels import gate, sounding_frames
from components.audio.loudness import FLOOR_DB
from components.core.errors import InputError
from components.nsynth.note import FloatArray
from components.transfer.analysis import Features

_MAX_OCTAVES, _MAX_DB = 6, 60  # to move by: more than the range of music, and of loudness


@dataclass(frozen=True)
class TransferOptions:
    """How the user adjusts the fit.

    Attributes:
        octaves: Octaves to move the pitch by; None to fit the model.
        loudness_db: Decibels to add to the loudness after the fit.
        auto: Whether pitch and loudness are fitted to the model.
    """

    octaves: int | None = None
    loudness_db: float = 0.0
    auto: bool = True

    def __post_init__(self) -> None:
        """Raises InputError if a value is out of range."""
        for option, value, most in (
            ("octave", self.octaves or 0, _MAX_OCTAVES),
            ("loudness-db", self.loudness_db, _MAX_DB),
        ):
            if not -most <= value <= most:
                raise InputError(f"--{option} is {value}: expected from {-most} to {most}")


@dataclass(frozen=True)
class FittedFeatures:
    """The features that a model is given.

    Attributes:
        octaves: By which the pitch was moved.
        f0_hz: f32[frames], without gaps.
        loudness_db: f32[frames].
        gate: Gain of the rendered sound, f32[frames], 0..1: 0 where the recording is silent.
    """

    octaves: int
    f0_hz: FloatArray
    loudness_db: FloatArray
    gate: FloatArray


def fit(features: Features, card: ModelCard, options: TransferOptions) -> FittedFeatures:
    """Fits a recording's features to a model.

    Args:
        features: Of the recording; some of it has a pitch.
        card: The model's card. Without its statistics, the features stay as they are.
        options: The user's adjustments.
    """
    sounding = sounding_frames(features.loudness_db)
    octaves = options.octaves
    if octaves is None:
        trained = card.f0_hz if options.auto else None
        octaves = octaves_to_fit(features.f0_hz, sounding, trained.median) if trained else 0
    loudness = features.loudness[card.loudness_definition]
    if options.auto and card.loudness_db:
        loudness = fit_loudness_db(loudness, loudness[sounding], card.loudness_db)
    return FittedFeatures(
        octaves,
        (fill_nearest(features.f0_hz) * 2.0**octaves).astype(np.float32),
        np.maximum(loudness + options.loudness_db, FLOOR_DB).astype(np.float32),
        gate(sounding),
    )
