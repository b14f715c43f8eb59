"""Listing, inspecting and deleting objects of Cloud Storage."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from google.api_core.exceptions import NotFound, PreconditionFailed

from components.core.errors import StepError
from components.storage.gcs_client import attempts, bucket_of, split, timeouts_s
from components.storage.gcs_errors import NoObject
from components.storage.objects import ObjectInfo

_FIELDS = "items(name,size,generation,crc32c),nextPageToken"


def list_objects(prefix_uri: str) -> list[ObjectInfo]:
    bucket_name, prefix = split(prefix_uri)
    prefix = _as_directory(prefix)
    blobs: dict[str, Any] = {}
    token, tokens = None, set[str | None]()
    while token not in tokens:
        tokens.add(token)
        page, token = attempts("list", prefix_uri, partial(_page, bucket_name, prefix, token))
        blobs.update((blob.name, blob) for blob in page)
        if not token:
            # Consoles represent an empty directory by an object whose name ends in a slash.
            names = sorted(name for name in blobs if not name.endswith("/"))
            return [_info(blobs[name], name.removeprefix(prefix)) for name in names]
    raise StepError(
        f"cannot list '{prefix_uri}': Cloud Storage names a page as the next one that it has sent before; run the "
        "command again"
    )


def _as_directory(prefix: str) -> str:
    return prefix.rstrip("/") + "/" if prefix.strip("/") else ""


def _page(bucket_name: str, prefix: str, token: str | None) -> tuple[list[Any], str | None]:
    listing = bucket_of(bucket_name).list_blobs(
        prefix=prefix, page_token=token, fields=_FIELDS, retry=None, timeout=timeouts_s()
    )
    page = list(next(listing.pages, ()))
    for blob in page:
        _check(blob)
    return page, listing.next_page_token


def _check(blob: Any) -> None:
    """Fails, and so makes `attempts` ask again, where a response lacks what each object has."""
    int(blob.size or 0), int(blob.generation)  # an emulator leaves out a size of 0


def _info(blob: Any, name: str) -> ObjectInfo:
    uri = f"gs://{blob.bucket.name}/{blob.name}"
    return ObjectInfo(uri, name, blob.size or 0, str(blob.generation), partial(str, blob.crc32c or ""))


def stat(uri: str) -> ObjectInfo | None:
    blob = find(uri)
    return None if blob is None else _info(blob, blob.name.rpartition("/")[2])


def find(uri: str, generation: str | None = None) -> Any:
    """Returns the client's blob with all its metadata; None if there is no such object, or none of that generation."""
    bucket_name, name = split(uri)
    if not name:
        return None
    options: dict[str, Any] = {"retry": None, "timeout": timeouts_s()}
    if generation is not None:
        options["generation"] = int(generation)

    def once() -> Any:
        blob = bucket_of(bucket_name).get_blob(name, **options)
        if blob is not None:
            _check(blob)
        return blob

    return attempts("stat", uri, once)


def exists(uri: str) -> bool:
    if find(uri) is not None:
        return True
    bucket_name, name = split(uri)

    def first() -> bool:
        listing = bucket_of(bucket_name).list_blobs(
            prefix=_as_directory(name), max_results=1, fields=_FIELDS, retry=None, timeout=timeouts_s()
        )
        return any(True for _ in listing)

    try:
        return attempts("list", uri, first)
    except NoObject:
        return False


def delete(uri: str) -> None:
    remove(uri)


def remove(uri: str, generation: str | None = None) -> None:
    """Deletes one object if it exists and, where a generation is given, is still of that generation."""
    bucket_name, name = split(uri)
    options: dict[str, Any] = {"retry": None, "timeout": timeouts_s()}
    if generation is not None:
        options["if_generation_match"] = int(generation)

    def once() -> None:
        # Or it was deleted by an attempt whose response was lost; or it is of another generation by now.
        with suppress(NotFound, PreconditionFailed):
            bucket_of(bucket_name).blob(name).delete(**options)

    attempts("delete", uri, once)


def delete_leftovers(uri: str) -> None:
    """Does nothing: an unfinished upload is no object, and the service deletes it after a week."""


def delete_tree(uri: str) -> None:
    for info in list_objects(uri):
        delete(info.uri)
