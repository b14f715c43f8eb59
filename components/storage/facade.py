"""The functions of the package. This module alone looks at a URI's scheme."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from components.core.errors import InputError
from components.core.strict_json import parse_json
from components.storage import local
from components.storage.names import check_no_link_leaves, local_path
from components.storage.objects import Backend, Corrupted, NotJson, ObjectInfo, PassedOver, Tree, WhyPassOver

_GCS_SCHEME = "gs://"
# What is left of gs:// without a bucket, or with one slash, must not become a local directory of that name.
_NO_PATH = re.compile(r"[a-z][a-z0-9+.-]*://|gs:(/|$)", re.IGNORECASE)
_COPY_CHUNK_BYTES = 1 << 20
LARGEST_JSON_BYTES = 256 << 20  # the manifest of a large sorted set has a few megabytes


def _backend(uri: str) -> Backend:
    if is_remote(uri):
        from components.storage import gcs  # imports google.cloud.storage, which takes seconds

        return gcs
    if _NO_PATH.match(uri):
        raise InputError(f"cannot open '{uri}': expected gs://bucket/prefix or a local path")
    return local


def is_remote(uri: str) -> bool:
    """Tells whether the URI is in Cloud Storage."""
    return uri.startswith(_GCS_SCHEME)


def join(uri: str, *parts: str) -> str:
    """Returns the URI of an object below a directory: of "gs://b/p/", "x" and "y" it is "gs://b/p/x/y"."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts if part.strip("/"))])


def basename(uri: str) -> str:
    """Returns the last part of the URI's path: "c" of "gs://a/b/c/"."""
    return uri.rstrip("/").rpartition("/")[2]


def list_objects(prefix_uri: str) -> list[ObjectInfo]:
    """Lists every object below a directory, recursively, sorted by name; none if the directory does not exist."""
    return _backend(prefix_uri).list_objects(prefix_uri)


def walk(uri: str, why_pass_over: WhyPassOver) -> Tree:
    """Lists the files below a directory that people fill; what it leaves out, it names.

    Args:
        uri: The directory.
        why_pass_over: Called as `why_pass_over(name, None)` for everything below it, and as `why_pass_over(name,
            entries)` for a directory; a reason leaves that out, with all below it.

    Returns:
        The files, and what was passed over. Links on local disk are followed, but not in circles.

    Raises:
        InputError: A directory cannot be read.
    """
    if not is_remote(uri):
        from components.storage import local_tree

        return local_tree.walk(uri, why_pass_over)
    return _prune(list_objects(uri), why_pass_over)


def _prune(listed: list[ObjectInfo], why_pass_over: WhyPassOver) -> Tree:
    """Walks a listing as if its names were files in directories."""
    entries: defaultdict[str, set[str]] = defaultdict(set)
    for info in listed:
        parts = info.name.split("/")
        for depth in range(len(parts)):
            entries["/".join(parts[:depth])].add(parts[depth])

    @cache
    def why(name: str) -> PassedOver | None:
        directory = name.rpartition("/")[0]
        if directory and (above := why(directory)):
            return above
        reason = why_pass_over(name, None)
        if not reason and name in entries:
            reason = why_pass_over(name, sorted(entries[name]))
        return PassedOver(name, reason) if reason else None

    reasons = [why(info.name) for info in listed]
    kept = [info for info, reason in zip(listed, reasons, strict=True) if reason is None]
    return Tree(kept, sorted({reason for reason in reasons if reason}))


def stat(uri: str) -> ObjectInfo | None:
    """Returns the entry of one object in a listing of its directory; None if there is no such object."""
    return _backend(uri).stat(uri)


def exists(uri: str) -> bool:
    """Tells whether there is an object, or a directory with objects, at the URI."""
    return _backend(uri).exists(uri)


def open_read(
    uri: str, generation: str | None = None, start: int = 0, size: int | None = None
) -> AbstractContextManager[BinaryIO]:
    """Opens an object, or a span of it, for reading; `read(n)` returns n bytes except at the end.

    A remote object is read ahead in parallel ranges of one generation. The checksum of a whole object is verified at
    its end.

    Args:
        uri: The object.
        generation: As in a listing: the object must still be of this generation, else `Changed`.
        start: First byte of the span.
        size: Bytes of the span; to the object's end if None.
    """
    return _backend(uri).open_read(uri, generation, start, size)


def open_object(info: ObjectInfo) -> AbstractContextManager[BinaryIO]:
    """Opens the object of a listing, without asking again for what the listing says. `Changed` if it was replaced."""
    return _backend(info.uri).open_object(info)


def open_write(
    uri: str, if_generation_match: str | None = None, chunk_bytes: int = 4 << 20
) -> AbstractContextManager[BinaryIO]:
    """Opens an object for writing. It appears when the `with` block ends; after an exception nothing has changed.

    Args:
        uri: The object.
        if_generation_match: "0": it must not exist; another number: it must still be this generation. Else `Conflict`.
        chunk_bytes: Bytes in one request of an upload, a multiple of 256 KiB; an upload holds two chunks in memory.
    """
    return _backend(uri).open_write(uri, if_generation_match, chunk_bytes)


def read_bytes(uri: str, largest_bytes: int | None = None) -> bytes:
    """Returns an object's content; InputError if it has more than `largest_bytes`, which are then not read.

    What arrives damaged is read once more, before it is `Corrupted`.
    """
    try:
        return _read_bytes(uri, largest_bytes)
    except Corrupted:
        return _read_bytes(uri, largest_bytes)


def _read_bytes(uri: str, largest_bytes: int | None) -> bytes:
    with open_read(uri) as stream:
        if largest_bytes is None:
            return stream.read()
        pieces, left = list[bytes](), largest_bytes + 1
        while left and (piece := stream.read(min(left, _COPY_CHUNK_BYTES))):
            pieces.append(piece)
            left -= len(piece)
    if not left:
        raise InputError(
            f"cannot read '{uri}': it has more than {largest_bytes:,} bytes, the most that is expected there"
        )
    return b"".join(pieces)


def read_text(uri: str, largest_bytes: int) -> str:
    """Returns the text of a UTF-8 file; InputError if it is none, or has more than `largest_bytes`."""
    data = read_bytes(uri, largest_bytes)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read '{uri}': its byte {error.start} is not UTF-8; copy the file again") from None


def read_json(uri: str, largest_bytes: int = LARGEST_JSON_BYTES) -> Any:
    """Returns the value in a JSON file; NotJson if it is not JSON (see strict_json), InputError if it is too large."""
    data = read_bytes(uri, largest_bytes)
    try:
        return parse_json(data)
    except ValueError as error:
        raise NotJson(f"cannot read '{uri}': it is not JSON ({error})") from error


def write_bytes(uri: str, data: bytes, if_generation_match: str | None = None) -> None:
    """Writes an object, whole or not at all; `if_generation_match` as for `open_write`."""
    with open_write(uri, if_generation_match) as stream:
        stream.write(data)


def write_json(uri: str, value: Any, if_generation_match: str | None = None) -> None:
    """Writes a value as JSON, the same bytes for the same value; `if_generation_match` as for `open_write`."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    # Bytes of a file name that are not UTF-8 become JSON's own escapes, \udcXX.
    data = text.encode(errors="backslashreplace")
    write_bytes(uri, data, if_generation_match)


def delete(uri: str) -> None:
    """Deletes one object if it exists."""
    _backend(uri).delete(uri)


def delete_tree(uri: str) -> None:
    """Deletes every object below a directory."""
    _backend(uri).delete_tree(uri)


def delete_leftovers(uri: str) -> None:
    """Deletes the half-written files that killed writers left below a directory; no listing shows them."""
    _backend(uri).delete_leftovers(uri)


def download(uri: str, local_dir: str | Path, name: str, largest_bytes: int) -> Path:
    """Copies one object into a local directory and returns its path.

    Args:
        uri: The object.
        local_dir: The directory.
        name: The copy's name below the directory; untrusted.
        largest_bytes: Largest size.

    Raises:
        InputError: There is no such object, it is larger, or the name does not stay in the directory.
    """
    path = local_path(local_dir, name)
    found = stat(uri)
    if found is None:
        raise InputError(f"there is no object '{uri}'")
    if found.size > largest_bytes:
        raise InputError(f"cannot copy '{uri}': it has {found.size:,} bytes, expected {largest_bytes:,} at most")
    copy(found, str(path))
    return path


def download_tree(uri: str, local_dir: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> None:
    """Copies everything below `uri` into a local directory.

    Args:
        uri: The directory to copy.
        local_dir: The local directory.
        wanted: Tells by its name whether an object is copied.

    Raises:
        InputError: There is nothing, or a name does not stay in the directory; nothing was copied then.
    """
    found = [info for info in list_objects(uri) if wanted(info.name)]
    if not found:
        raise InputError(f"cannot copy '{uri}': there is no file in it; check the path")
    paths = [local_path(local_dir, info.name) for info in found]
    for info, path in zip(found, paths, strict=True):
        copy(info, str(path))


def upload_tree(local_dir: str | Path, uri: str) -> None:
    """Copies everything below a local directory to `uri`, which may be local too.

    Raises:
        InputError: There is nothing, or a symbolic link leads out of the directory.
    """
    found = list_objects(str(local_dir))
    if not found:
        raise InputError(f"cannot copy '{local_dir}': there is no file in it; check the path")
    check_no_link_leaves(local_dir)
    for info in found:
        copy(info, join(uri, info.name) if is_remote(uri) else str(local_path(uri, info.name)))


def copy(found: ObjectInfo, target_uri: str) -> None:
    """Copies the object of a listing to a URI, whole or not at all; what arrives damaged is copied once more."""
    try:
        _copy(found, target_uri)
    except Corrupted:
        _copy(found, target_uri)


def _copy(found: ObjectInfo, target_uri: str) -> None:
    with open_object(found) as source, open_write(target_uri) as target:
        shutil.copyfileobj(source, target, _COPY_CHUNK_BYTES)
