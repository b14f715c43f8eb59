"""The reading side of a sorted set: <root>/<split>/<family>/part-<i>-of-<n>.tfrecord and <root>/<split>/manifest.json.

The manifest is written last, and readers trust it alone: a sort that stopped half-way is never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components import storage
from components.core.errors import InputError, nearest
from components.core.fingerprint import fingerprint
from components.core.text import counted
from components.nsynth import checksum
from components.nsynth.framing import read_records
from components.nsynth.manifest import MANIFEST_NAME, SPLITS, Manifest, read_manifest
from components.nsynth.note import Note
from components.nsynth.note_checks import check_note
from components.nsynth.wire import BadExample
from components.storage import crc32c_number


@dataclass(frozen=True)
class SortedSet:
    """A sorted set whose sort has finished for at least one split.

    Attributes:
        uri: Its root.
        manifests: The manifest of each sorted split, in the order of SPLITS.
    """

    uri: str
    manifests: dict[str, Manifest]

    @classmethod
    def open(cls, uri: str) -> SortedSet:
        """Opens the sorted set at a root; InputError if there is none."""
        read = {split: read_manifest(storage.join(uri, split)) for split in SPLITS}
        manifests = {split: manifest for split, manifest in read.items() if manifest is not None}
        if not manifests:
            raise InputError(
                f"'{uri}' is not a sorted set, or its sort did not finish: it has no <split>/{MANIFEST_NAME}; "
                f"try `luthier sort --source ... --out {uri}`"
            )
        return cls(uri, manifests)

    def splits(self) -> list[str]:
        """Returns the sorted splits."""
        return list(self.manifests)

    def families(self, split: str) -> dict[str, int]:
        """Returns the number of records of every family, in the order of FAMILIES, those without records included."""
        manifest = self._manifest(split)
        if manifest["by"] != "family":
            raise InputError(
                f"'{self.uri}' is sorted by {manifest['by']}, expected by family; sort into another directory"
            )
        return manifest["totals"]

    def present(self, split: str) -> list[str]:
        """Returns the families that have records in a split."""
        return [family for family, records in self.families(split).items() if records]

    def fingerprint(self, split: str) -> str:
        """Returns the fingerprint of a split: equal for equal records that were sorted in the same way."""
        return self._manifest(split)["fingerprint"]

    def family_fingerprint(self, family: str, splits: Sequence[str] = ("train", "valid")) -> str:
        """Returns the fingerprint of a family's records, which does not depend on other families in the set.

        Args:
            family: Which family.
            splits: Of these splits; a missing one counts as empty.
        """
        contents = [self._content(split, family) if split in self.manifests else None for split in splits]
        return fingerprint([family, contents])

    def _content(self, split: str, family: str) -> tuple[int, int, int]:
        """Returns records, bytes and CRC32C of a family's parts as if they were one, so the cuts do not matter."""
        records, size, crc32c = 0, 0, 0
        for entry in self._manifest(split)["objects"]:
            if entry["group"] == family:
                records, size = records + entry["records"], size + entry["bytes"]
                crc32c = checksum.combine(crc32c, crc32c_number(entry["crc32c"]), entry["bytes"])
        return records, size, crc32c

    def records(self, split: str, family: str) -> Iterator[bytes]:
        """Yields a family's serialised records in their stable order, CRCs and counts checked against the manifest."""
        totals = self.families(split)
        if family not in totals:
            raise InputError(f"there is no instrument family '{family}': {nearest(family, totals)}")
        if not totals[family]:
            present = ", ".join(name for name, records in totals.items() if records)
            raise InputError(
                f"'{self.uri}' has no {family} in its {split} split; it has {present or 'no records at all'}"
            )
        return self._read(split, family)

    def notes(self, split: str, family: str) -> Iterator[Note]:
        """Yields a family's notes. Errors as in `records`; InputError for a note that cannot be used as well."""
        return (self._note(split, family, payload) for payload in self.records(split, family))

    def _note(self, split: str, family: str, payload: bytes) -> Note:
        uri = storage.join(self.uri, split)
        try:
            note = Note.decode(payload)
        except BadExample as error:
            raise InputError(f"a {family} record in '{uri}' is not a note: {error}") from error
        check_note(note, uri)
        return note

    def _read(self, split: str, family: str) -> Iterator[bytes]:
        for entry in self._manifest(split)["objects"]:
            if entry["group"] != family:
                continue
            uri, count = storage.join(self.uri, split, entry["name"]), 0
            with storage.open_read(uri) as stream:
                for record in read_records(stream, uri):
                    count += 1
                    yield record.payload
            if count != entry["records"]:
                raise InputError(
                    f"'{uri}' has {counted(count, 'record')}, its manifest says {entry['records']:,}; sort again"
                )

    def _manifest(self, split: str) -> Manifest:
        if split not in self.manifests:
            raise InputError(f"'{self.uri}' has no {split} split, only {', '.join(self.manifests)}")
        return self.manifests[split]
