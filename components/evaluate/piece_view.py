"""The pieces at the top of the report: a tune and a phrase by every synth, a timbre transfer by the best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts import listening
from components.artifacts.clips import PIECES, Piece
from components.evaluate.clip_view import ORIGINAL, Array, Clip, Sound, clips
from components.evaluate.training_view import TrainingView

_PICTURE_SIZE = (480, 96)
_TITLES = {
    "tune": (
        "A tune",
        "Greensleeves, made of the recorded notes, and played by each synth from its pitch and loudness",
    ),
    "phrase": (
        "A phrase",
        "recorded, held out from the training, and played by each synth from its pitch and loudness",
    ),
    "transfer": (
        "Timbre transfer",
        "a flute plays Scarborough Fair, and the model plays that from its pitch and loudness, moved into its range",
    ),
}


@dataclass(frozen=True)
class PieceView:
    """A piece: title, what it is, and the clips, that of the recordings first."""

    title: str
    text: str
    clips: list[Clip]


def piece_views(family: str, trainings: Sequence[TrainingView], best: str) -> list[PieceView]:
    """Returns the pieces that trainings of one family have played.

    Args:
        family: The family.
        trainings: In the order of the clips.
        best: The synth that plays the transfer; the others would make the report larger.
    """
    chosen = [each for each in trainings if each.synth == best] or trainings[:1]
    some = {kind: chosen if kind == "transfer" else trainings for kind in PIECES}
    return [view for kind in PIECES if (view := _view(kind, family, some[kind]))]


def _view(kind: str, family: str, trainings: Sequence[TrainingView]) -> PieceView | None:
    title, text = _TITLES[kind]
    # The transfer takes no part in the blind test: none of its sounds is a copy of the other.
    source, compared = ("Flute", False) if kind == "transfer" else ("Recordings", True)
    some: list[Sound] = []
    for training in trainings:
        for piece in training.evaluation.pieces if training.evaluation else []:
            if piece.kind != kind:
                continue
            if not some:
                audio = _audio(training, piece, ORIGINAL)
                some.append(Sound(source, f"{source.lower()}, {family} {kind}", audio, ORIGINAL if compared else ""))
            name, synth = f"{training.synth}, {family} {kind}", training.synth if compared else ""
            some.append(Sound(training.synth, name, _audio(training, piece, "resynthesis"), synth))
    return PieceView(title, text, clips(some, _PICTURE_SIZE)) if some else None


def _audio(training: TrainingView, piece: Piece, kind: str) -> Array:
    return listening.read_audio(training.uri, piece.clips[kind])
