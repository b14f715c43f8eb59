"""Copies one unit: the records of its shards, byte for byte, to one part for each group, with both CRCs checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from components import storage
from components.core.text import counted
from components.nsynth import checksum
from components.nsynth.framing import BadRecord, Damage, Record, Scanner, checked_after_damage
from components.nsynth.manifest import BadEntry, PartEntry, SourceEntry
from components.nsynth.wire import BadExample
from components.sort.lease import UnitResult
from components.sort.routing import GROUPINGS, QUARANTINE, Router
from components.sort.units import Shard, SortPlan
from components.storage import crc32c_base64

_MANY_GROUPS = 64
_UPLOAD_CHUNK_BYTES = 8 << 20
_SMALLEST_UPLOAD_CHUNK_BYTES = 256 << 10  # of which a sort by instrument holds a thousand
_PIECE_BYTES = 1 << 20

Advance = Callable[[int, int], None]


@dataclass
class _Part:
    """A part that is being written."""

    stream: BinaryIO
    records: int = 0
    size: int = 0
    crc32c: int = 0

    def write(self, record: Record) -> None:
        self.stream.writelines(record.pieces)
        self.records += 1
        self.size += record.size
        self.crc32c = checksum.combine(self.crc32c, record.crc32c, record.size)

    def write_piece(self, data: bytes) -> None:
        self.stream.write(data)
        self.size += len(data)
        self.crc32c = checksum.extend(self.crc32c, data)


@dataclass
class _Unit:
    """A unit at work: what has become of its records so far."""

    plan: SortPlan
    split_uri: str
    unit: int
    quarantine: bool
    stack: ExitStack
    parts: dict[str, _Part] = field(default_factory=dict)
    sources: list[SourceEntry] = field(default_factory=list)
    bad: list[BadEntry] = field(default_factory=list)
    records: int = 0
    left_out: int = 0
    left_out_bytes: int = 0

    def part(self, group: str) -> _Part:
        if group not in self.parts:
            uri = storage.join(self.split_uri, self.plan.part_name(group, self.unit))
            many = GROUPINGS[self.plan.by].usual_groups > _MANY_GROUPS
            chunk_bytes = _SMALLEST_UPLOAD_CHUNK_BYTES if many else _UPLOAD_CHUNK_BYTES
            stream = self.stack.enter_context(storage.open_write(uri, chunk_bytes=chunk_bytes))
            self.parts[group] = _Part(stream)
        return self.parts[group]

    def quarantine_item(self, shard: Shard, item: Record | Damage, reason: str) -> BadEntry:
        """Puts a bad record, or a damaged span of the shard, into quarantine, and returns its entry.

        Raises:
            BadRecord: It stops the sort.
        """
        if not self.quarantine:
            raise BadRecord(shard.name, item.offset, item.size, reason)
        # An empty shard, or one with too few records, is an entry of 0 bytes.
        entry: BadEntry = {"shard": shard.name, "offset": item.offset, "bytes": item.size, "reason": reason}
        self.bad.append(entry)
        if not item.size:
            return entry
        part = self.part(QUARANTINE)
        if isinstance(item, Record):
            part.write(item)
            return entry
        part.records += 1
        with storage.open_read(shard.uri, shard.generation, item.offset, item.size) as stream:
            while piece := stream.read(_PIECE_BYTES):
                part.write_piece(piece)
        return entry


def copy_unit(plan: SortPlan, split_uri: str, unit: int, quarantine: bool, advance: Advance) -> UnitResult:
    """Copies the records of a unit's shards, in their order, to their groups' parts.

    Args:
        plan: The sort.
        split_uri: The split's directory in the output.
        unit: Which of the plan's units.
        quarantine: Whether a bad record is set aside; otherwise it is raised.
        advance: Called with bytes and records after every record. If it raises, the copy stops and no part appears.

    Returns:
        What became of the unit, for its receipt.

    Raises:
        BadRecord: A record is damaged or has no group.
    """
    router = Router(plan.by, plan.conditions)
    with ExitStack() as stack:
        work = _Unit(plan, split_uri, unit, quarantine, stack)
        for shard, stream in _opened(plan.unit_shards(unit)):
            _copy_shard(work, shard, stream, router, advance)
        _check_sum(work)
    return {
        "sources": work.sources,
        "objects": [_entry(plan.part_name(group, unit), group, part) for group, part in sorted(work.parts.items())],
        "quarantine": work.bad,
        "records": work.records,
        "left_out": work.left_out,
    }


def _opened(shards: tuple[Shard, ...]) -> Iterator[tuple[Shard, BinaryIO]]:
    """Yields each shard with its stream. Meanwhile the next one is open already and read ahead."""
    stacks, streams = [ExitStack() for _ in shards], list[BinaryIO]()
    try:
        for index, shard in enumerate(shards):
            for opening in range(len(streams), min(index + 2, len(shards))):
                streams.append(stacks[opening].enter_context(storage.open_object(shards[opening].info())))
            with stacks[index]:
                yield shard, streams[index]
    finally:
        for stack in stacks:
            stack.close()


def _copy_shard(work: _Unit, shard: Shard, stream: BinaryIO, router: Router, advance: Advance) -> None:
    scanner, records, damages = Scanner(stream, shard.name, shard.size), 0, list[BadEntry]()
    if not shard.size and shard.records != 0:
        damages.append(work.quarantine_item(shard, Damage(0, 0, ""), "the shard is empty"))
    with checked_after_damage(stream):
        for item in scanner:
            records += 1
            if isinstance(item, Damage):
                damages.append(work.quarantine_item(shard, item, item.reason))
            else:
                _copy_record(work, shard, item, router)
            advance(item.size, 1)
    if shard.records is not None and shard.records != records:
        _count_lost(work, shard, records, damages)
    work.records += records
    crc32c = crc32c_base64(scanner.crc32c)
    work.sources.append(
        {"name": shard.name, "size": shard.size, "generation": shard.generation, "crc32c": crc32c, "records": records}
    )


def _count_lost(work: _Unit, shard: Shard, records: int, damages: list[BadEntry]) -> None:
    """Compares the records of a shard, of which each damage counts as one, with those that dataset_info.json tells."""
    assert shard.records is not None, "only shards of which dataset_info.json tells the records are compared"
    missing = shard.records - records
    if not damages:
        reason = f"the shard has {counted(records, 'record')}, dataset_info.json says {shard.records:,}; copy it again"
        damages.append(work.quarantine_item(shard, Damage(shard.size, 0, reason), reason))
    elif not shard.size:
        missing = shard.records
    else:
        missing += 1
    if missing > 1:
        max(damages, key=lambda entry: entry["bytes"])["lost"] = missing


def _copy_record(work: _Unit, shard: Shard, record: Record, router: Router) -> None:
    try:
        group = router.group(record.payload)
    except BadExample as error:
        work.quarantine_item(shard, record, str(error))
        return
    if group is None:
        work.left_out += 1
        work.left_out_bytes += record.size
    else:
        work.part(group).write(record)


def _entry(name: str, group: str, part: _Part) -> PartEntry:
    crc32c = crc32c_base64(part.crc32c)
    return {"name": name, "group": group, "records": part.records, "bytes": part.size, "crc32c": crc32c}


def _check_sum(work: _Unit) -> None:
    """Checks that no byte and no record of the source was lost or copied twice, whatever the reason."""
    shards = work.plan.unit_shards(work.unit)
    size = sum(shard.size for shard in shards)
    arrived = sum(part.size for part in work.parts.values()) + work.left_out_bytes
    written = sum(part.records for part in work.parts.values()) + work.left_out
    if arrived != size or written != work.records:
        raise RuntimeError(
            f"read {counted(size, 'byte')} and {counted(work.records, 'record')} of {counted(len(shards), 'shard')} "
            f"from '{shards[0].uri}' on, wrote {counted(arrived, 'byte')} and {counted(written, 'record')}: a shard "
            "changed while it was read"
        )
