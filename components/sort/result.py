"""The result of a sort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from components.core.errors import InputError
from components.core.text import counted
from components.nsynth.layout import fingerprint_of
from components.nsynth.manifest import Manifest
from components.sort.routing import QUARANTINE


@dataclass(frozen=True)
class SortResult:
    """What is in one sorted split.

    Attributes:
        totals: Records of every group, 0 for a family without records.
        bytes_by_group: Bytes of every group's parts, the quarantine's included.
        quarantined: Bad records.
        left_out: Records that `--where` left out.
        fingerprint: Identifies source content, split and grouping.
        reused: Whether an earlier sort's result was found, and nothing was done.
    """

    totals: dict[str, int]
    bytes_by_group: dict[str, int]
    quarantined: int
    left_out: int
    fingerprint: str
    reused: bool

    @classmethod
    def of(cls, manifest: Manifest, reused: bool) -> SortResult:
        """Returns the result that a manifest describes."""
        sizes = Counter[str]()
        for entry in manifest["objects"]:
            sizes[entry["group"]] += entry["bytes"]
        left_out = manifest.get("left_out", 0)
        return cls(manifest["totals"], dict(sizes), manifest["quarantined"], left_out, manifest["fingerprint"], reused)

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(self.bytes_by_group.values())

    @property
    def quarantined_bytes(self) -> int:
        """Bytes of the quarantine's parts."""
        return self.bytes_by_group.get(QUARANTINE, 0)

    @property
    def records(self) -> int:
        """Records of the groups, and bad records."""
        return sum(self.totals.values()) + self.quarantined


@dataclass(frozen=True)
class SortedSplits:
    """The result of every split."""

    splits: dict[str, SortResult]

    @property
    def fingerprint(self) -> str:
        """Identifies the content of all splits."""
        return fingerprint_of([], *(result.fingerprint for result in self.splits.values()))

    def families(self, asked: Sequence[str] = ()) -> list[str]:
        """Returns the families to train: those asked for, else all with records in the train split.

        Raises:
            InputError: A family that was asked for has no record there, or there is no such split.
        """
        if "train" not in self.splits:
            raise InputError(
                f"the source has no train split to train on, only {', '.join(self.splits)}; try another source"
            )
        present = [group for group, records in self.splits["train"].totals.items() if records]
        for family in asked:
            if family not in present:
                raise InputError(f"there is no {family} in the source's train split, only {', '.join(present)}")
        return list(asked) or present

    def check_not_empty(self, where: Sequence[str]) -> None:
        """Raises InputError if `--where` has left out every record of every split."""
        left_out = sum(result.left_out for result in self.splits.values())
        if left_out and not any(result.records for result in self.splits.values()):
            conditions = " ".join(f"--where {text}" for text in where)
            raise InputError(
                f"{conditions} leaves out every record, all {left_out:,} of {', '.join(self.splits)}: expected "
                "conditions that some records meet; try a wider range"
            )

    def summary(self) -> str:
        """Returns one line, for instance "154 records (132 train, 11 valid, 11 test)"."""
        parts = ", ".join(f"{result.records} {split}" for split, result in self.splits.items())
        total = sum(result.records for result in self.splits.values())
        reused = ", sorted before" if all(result.reused for result in self.splits.values()) else ""
        return f"{counted(total, 'record')} ({parts}{reused})"
