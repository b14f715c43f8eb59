"""The directory that an export writes to: what is whose. An export replaces its own files and removes no other.

The file .luthier-export.json lists the files that exports have written. It is written before them, so that an export
that was killed leaves nothing that the next one takes for a user's; instrument.json comes last and commits the export.
saved_model.pb comes after the other files of its directory: TensorFlow refuses a directory without it, so nobody loads
the graph of one export with the weights of another.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from components import storage
from components.core.errors import InputError
from components.core.fields import Fields

DESCRIPTION_NAME = "instrument.json"
MARKER_NAME = ".luthier-export.json"
_LARGEST_MARKER_BYTES = 1 << 20
# What exports of releases without a marker have written.
_OLDER_NAMES = (DESCRIPTION_NAME, "README.md", "instrument.tflite", "instrument.onnx")
_OLDER_SAVED_MODEL = ("saved_model.pb", "fingerprint.pb", "variables/variables.index")
_OLDER_VARIABLES = "variables/variables.data-"
# Deleted first and written last, in this order.
_COMMIT_NAMES = ("saved_model/saved_model.pb", DESCRIPTION_NAME)


def check_target(out_uri: str, names: list[str]) -> None:
    """Checks that an export may write files to a directory.

    Args:
        out_uri: The directory.
        names: The names of the files and directories that it will write there.

    Raises:
        InputError: There is a file of that name, or below it, that no export wrote.
    """
    ours = _own_files(out_uri)
    for name in names:
        uri = storage.join(out_uri, name)
        if not storage.is_remote(out_uri) and Path(uri).is_symlink():
            raise InputError(f"cannot export to '{out_uri}': '{name}' is a symbolic link; try another --out")
        found = [name] if storage.stat(uri) else [f"{name}/{info.name}" for info in storage.list_objects(uri)]
        for each in found:
            if each not in ours:
                raise InputError(
                    f"cannot export to '{out_uri}': '{each}' is there, and no export wrote it; try another --out"
                )


def replace_export(folder: Path, out_uri: str, names: list[str]) -> None:
    """Writes the files of an export to a directory, in place of those of an earlier one.

    Args:
        folder: The files of the export; DESCRIPTION_NAME among them.
        out_uri: The directory.
        names: See `check_target`.

    Raises:
        InputError: See `check_target`; nothing was changed then.
    """
    check_target(out_uri, names)
    storage.check_no_link_leaves(folder)
    ours, new = _own_files(out_uri), {info.name: info for info in storage.list_objects(str(folder))}
    _write_marker(out_uri, ours | new.keys())
    replaced = [name for name in reversed(_COMMIT_NAMES) if name in ours and name.partition("/")[0] in names]
    for name in replaced:
        storage.delete(storage.join(out_uri, name))
    for name in sorted(new, key=lambda name: (_COMMIT_NAMES.index(name) if name in _COMMIT_NAMES else -1, name)):
        storage.copy(new[name], storage.join(out_uri, name))
    stale = {name for name in ours - new.keys() if name.partition("/")[0] in names}
    for name in stale:
        storage.delete(storage.join(out_uri, name))
    _write_marker(out_uri, (ours | new.keys()) - stale)


def _write_marker(out_uri: str, names: set[str]) -> None:
    storage.write_json(storage.join(out_uri, MARKER_NAME), {"schema_version": 1, "files": sorted(names)})


def _own_files(out_uri: str) -> set[str]:
    """Returns the names of the files in a directory that exports have written there."""
    uri = storage.join(out_uri, MARKER_NAME)
    if storage.exists(uri):
        marker = Fields(storage.read_json(uri, _LARGEST_MARKER_BYTES), uri, "the list of an export's files")
        return {storage.check_name(name) for name in marker.texts("files")}
    return _files_of_older_release(out_uri)


def _files_of_older_release(out_uri: str) -> set[str]:
    uri = storage.join(out_uri, DESCRIPTION_NAME)
    if not storage.exists(uri):
        return set()
    described = storage.read_json(uri)
    if not isinstance(described, dict) or not {"format", "file", "hop_samples", "largest_error"} <= described.keys():
        return set()
    found = {*_OLDER_NAMES, *(f"saved_model/{name}" for name in _OLDER_SAVED_MODEL)}
    if isinstance(described["file"], str) and PurePosixPath(described["file"]).suffix == ".tflite":
        found.add(described["file"])  # of the plugin: its name is that of the family
    names = (info.name for info in storage.list_objects(storage.join(out_uri, "saved_model")))
    return found | {f"saved_model/{name}" for name in names if name.startswith(_OLDER_VARIABLES)}
