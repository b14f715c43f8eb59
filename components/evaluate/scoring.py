"""Resynthesises notes with a model and scores the result, batch by batch: memory does not grow with the notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts import listening
from components.artifacts.evaluation import ListeningSample, Transfer
from components.artifacts.model_card import ModelCard
from components.artifacts.scores import NoteNumbers, Numbers, rounded
from components.artifacts.training_dir import training_name
from components.audio.f0 import confident_hz, octaves_to_fit
from components.audio.levels import sounding_frames
from components.audio.loudness import loudness_db
from components.audio.timbre import harmonic_to_noise_db
from components.core.errors import StepError
from components.evaluate import metrics
from components.evaluate.pitch_scores import PitchScores, heard_hz, pitch_scores
from components.nsynth.note import NOTE_SAMPLES, SAMPLE_RATE_HZ, Note
from components.telemetry import progress

if TYPE_CHECKING:
    from components.synths.instrument import Instrument

Array = NDArray[np.floating[Any]]

_BATCH_NOTES = 4


@dataclass(frozen=True)
class Resynthesis:
    """A note, the inputs of the model and its output; `controls` has no batch dimension."""

    note: Note
    octaves: int
    loudness_db: Array
    audio: Array
    noise: Array
    heard_db: Array
    controls: dict[str, Array]

    def voiced(self) -> NDArray[np.bool_]:
        """Returns where the note sounds and its pitch is to be trusted, bool[frames]."""
        return np.asarray(
            (confident_hz(self.note.f0_hz, self.note.f0_confidence) > 0) & sounding_frames(self.loudness_db)
        )

    def pitch(self) -> PitchScores:
        """Returns the scores of the pitch."""
        label_hz = confident_hz(self.note.f0_hz, self.note.f0_confidence)
        sounding = sounding_frames(self.loudness_db)
        return pitch_scores(self.note.audio, self.audio, label_hz, sounding, self.octaves)


def resynthesise(instrument: Instrument, notes: Sequence[Note]) -> Iterator[Resynthesis]:
    """Yields the notes resynthesised by a model; those of another family are moved by octaves into its pitch range."""
    for start in range(0, len(notes), _BATCH_NOTES):
        yield from _resynthesise_batch(instrument, notes[start : start + _BATCH_NOTES])


def score(
    instrument: Instrument, notes: Sequence[Note], keep: Callable[[Resynthesis], None] | None = None
) -> tuple[list[NoteNumbers], float]:
    """Resynthesises notes with a model, and scores one batch while the model computes the next.

    Args:
        instrument: The model.
        notes: The notes.
        keep: Called with every resynthesis, in order, from the thread that scores.

    Returns:
        The numbers of each note, in order; and the seconds of audio per second of computation.
    """
    title = f"evaluate {training_name(instrument.card.family, instrument.card.synth)}"
    # The first note loads and compiles what the others use: not a part of the speed.
    for first in resynthesise(instrument, notes[:1]):
        note_numbers(first)
    pending: list[Future[NoteNumbers]] = []
    begin = time.monotonic()
    with progress.bar(title, total=len(notes), unit="notes") as bar, ThreadPoolExecutor(1) as executor:
        for number, result in enumerate(resynthesise(instrument, notes)):
            pending.append(executor.submit(_scored, result, keep))
            bar.advance(1)
            if number >= 2 * _BATCH_NOTES:
                pending[number - 2 * _BATCH_NOTES].result()  # bounds the audio that waits for its scores
        numbers = [each.result() for each in pending]
    return numbers, len(notes) * NOTE_SAMPLES / SAMPLE_RATE_HZ / (time.monotonic() - begin)


def write_sample(out_uri: str, result: Resynthesis) -> ListeningSample:
    """Writes the listening sample of a note of the model's family, clips and controls, to a training directory."""
    tone = next(name for name in ("harmonic_distribution", "frequencies", "wavetables") if name in result.controls)
    controls = listening.Controls(
        f0_hz=np.where(result.voiced(), result.note.f0_hz, 0.0),
        heard_hz=np.where((played_hz := heard_hz(result.audio)) > 0, played_hz, np.nan),
        loudness_db=result.loudness_db,
        heard_db=result.heard_db,
        amplitudes=result.controls["amplitudes"],
        tone=result.controls[tone],
        noise_magnitudes=result.controls["noise_magnitudes"],
        original_hz=np.where((recorded_hz := heard_hz(result.note.audio)) > 0, recorded_hz, np.nan),
    )
    clips = {"resynthesis": result.audio, "noise": result.noise}
    return listening.write_sample(out_uri, result.note, clips, controls)


def write_transfer(out_uri: str, result: Resynthesis) -> Transfer:
    """Writes the clips of a note of any family to a training directory, and returns them with the pitch error."""
    note, pitch = result.note, result.pitch()
    return Transfer(
        id=note.id,
        family=note.family,
        pitch=note.pitch,
        velocity=note.velocity,
        octaves=result.octaves,
        pitch_error_cents=pitch.error_cents,
        pitch_heard_share=pitch.heard_share,
        clips=listening.write_clips(out_uri, note, {"resynthesis": result.audio}, prefix="transfer-"),
    )


def _octaves(note: Note, loudness_db: Array, card: ModelCard) -> int:
    """Returns by how many octaves a note is moved: one of another family as `luthier transfer` would move it."""
    if note.family == card.family or card.f0_hz is None:
        return 0
    f0_hz = confident_hz(note.f0_hz, note.f0_confidence)
    return octaves_to_fit(f0_hz, sounding_frames(loudness_db), card.f0_hz.median)


def _resynthesise_batch(instrument: Instrument, notes: Sequence[Note]) -> list[Resynthesis]:
    definition = instrument.loudness_definition
    input_db = np.asarray(loudness_db(np.stack([note.audio for note in notes]), definition))
    octaves = [_octaves(note, loud, instrument.card) for note, loud in zip(notes, input_db, strict=True)]
    f0_hz = np.stack([note.f0_hz * 2.0**shift for note, shift in zip(notes, octaves, strict=True)])
    out = instrument.play(f0_hz.astype(np.float32), input_db)
    if not np.isfinite(out["audio"]).all():
        raise StepError(
            f"the {instrument.card.family} model's output is NaN, not a number: its training has diverged; "
            "try again with a lower train.learning_rate"
        )
    heard_db = np.asarray(loudness_db(out["audio"], definition))
    return [
        Resynthesis(
            note=note,
            octaves=octaves[row],
            loudness_db=input_db[row],
            audio=out["audio"][row],
            noise=out["noise"][row],
            heard_db=heard_db[row],
            controls={name: values[row] for name, values in out["controls"].items()},
        )
        for row, note in enumerate(notes)
    ]


def _scored(result: Resynthesis, keep: Callable[[Resynthesis], None] | None) -> NoteNumbers:
    if keep:
        keep(result)
    return note_numbers(result)


def note_numbers(result: Resynthesis) -> NoteNumbers:
    """Returns the scores of a note, as evaluation.json holds them."""
    note, pitch = result.note, result.pitch()
    return NoteNumbers(note.id, note.pitch, note.velocity, _numbers(result, pitch), pitch.finding)


def _numbers(result: Resynthesis, pitch: PitchScores) -> Numbers:
    from components.synths.losses import spectral_loss

    note, audio = result.note, result.audio
    log_mel_distance_db, mfcc_distance = metrics.mel_distances(note.audio, audio)
    loudness_error_db, level_bias_db = metrics.loudness_errors_db(result.loudness_db, result.heard_db)
    silence_db = metrics.silence_level_db(note.audio, audio)
    return Numbers(
        spectral_loss=rounded(spectral_loss(audio[None], note.audio[None])[0]),
        log_mel_distance_db=rounded(log_mel_distance_db),
        mfcc_distance=rounded(mfcc_distance),
        pitch_error_cents=pitch.error_cents,
        pitch_heard_share=pitch.heard_share,
        loudness_error_db=rounded(loudness_error_db),
        noise_balance_db=_noise_balance_db(note, audio, result.voiced()),
        silence_level_db=None if silence_db is None else rounded(silence_db),
        clipped_share=rounded(float(np.mean(np.abs(audio) > 1.0))),
        pitch_within_share=pitch.within_share,
        played_error_cents=pitch.played_error_cents,
        label_error_cents=pitch.label_error_cents,
        level_bias_db=rounded(level_bias_db),
    )


def _noise_balance_db(note: Note, audio: Array, voiced: NDArray[np.bool_]) -> float | None:
    f0_hz = np.where(voiced, note.f0_hz, 0.0)
    ratios = [harmonic_to_noise_db(sound, f0_hz) for sound in (audio, note.audio)]
    pitched = np.isfinite(ratios[0])
    return rounded(float(np.median((ratios[0] - ratios[1])[pitched]))) if pitched.any() else None
