"""The plan of a sort, made before anything is read: consecutive ranges of source shards, each a unit of work.

Part i of every group holds the group's records of the i-th unit. So the number of parts is known from the listing
alone, units are independent of each other, and the result does not depend on how many workers there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from components import storage
from components.core.errors import InputError, nearest
from components.core.fingerprint import fingerprint
from components.core.text import printable
from components.nsynth.dataset_info import shard_lengths
from components.nsynth.layout import find_shards
from components.nsynth.manifest import SCHEMA_VERSION, SPLITS
from components.sort.conditions import Condition, parse_conditions
from components.sort.routing import GROUPINGS
from components.storage import ObjectInfo

PART_BYTES = 64 << 20
"""The size of parts that a plan aims at, on average over the groups."""


@dataclass(frozen=True)
class Shard:
    """A source shard as it was listed.

    Attributes:
        uri: Its URI.
        name: Its name in the source directory.
        size: Bytes.
        generation: Which version of the object; see storage.ObjectInfo.
        crc32c: Its CRC32C in base64; empty on local disk, where it would have to be computed.
        records: Its number of records in dataset_info.json; None where that has none.
    """

    uri: str
    name: str
    size: int
    generation: str
    crc32c: str
    records: int | None

    def is_version(self, name: str, size: int, generation: str, crc32c: str) -> bool:
        """Tells whether an earlier listing or reading was of the same bytes: by checksum where both have one."""
        if (name, size) != (self.name, self.size):
            return False
        return crc32c == self.crc32c if crc32c and self.crc32c else generation == self.generation

    def info(self) -> ObjectInfo:
        """Returns the entry of a listing, to open the shard with."""
        return ObjectInfo(self.uri, self.name, self.size, self.generation, lambda: self.crc32c)


@dataclass(frozen=True)
class SortPlan:
    """One split's sort.

    Attributes:
        source_uri: The source directory.
        split: "train", "valid" or "test".
        by: A key of GROUPINGS.
        where: Conditions in their canonical form.
        shards: The split's shards, in order.
        ends: For each unit, the index after its last shard.
    """

    source_uri: str
    split: str
    by: str
    where: tuple[str, ...]
    shards: tuple[Shard, ...]
    ends: tuple[int, ...]

    @cached_property
    def id(self) -> str:
        """Identifies the work: sorts with different ids must not share an output.

        Where the shards are and when they were written does not count: the same bytes may be copied or uploaded again.
        """
        shards = [[shard.name, shard.size] for shard in self.shards]
        return fingerprint([SCHEMA_VERSION, self.split, self.by, self.where, shards, self.ends])

    def is_work_of(self, other: SortPlan) -> bool:
        """Tells whether another plan writes the same parts, as far as names, sizes and checksums tell."""
        pairs = zip(self.shards, other.shards, strict=False)
        return self.id == other.id and all(
            mine.crc32c == theirs.crc32c for mine, theirs in pairs if mine.crc32c and theirs.crc32c
        )

    def is_newer_source_of(self, other: SortPlan) -> bool:
        """Tells whether another plan is of the same source and options, but of shards that have changed since."""
        mine, theirs = ((plan.source_uri, plan.split, plan.by, plan.where) for plan in (self, other))
        return mine == theirs and not self.is_work_of(other)

    @property
    def units(self) -> int:
        """The number of units."""
        return len(self.ends)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions, parsed."""
        return parse_conditions(self.where)

    def unit_shards(self, unit: int) -> tuple[Shard, ...]:
        """Returns the shards of a unit."""
        return self.shards[self.ends[unit - 1] if unit else 0 : self.ends[unit]]

    def unit_bytes(self, unit: int) -> int:
        """Returns the size of a unit's shards."""
        return sum(shard.size for shard in self.unit_shards(unit))

    def part_name(self, group: str, unit: int) -> str:
        """Returns the name of a group's part below the split: "string/part-00003-of-00025.tfrecord"."""
        return f"{group}/part-{unit:05d}-of-{self.units:05d}.tfrecord"

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SortPlan:
        """Returns the plan of a JSON object."""
        shards = tuple(Shard(**shard) for shard in values["shards"])
        return cls(**{**values, "where": tuple(values["where"]), "shards": shards, "ends": tuple(values["ends"])})


def plan_sort(source_uri: str, split: str = "train", by: str = "family", where: Sequence[str] = ()) -> SortPlan:
    """Lists a split's shards and cuts them into units. InputError for a bad option, or a source not as expected."""
    if by not in GROUPINGS:
        raise InputError(f"--by is '{by}': {nearest(by, GROUPINGS)}")
    conditions = tuple(condition.text for condition in parse_conditions(where))
    found = find_shards(source_uri, split)
    _check_can_be_read_again(source_uri, split)
    counts = _record_counts(source_uri, split, len(found))
    shards = tuple(_shard(info, records) for info, records in zip(found, counts, strict=True))
    sizes = [shard.size for shard in shards]
    return SortPlan(source_uri, split, by, conditions, shards, _ends(sizes, GROUPINGS[by].usual_groups))


def _check_can_be_read_again(source_uri: str, split: str) -> None:
    """Refuses what no reader of the sorted set would find or accept; InputError."""
    if split not in SPLITS:
        raise InputError(
            f"'{source_uri}' has the split '{split}', expected {', '.join(SPLITS)}; rename its shards "
            "(nsynth-train.tfrecord-...), or choose another one with --split"
        )
    try:
        source_uri.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"cannot sort '{printable(source_uri)}': its path is not UTF-8, and the manifest has to name it; rename "
            "the directory, or give a relative path"
        ) from None


def _shard(info: ObjectInfo, records: int | None) -> Shard:
    crc32c = info.crc32c if storage.is_remote(info.uri) else ""
    return Shard(info.uri, info.name, info.size, info.generation, crc32c, records)


def _record_counts(source_uri: str, split: str, num_shards: int) -> Sequence[int | None]:
    """Returns each shard's records by TFDS's dataset_info.json: a shard that is cut off between records looks whole."""
    counts = shard_lengths(source_uri, split)
    return counts if len(counts) == num_shards else [None] * num_shards


def _ends(sizes: Sequence[int], usual_groups: int) -> tuple[int, ...]:
    """Cuts shards into consecutive ranges of about equal bytes, whose parts come near PART_BYTES on average."""
    total = sum(sizes)
    count = max(1, min(len(sizes), round(total / (PART_BYTES * usual_groups))))
    ends, end_bytes = list[int](), 0
    for index, size in enumerate(sizes):
        end_bytes += size
        # A unit ends at the shard that reaches its share, and early enough that every unit after it has a shard.
        share_reached = end_bytes * count >= total * (len(ends) + 1)
        shards_left, units_left = len(sizes) - index - 1, count - len(ends) - 1
        if len(ends) < count - 1 and (share_reached or shards_left == units_left):
            ends.append(index + 1)
    return (*ends, len(sizes))
