"""Every layout that people have, and what they are told."""

import numpy as np
import pytest

from components import storage
from components.core.errors import InputError
from components.nsynth import example
from components.nsynth.framing import frame
from components.nsynth.layout import all_splits, find_all_shards, find_shards, source_fingerprint
from tests.notes import make_note, shard_name, write_source

NOTE = make_note()
RECORD = example.decode(NOTE.encode())


def _write(folder, name, mapping):
    storage.write_bytes(storage.join(str(folder), name), frame(example.encode(mapping)))


def _without(*keys):
    return {key: value for key, value in RECORD.items() if key not in keys}


def test_shards_come_in_their_order(tmp_path):
    source = write_source(tmp_path, {"test": [NOTE], "train": [NOTE] * 12}, shards=12)
    assert [info.name for info in find_shards(source, "train")] == [
        shard_name("train", index, 12) for index in range(12)
    ]
    assert list(find_all_shards(source)) == ["train", "test"]


def test_missing_source(tmp_path):
    with pytest.raises(InputError, match=r"there is no source at .*nowhere.*: found nothing"):
        find_shards(str(tmp_path / "nowhere"), "train")
    with pytest.raises(InputError, match="an empty directory"):
        find_shards(str(tmp_path), "train")


def test_a_source_that_is_a_shard(tmp_path):
    source = write_source(tmp_path, {"train": [NOTE]})
    with pytest.raises(InputError, match=r"00001' is a file: expected the directory of all shards"):
        find_shards(f"{source}/{shard_name('train', 0, 1)}", "train")


def test_source_without_shards(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"no nsynth-<split>.tfrecord-<i>-of-<n> shards \(1 other file\)"):
        find_shards(str(tmp_path), "train")


def test_missing_split_lists_those_there(tmp_path):
    source = write_source(tmp_path, {"valid": [NOTE], "test": [NOTE]})
    with pytest.raises(InputError, match="no train split, only valid, test"):
        find_shards(source, "train")


def test_incomplete_shards(tmp_path):
    source = write_source(tmp_path, {"train": [NOTE] * 4}, shards=4)
    (tmp_path / shard_name("train", 2, 4)).unlink()
    with pytest.raises(InputError, match=r"lacks 1 of its 4 train shards \(number 2\)"):
        find_shards(source, "train")
    (tmp_path / shard_name("train", 0, 5)).write_bytes(b"")
    with pytest.raises(InputError, match="train shards of 4 and of 5"):
        find_shards(source, "train")


def test_array_record_says_how_to_get_tfrecord(tmp_path):
    (tmp_path / "nsynth-train.array_record-00000-of-00128").write_bytes(b"x")
    with pytest.raises(InputError, match=r"array_record shards.*--file_format=tfrecord"):
        find_shards(str(tmp_path), "train")


def test_nsynth_without_f0(tmp_path):
    _write(tmp_path, shard_name("train", 0, 1), _without("f0/hz", "f0/midi", "f0/confidence", "loudness/db"))
    with pytest.raises(InputError, match="NSynth without f0 and loudness"):
        find_shards(str(tmp_path), "train")


@pytest.mark.parametrize("name", ["train.tfrecord-00000-of-00010", "nsynth-train.tfrecord-00000-of-00001"])
def test_ddsp_prepare_tfrecord_output(tmp_path, name):
    frames = np.zeros(1001, np.float32)
    mapping = {"audio": NOTE.audio, "f0_hz": frames, "f0_confidence": frames, "loudness_db": frames}
    _write(tmp_path, name, mapping)
    with pytest.raises(InputError, match="ddsp_prepare_tfrecord output"):
        find_shards(str(tmp_path), "train")


def test_original_nsynth(tmp_path):
    _write(
        tmp_path, "nsynth-train.tfrecord", {"audio": NOTE.audio, "note_str": [b"x"], "instrument_family_str": [b"y"]}
    )
    with pytest.raises(InputError, match="the original NSynth"):
        find_shards(str(tmp_path), "train")


def test_other_records_are_shown_by_their_keys(tmp_path):
    _write(tmp_path, shard_name("train", 0, 1), {"image": [b"x"], "label": [b"y"]})
    with pytest.raises(InputError, match="keys image, label"):
        find_shards(str(tmp_path), "train")


def test_right_records_under_another_name(tmp_path):
    _write(tmp_path, "0-train-string.tfrecord", RECORD)
    with pytest.raises(
        InputError, match=r"0-train-string\.tfrecord' has an unknown split: expected the name nsynth-<split>"
    ):
        find_shards(str(tmp_path), "train")


def test_the_folder_above_points_at_the_right_one(tmp_path):
    write_source(tmp_path / "deep" / "2.3.3", {"train": [NOTE]})
    with pytest.raises(InputError, match=r"its subdirectory '.*/deep/2\.3\.3' has"):
        find_shards(str(tmp_path), "train")


def test_two_data_sets_in_one_folder(tmp_path):
    write_source(tmp_path, {"train": [NOTE]})
    _write(tmp_path, "other-train.tfrecord-00000-of-00001", RECORD)
    with pytest.raises(InputError, match="several data sets"):
        find_shards(str(tmp_path), "train")


def test_the_fingerprint_is_of_the_content_alone(tmp_path):
    source = write_source(tmp_path / "a", {"train": [NOTE]})
    same = write_source(tmp_path / "b", {"train": [NOTE]})
    first = source_fingerprint(source)
    (tmp_path / "b" / shard_name("train", 0, 1)).touch()
    assert source_fingerprint(same) == first
    write_source(tmp_path / "a", {"train": [make_note(seed=1)]})
    assert source_fingerprint(source) != first


def test_a_hidden_file_beside_a_shard_is_none(tmp_path):
    source = write_source(tmp_path, {"train": [NOTE]})
    storage.write_bytes(storage.join(str(source), "._" + shard_name("train", 0, 1)), b"\0\5\x16\7" + bytes(78))
    assert len(find_shards(source, "train")) == 1


def test_a_split_whose_shards_are_all_missing(tmp_path):
    source = write_source(tmp_path, {"train": [NOTE]})
    splits = [{"name": name, "shardLengths": counts} for name, counts in (("train", ["1"]), ("test", ["3", "4"]))]
    empty = {"name": "valid", "shardLengths": ["0"]}
    storage.write_json(storage.join(str(source), "dataset_info.json"), {"splits": [*splits, empty]})
    with pytest.raises(InputError, match=r"no shards of the test split, of which dataset_info.json names 2; copy"):
        all_splits(source)
    assert find_shards(source, "train")
    write_source(tmp_path, {"test": [NOTE] * 2}, shards=2)
    assert all_splits(source) == ["train", "test"]
