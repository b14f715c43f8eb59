"""All held-out notes of a family in the report: a row for each, with small players and the losses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from components.artifacts.clips import read_kept
from components.artifacts.scores import NoteNumbers
from components.audio.f0 import note_name
from components.evaluate import number_view
from components.evaluate.clip_view import ORIGINAL, Clip, mp3_uri, volumes
from components.evaluate.note_view import name_of
from components.evaluate.training_view import TrainingView
from components.nsynth.note import NOTE_SECONDS

_BASE64 = 4 / 3
_PAGE_BYTES = 4 << 20


@dataclass(frozen=True)
class KeptCell:
    """A synth's clip and loss of a note; None and "–" where it has none."""

    clip: Clip | None
    loss: str


@dataclass(frozen=True)
class KeptRow:
    """A note: its name, velocity and id, the recording, and a cell for each synth."""

    title: str
    velocity: int
    id: str
    original: Clip
    cells: list[KeptCell]


@dataclass(frozen=True)
class KeptView:
    """The held-out notes of a family, from low to high.

    Attributes:
        synths: The columns.
        rows: Those in the report: all, or as many as it has room for, evenly spread.
        pages: Where the report has no room for all, the names of further pages, and all rows in their order on these.
        missing: The number of held-out notes that no clips were kept of.
    """

    synths: list[str]
    rows: list[KeptRow]
    pages: dict[str, list[KeptRow]]
    missing: int


def kept_view(
    family: str, trainings: Sequence[TrainingView], shown: Collection[str], largest_bytes: int
) -> KeptView | None:
    """Returns the held-out notes of a family that the trainings have kept clips of.

    Args:
        family: The family.
        trainings: In the order of the columns.
        shown: Ids of the notes that the page has already.
        largest_bytes: What the clips may take in the report.

    Returns:
        None where the page has all held-out notes already, or no training has kept any.
    """
    trainings = [each for each in trainings if each.evaluation and each.evaluation.kept]
    kept = {each.synth: _clips_of(each) for each in trainings}
    numbers = {each.synth: _numbers_of(each) for each in trainings}
    notes = {note.id: note for by_id in numbers.values() for note in by_id.values()}
    with_clips = [note for note in notes.values() if any(note.id in some for some in kept.values())]
    if not set(notes) - set(shown) or not with_clips:
        return None
    with_clips.sort(key=lambda note: (note.pitch, note.velocity, note.id))
    rows = [_row(family, note, trainings, kept, numbers) for note in with_clips]
    mean_bytes = _BASE64 * sum(_size_of(note.id, kept) for note in with_clips) / len(rows)
    fitting, of_page = int(largest_bytes / mean_bytes), max(1, int(_PAGE_BYTES / mean_bytes))
    missing = len(notes) - len(rows)
    if fitting >= len(rows):
        return KeptView([each.synth for each in trainings], rows, {}, missing)
    chosen = [rows[int((index + 0.5) * len(rows) / fitting)] for index in range(fitting)]
    pages = {
        f"notes-{family}-{first // of_page + 1}.html": rows[first : first + of_page]
        for first in range(0, len(rows), of_page)
    }
    return KeptView([each.synth for each in trainings], chosen, pages, missing)


_Kept = dict[str, dict[str, tuple[bytes, float]]]  # clip and gain in dB, by note id and kind


def _clips_of(training: TrainingView) -> _Kept:
    assert training.evaluation and training.evaluation.kept, "only trainings with kept clips are asked for"
    files = read_kept(training.uri, training.evaluation.kept)
    return {
        note.id: {kind: (files[note.id][kind], gain_db) for kind, gain_db in note.gains_db.items()}
        for note in training.evaluation.kept.notes
    }


def _numbers_of(training: TrainingView) -> dict[str, NoteNumbers]:
    return {note.id: note for note in training.evaluation.notes} if training.evaluation else {}


def _size_of(note_id: str, kept: dict[str, _Kept]) -> int:
    """Returns the bytes of a note's clips: the recording once, and every copy."""
    clips = [kind for some in kept.values() for kind in some.get(note_id, {}).items()]
    copies = sum(len(content) for kind, (content, _) in clips if kind != ORIGINAL)
    return copies + max(len(content) for kind, (content, _) in clips if kind == ORIGINAL)


def _row(
    family: str,
    note: NoteNumbers,
    trainings: Sequence[TrainingView],
    kept: dict[str, _Kept],
    numbers: dict[str, dict[str, NoteNumbers]],
) -> KeptRow:
    having = [each.synth for each in trainings if note.id in kept[each.synth]]
    name = name_of(family, note.pitch, note.velocity)
    original = kept[having[0]][note.id][ORIGINAL]
    sounds = {ORIGINAL: original, **{synth: kept[synth][note.id]["resynthesis"] for synth in having}}
    loudest = volumes([gain_db for _, gain_db in sounds.values()])
    made = {}
    for (synth, (content, _)), volume in zip(sounds.items(), loudest, strict=True):
        title = "recording" if synth == ORIGINAL else synth
        made[synth] = Clip(title, f"{title}, {name}", synth, mp3_uri(content), "", volume, NOTE_SECONDS)
    cells = []
    for training in trainings:
        mine = numbers[training.synth].get(note.id)
        loss = number_view.text(mine.numbers.spectral_loss) if mine else "–"
        cells.append(KeptCell(made.get(training.synth), loss))
    return KeptRow(note_name(note.pitch), note.velocity, note.id, made[ORIGINAL], cells)
