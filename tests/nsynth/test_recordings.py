"""Which files of a directory are recordings, and that each has a key of its own whatever its name is."""

from __future__ import annotations

import os
import re
import unicodedata

import pytest

from components.core.errors import InputError
from components.core.text import printable
from components.nsynth.recording_names import LONGEST_KEY, pitch_hint
from components.nsynth.recordings import find_recordings, is_recordings

NAMES = [
    ["octave-1.wav", "octave+1.wav", "octave 1.wav", "octave_1.wav"],
    ["C#4.wav", "C 4.wav", "C♯4.wav", "c4.wav", "C4.wav"],
    ["音一.wav", "音二.wav", "до.wav", "ре.wav", "😀.wav", "😁.wav", "‮evaw.wav", "‏א.wav"],
    ["é.wav", "è.wav", "e.wav", unicodedata.normalize("NFD", "é.wav")],
    ["take_a.wav", "take_A.wav", "TAKE_A.WAV", "take_a.WAV"],
    ["take1.wav", "take1.flac", "take1.mp3", "take1.aiff", "take1 .wav", "take1..wav", " take1.wav"],
    ["take(1).wav", "take[1].wav", "take{1}.wav", "take\n1.wav", "take\t1.wav", "take\x1b[31m1.wav"],
    ["CON.wav", "nul.wav", "-rf.wav", "~.wav", "$HOME.wav", "%41.wav", "a%2Fb.wav", "'quoted\".wav", "back\\slash.wav"],
    ["x" * 251 + ".wav", "x" * 250 + "y.wav", "take-3f2b9c1d.wav"],
]


def touch(path, content=b"RIFF"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def keys(*uris, family=None):
    return {each.info.name: each.key for each in find_recordings(map(str, uris), family).recordings}


@pytest.mark.parametrize("names", NAMES, ids=range(len(NAMES)))
def test_every_name_has_a_key_of_its_own_that_other_files_do_not_change(tmp_path, names):
    for name in names:
        touch(tmp_path / "flute" / name)
    touch(tmp_path / "flute" / os.fsdecode(b"gr\xfcn.wav"))
    found = keys(tmp_path)
    assert len(set(found.values())) == len(names) + 1
    for key in found.values():
        assert re.fullmatch(r"flute(-[a-z0-9]+)+", key) and len(key) <= LONGEST_KEY
    first = tmp_path / "flute" / names[0]
    assert keys(first) == {names[0]: found[f"flute/{names[0]}"]}


def test_a_plain_name_is_its_key_and_the_family_is_not_doubled(tmp_path):
    for name in ("flute/take-1.wav", "flute/e4.wav", "flute/flute-e4.wav", "flute/session 2/flute/take-1.wav"):
        touch(tmp_path / name)
    found = keys(tmp_path)
    assert (found["flute/take-1.wav"], found["flute/e4.wav"]) == ("flute-take-1", "flute-e4")
    assert re.fullmatch(r"flute-e4-[0-9a-f]{8}", found["flute/flute-e4.wav"])
    assert re.fullmatch(r"flute-session-2-flute-take-1-[0-9a-f]{8}", found["flute/session 2/flute/take-1.wav"])


def test_one_name_in_several_directories(tmp_path):
    nsynth = "string_acoustic_948-060-075"
    for name in (f"{nsynth}.wav", f"a/{nsynth}.flac", f"b/{nsynth}.flac", "a/flute/take 1.wav", "b/flute/take 1.wav"):
        touch(tmp_path / name)
    found = keys(tmp_path)
    assert len(set(found.values())) == 5
    assert found[f"{nsynth}.wav"] == nsynth
    assert keys(tmp_path / f"{nsynth}.wav") == {f"{nsynth}.wav": nsynth}
    several = find_recordings([str(tmp_path / "a"), str(tmp_path / "b")], None).recordings
    assert len({each.key for each in several}) == 4


def test_a_file_that_is_named_twice_is_one_recording(tmp_path, monkeypatch):
    touch(tmp_path / "flute" / "a.wav")
    (tmp_path / "flute" / "b.wav").symlink_to("a.wav")
    monkeypatch.chdir(tmp_path / "flute")
    assert keys(".", tmp_path, tmp_path / "flute" / "a.wav") == {"a.wav": "flute-a"}


def test_what_is_hidden_or_a_systems_or_luthiers_is_passed_over_and_counted(tmp_path):
    for name in (
        *("flute/a.wav", "flute/._a.wav", "flute/.ipynb_checkpoints/a.wav", ".Trash-1000/files/flute/b.wav"),
        *("__MACOSX/flute/a.wav", "@eaDir/flute/a.wav", "lost+found/flute/a.wav"),
        *("work/kfp/request.json", "work/mlflow/mlflow.db", "work/runs/smoke-1/flute-harmonic/listening/flute/a.flac"),
        *("records/nsynth-train.tfrecord-00000-of-00001", "records/flute/a.wav", "eval/evaluation.json"),
        *("eval/listening/flute/a.flac", "flute/b.m4a", "flute/c.M4A", "notes.txt", "README"),
    ):
        touch(tmp_path / name)
    found = find_recordings([str(tmp_path)], None)
    assert [each.info.name for each in found.recordings] == ["flute/a.wav"] and not found.unusable
    assert found.passed_over.text() == (
        "4 files of other kinds (2 .m4a, 1 .txt, 1 without ending), 3 hidden (.Trash-1000, ...), "
        "3 made by Luthier (eval, ...), 3 of the system (@eaDir, ...)"
    )
    assert is_recordings(str(tmp_path)) and not is_recordings(str(tmp_path / "records"))


def test_links_are_followed_but_not_in_circles(tmp_path):
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    touch(elsewhere / "string" / "a.wav")
    touch(elsewhere / "b.wav")
    touch(source / "flute" / "c.wav")
    (source / "string").symlink_to(elsewhere / "string")
    (source / "flute" / "b.wav").symlink_to(elsewhere / "b.wav")
    (source / "flute" / "lost.wav").symlink_to("nowhere.wav")
    (source / "flute" / "itself.wav").symlink_to("itself.wav")
    (source / "flute" / "again").symlink_to(source)
    (source / "flute" / "up").symlink_to(tmp_path)
    (elsewhere / "string" / "back").symlink_to(source / "flute")
    os.mkfifo(source / "flute" / "pipe.wav")
    found = find_recordings([str(source)], None)
    assert {each.info.name for each in found.recordings} == {"string/a.wav", "flute/b.wav", "flute/c.wav"}
    assert {each.name: each.reason.partition("': ")[2] for each in found.unusable} == {
        "flute/lost.wav": "broken link; expected a sound file",
        "flute/itself.wav": "broken link; expected a sound file",
        "flute/pipe.wav": "no regular file; expected a sound file",
    }
    assert "link to a directory above the source (flute/up)" in found.passed_over.text()
    (tmp_path / "link").symlink_to(source)
    assert len(keys(tmp_path / "link")) == 3


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path / "flute" / "a.wav")
    touch(tmp_path / "string" / "b.wav")
    scandir = os.scandir

    def refuse(path):  # the tests may run as root, to whom every directory is open
        if str(path).endswith("string"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"cannot read the directory '.*string': Permission denied; give"):
        find_recordings([str(tmp_path)], None)


def test_families_in_any_case_of_letters_and_above_other_directories(tmp_path):
    for name in ("Flute/a.wav", "FLUTE/a.wav", "flute/a.wav", "Synth Lead /a.wav", "string/Violins/2024-05-12/a.wav"):
        touch(tmp_path / name)
    found = find_recordings([str(tmp_path)], None)
    assert not found.unusable and len({each.key for each in found.recordings}) == 5
    assert sorted(each.family for each in found.recordings) == ["flute"] * 3 + ["string", "synth_lead"]
    assert keys(tmp_path / "flute") == {"a.wav": "flute-a"}
    assert keys(tmp_path)["Flute/a.wav"] == keys(tmp_path, tmp_path / "FLUTE")["Flute/a.wav"]


def test_unclear_families_are_named_in_one_line(tmp_path):
    touch(tmp_path / "flute" / "a.wav")
    touch(tmp_path / "strings" / os.fsdecode(b"\xfc.wav"))
    for name in ("strings/b.wav", "Violin/a.wav", "Misc/a.wav", "a\nb/a.wav", "flute/piano/a.wav", "keybord/a.wav"):
        touch(tmp_path / name)
    found = find_recordings([str(tmp_path)], None)
    assert [each.key for each in found.recordings] == ["flute-a"]
    (unusable,) = found.unusable
    assert unusable.recordings == 7 and unusable.reason.startswith(
        "cannot tell the family of 7 recordings by the directory: 'Misc' (1), 'Violin' (1: string?), 'a\\nb' (1), "
        "'flute/piano' (1: keyboard?), 'keybord' (1: keyboard?), 'strings' (2: string?); name the directories after"
    )
    with pytest.raises(InputError, match=r"of 1 recording by the directory: 'Misc' \(1\); .* or give --family"):
        find_recordings([str(tmp_path / "Misc" / "a.wav")], None)
    for index in range(30):
        touch(tmp_path / "many" / f"session {index}" / "a.wav")
    with pytest.raises(InputError, match="and 10 more; name the directories"):
        find_recordings([str(tmp_path / "many")], None)


def test_a_file_that_cannot_be_read_is_one_unusable_recording(tmp_path):
    touch(tmp_path / "flute" / "a.wav")
    (tmp_path / "flute" / "memory.wav").symlink_to("/proc/self/mem")  # reading fails, as on a damaged disk
    found = find_recordings([str(tmp_path)], None).readable()
    assert [each.key for each in found.recordings] == ["flute-a"]
    assert "memory.wav': Input/output error" in found.unusable[0].reason
    (tmp_path / "flute" / "a.wav").unlink()
    with pytest.raises(InputError, match="Input/output error"):
        find_recordings([str(tmp_path)], None).readable()


def test_a_listing_of_cloud_storage_is_treated_the_same(gcs):
    from components import storage

    bucket = gcs.bucket()
    for name in ("flute/a.wav", "flute/.x/b.wav", "ws/sorted/x", "ws/runs/flute/c.wav", "flute/" + "n" * 300 + ".wav"):
        storage.write_bytes(f"{bucket}/in/{name}", b"RIFF")
    found = find_recordings([f"{bucket}/in"], None)
    assert found.recordings[0].key == "flute-a" and len(found.recordings) == 2
    assert found.passed_over.text() == "1 hidden (flute/.x), 1 made by Luthier (ws)"
    assert is_recordings(f"{bucket}/in")


def test_text_from_outside_is_shown_on_one_line():
    shown = printable(os.fsdecode(b"gr\xfcn\n\x1b[31m") + "‮\ud800 é音😀")
    assert shown == r"gr\xfcn\n\x1b[31m\u202e\ud800 é音😀"
    assert shown.encode()


@pytest.mark.parametrize(
    ("name", "midi"),
    [
        *(
            ("Flute_E4_mf", 64),
            ("A#3", 58),
            ("C-1", 0),
            ("fl-D5-ff", 74),
            ("db4", 61),
            ("C♯5", 73),
            ("As3", 58),
            ("Eb4", 63),
        ),
        *(
            ("take 1", None),
            ("E4 and F4", None),
            ("B2B3", None),
            ("G10", None),
            ("a440", None),
            ("A9", None),
            ("C-2", None),
        ),
        *(("Es4", None), ("bs2", None), ("H4", None)),  # "Es" is E flat in German, where it is not "E sharp"
    ],
)
def test_a_note_in_a_name_is_a_hint(name, midi):
    assert pitch_hint(name) == midi
