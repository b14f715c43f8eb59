"""`python -m benchmarks.expression TRAINING...`: how close `luthier play` comes to real notes, for docs/play.md.

Every held-out note of a trained model is rendered from its MIDI pitch, velocity, start and length, and compared with
the recording by the measures of an evaluation, in three ways. flat: one loudness, from a line over the velocities of
the training, with ramps of 10 ms. played: the expression of the model card. resynthesis: the recording's own pitch and
loudness, the best that the model can do.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import report
from components.artifacts.expression import Expression
from components.artifacts.training_dir import TrainingDir
from components.audio.f0 import confident_hz, midi_to_hz
from components.audio.levels import gate, sounding_frames
from components.audio.loudness import FLOOR_DB, loudness_db
from components.evaluate import metrics, note_selection
from components.evaluate.pitch_scores import pitch_scores
from components.nsynth.note import FRAME_RATE_HZ, HOP_SAMPLES, NOTE_FRAMES, Note
from components.nsynth.sorted_set import SortedSet
from components.play.curves import ONSET_FRAMES
from components.play.playing import Playing
from components.synths.instrument import Instrument
from components.synths.losses import spectral_loss
from components.train.expression import span

_Array = npt.NDArray[np.floating[Any]]
_WAYS = ("flat", "played", "resynthesis")
_MEASURES = ("loudness error, dB", "spectral loss", "log-mel distance, dB", "MFCC distance", "pitch error, cents")
_RAMP_S = 0.01


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.expression", description=__doc__)
    parser.add_argument("trainings", nargs="+", help="directories of trainings; a run record names their data")
    parser.add_argument("--page", type=Path, help="its block 'bench-expression' is replaced")
    options = parser.parse_args()
    lines = [f"| family | measure | {' | '.join(_WAYS)} | played is |", "| --- | --- | --- | --- | --- | --- |"]
    for uri in options.trainings:
        lines += _rows(uri)
        print("\n".join(lines[-len(_MEASURES) :]), flush=True)
    if options.page:
        report.replace_block(options.page, "bench-expression", "\n".join(lines))


def _rows(uri: str) -> list[str]:
    record, instrument = TrainingDir(uri).read_record(), Instrument.load(uri)
    family, expression = instrument.card.family, instrument.card.expression
    if record is None or expression is None:
        raise SystemExit(f"'{uri}' has no run record, or its model no expression: train it again")
    notes = note_selection.held_out_notes(SortedSet.open(record.data_uri), family, 0)[1]
    scores = np.array([_scores(instrument, expression, note) for note in notes])  # [notes, ways, measures]
    means = np.nanmean(scores, axis=0)
    return [
        f"| {family} | {name} | {' | '.join(f'{value:.1f}' for value in means[:, number])} "
        f"| {'better' if means[1, number] < means[0, number] else 'worse'} |"
        for number, name in enumerate(_MEASURES)
    ]


def _scores(instrument: Instrument, expression: Expression, note: Note) -> list[list[float]]:
    """Returns the measures of a note, for each of _WAYS."""
    recorded_db = np.asarray(loudness_db(note.audio[None], instrument.loudness_definition))[0]
    onset, end, release = span(recorded_db)
    end = end if release is None else release
    f0_hz, curves_db, gains = zip(
        _flat(expression, note, onset, end),
        _played(instrument, note, onset, end),
        (note.f0_hz, recorded_db, np.ones(NOTE_FRAMES)),
        strict=True,
    )
    rendered = instrument.play(np.stack(f0_hz).astype(np.float32), np.stack(curves_db).astype(np.float32))["audio"]
    return [
        _measured(instrument, note, recorded_db, audio * np.repeat(gain, HOP_SAMPLES))
        for audio, gain in zip(rendered, gains, strict=True)
    ]


def _measured(instrument: Instrument, note: Note, recorded_db: _Array, audio: _Array) -> list[float]:
    heard_db = np.asarray(loudness_db(audio[None].astype(np.float32), instrument.loudness_definition))[0]
    label_hz = confident_hz(note.f0_hz, note.f0_confidence)
    pitch = pitch_scores(note.audio, audio, label_hz, sounding_frames(recorded_db))
    loss = float(spectral_loss(audio[None].astype(np.float32), note.audio[None])[0])
    cents = np.nan if pitch.error_cents is None else pitch.error_cents
    return [
        metrics.loudness_errors_db(recorded_db, heard_db)[0],
        loss,
        *metrics.mel_distances(note.audio, audio),
        cents,
    ]


def _flat(expression: Expression, note: Note, onset: int, end: int) -> tuple[_Array, _Array, _Array]:
    """Returns pitch, loudness and gain of a note that is switched on and off."""
    velocities = [each.velocity for each in expression.notes]
    evenly_s = np.arange(0, expression.times_s[-1], _RAMP_S)
    levels_db = [
        float(np.median(np.interp(evenly_s, expression.times_s, each.loudness_db))) for each in expression.notes
    ]
    level_db = float(np.polyval(np.polyfit(velocities, levels_db, 1), note.velocity))
    frames = np.arange(NOTE_FRAMES)
    begins, ramp = onset + ONSET_FRAMES, _RAMP_S * FRAME_RATE_HZ
    share = np.clip(np.minimum((frames - begins) / ramp, (end - frames) / ramp + 1), 0, 1)
    gains = gate((frames >= begins) & (frames <= end))
    return np.full(NOTE_FRAMES, midi_to_hz(note.pitch)), FLOOR_DB + share * (level_db - FLOOR_DB), gains


def _played(instrument: Instrument, note: Note, onset: int, end: int) -> tuple[_Array, _Array, _Array]:
    """Returns pitch, loudness and gain of a note as `luthier play` plays it."""
    shape, frames = Playing(instrument.card).shape(note.pitch, note.velocity), np.arange(NOTE_FRAMES)
    after_s = (frames - onset) / FRAME_RATE_HZ
    curve_db = np.where(frames < onset, FLOOR_DB, shape.loudness_db(np.maximum(after_s, 0)))
    curve_db[end:] = curve_db[end] + shape.release_db((frames[end:] - end) / FRAME_RATE_HZ)
    f0_hz = midi_to_hz(note.pitch) * 2 ** (shape.cents(after_s) / 1200)
    sounding = (frames >= onset) & (frames <= end + shape.ring_s * FRAME_RATE_HZ)
    return f0_hz, np.maximum(curve_db, FLOOR_DB), gate(sounding)


if __name__ == "__main__":
    main()
