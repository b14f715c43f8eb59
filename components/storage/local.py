"""Local disk. A file is written under another name in its folder, flushed to the disk and renamed: never half there."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from components.errors import InputError
from components.storage.objects import ObjectInfo, crc32c_base64

# What a writer that was killed leaves behind: never listed, gone with delete_tree.
_PARTIAL_SUFFIX = ".partial"
_CHUNK_BYTES = 1 << 20


def list_objects(prefix_uri: str) -> list[ObjectInfo]:
    root = Path(prefix_uri)
    paths = (path for path in root.rglob("*") if path.is_file() and path.suffix != _PARTIAL_SUFFIX)
    named = sorted((path.relative_to(root).as_posix(), path) for path in paths)
    return [_info(path, name) for name, path in named]


def stat(uri: str) -> ObjectInfo | None:
    path = Path(uri)
    return _info(path, path.name) if path.is_file() else None


def _info(path: Path, name: str) -> ObjectInfo:
    return ObjectInfo(str(path), name, path.stat().st_size, None, partial(_crc32c, path))


def _crc32c(path: Path) -> str:
    checksum = google_crc32c.Checksum()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            checksum.update(chunk)
    return crc32c_base64(int.from_bytes(checksum.digest(), "big"))


def exists(uri: str) -> bool:
    return Path(uri).exists()


@contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    try:
        stream = Path(uri).open("rb")  # noqa: SIM115 (errors of the reader are not errors of opening)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"there is no file '{uri}'") from error
    except PermissionError as error:
        raise InputError(f"no permission to read '{uri}'") from error
    with stream:
        yield stream


@contextmanager
def open_write(uri: str) -> Iterator[BinaryIO]:
    path = Path(uri)
    partial_path = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_PARTIAL_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = partial_path.open("xb")
    except OSError as error:
        raise InputError(f"cannot write '{uri}': {error.strerror}: '{error.filename}'") from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial_path.replace(path)
    except BaseException:
        partial_path.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # The rename is on the disk only when the folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(uri: str) -> None:
    Path(uri).unlink(missing_ok=True)


def delete_tree(uri: str) -> None:
    shutil.rmtree(uri, ignore_errors=True)
