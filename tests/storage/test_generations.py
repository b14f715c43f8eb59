"""Spans, pinned generations and preconditions, on local disk and in Cloud Storage alike."""

import os
import random

import pytest

from components import storage


@pytest.fixture(params=["local", "gs"])
def uri(request, tmp_path):
    root = str(tmp_path / "root") if request.param == "local" else request.getfixturevalue("faulty_gcs").bucket()
    return storage.join(root, "folder", "x.bin")


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) + 1])
def test_the_content_is_what_was_written(uri, size):
    content = random.Random(size).randbytes(size)
    with storage.open_write(uri) as stream:
        assert stream.tell() == 0
        stream.write(bytearray(content[:10]))
        stream.writelines([content[start : start + 99] for start in range(10, size, 99)])
        stream.write(memoryview(b""))
        assert stream.tell() == size
    assert storage.read_bytes(uri) == content
    info = storage.stat(uri)
    with storage.open_object(info) as stream:
        assert type(stream.read(7)) is bytes
        assert stream.tell() == min(7, size)
        assert (stream.read(), stream.read(), stream.read(1)) == (content[7:], b"", b"")
    with storage.open_read(uri) as stream:
        buffer = bytearray(size + 1)
        assert stream.readinto(buffer) == size
        assert buffer[:size] == content


@pytest.mark.parametrize(
    ("start", "size"), [(0, 10), (3, 4), (5, None), (9, 100), (10, None), (11, 1), (99, None), (4, 0)]
)
def test_a_span(uri, start, size):
    content = b"0123456789"
    storage.write_bytes(uri, content)
    expected = content[start:] if size is None else content[start : start + size]
    with storage.open_read(uri, storage.stat(uri).generation, start, size) as stream:
        assert stream.read() == expected
        assert stream.read(1) == b""
    with storage.open_read(uri, start=start, size=size) as stream:
        assert (stream.read(2), stream.read(99)) == (expected[:2], expected[2:])


def test_a_generation_tells_whether_the_content_is_the_same(uri):
    storage.write_bytes(uri, b"1")
    first = storage.stat(uri).generation
    assert storage.list_objects(uri.rpartition("/")[0])[0].generation == first
    for _ in range(20):
        storage.write_bytes(uri, b"2")
        second = storage.stat(uri).generation
        assert second != first
        first = second


def test_a_replaced_object_is_not_read(uri):
    storage.write_bytes(uri, b"1")
    info = storage.stat(uri)
    storage.write_bytes(uri, b"2")
    for open_again in (lambda: storage.open_read(uri, info.generation), lambda: storage.open_object(info)):
        with pytest.raises(storage.Changed, match=r"was replaced.* while it was read"), open_again() as stream:
            stream.read()
    storage.delete(uri)
    with pytest.raises(storage.Changed), storage.open_read(uri, info.generation) as stream:
        stream.read()


def test_only_what_is_not_there_is_written(uri):
    storage.write_bytes(uri, b"1", "0")
    with pytest.raises(storage.Conflict, match=r"x\.bin': it exists already"):
        storage.write_bytes(uri, b"2", "0")
    with pytest.raises(storage.Conflict), storage.open_write(uri, "0") as stream:
        stream.write(b"2")
    assert storage.read_bytes(uri) == b"1"
    storage.delete(uri)
    with pytest.raises(storage.Conflict), storage.open_write(uri, "0") as stream:
        stream.write(b"2")
        storage.write_bytes(uri, b"3")
    assert storage.read_bytes(uri) == b"3"
    assert [info.name for info in storage.list_objects(uri.rpartition("/")[0])] == ["x.bin"]


def test_only_the_expected_generation_is_replaced(uri):
    with pytest.raises(storage.Conflict):
        storage.write_json(uri, {}, "123")
    assert not storage.exists(uri)
    storage.write_json(uri, {"a": 1})
    first = storage.stat(uri).generation
    storage.write_json(uri, {"a": 2}, first)
    with pytest.raises(storage.Conflict):
        storage.write_json(uri, {"a": 3}, first)
    assert storage.read_json(uri) == {"a": 2}


def test_a_local_file_that_is_replaced_while_it_is_read_is_noticed(tmp_path):
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"11")
    info = storage.stat(uri)
    with pytest.raises(storage.Changed), storage.open_object(info) as stream:
        assert stream.read() == b"11"
        storage.write_bytes(uri, b"22")
        os.utime(uri, ns=(int(info.generation), int(info.generation)))  # as `cp -p` would
    info = storage.stat(uri)
    with pytest.raises(storage.Changed), storage.open_object(info) as stream:
        with open(uri, "ab") as other:  # noqa: PTH123
            other.write(b"3")
        assert stream.read() == b"223"
