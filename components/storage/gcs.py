"""Google Cloud Storage. Anonymous where there are no credentials, which public buckets allow.

STORAGE_EMULATOR_HOST is honoured by google.cloud.storage itself.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import IO, Any, BinaryIO, cast

import google.auth
import google.auth.exceptions
import google_crc32c
from google.api_core.exceptions import Forbidden, NotFound, Unauthorized
from google.cloud import storage

from components.errors import InputError
from components.storage.objects import ObjectInfo, crc32c_base64

_READ_CHUNK_BYTES = 8 << 20
_SPOOL_BYTES = 4 << 20  # larger objects wait for their upload on disk


@cache
def _client(emulator_host: str | None) -> Any:
    if emulator_host:
        return storage.Client(project="emulator")
    try:
        credentials, project = google.auth.default()
    except google.auth.exceptions.DefaultCredentialsError:
        return storage.Client.create_anonymous_client()
    # Credentials may come without a project, which the client insists on but needs only to make or list buckets.
    return storage.Client(project=project or "none", credentials=credentials)


def _split(uri: str) -> tuple[Any, str]:
    """Returns the bucket and the object name of gs://bucket/name."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket:
        raise InputError(f"cannot open '{uri}': expected gs://bucket/prefix")
    return _client(os.environ.get("STORAGE_EMULATOR_HOST")).bucket(bucket), name


@contextmanager
def _naming(uri: str) -> Iterator[None]:
    """Turns the errors that are the user's to mend into InputErrors that name the URI."""
    try:
        yield
    except NotFound as error:
        raise InputError(f"there is no object '{uri}', or no such bucket") from error
    except (Forbidden, Unauthorized) as error:
        raise InputError(f"no permission for '{uri}'; try `gcloud auth application-default login`") from error


def list_objects(prefix_uri: str) -> list[ObjectInfo]:
    bucket, prefix = _split(prefix_uri)
    prefix = prefix.rstrip("/") + "/" if prefix.strip("/") else ""
    with _naming(prefix_uri):
        blobs = sorted((blob.name, blob) for blob in bucket.list_blobs(prefix=prefix))
    # A name that ends in a slash is how consoles draw an empty folder.
    return [_info(blob, name.removeprefix(prefix)) for name, blob in blobs if not name.endswith("/")]


def stat(uri: str) -> ObjectInfo | None:
    bucket, name = _split(uri)
    with _naming(uri):
        blob = bucket.get_blob(name) if name else None
    return None if blob is None else _info(blob, name.rpartition("/")[2])


def _info(blob: Any, name: str) -> ObjectInfo:
    uri = f"gs://{blob.bucket.name}/{blob.name}"
    return ObjectInfo(uri, name, blob.size, str(blob.generation), partial(str, blob.crc32c))


def exists(uri: str) -> bool:
    bucket, name = _split(uri)
    with _naming(uri):
        if name and bucket.blob(name).exists():
            return True
        prefix = name.rstrip("/") + "/" if name else ""
        try:
            return any(True for _ in bucket.list_blobs(prefix=prefix, max_results=1))
        except NotFound:
            return False


@contextmanager
def open_read(uri: str) -> Iterator[BinaryIO]:
    bucket, name = _split(uri)
    with _naming(uri):
        blob = bucket.get_blob(name) if name else None
    if blob is None:
        raise InputError(f"there is no object '{uri}'")
    with io.BufferedReader(_ObjectReader(uri, blob), _READ_CHUNK_BYTES) as stream:
        yield cast(BinaryIO, stream)


class _ObjectReader(io.RawIOBase):
    """Reads one generation of an object front to back, a range at a time, and verifies its checksum at its end."""

    def __init__(self, uri: str, blob: Any) -> None:
        self._uri, self._size, self._expected = uri, blob.size, blob.crc32c
        self._blob = blob.bucket.blob(blob.name, generation=blob.generation)
        self._checksum = google_crc32c.Checksum()
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._position == self._size:
            return 0
        end = min(self._position + len(buffer), self._size) - 1  # inclusive
        with _naming(self._uri):
            # Raw: the stored bytes, which are what the checksum is of. A part has no checksum of its own to verify.
            data = self._blob.download_as_bytes(start=self._position, end=end, raw_download=True, checksum=None)
        buffer[: len(data)] = data
        self._checksum.update(data)
        self._position += len(data)
        if self._position == self._size:
            self._verify()
        return len(data)

    def _verify(self) -> None:
        found = crc32c_base64(int.from_bytes(self._checksum.digest(), "big"))
        if self._expected and found != self._expected:
            raise OSError(f"'{self._uri}' arrived damaged: CRC32C is {found}, expected {self._expected}")


@contextmanager
def open_write(uri: str) -> Iterator[BinaryIO]:
    bucket, name = _split(uri)
    spool: IO[bytes]
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        yield cast(BinaryIO, spool)
        size = spool.tell()
        spool.seek(0)
        with _naming(uri):
            bucket.blob(name).upload_from_file(spool, size=size, checksum="crc32c")


def delete(uri: str) -> None:
    bucket, name = _split(uri)
    try:
        with _naming(uri):
            bucket.blob(name).delete()
    except InputError as error:
        if not isinstance(error.__cause__, NotFound):
            raise


def delete_tree(uri: str) -> None:
    for info in list_objects(uri):
        delete(info.uri)
