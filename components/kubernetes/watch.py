"""Watches a collection for as long as it takes: through dropped connections, and versions that the server forgot.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from components.core.backoff import Backoff
from components.kubernetes.client import Api, Dropped, Object
from components.kubernetes.errors import RETRIED, ApiError

# The server ends a watch after this long; one that is silent for longer has lost its connection without a word.
_WATCH_S = 240
_SILENCE_S = 300
_GONE = 410


class _GoneError(Exception):
    """The version to watch from is too old."""


def views(api: Api, collection: str, **selectors: str) -> Iterator[dict[str, Object]]:
    """Yields what is in a collection, name to object, at first and after every change; never ends by itself.

    Args:
        api: The API.
        collection: As of Api.get.
        **selectors: `labelSelector` or `fieldSelector`.

    Raises:
        InputError: The user may not list or watch it.
        StepError: The server was away for too long.
    """
    backoff = api.backoff()
    while True:
        try:
            listed = api.get(collection, query=selectors)
        except ApiError as error:
            raise api.in_words(error, collection) from error
        view = {item["metadata"]["name"]: item for item in listed["items"]}
        yield dict(view)
        try:
            for kind, item in _changes(api, collection, selectors, listed["metadata"]["resourceVersion"], backoff):
                if kind == "DELETED":
                    view.pop(item["metadata"]["name"], None)
                else:
                    view[item["metadata"]["name"]] = item
                yield dict(view)
        except _GoneError:
            backoff.pause()


def _changes(
    api: Api, collection: str, selectors: dict[str, str], version: str, backoff: Backoff
) -> Iterator[tuple[str, Object]]:
    """Yields what happens to a collection from a version on: ADDED, MODIFIED or DELETED, and the object."""
    query = {**selectors, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_S)}
    while True:
        opened, has_brought = time.monotonic(), False
        try:
            with api.stream(collection, "", query | {"resourceVersion": version}, _SILENCE_S) as lines:
                backoff.answered()
                for line in lines:
                    kind, item = _event(line)
                    version, has_brought = item["metadata"]["resourceVersion"], True
                    backoff.progressed()
                    if kind != "BOOKMARK":
                        yield kind, item
        except Dropped as error:
            if not has_brought:
                backoff.failed(error)
        except ApiError as error:
            if error.code == _GONE:
                raise _GoneError from error
            if error.code not in RETRIED:
                raise api.in_words(error, collection) from error
            backoff.failed(error, error.retry_after_s)
        else:
            if time.monotonic() - opened < 1:
                backoff.pause()


def _event(line: bytes) -> tuple[str, Object]:
    event = json.loads(line)
    item: Object = event["object"]
    if event["type"] == "ERROR":
        raise ApiError(item.get("code") or 500, item.get("message") or "the watch failed")
    return event["type"], item
