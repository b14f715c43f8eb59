"""The tune and the phrase at the top of the report, as recordings and every synth play them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts import listening
from components.artifacts.clips import PIECES, Piece, decode_flac
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
}


@dataclass(frozen=True)
class PieceView:
    """A piece: title, what it is, and the clips, that of the recordings first."""

    title: str
    text: str
    clips: list[Clip]


def piece_views(family: str, trainings: Sequence[TrainingView]) -> list[PieceView]:
    """Returns the pieces that trainings of one family have played.

    Args:
        family: The family.
        trainings: In the order of the clips.
    """
    return [view for kind in PIECES if (view := _view(kind, family, trainings))]


def _view(kind: str, family: str, trainings: Sequence[TrainingView]) -> PieceView | None:
    title, text = _TITLES[kind]
    some: list[Sound] = []
    for training in trainings:
        for piece in training.evaluation.pieces if training.evaluation else []:
            if piece.kind != kind:
                continue
            if not some:
                recordings = _audio(training, piece, ORIGINAL)
                some.append(Sound("Recordings", f"recordings, {family} {kind}", recordings, ORIGINAL))
            name = f"{training.synth}, {family} {kind}"
            some.append(Sound(training.synth, name, _audio(training, piece, "resynthesis"), training.synth))
    return PieceView(title, text, clips(some, _PICTURE_SIZE)) if some else None


def _audio(training: TrainingView, piece: Piece, kind: str) -> Array:
    return decode_flac(listening.read_clip(training.uri, piece.clips[kind]))
