"""A directory with a hundred of the names and formats that people have, prepared in one go, with one summary."""

from __future__ import annotations

import json
import os
import re
import unicodedata

import numpy as np
import pytest
import soundfile

from components.nsynth.framing import read_records
from components.nsynth.note import Note
from tests.prepare.tones import tone

RATE = 16_000
NAMES = [
    *("C#4", "C 4", "C♯4", "c4", "é", "è", unicodedata.normalize("NFD", "é"), "音一", "音二", "до", "ре", "😀", "😁"),
    *("octave-1", "octave+1", "take(1)", "take[1]", "take{1}", "take_a", "take_A", "take.", "take ", " take", "-rf"),
    *("CON", "nul", "%41", "what?", "a:b", "back\\slash", "quo'te", 'dou"ble', "$HOME", "new\nline", "\x1b[31mred"),
    *("‮rtl", "אב", "[bold]x[red] {4} %s <b>", "x" * 251, os.fsdecode(b"gr\xfcn"), "a/b/c/d/e/f/g/flute/deep"),
]
# A short note in every file; the pitch tracker takes most of the time.
FORMATS = [
    *(("wav", {"subtype": subtype}) for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("wav", {"format": "WAVEX"}), ("wav", {"format": "RF64"}), ("wav", {"subtype": "IMA_ADPCM"})),
    *(("w64", {}), ("caf", {}), ("au", {}), ("aiff", {}), ("aif", {"format": "AIFF"}), ("flac", {}), ("ogg", {})),
    *(
        ("oga", {"format": "OGG"}),
        ("opus", {"format": "OGG", "subtype": "OPUS"}),
        ("mp3", {}),
        ("WAV", {"format": "WAV"}),
    ),
    *(("wave", {"format": "WAV"}), ("mp3", {"format": "WAV"}), ("wav", {"format": "FLAC"}), ("snd", {"format": "AU"})),
]
BAD = {
    "empty.wav": b"",
    "page.wav": b"<!DOCTYPE html><html>404</html>",
    "pointer.flac": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "noise.mp3": bytes(range(256)) * 8,
    "cut.flac": b"fLaC\x00\x00\x00\x22",
    "header.wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
}
OTHERS = ("take.m4a", "take.wma", "notes.txt", "cover.jpg", "LICENSE")


def note(index, rate=RATE):
    return tone(0.3, 55 + index % 20, rate)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    flute = folder / "flute"
    for index, name in enumerate(NAMES):
        (flute / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(os.fsencode(flute / f"{name}.wav"), note(index), RATE)
    for index, (suffix, options) in enumerate(FORMATS):
        soundfile.write(flute / f"format {index}.{suffix}", note(index), RATE, **options)
    for index, rate in enumerate((8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000, 768_000)):
        soundfile.write(flute / f"rate {rate}.wav", note(index, rate), rate)
    for index, factors in enumerate(((1, 1), (1, 0), (1, -1), (1, -0.9), (1, 1, 0, 0, 0, 0), (1,) * 8)):
        soundfile.write(flute / f"channels {index}.wav", np.outer(note(index), factors), RATE)
    for name, sound in {
        "offset.wav": note(0) + 0.3,
        "hot.wav": 5 * note(0),
        "nan.wav": note(0) * np.nan,
        "inf.wav": np.where(note(0) > 0.3, np.inf, 0.0),
        "integers.wav": 32_767 * note(0),
        "silence.wav": 0 * note(0),
        "short.wav": note(0)[:100],
        "hiss.wav": 0.1 * np.random.default_rng(0).standard_normal(8_000),
    }.items():
        soundfile.write(flute / name, sound, RATE, subtype="FLOAT")
    for name, content in BAD.items():
        (flute / name).write_bytes(content)
    for name in OTHERS:
        (flute / name).write_bytes(b"x")
    (flute / "lost.wav").symlink_to("nowhere.wav")
    (flute / "again").symlink_to(folder)
    (flute / ".hidden").mkdir()
    soundfile.write(flute / ".hidden" / "copy.wav", note(0), RATE)
    (flute / "._take.wav").write_bytes(b"\0\5\x16\7" + bytes(78))
    os.mkfifo(flute / "pipe.wav")
    return folder


GOOD = len(NAMES) + len(FORMATS) + 8 + 6 + 2
LEFT_OUT = 6 + len(BAD) + 2


def test_all_that_can_be_used_is_prepared_and_the_rest_is_named(luthier, source, tmp_path):
    assert GOOD + LEFT_OUT + len(OTHERS) + 4 >= 100
    finished = luthier("prepare", source, "--out", tmp_path / "out")
    assert finished.code == 0, finished.err
    assert finished.out.startswith(f"{GOOD} recordings, {GOOD} notes (") and finished.out.count("\n") == 1
    said = finished.err
    assert f"left out: {LEFT_OUT}, listed here" in said
    assert len(re.findall("^warning: left out: .*'", said, re.M)) == LEFT_OUT
    for reason in ("an empty file", "an HTML page", "Git LFS pointer", "broken link", "no regular file", "not finite"):
        assert reason in said, reason
    assert "integers of 16 bits" in said and "too quiet" in said and "too short" in said and "no pitch" in said
    for remark in (
        "rate 8000.wav has a sample rate of 8000 Hz",
        "offset.wav has a DC offset",
        "hot.wav goes up to",
        "channels 2.wav has channels in antiphase",
    ):
        assert f"warning: flute/{remark}" in said
    others = "5 files of other kinds (1 .jpg, 1 .m4a, 1 .txt, 1 .wma, 1 without ending)"
    assert f"passed over: {others}, 2 hidden (flute/._take.wav, ...), 1 link to a directory" in said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]|Traceback", said)
    notes = []
    for split in ("train", "valid", "test"):
        path = tmp_path / "out" / f"nsynth-{split}.tfrecord-00000-of-00001"
        with path.open("rb") as stream:
            notes += [Note.decode(record.payload) for record in read_records(stream, split)]
    assert len({each.id for each in notes}) == GOOD and all(each.id.isascii() for each in notes)
    assert np.mean([55 <= each.pitch < 75 for each in notes]) > 0.95

    again = luthier("prepare", source, "--out", tmp_path / "out")
    assert again.code == 0 and "prepared before" in again.out and f"left out: {LEFT_OUT}, listed here" in again.err
    json.loads((tmp_path / "out" / "luthier.json").read_bytes())


def test_bad_recordings_change_nothing_about_the_records_of_the_others(luthier, source, tmp_path):
    good = tmp_path / "good" / "flute"
    good.mkdir(parents=True)
    for path in sorted((source / "flute").glob("rate *.wav")):
        (good / path.name).write_bytes(path.read_bytes())
    assert luthier("prepare", good.parent, "--out", tmp_path / "a").code == 0
    for name, content in BAD.items():
        (good / name).write_bytes(content)
    assert luthier("prepare", good.parent, "--out", tmp_path / "b").code == 0
    for path in (tmp_path / "a").glob("*.tfrecord*"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    checked = luthier("prepare", "--check", good.parent)
    assert checked.code == 1 and "an HTML page" in checked.out
    assert checked.err.endswith(f"luthier: {len(BAD)} recordings cannot be used, see above\n")
    strict = luthier("prepare", good.parent, "--out", tmp_path / "c", "--strict")
    assert (
        strict.code == 2
        and f"--strict expects that every recording can be used, but {len(BAD)} cannot be used: " in strict.err
    )
    assert not (tmp_path / "c").exists()
