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
    uri = storage.join(source_uri, DATASET_INFO_NAME)
    if not storage.exists(uri):
        return []
    info = Fields(storage.read_json(uri), uri, "the dataset_info.json of a TFDS data set")
    for entry in info.objects("splits"):
        if entry.get("name") == split:
            lengths = entry.get("shardLengths") or []
            if not isinstance(lengths, list):
                raise info.wrong("splits", "entries with a list of shardLengths")
            return [_length(length, uri, split) for length in lengths]
    return []


def _length(value: object, uri: str, split: str) -> int:
    """Returns a length; protobuf writes 64-bit numbers as text."""
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or not _is_length(text):
        raise InputError(f"'{uri}' has a shard length {text[:40]!r} in '{split}', expected a number of records")
    return int(text)


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
