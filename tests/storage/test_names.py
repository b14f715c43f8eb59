"""Names of objects that come from outside stay in the directory that they are copied to."""

from __future__ import annotations

import os

import pytest
import requests

from components import storage
from components.core.errors import InputError

HOSTILE = (
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/..",
    "a//b",
    "./x",
    "a/./b",
    "",
    "a/",
    "a\\..\\x",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "\x85",
    "x" * 256,
    "x/" * 600 + "x",
    "\ud800",
)


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:20]))
def test_a_name_that_is_no_plain_relative_path_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="is refused") as refused:
        storage.local_path(tmp_path, name)
    assert len(str(refused.value)) < 300
    str(refused.value).encode()


@pytest.mark.parametrize("name", ["weights.h5", "a b/c#4 é.flac", "..a/b..", "x" * 255, "-x", "~/x"])
def test_other_names_stay_below_the_directory(tmp_path, name):
    assert storage.local_path(tmp_path, name).resolve().is_relative_to(tmp_path)


def test_a_link_on_the_way_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    for name in ("link", "link/x"):
        with pytest.raises(InputError, match="is a symbolic link"):
            storage.local_path(tmp_path / "in", name)


def _put(gcs, bucket: str, name: str, data: bytes = b"x") -> None:
    """Creates an object of any name, as another program can."""
    url = f"{gcs.endpoint}/upload/storage/v1/b/{bucket.removeprefix('gs://')}/o"
    requests.post(url, params={"uploadType": "media", "name": name}, data=data, timeout=20).raise_for_status()


@pytest.mark.parametrize("tail", ["//etc/x", "/a\\b"])
def test_nothing_is_copied_where_one_name_leads_out(gcs, tmp_path, tail):
    bucket = gcs.bucket()
    _put(gcs, bucket, "model/good")
    _put(gcs, bucket, f"model{tail}")
    with pytest.raises(InputError, match=r"the object name .* is refused"):
        storage.download_tree(f"{bucket}/model", tmp_path / "in" / "copy")
    assert not list(tmp_path.iterdir())


def test_one_object_is_copied_up_to_its_largest_size(gcs, tmp_path):
    bucket = gcs.bucket()
    _put(gcs, bucket, "model/card", b"12345")
    assert storage.download(f"{bucket}/model/card", tmp_path, "card", 5).read_bytes() == b"12345"
    with pytest.raises(InputError, match="it has 5 bytes, expected 4 at most"):
        storage.download(f"{bucket}/model/card", tmp_path, "card", 4)
    with pytest.raises(InputError, match="there is no object"):
        storage.download(f"{bucket}/model/other", tmp_path, "other", 4)
    with pytest.raises(InputError, match="it has more than 4 bytes"):
        storage.read_bytes(f"{bucket}/model/card", 4)


def test_a_tree_with_a_link_out_of_it_is_not_uploaded(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "inside").write_text("x")
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "tree" / "inside")
    storage.upload_tree(tmp_path / "tree", str(tmp_path / "copy"))
    (tmp_path / "tree" / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="a symbolic link to a file outside of"):
        storage.upload_tree(tmp_path / "tree", str(tmp_path / "again"))
    assert not (tmp_path / "again").exists()


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="it is a pipe or a device"):
            storage.read_bytes(str(path))
