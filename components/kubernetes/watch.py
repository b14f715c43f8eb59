"""Watches a collection through lost connections and resource versions that the server does not have any more.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from components.core.backoff import Backoff
from components.kubernetes.client import Api, Object
from components.kubernetes.errors import ConnectionLost, Gone, NotFound, Unavailable, api_error

SILENCE_S = 300.0
"""A watch that brings nothing for so long, not even a bookmark, has lost its connection."""

_SERVER_LIMIT_S = 240  # the server ends a watch after this long, so a healthy one is never silent for SILENCE_S


def snapshots(
    api: Api,
    collection: str,
    selectors: Mapping[str, str],
    silence_s: float = SILENCE_S,
    limit_s: float | None = None,
) -> Iterator[dict[str, Object]]:
    """Yields the objects of a collection by name, at first and after every change. It does not end by itself.

    Args:
        api: The API.
        collection: See Api.get.
        selectors: `labelSelector` or `fieldSelector`.
        silence_s: The longest silence of a stream before it is opened again.
        limit_s: The server may be away for this time, instead of that of its RetryPolicy.

    Raises:
        ApiError: The server refuses to list or watch it.
        StepError: The server did not answer for too long.
        StreamsClosed: `Api.close` was called.
    """
    backoff = api.backoff(limit_s)
    while True:
        listed = api.get(collection, query=selectors, limit_s=limit_s, until_closed=True)
        snapshot = {item["metadata"]["name"]: item for item in listed["items"]}
        yield dict(snapshot)
        version = listed["metadata"]["resourceVersion"]
        try:
            for kind, item in _changes(api, collection, selectors, version, silence_s, backoff):
                if kind == "DELETED":
                    snapshot.pop(item["metadata"]["name"], None)
                else:
                    snapshot[item["metadata"]["name"]] = item
                yield dict(snapshot)
        except Gone as error:
            backoff.failed(error)


def is_deleted_within(api: Api, collection: str, name: str, uid: str, limit_s: float) -> bool:
    """Waits until an object is deleted; tells whether it was within `limit_s`. Another object of its name may exist.

    Raises:
        ApiError: The server refuses to show it.
        StepError: The server did not answer for too long.
    """
    backoff, deadline = api.backoff(), time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            found = api.get(collection, name)
        except NotFound:
            return True
        if found["metadata"]["uid"] != uid:
            return True
        backoff.pause()
    return False


def _changes(
    api: Api, collection: str, selectors: Mapping[str, str], version: str, silence_s: float, backoff: Backoff
) -> Iterator[tuple[str, Object]]:
    """Yields the changes of a collection from a version on: ADDED, MODIFIED or DELETED, and the object."""
    query = {**selectors, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_SERVER_LIMIT_S)}
    while True:
        opened, has_brought = time.monotonic(), False
        try:
            with api.stream(collection, "", query | {"resourceVersion": version}, silence_s) as lines:
                backoff.answered()
                for line in lines:
                    kind, item = _event(line)
                    version, has_brought = item["metadata"]["resourceVersion"], True
                    backoff.progressed()
                    if kind != "BOOKMARK":
                        yield kind, item
        except ConnectionLost as error:
            if not has_brought:
                backoff.failed(error)
        except Unavailable as error:
            backoff.failed(error, error.retry_after_s)
        else:
            if time.monotonic() - opened < 1:
                backoff.pause()


def _event(line: bytes) -> tuple[str, Object]:
    try:
        event = json.loads(line)
    except ValueError as error:  # a proxy has ended the stream within a line, as if that were its end
        raise ConnectionLost(f"the watch ended within a line of {len(line)} bytes") from error
    item: Object = event["object"]
    if event["type"] == "ERROR":
        raise api_error(item.get("code") or 500, item.get("message") or "the watch failed")
    return event["type"], item
