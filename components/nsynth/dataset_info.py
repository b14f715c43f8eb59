"""dataset_info.json of a TFDS data set: how many records each shard of a split has."""

from __future__ import annotations

from components import storage
from components.core.errors import InputError
from components.core.fields import Fields

DATASET_INFO_NAME = "dataset_info.json"
_MOST_DIGITS = 15


def shard_lengths(source_uri: str, split: str) -> list[int]:
    """Returns the records of a split's shards, in order; none where the source has no such file or entry.

    Raises:
        InputError: The file is not one that TFDS writes.
    """
    return all_shard_lengths(source_uri).get(split, [])


def all_shard_lengths(source_uri: str) -> dict[str, list[int]]:
    """Returns the records of the shards of every split that the file names. Errors as in `shard_lengths`."""
    uri = storage.join(source_uri, DATASET_INFO_NAME)
    if not storage.exists(uri):
        return {}
    info = Fields(storage.read_json(uri), uri, "the dataset_info.json of a TFDS data set")
    found = dict[str, list[int]]()
    for entry in info.objects("splits"):
        lengths, split = entry.get("shardLengths") or [], str(entry.get("name"))
        if not isinstance(lengths, list):
            raise info.wrong("splits", "entries with a list of shardLengths")
        found.setdefault(split, [_length(length, uri, split) for length in lengths])
    return found


def _length(value: object, uri: str, split: str) -> int:
    """Returns a length; protobuf writes 64-bit numbers as text."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not _is_length(text):
        raise InputError(f"'{uri}' has a shard length {text[:40]!r} in '{split}', expected a number of records")
    return int(text)


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
