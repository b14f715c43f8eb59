"""The independent judge: librosa and CREPE compare a resynthesis with its recording, one pair at a time.

No measure of components.audio or components.evaluate is used, but for CREPE's network, whose weights are its authors'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

from components.audio.crepe import FRAME_SAMPLES, Network, decode, normalise, weights_path

Array = npt.NDArray[np.floating[Any]]

VERSION = 1
"""Of the numbers; results on disk of another version are computed again."""
RATE_HZ = 16000
_HOP_SAMPLES = 640  # 40 ms: CREPE takes as long as the sound at 10 ms
_FFT_SAMPLES = 2048
_RANGE_DB = 80.0  # below the loudest cell of the recording nothing is compared
_SOUNDING_DB = 45.0  # below the loud frames of the recording
_VOICED = 0.5
_SILENT_STD = 1e-5
_PITCHED_SHARE = 0.1  # of the sounding frames, or a recording has no pitch to compare
_RIGHT_CENTS = 50.0
_COEFFICIENTS = 20


@dataclass(frozen=True)
class Judged:
    """What the judge measures of one note. Lower is better, but for `pitch_within_share`.

    Attributes:
        log_mel_db: Mean absolute difference of the log-mel spectrograms (128 bands, librosa's defaults), in dB.
        mfcc: Mean distance of the mel-frequency cepstral coefficients 1 to 19.
        loudness_error_db: Mean absolute difference of the A-weighted level over the frames that sound in the recording.
        level_bias_db: The same with its sign: below 0 the resynthesis is too quiet.
        pitch_error_cents: Median distance of the pitches that CREPE hears in both; None where it hears none.
        pitch_within_share: Share of the recording's pitched frames in which the resynthesis is within 50 cents.
    """

    log_mel_db: float
    mfcc: float
    loudness_error_db: float
    level_bias_db: float
    pitch_error_cents: float | None
    pitch_within_share: float | None


@dataclass(frozen=True)
class Heard:
    """What CREPE hears in a sound, 25 frames a second: pitch in Hz and confidence 0..1, [frames] each."""

    f0_hz: Array
    confidence: Array

    @classmethod
    def of(cls, audio: Array) -> Heard:
        """Listens to a sound, f32[samples] at 16 kHz."""
        padded = np.pad(audio, FRAME_SAMPLES // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::_HOP_SAMPLES]
        f0_hz, confidence = decode(_crepe().salience(normalise(frames)))
        return cls(f0_hz, confidence * (frames.std(axis=1) > _SILENT_STD))


@cache
def _crepe() -> Network:
    return Network(weights_path())


def judge(recording: Array, played: Array, heard: Heard) -> Judged:
    """Compares a resynthesis with its recording.

    Args:
        recording: f32[samples] at 16 kHz.
        played: The resynthesis, the same shape.
        heard: What CREPE hears in the recording.
    """
    log_mel_db, mfcc = _spectral(recording, played)
    level_db, played_db = (_level_db(sound) for sound in (recording, played))
    sounding = level_db > np.percentile(level_db, 95) - _SOUNDING_DB
    difference_db = np.maximum(played_db, level_db.max() - _RANGE_DB)[sounding] - level_db[sounding]
    cents, within = _pitch(heard, Heard.of(played), sounding)
    return Judged(
        log_mel_db=log_mel_db,
        mfcc=mfcc,
        loudness_error_db=float(np.mean(np.abs(difference_db))),
        level_bias_db=float(np.mean(difference_db)),
        pitch_error_cents=cents,
        pitch_within_share=within,
    )


def _spectral(recording: Array, played: Array) -> tuple[float, float]:
    mels_db = [librosa.power_to_db(_mels(sound), amin=1e-12, top_db=None) for sound in (recording, played)]
    floor_db = mels_db[0].max() - _RANGE_DB
    mels_db = [np.maximum(each, floor_db) for each in mels_db]
    cepstra = [librosa.feature.mfcc(S=each, n_mfcc=_COEFFICIENTS)[1:] for each in mels_db]
    return (
        float(np.mean(np.abs(mels_db[1] - mels_db[0]))),
        float(np.mean(np.linalg.norm(cepstra[1] - cepstra[0], axis=0))),
    )


def _mels(sound: Array) -> Array:
    mels: Array = librosa.feature.melspectrogram(y=sound, sr=RATE_HZ)
    return mels


def _level_db(sound: Array) -> Array:
    """Returns the A-weighted level in dB, 25 frames a second."""
    power = np.square(np.abs(librosa.stft(sound, n_fft=_FFT_SAMPLES, hop_length=_HOP_SAMPLES)))
    weights_db = librosa.A_weighting(librosa.fft_frequencies(sr=RATE_HZ, n_fft=_FFT_SAMPLES)[1:])
    weighted = (power[1:] * 10 ** (weights_db[:, None] / 10)).sum(axis=0)
    level: Array = 10 * np.log10(np.maximum(weighted, 1e-12))
    return level


def _pitch(recording: Heard, played: Heard, sounding: npt.NDArray[np.bool_]) -> tuple[float | None, float | None]:
    frames = min(len(sounding), len(recording.f0_hz), len(played.f0_hz))
    pitched = (recording.confidence[:frames] >= _VOICED) & sounding[:frames]
    if pitched.sum() < _PITCHED_SHARE * sounding.sum() or not pitched.any():
        return None, None
    both = pitched & (played.confidence[:frames] >= _VOICED)
    cents = 1200 * np.abs(np.log2(played.f0_hz[:frames][both] / recording.f0_hz[:frames][both]))
    within = float((cents <= _RIGHT_CENTS).sum() / pitched.sum())
    return (float(np.median(cents)) if len(cents) else None), within
