"""Every promise of the storage functions, on local disk and on a real emulator alike."""

import os
from pathlib import Path

import google_crc32c
import pytest

from components import storage
from components.core.errors import InputError


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "root")
    return storage.join(request.getfixturevalue("gcs").bucket(), "root")


def test_written_objects_are_listed_and_read(root):
    storage.write_bytes(storage.join(root, "b", "two.bin"), b"22")
    storage.write_bytes(storage.join(root, "a.bin"), b"1")
    storage.write_json(storage.join(root, "c.json"), {"b": "é", "a": [1]})
    listed = storage.list_objects(root)
    assert [(info.name, info.size) for info in listed] == [("a.bin", 1), ("b/two.bin", 2), ("c.json", 31)]
    assert storage.read_bytes(listed[1].uri) == b"22"
    assert storage.read_json(listed[2].uri) == {"a": [1], "b": "é"}
    assert storage.read_bytes(listed[2].uri).decode() == '{\n "a": [\n  1\n ],\n "b": "é"\n}\n'
    for info in listed:
        expected = google_crc32c.value(storage.read_bytes(info.uri))
        assert info.crc32c == storage.crc32c_base64(expected)
        assert info.generation
        stat = storage.stat(info.uri)
        assert stat is not None
        assert (stat.uri, stat.size, stat.crc32c) == (info.uri, info.size, info.crc32c)


def test_a_prefix_is_a_folder(root):
    storage.write_bytes(storage.join(root, "train", "x"), b"1")
    storage.write_bytes(storage.join(root, "training", "y"), b"2")
    assert [info.name for info in storage.list_objects(storage.join(root, "train"))] == ["x"]
    assert storage.exists(storage.join(root, "train"))
    assert not storage.exists(storage.join(root, "trai"))


def test_a_failed_write_leaves_what_was_there(root):
    uri = storage.join(root, "x.bin")
    with pytest.raises(RuntimeError), storage.open_write(uri) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert not storage.exists(uri)
    assert storage.list_objects(root) == []
    storage.write_bytes(uri, b"whole")
    with pytest.raises(RuntimeError), storage.open_write(uri) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert storage.read_bytes(uri) == b"whole"


def test_an_object_larger_than_the_buffers_streams(root):
    data = bytes(range(256)) * (20 << 12)  # 20 MiB
    uri = storage.join(root, "large.bin")
    with storage.open_write(uri) as stream:
        for start in range(0, len(data), 3 << 20):
            stream.write(data[start : start + (3 << 20)])
    pieces = []
    with storage.open_read(uri) as stream:
        while piece := stream.read(5_000_001):
            pieces.append(piece)
    assert [len(piece) for piece in pieces[:-1]] == [5_000_001] * (len(pieces) - 1)
    assert b"".join(pieces) == data


def test_an_empty_object(root):
    uri = storage.join(root, "empty")
    storage.write_bytes(uri, b"")
    assert storage.read_bytes(uri) == b""
    assert storage.exists(uri)


def test_trees_are_copied_and_deleted(root, tmp_path):
    source = tmp_path / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "a").write_bytes(b"1")
    (source / "deep" / "b").write_bytes(b"2")
    storage.upload_tree(source, root)
    storage.download_tree(root, tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "b").read_bytes() == b"2"
    storage.delete_tree(root)
    storage.delete_tree(root)
    assert not storage.exists(root)
    with pytest.raises(InputError, match="there is no file in it"):
        storage.download_tree(root, tmp_path / "again")


def test_a_directory_that_cannot_be_read_is_no_empty_one(tmp_path, monkeypatch):
    for name in ("one", "two"):
        storage.write_bytes(str(tmp_path / name / "x"), b"1")
    scandir = os.scandir

    def refuse(path):  # the tests may run as root, to whom every directory is open
        if str(path).endswith("two"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for root in (tmp_path, tmp_path / "two"):
        with pytest.raises(InputError, match=r"cannot read the directory '.*two': Permission denied"):
            storage.list_objects(str(root))
    assert storage.list_objects(str(tmp_path / "three")) == []


def test_what_is_missing_is_named(root):
    uri = storage.join(root, "missing")
    assert not storage.exists(uri)
    assert storage.stat(uri) is None
    assert storage.list_objects(uri) == []
    storage.delete(uri)
    with pytest.raises(InputError, match="missing"):
        storage.read_bytes(uri)


def test_text_that_is_not_json_is_the_users_fault(root):
    uri = storage.join(root, "x.json")
    storage.write_bytes(uri, b"{")
    with pytest.raises(InputError, match=r"x\.json.*not JSON"):
        storage.read_json(uri)


def test_a_missing_bucket_is_named(gcs):
    with pytest.raises(InputError, match="gs://no-such-bucket/x"):
        storage.list_objects("gs://no-such-bucket/x")
    assert not storage.exists("gs://no-such-bucket/x")


def test_a_damaged_download_is_noticed(gcs):
    uri = f"{gcs.bucket()}/x"
    storage.write_bytes(uri, b"content")
    info = storage.stat(uri)
    info.__dict__["crc32c"] = "AAAAAA=="
    with pytest.raises(storage.Corrupted, match="damaged"), storage.open_object(info) as stream:
        stream.read()


@pytest.mark.parametrize("uri", ["s3://bucket/x", "GS://bucket/x", "gs:/bucket/x", storage.join("gs://", "x"), "gs:"])
def test_what_is_neither_a_bucket_nor_a_path_is_refused_and_no_directory_of_that_name_made(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (storage.read_bytes, lambda uri: storage.write_bytes(uri, b"")):
        with pytest.raises(InputError, match="expected gs://bucket/prefix or a local path"):
            use(uri)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bucket", ["-x", "x-", "..", "a b", "a?b=c", "x\ny", "ü"])
def test_a_bucket_of_an_impossible_name_is_one_line(gcs, bucket):
    uses = (storage.list_objects, storage.exists, storage.read_bytes, lambda uri: storage.write_bytes(uri, b""))
    for use in uses:
        with pytest.raises(InputError, match="is no name of a bucket, expected letters"):
            use(f"gs://{bucket}/x")


@pytest.mark.parametrize("uri", ["/etc/hostname/x.bin", "/proc/x.bin"])
def test_a_place_that_cannot_be_written_is_named(uri):
    with pytest.raises(InputError, match="cannot write"):
        storage.write_bytes(uri, b"")


def test_a_killed_writers_leftovers_are_not_listed(tmp_path):
    with storage.open_write(str(tmp_path / "x")) as stream:
        stream.write(b"1")
        assert len(list(tmp_path.iterdir())) == 1
        assert storage.list_objects(str(tmp_path)) == []
    assert [path.name for path in Path(tmp_path).iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("uri", "parts", "expected"),
    [
        ("gs://b/p/", ("x", "y"), "gs://b/p/x/y"),
        ("gs://b", ("x",), "gs://b/x"),
        ("a/b", ("/c/",), "a/b/c"),
        ("/", ("c",), "/c"),
        ("a", ("", "c"), "a/c"),
    ],
)
def test_join(uri, parts, expected):
    assert storage.join(uri, *parts) == expected


def test_basename():
    assert storage.basename("gs://a/b/c/") == "c"
    assert storage.basename("c") == "c"
