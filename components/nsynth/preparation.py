"""luthier.json, the summary of prepared recordings: until it is written, a mark that the records are not all there.

A shard gets its name when it is whole, but the shards of a preparation get theirs one after another. So the mark is
written before the first one, and the summary, which takes its place, after the last.
"""

from __future__ import annotations

from collections.abc import Iterable

from components import storage
from components.core.errors import InputError
from components.storage import ObjectInfo

SUMMARY_NAME = "luthier.json"
_UNFINISHED = "unfinished"


def mark_unfinished(out_uri: str) -> None:
    """Writes the mark: what is in the directory from now on, until SUMMARY_NAME is written again, is not whole."""
    storage.write_json(storage.join(out_uri, SUMMARY_NAME), {_UNFINISHED: True})


def check_finished(source_uri: str, listed: Iterable[ObjectInfo]) -> None:
    """Checks that a directory of records does not have the mark.

    Args:
        source_uri: The directory.
        listed: What is in it.

    Raises:
        InputError: It has the mark.
    """
    if not any(info.name == SUMMARY_NAME for info in listed):
        return
    try:
        summary = storage.read_json(storage.join(source_uri, SUMMARY_NAME))
    except storage.NotJson:
        return  # the mark is, and is written whole: others may call a file so
    if isinstance(summary, dict) and summary.get(_UNFINISHED) is True:
        raise InputError(
            f"'{source_uri}' holds a part of its records only: `luthier prepare` was stopped while it wrote them, or "
            "still writes; expected all of them; run the same `luthier prepare` again"
        )
