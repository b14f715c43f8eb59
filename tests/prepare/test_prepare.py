"""Recordings of any kind in, records of the data set's own format out."""

import importlib
import json
import shutil
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from components import storage
from components.core.errors import InputError
from components.nsynth.families import FAMILIES
from components.nsynth.framing import read_records
from components.nsynth.layout import find_all_shards
from components.nsynth.note import Note
from components.nsynth.recordings import find_recordings, is_recordings
from components.nsynth.source_fingerprints import source_fingerprints
from components.prepare import conversion
from components.prepare.pitch import find_pitch
from components.prepare.splits import split_recordings
from components.prepare.step import prepare
from tests.notes import make_note, shard_name, write_source
from tests.prepare.tones import tone, write_recording

SAMPLES = Path(__file__).parents[2] / "samples"
SPLITS = ("train", "valid", "test")


def _write_family(folder, family, count, seconds=4.0):
    for index in range(count):
        write_recording(folder / family / f"take-{index}.wav", tone(seconds, 50 + index))


def _notes(out, split):
    with storage.open_read(storage.join(str(out), f"nsynth-{split}.tfrecord-00000-of-00001")) as stream:
        return [Note.decode(record.payload) for record in read_records(stream, split)]


def _all_notes(out):
    return {split: _notes(out, split) for split in SPLITS}


def test_named_recordings_keep_what_their_names_say(tmp_path):
    notes = [make_note("string", pitch, seed=948, velocity=75) for pitch in (55, 60, 65)]
    for note in notes:
        write_recording(tmp_path / "in" / f"{note.id}.flac", note.audio)
    result = prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    assert result.recordings == 3
    assert result.records == dict.fromkeys(SPLITS, 1)
    assert result.families == {"string": 3}
    by_id = {note.id: note for part in _all_notes(tmp_path / "out").values() for note in part}
    labels = (tmp_path / "out" / "instrument-label.labels.txt").read_text().split()
    for note in notes:
        found = by_id[note.id]
        assert found.source == "acoustic"
        assert (found.family, found.pitch, found.velocity) == ("string", note.pitch, 75)
        assert labels[found.instrument_label].startswith("string_acoustic_")
        np.testing.assert_allclose(found.audio, note.audio, atol=1 / 32768)
        np.testing.assert_allclose(found.loudness_db[:700], note.loudness_db[:700], atol=0.5)
        np.testing.assert_allclose(found.f0_midi[50:700], note.f0_midi[50:700], atol=0.2)


def test_long_recordings_become_numbered_notes(tmp_path):
    _write_family(tmp_path / "in", "flute", 3, seconds=9.5)
    prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    parts = _all_notes(tmp_path / "out")
    ids = sorted(note.id for part in parts.values() for note in part)
    assert ids == [f"flute-take-{take}-w{window:03d}" for take in range(3) for window in range(3)]
    for part in parts.values():  # all of a recording is in one split
        assert len({note.id.rpartition("-")[0] for note in part}) == 1
        assert {note.pitch for note in part} <= {50, 51, 52}


def test_the_split_is_by_recording_and_independent_of_the_arguments(tmp_path):
    for family in ("string", "keyboard"):
        _write_family(tmp_path / "in", family, 20, seconds=0.2)
    found = find_recordings([str(tmp_path / "in")], None).recordings
    splits = split_recordings(found)
    assert Counter(splits.values()) == {"train": 28, "valid": 4, "test": 8}
    assert split_recordings(found[::-1]) == splits
    assert Counter(split_recordings(found[:3]).values()) == dict.fromkeys(SPLITS, 1)


def test_one_long_recording_is_split_in_blocks(tmp_path):
    write_recording(tmp_path / "string" / "solo.wav", tone(40.0))
    result = prepare([str(tmp_path / "string" / "solo.wav")], str(tmp_path / "out"))
    assert result.records == {"train": 7, "valid": 1, "test": 2}
    assert [note.id[-4:] for note in _notes(tmp_path / "out", "train")] == [f"w{index:03d}" for index in range(3, 10)]


def test_too_little_sound_to_hold_anything_out(tmp_path):
    path = write_recording(tmp_path / "string" / "short.wav", tone(7.0))
    with pytest.raises(InputError, match="too few recordings of family string: got 2 windows"):
        prepare([path], str(tmp_path / "out"))
    (tmp_path / "string" / "broken.wav").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"too few recordings .*; 1 cannot be used, the first: .*broken.wav.* empty file"
    ):
        prepare([str(tmp_path / "string")], str(tmp_path / "out"))


def test_pauses_in_a_long_recording_are_left_out(tmp_path):
    audio = np.concatenate([tone(12.0), np.zeros(64_000), tone(4.0)])
    path = write_recording(tmp_path / "reed" / "phrases.wav", audio)
    assert sum(prepare([path], str(tmp_path / "out")).records.values()) == 4


def test_the_same_again_does_nothing_and_other_recordings_are_refused(tmp_path):
    _write_family(tmp_path / "in", "string", 3)
    out = tmp_path / "out"
    first = prepare([str(tmp_path / "in")], str(out))
    stamps = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = prepare([str(tmp_path / "in")], str(out))
    assert again.reused
    assert (again.records, again.families, again.fingerprint) == (first.records, first.families, first.fingerprint)
    assert again.summary() == "3 recordings, 3 notes (1 train, 1 valid, 1 test), prepared before: 3 string"
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == stamps
    write_recording(tmp_path / "in" / "string" / "take-3.wav", tone(4.0))
    with pytest.raises(InputError, match=rf"fingerprint is {first.fingerprint}, expected"):
        prepare([str(tmp_path / "in")], str(out))
    assert prepare([str(tmp_path / "in")], str(out), overwrite=True).recordings == 4


def test_what_did_not_finish_is_done_again(tmp_path):
    _write_family(tmp_path / "in", "string", 3)
    prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    (tmp_path / "out" / "dataset_info.json").unlink()
    assert not prepare([str(tmp_path / "in")], str(tmp_path / "out")).reused


@pytest.mark.parametrize("damage", [lambda shard: shard.unlink(), lambda shard: shard.write_bytes(b"cut")])
def test_records_that_were_lost_are_prepared_again(tmp_path, damage):
    _write_family(tmp_path / "in", "string", 3)
    first = prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    before = (tmp_path / "out" / shard_name("valid", 0, 1)).read_bytes()
    damage(tmp_path / "out" / shard_name("valid", 0, 1))
    again = prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    assert (again.reused, again.records) == (False, first.records)
    assert (tmp_path / "out" / shard_name("valid", 0, 1)).read_bytes() == before
    assert prepare([str(tmp_path / "in")], str(tmp_path / "out")).reused


@pytest.mark.parametrize("channels", [1, 2])
def test_a_recording_that_changes_while_it_is_read_is_left_out(tmp_path, monkeypatch, channels):
    _write_family(tmp_path / "in", "string", 4)
    path, audio = tmp_path / "in" / "string" / "take-1.wav", np.zeros((64_000, channels))
    audio[:, -1] = tone(4.0, 51)
    write_recording(path, audio)
    real = conversion.windows

    def replacing(sound):
        if sound.name == str(path):
            write_recording(path, tone(4.0, 70))  # without the second channel, whose index is known by now
        return real(sound)

    monkeypatch.setattr(conversion, "windows", replacing)
    result = prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    assert result.recordings == 3
    (reason,) = result.left_out
    assert "take-1.wav' was replaced while it was read" in reason


def test_a_failure_leaves_no_records(tmp_path):
    _write_family(tmp_path / "in", "string", 3)
    (tmp_path / "in" / "string" / "broken.wav").write_bytes(b"RIFF of nothing")
    with pytest.raises(InputError, match=r"broken\.wav"):
        prepare([str(tmp_path / "in")], str(tmp_path / "out"), strict=True)
    assert storage.list_objects(str(tmp_path / "out")) == []


def test_in_cloud_storage(gcs, tmp_path):
    bucket = gcs.bucket()
    _write_family(tmp_path, "string", 3)
    storage.upload_tree(tmp_path, f"{bucket}/in")
    assert is_recordings(f"{bucket}/in")
    result = prepare([f"{bucket}/in/string"], f"{bucket}/out")
    assert result.records == dict.fromkeys(SPLITS, 1)
    assert prepare([f"{bucket}/in/string"], f"{bucket}/out").reused
    assert len(_notes(f"{bucket}/out", "train")) == 1
    assert not is_recordings(f"{bucket}/out")
    single = prepare([f"{bucket}/in/string/take-{index}.wav" for index in range(3)], f"{bucket}/other")
    assert single.records == result.records


def test_a_recording_that_arrives_damaged_is_read_once_more(faulty_gcs, tmp_path):
    bucket = faulty_gcs.bucket()
    _write_family(tmp_path, "string", 3)
    storage.upload_tree(tmp_path, f"{bucket}/in")
    faulty_gcs.inject("read", "damaged")
    assert prepare([f"{bucket}/in/string"], f"{bucket}/out").recordings == 3
    faulty_gcs.inject("read", "damaged", times=1000)
    with pytest.raises(storage.Corrupted, match="arrived damaged"):
        prepare([f"{bucket}/in/string"], f"{bucket}/other")


def test_a_bucket_that_does_not_exist_is_found_before_the_conversion(gcs, tmp_path, monkeypatch, refused):
    _write_family(tmp_path, "string", 3)
    monkeypatch.setattr("components.prepare.step.convert", None)
    assert "gs://no-bucket-of-this-name" in refused("prepare", tmp_path, "--out", "gs://no-bucket-of-this-name/x")


def test_recordings_are_told_from_records(tmp_path):
    _write_family(tmp_path / "in", "string", 3, seconds=1.0)
    assert is_recordings(str(tmp_path / "in"))
    assert not is_recordings(str(tmp_path / "nowhere"))
    prepare([str(tmp_path / "in")], str(tmp_path / "in"))
    assert not is_recordings(str(tmp_path / "in"))


def test_tfds_and_ddsps_provider_read_it(tmp_path):
    import tensorflow_datasets as tfds

    importlib.import_module("components.synths.ddsp_imports")  # what makes ddsp importable
    data = importlib.import_module("ddsp.training.data")
    out = tmp_path / "nsynth" / "gansynth_subset.f0_and_loudness" / "2.3.3"
    shutil.copytree(SAMPLES / "string", tmp_path / "in")
    result = prepare([str(tmp_path / "in")], str(out))
    builder = tfds.builder_from_directory(str(out))
    for split, notes in _all_notes(out).items():
        assert builder.info.splits[split].num_examples == result.records[split] == len(notes)
        read = {item["id"].decode(): item for item in tfds.as_numpy(builder.as_dataset(split=split))}
        for note in notes:
            item = read[note.id]
            np.testing.assert_array_equal(item["audio"], note.audio)
            np.testing.assert_array_equal(item["f0"]["hz"], note.f0_hz)
            np.testing.assert_array_equal(item["f0"]["midi"], note.f0_midi)
            np.testing.assert_array_equal(item["f0"]["confidence"], note.f0_confidence)
            np.testing.assert_array_equal(item["loudness"]["db"], note.loudness_db)
            assert FAMILIES[item["instrument"]["family"]] == note.family
            assert (item["pitch"], item["velocity"]) == (note.pitch, note.velocity)
            assert not any(item["qualities"].values())
    name = "nsynth/gansynth_subset.f0_and_loudness:2.3.3"
    provider = data.NSynthTfds(name=name, split="train", data_dir=str(tmp_path))
    (batch,) = provider.get_batch(7, shuffle=False, repeats=1).take(1)
    assert batch["audio"].shape == (7, 64_000)
    assert batch["f0_hz"].shape == batch["loudness_db"].shape == (7, 1_000)


def test_the_samples_are_four_families_of_ten_notes(tmp_path):
    result = prepare([str(SAMPLES)], str(tmp_path))
    assert len(result.families) == 4
    assert set(result.families.values()) == {10}
    assert {"string", "keyboard"} <= set(result.families)
    for note in (note for part in _all_notes(tmp_path).values() for note in part):
        sure = note.f0_confidence > 0.5
        assert sure.sum() > 250, note.id
        assert abs(np.median(note.f0_midi[sure]) - note.pitch) < 0.5, note.id
    licence = (SAMPLES / "LICENSE.md").read_text()
    assert "Frank Wen" in licence
    assert "Permission is hereby granted" in licence


def test_side_files_are_those_of_the_data_set(tmp_path):
    _write_family(tmp_path / "in", "string", 3, seconds=1.0)
    prepare([str(tmp_path / "in")], str(tmp_path / "out"))
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    payload_bytes = sum(len(note.encode()) for note in _notes(tmp_path / "out", "train"))
    assert info["splits"][0] == {
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "name": "train",
        "numBytes": str(payload_bytes),
        "shardLengths": ["1"],
    }
    names = {path.name for path in (tmp_path / "out").iterdir() if "tfrecord" not in path.name}
    assert names == {
        "dataset_info.json",
        "features.json",
        "instrument-family.labels.txt",
        "instrument-label.labels.txt",
        "instrument-source.labels.txt",
        "luthier.json",
        "metadata.json",
    }


class KilledError(BaseException):
    """The process was killed."""


@pytest.mark.parametrize("is_remote", [False, True])
@pytest.mark.parametrize("whole", range(len(SPLITS)))
def test_what_a_killed_prepare_leaves_is_not_taken_for_whole(tmp_path, luthier, refused, gcs, is_remote, whole):
    """It is killed when `whole` of the shards have got their names."""
    out, other = f"{gcs.bucket()}/records" if is_remote else str(tmp_path / "out"), tmp_path / "other"
    _write_family(tmp_path / "in", "string", 3, seconds=1.0)
    _write_family(other, "flute", 3, seconds=1.0)
    prepare([str(other)], out)
    named, open_write = list[str](), storage.open_write

    @contextmanager
    def open_until_killed(uri):
        with open_write(uri) as stream:
            yield stream
            if len(named) == whole:
                raise KilledError
        named.append(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "open_write", open_until_killed)
        with pytest.raises(KilledError):
            prepare([str(tmp_path / "in")], out, overwrite=True)
    assert len(named) == sum("tfrecord" in info.name for info in storage.list_objects(out)) == whole
    line = refused("sort", "--source", out, "--out", tmp_path / "sorted")
    assert f"'{out}' holds a part of its records only" in line and "run the same `luthier prepare` again" in line
    with pytest.raises(InputError, match="a part of its records only"):
        source_fingerprints(out)  # what a run is planned with
    assert not (tmp_path / "sorted").exists()
    assert prepare([str(tmp_path / "in")], out).families == {"string": 3}
    sorted_again = luthier("sort", "--source", out, "--out", tmp_path / "sorted")
    assert sorted_again.code == 0, sorted_again.err


def test_a_foreign_luthier_json_is_no_mark(tmp_path):
    source = write_source(tmp_path, {"train": [make_note()]})
    for content in ("", "{", "[]", "{}", '{"unfinished": "x"}', '{"unfinished": {}}'):
        (tmp_path / "luthier.json").write_text(content)
        assert list(find_all_shards(source)) == ["train"]


def test_the_pitch_by_crepe(tmp_path, luthier, refused):
    source = tmp_path / "in"
    write_recording(source / "flute" / "take 1.wav", tone(1.2, 64))
    finished = luthier("prepare", source, "--check", "--pitch", "crepe")
    assert finished.code == 0 and "too few recordings of family flute: got 1 window" in finished.out, finished
    found = find_pitch(tone(4.0, 64).astype(np.float32), tracker_name="crepe")
    assert found is not None and abs(found.median_midi - 64) < 0.1
    assert "did you mean 'crepe'?" in refused("prepare", source, "--out", tmp_path / "x", "--pitch", "creep")
    assert not (tmp_path / "x").exists()
