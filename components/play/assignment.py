"""Which model plays which part of a score, and where its notes are moved to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.artifacts.model_card import ModelCard
from components.audio.f0 import note_name
from components.core.errors import InputError
from components.core.text import counted
from components.play.playing import Playing
from components.play.score import Part, ScoreNote

TRANSPOSE, PLAY = "transpose", "play"
OUT_OF_RANGE = (TRANSPOSE, PLAY)
LEFT_OUT = "none"
_MOST_OCTAVES = 8


def assign(parts: Sequence[Part], models: Sequence[str], chosen: Sequence[str]) -> dict[int, str]:
    """Returns the model URI of each part, by its number from 1 on; parts that are left out are not in it.

    Args:
        parts: Of the score.
        models: One model for all parts, or one for each in their order; may be empty.
        chosen: "NUMBER=URI" for single parts, "NUMBER=none" to leave one out.

    Raises:
        InputError: A number or a count does not fit the score, or no part is left.
    """
    listing = "; ".join(f"{number}: {part.text()}" for number, part in enumerate(parts, 1))
    single = dict(_choice(each, len(parts), listing) for each in chosen)
    if len(single) < len(chosen):
        raise InputError(f"--part names a part twice: got {', '.join(chosen)}; expected each part once")
    rest = [number for number in range(1, len(parts) + 1) if number not in single]
    if rest and len(models) not in (1, len(rest)):
        raise InputError(
            f"the score has {counted(len(rest), 'part')} without --part and got {counted(len(models), 'model')}: "
            f"expected --model once for all of them, once for each, or --part NUMBER=URI; its parts are {listing}"
        )
    for index, number in enumerate(rest):
        single[number] = models[index % len(models)]
    found = {number: uri for number, uri in sorted(single.items()) if uri != LEFT_OUT}
    if not found:
        raise InputError("every part is left out by --part NUMBER=none: expected a model for one at least")
    return found


def _choice(text: str, count: int, listing: str) -> tuple[int, str]:
    number, equals, uri = text.partition("=")
    if not equals or not uri.strip() or not number.strip().isdecimal() or not number.isascii():
        raise InputError(f"--part is '{text}': expected NUMBER=URI, such as 1=models:/ddsp-string@champion")
    if not 1 <= int(number[:6]) <= count:
        raise InputError(f"--part is '{text}': the score has parts 1 to {count}: {listing}")
    return int(number), uri


@dataclass(frozen=True)
class Placed:
    """The notes of a part where an instrument plays them; `remark` says what was done, "" for nothing."""

    notes: tuple[ScoreNote, ...]
    remark: str


def place(part: Part, card: ModelCard, out_of_range: str) -> Placed:
    """Moves the notes of a part into the range that a model was trained in, or says that they are outside.

    First the whole part moves by the octaves that leave the fewest notes outside, then each of those alone. A range of
    less than an octave lets some of them stay outside.

    Args:
        part: The part.
        card: Of the model.
        out_of_range: TRANSPOSE or PLAY.
    """
    expression = Playing(card).expression
    low, high = expression.lowest_pitch, expression.highest_pitch
    pitches = [note.pitch for note in part.notes]
    outside = sum(not low <= pitch <= high for pitch in pitches)
    span = f"{note_name(low)} to {note_name(high)}"
    if not outside:
        return Placed(part.notes, "")
    if out_of_range == PLAY:
        return Placed(part.notes, f"{counted(outside, 'note')} outside of the training's {span}")
    octaves = min(
        range(-_MOST_OCTAVES, _MOST_OCTAVES + 1),
        key=lambda each: (sum(not low <= pitch + 12 * each <= high for pitch in pitches), abs(each)),
    )
    moved = [pitch + 12 * octaves for pitch in pitches]
    folded = [_folded(pitch, low, high) for pitch in moved]
    alone = sum(a != b for a, b in zip(moved, folded, strict=True))
    notes = tuple(
        ScoreNote(note.start_s, note.end_s, pitch, note.velocity)
        for note, pitch in zip(part.notes, folded, strict=True)
    )
    whole = f"moved by {octaves:+d} octave{'s' * (abs(octaves) > 1)}" if octaves else ""
    single = f"{counted(alone, 'note')} moved by octaves" if alone else ""
    return Placed(notes, f"{' and '.join(filter(None, [whole, single]))} into {span}")


def _folded(pitch: int, low: int, high: int) -> int:
    """Returns the pitch moved by the fewest octaves into the range, or as near to it as octaves allow."""
    candidates = [pitch + 12 * each for each in range(-_MOST_OCTAVES, _MOST_OCTAVES + 1)]
    return min(candidates, key=lambda each: (max(low - each, each - high, 0), abs(each - pitch)))
