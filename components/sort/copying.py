"""Copies a range of source shards into one part for each group: byte for byte, both CRCs of every record checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

import google_crc32c

from components import storage
from components.nsynth.example import BadExample, int64_of
from components.nsynth.families import FAMILIES, SOURCES
from components.nsynth.framing import BadRecord, Record, scan
from components.storage import ObjectInfo, crc32c_base64

QUARANTINE = "quarantine"


def _class_name(payload: bytes, key: str, names: tuple[str, ...]) -> str:
    index = _label(payload, key)
    if not 0 <= index < len(names):
        raise BadExample(f"'{key}' is {index}, expected 0..{len(names) - 1}")
    return names[index]


def _label(payload: bytes, key: str) -> int:
    value = int64_of(payload, key)
    if value is None:
        raise BadExample(f"it has no '{key}'")
    return value


# By what a set can be sorted: payload -> group, which is the name of a folder.
GROUPINGS: dict[str, Callable[[bytes], str]] = {
    "family": lambda payload: _class_name(payload, "instrument/family", FAMILIES),
    "instrument": lambda payload: f"instrument-{_label(payload, 'instrument/label'):04d}",
    "source": lambda payload: _class_name(payload, "instrument/source", SOURCES),
}


@dataclass(frozen=True)
class Part:
    """Where a range's records go: <split_uri>/<group>/part-<index>-of-<count>.tfrecord."""

    split_uri: str
    index: int
    count: int

    def name(self, group: str) -> str:
        """Returns the part's name below the split."""
        return f"{group}/part-{self.index:05d}-of-{self.count:05d}.tfrecord"


@dataclass
class Copied:
    """What a range's copy wrote.

    Attributes:
        read: Records read; a shard's unreadable rest counts as one.
        objects: The manifest's entries of the written parts.
        quarantine: The manifest's entries of the records that were set aside.
    """

    read: int = 0
    objects: list[dict[str, str | int]] = field(default_factory=list)
    quarantine: list[dict[str, str | int]] = field(default_factory=list)


class _PartWriter:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._checksum = stream, google_crc32c.Checksum()
        self.records = self.bytes = 0

    def write(self, framed: bytes) -> None:
        self._stream.write(framed)
        self._checksum.update(framed)
        self.records += 1
        self.bytes += len(framed)

    def crc32c(self) -> str:
        return crc32c_base64(int.from_bytes(self._checksum.digest(), "big"))


def copy_range(
    shards: list[ObjectInfo], part: Part, by: str, quarantine: bool, advance: Callable[[int], None]
) -> Copied:
    """Copies the records of some shards, in their order, to their groups' parts. All parts appear, or none.

    Args:
        shards: Source shards.
        part: The place of the parts.
        by: A key of GROUPINGS.
        quarantine: Whether a bad record is set aside; otherwise it is raised.
        advance: Called with the number of bytes after every record; what it raises stops the copy.

    Raises:
        BadRecord: A record is damaged or has no group.
    """
    copied, writers = Copied(), dict[str, _PartWriter]()
    with ExitStack() as stack:
        for shard in shards:
            with storage.open_read(shard.uri) as stream:
                for item in scan(stream, shard.name):
                    routed = _route(item, shard.name, by)
                    if isinstance(routed, BadRecord):
                        if not quarantine:
                            raise routed
                        copied.quarantine.append(_quarantine_entry(routed))
                    group = QUARANTINE if isinstance(routed, BadRecord) else routed
                    if group not in writers:
                        uri = storage.join(part.split_uri, part.name(group))
                        writers[group] = _PartWriter(stack.enter_context(storage.open_write(uri)))
                    writers[group].write(item.framed)
                    copied.read += 1
                    advance(len(item.framed))
    copied.objects = [_object_entry(part.name(group), group, writer) for group, writer in sorted(writers.items())]
    _check_sum(shards, copied)
    return copied


def _route(item: Record | BadRecord, shard: str, by: str) -> str | BadRecord:
    if isinstance(item, BadRecord):
        return item
    try:
        return GROUPINGS[by](item.payload)
    except BadExample as error:
        return BadRecord(shard, item.offset, str(error), item.framed)


def _quarantine_entry(bad: BadRecord) -> dict[str, str | int]:
    return {"shard": bad.shard, "offset": bad.offset, "bytes": len(bad.framed), "reason": bad.reason}


def _object_entry(name: str, group: str, writer: _PartWriter) -> dict[str, str | int]:
    return {
        "name": name,
        "group": group,
        "records": writer.records,
        "bytes": writer.bytes,
        "crc32c": writer.crc32c(),
    }


def _check_sum(shards: list[ObjectInfo], copied: Copied) -> None:
    """Nothing may be lost or doubled on the way, whatever the reason: the parts' bytes and records are the source's."""
    totals = Counter[str]()
    for entry in copied.objects:
        totals.update({"bytes": int(entry["bytes"]), "records": int(entry["records"])})
    size = sum(shard.size for shard in shards)
    if totals["bytes"] != size or totals["records"] != copied.read:
        raise RuntimeError(
            f"{len(shards)} shards from {shards[0].uri} on hold {size} bytes, but {totals['bytes']} arrived "
            f"({copied.read} records read, {totals['records']} written): a shard changed while it was read"
        )
