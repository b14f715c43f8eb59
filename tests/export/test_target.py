"""An export replaces the files of exports, and no other, in any directory."""

from __future__ import annotations

import json

import pytest

from components import storage
from components.core.errors import InputError
from components.export.target import MARKER_NAME, check_target, replace_export

NAMES = ["saved_model", "README.md", "instrument.json"]


@pytest.fixture
def exported(tmp_path):
    def write(*more: str):
        folder = tmp_path / "scratch"
        for name in ("saved_model/saved_model.pb", "README.md", "instrument.json", *more):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"new {name}")
        return folder

    return write


def _files(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_export_replaces_an_earlier_one_and_leaves_what_is_beside_it(exported, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    replace_export(exported("saved_model/variables/old"), str(out), NAMES)
    (tmp_path / "scratch/saved_model/variables/old").unlink()
    replace_export(exported(), str(out), NAMES)
    found = {"notes.txt", MARKER_NAME, "saved_model/saved_model.pb", "README.md", "instrument.json"}
    assert _files(out) == found
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["saved_model/mine", "README.md", "saved_model"])
def test_what_no_export_wrote_is_not_touched(exported, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    with pytest.raises(InputError, match=f"'{name}' is there, and no export wrote it; try another --out"):
        replace_export(exported(), str(out), NAMES)
    assert _files(out) == {name}
    assert (out / name).read_text() == "mine"


def test_an_export_that_is_killed_leaves_no_graph_with_other_weights(exported, tmp_path, monkeypatch):
    out, weights = tmp_path / "out", "saved_model/variables/variables.index"
    replace_export(exported(weights), str(out), NAMES)
    copied = []

    def copy_until_killed(info, uri):
        if copied:
            raise KeyboardInterrupt
        copied.append(uri)

    monkeypatch.setattr(storage, "copy", copy_until_killed)
    with pytest.raises(KeyboardInterrupt):
        replace_export(exported(weights), str(out), NAMES)
    assert _files(out) == {MARKER_NAME, "README.md", weights}  # TensorFlow loads none without saved_model.pb
    monkeypatch.undo()
    replace_export(exported(weights), str(out), NAMES)
    assert _files(out) == {MARKER_NAME, weights, *NAMES} - {"saved_model"} | {"saved_model/saved_model.pb"}


def test_a_file_that_a_user_added_to_an_export_stays(exported, tmp_path):
    out = tmp_path / "out"
    replace_export(exported(), str(out), NAMES)
    (out / "saved_model" / "mine").write_text("mine")
    with pytest.raises(InputError, match="'saved_model/mine' is there"):
        replace_export(exported(), str(out), NAMES)
    assert (out / "saved_model" / "mine").read_text() == "mine"


def test_a_link_is_not_followed(exported, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "saved_model.pb").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "saved_model").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="is a symbolic link"):
        replace_export(exported(), str(tmp_path / "out"), NAMES)
    assert (tmp_path / "mine" / "saved_model.pb").read_text() == "mine"


def test_a_list_that_names_files_outside_is_refused(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / MARKER_NAME).write_text(json.dumps({"files": ["../mine"]}))
    with pytest.raises(InputError, match=r"the object name '\.\./mine' is refused"):
        check_target(str(out), NAMES)


def test_an_export_of_a_release_without_a_list_is_replaced(exported, tmp_path):
    out = tmp_path / "out"
    replace_export(exported("saved_model/variables/variables.data-00000-of-00001"), str(out), NAMES)
    (out / MARKER_NAME).unlink()
    described = {"format": "savedmodel", "file": "saved_model", "hop_samples": 64, "largest_error": 1e-7}
    (out / "instrument.json").write_text(json.dumps(described))
    replace_export(exported(), str(out), NAMES)
    assert (out / "instrument.json").read_text() == "new instrument.json"


def test_an_export_that_was_killed_is_not_whole_and_the_next_one_continues(exported, tmp_path, monkeypatch):
    from components import storage

    out, copy, copied = tmp_path / "out", storage.copy, []
    replace_export(exported(), str(out), NAMES)

    def killed(*arguments):
        if copied:
            raise KeyboardInterrupt
        copied.append(copy(*arguments))

    with monkeypatch.context() as patched:
        patched.setattr(storage, "copy", killed)
        with pytest.raises(KeyboardInterrupt):
            replace_export(exported(), str(out), NAMES)
    assert not (out / "instrument.json").exists()
    replace_export(exported(), str(out), NAMES)
    assert (out / "instrument.json").exists()
