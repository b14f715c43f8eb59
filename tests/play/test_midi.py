"""MIDI files: time, pedal, bend and parts of good ones; one line of error for bad and hostile ones."""

from __future__ import annotations

import random
import struct

import mido
import pytest

from components.core.errors import InputError
from components.play.midi import read_score
from tests.deadline import deadline
from tests.play.scores import control, named, notes, tempo, write


def _spans(part):
    return [(round(note.start_s, 3), round(note.end_s, 3), note.pitch) for note in part.notes]


def test_tempo_changes_of_any_track_move_the_notes_of_all(tmp_path):
    score = read_score(
        write(tmp_path / "a.mid", [tempo(0, 500_000), tempo(2, 1_000_000)], [named("Flute"), *notes(3, (1, 2, 60, 90))])
    )
    assert score.parts[0].text() == "Flute (channel 4, 1 note)"
    assert _spans(score.parts[0]) == [(0.5, 2.0, 60)]
    assert score.seconds == 2.0


def test_channels_of_a_track_are_parts(tmp_path):
    path = write(tmp_path / "a.mid", [*notes(1, (0, 1, 60, 90)), *notes(0, (1, 1, 48, 90))], kind=0)
    assert [(part.channel, _spans(part)) for part in read_score(path).parts] == [
        (1, [(0.5, 1.0, 48)]),
        (2, [(0.0, 0.5, 60)]),
    ]


def test_the_pedal_holds_notes_and_a_repeated_note_ends_in_its_order(tmp_path):
    played = notes(0, (0, 1, 60, 90), (2, 1, 62, 90), (3, 2, 62, 90))
    score = read_score(write(tmp_path / "a.mid", [*played, control(0.5, 0, 64, 127), control(2.5, 0, 64, 0)]))
    assert _spans(score.parts[0]) == [(0.0, 1.25, 60), (1.0, 1.5, 62), (1.5, 2.5, 62)]


def test_notes_that_never_end_do_so_with_the_file(tmp_path):
    endless = (0, mido.Message("note_on", note=60, velocity=90))
    score = read_score(write(tmp_path / "a.mid", [endless, *notes(0, (0, 4, 64, 90))]))
    assert _spans(score.parts[0]) == [(0.0, 2.0, 60), (0.0, 2.0, 64)]


def test_bend_follows_its_range(tmp_path):
    ranged = [control(0, 0, 101, 0), control(0, 0, 100, 0), control(0, 0, 6, 12), control(0, 0, 101, 127)]
    bends = [(1, mido.Message("pitchwheel", pitch=8191)), (2, mido.Message("pitchwheel", pitch=-4096))]
    ignored = control(3, 0, 6, 3)
    score = read_score(write(tmp_path / "a.mid", [*ranged, *bends, ignored, *notes(0, (0, 4, 60, 90))]))
    assert [(at, round(value, 2)) for at, value in score.parts[0].controllers.bend] == [
        (0.0, 0.0),
        (0.5, 12.0),
        (1.0, -6.0),
    ]


def test_film_frames_as_the_unit_of_time(tmp_path):
    content = bytearray((write(tmp_path / "a.mid", notes(0, (0, 1, 60, 90))), (tmp_path / "a.mid").read_bytes())[1])
    content[12:14] = struct.pack(">bB", -25, 40)
    (tmp_path / "a.mid").write_bytes(content)
    assert read_score(str(tmp_path / "a.mid")).seconds == pytest.approx(0.48)


def test_drums_and_empty_notes_are_left_out(tmp_path):
    score = read_score(
        write(tmp_path / "a.mid", [*notes(9, (0, 1, 36, 90)), *notes(0, (0, 1, 60, 90), (1, 0, 62, 90))])
    )
    assert (len(score.parts), score.drum_notes, score.empty_notes) == (1, 1, 1)
    assert _spans(score.parts[0]) == [(0.0, 0.5, 60)]


def _chunk(name, data):
    return name + struct.pack(">L", len(data)) + data


def _file(tracks, data, kind=1):
    return _chunk(b"MThd", struct.pack(">HHH", kind, tracks, 480)) + _chunk(b"MTrk", data)


def _riff(*chunks):
    parts = [
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in zip(chunks[::2], chunks[1::2], strict=True)
    ]
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, parts))) + b"RMID" + b"".join(parts)


_NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"
_END = b"\x00\xff\x2f\x00"


def test_chunks_that_are_no_tracks_are_skipped(tmp_path):
    """The specification reserves them for later versions and for programs."""
    header, track = _chunk(b"MThd", struct.pack(">HHH", 1, 2, 480)), _chunk(b"MTrk", _NOTE + _END)
    other = _chunk(b"XFIH", b"made by a sequencer")
    (tmp_path / "a.mid").write_bytes(header + other + track + other + other + track + b"rest of a page")
    assert [_spans(part) for part in read_score(str(tmp_path / "a.mid")).parts] == [[(0.0, 0.5, 60)]] * 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a MIDI file"),
        (b"RIFF1234WAVE", "is not a MIDI file"),
        (_riff(b"data", b"not MIDI"), "is not a MIDI file"),
        (_riff(b"data", b"")[:14], "is not a MIDI file"),
        (b"MThd", "is damaged: it ends within a track"),
        (_file(1, _NOTE + _END)[:-7], "is damaged: it ends within a track"),
        (_file(0x7FFF, _NOTE + _END), "is damaged: it ends within a track"),
        (_file(1, b"\x00\x3c\x40" * 9), "is damaged: running status without last_status"),
        (_file(1, b"\x00\x90\xff\xff" * 9), "is damaged: data byte must be in range 0..127"),
        (_file(1, b"\x00\xf4\x00" + _END), "is damaged: undefined status byte 0xf4"),
        (_file(1, b"\x00\xff\x51\x00" + _END), "is damaged"),
        (_file(1, b"\xff" * 100_000), "has a number of more than 4,096 bytes"),
        (_file(1, (b"\xff" * 4_000 + b"\x00\x90\x3c\x40") * 2), "lasts"),
        (_file(1, _NOTE + _END, kind=2), "is of type 2"),
        (_file(1, _NOTE + _END, kind=9), "is of type 9"),
        (_file(1, _END), "has no notes to play: got none"),
        (_file(0, _NOTE + _END), "has no notes to play: got none"),
        (_file(1, b"\x00\x99\x24\x40\x83\x60\x89\x24\x40" + _END), "it has only 1 note of drums"),
        (_file(1, b"\x00\x90\x3c\x40\x00\x80\x3c\x40" + _END), "it has only 1 note without a length"),
        (_file(1, b"\x00\xff\x51\x03\x00\x00\x00" + _NOTE + _END), "it has only 1 note without a length"),
        (
            _file(1, b"\xff\xff\xff\x7f\x90\x3c\x40\x83\x60\x80\x3c\x40" + _END),
            "lasts 4,660 minutes",
        ),
        (_file(1, _NOTE + b"\x00\x90\x3c\x40" * 3_000_000), "is too large: expected 2 MB at most"),
        (
            _file(1, _NOTE + b"\x01\x90\x3c\x40\x01\x3c\x00" * 50_000 + _END),
            "has 50,001 notes: expected 50,000 at most",
        ),
        (_chunk(b"MThd", struct.pack(">HHH", 1, 1, 0)) + _chunk(b"MTrk", _NOTE + _END), "its unit of time is 0"),
    ],
)
def test_bad_files(tmp_path, content, complaint):
    (tmp_path / "bad.mid").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.mid") as error:
        read_score(str(tmp_path / "bad.mid"))
    assert complaint in str(error.value)


def test_thousands_of_tracks_and_events_are_read_in_seconds(tmp_path):
    """A file of 200 kB; each 'all notes off' of a channel once looked at the notes of all others."""
    tracks = b"".join(_chunk(b"MTrk", _NOTE + _END) for _ in range(6_000))
    off = b"\x00\xb1\x7b\x00" + b"\x00\x7b\x00" * 50_000
    content = _chunk(b"MThd", struct.pack(">HHH", 1, 6_001, 480)) + tracks + _chunk(b"MTrk", off + _END)
    (tmp_path / "a.mid").write_bytes(content)
    with deadline(8):
        assert len(read_score(str(tmp_path / "a.mid")).parts) == 6_000


def test_the_parts_of_a_channel_share_its_controllers(tmp_path):
    """One array for all: a file of 2 MB has 50,000 tracks and 350,000 events."""
    bends = [(at, mido.Message("pitchwheel", pitch=at)) for at in range(3)]
    parts = read_score(write(tmp_path / "a.mid", bends, *[notes(0, (0, 1, 60, 90))] * 3)).parts
    assert len(parts) == 3
    assert len({id(part.controllers.bend) for part in parts}) == 1


def test_a_midi_file_in_riff_is_read(tmp_path):
    wrapped = _riff(b"INFO", b"odd", b"data", _file(1, _NOTE + _END))
    (tmp_path / "a.rmi").write_bytes(wrapped)
    assert _spans(read_score(str(tmp_path / "a.rmi")).parts[0]) == [(0.0, 0.5, 60)]


def test_damaged_files_are_read_or_refused(tmp_path):
    good = (write(tmp_path / "a.mid", [named("x"), tempo(0, 400_000)], notes(0, (0, 1, 60, 90), (1, 1, 64, 90))),)
    content, chance, outcomes = (tmp_path / "a.mid").read_bytes(), random.Random(0), set()
    for _ in range(500):
        mutant = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        (tmp_path / "a.mid").write_bytes(mutant[: chance.choice([len(mutant), chance.randrange(len(mutant))])])
        try:
            read_score(good[0])
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
