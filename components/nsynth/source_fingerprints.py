"""Fingerprints of a source's content, by family where that is known without reading the records."""

from __future__ import annotations

from components.nsynth.layout import source_fingerprint
from components.nsynth.recordings import by_family, find_recordings, is_recordings, recordings_fingerprint

EVERY_FAMILY = "*"


def source_fingerprints(source_uri: str) -> dict[str, str]:
    """Returns the fingerprint of each family's source, which is equal for equal content.

    Args:
        source_uri: Directory of recordings, or of records.

    Returns:
        For a directory of recordings, one for each family; for records, whose families are mixed within every shard,
        one for EVERY_FAMILY.

    Raises:
        InputError: There is no source, or Luthier cannot use it.
    """
    if not is_recordings(source_uri):
        return {EVERY_FAMILY: source_fingerprint(source_uri)}
    found = by_family(find_recordings([source_uri], None).recordings)
    return {family: recordings_fingerprint(recordings) for family, recordings in found.items()}


def fingerprint_of_family(family: str, found: dict[str, str]) -> str:
    """Returns a family's entry of `source_fingerprints`; "" if the source does not have the family."""
    return found.get(family) or found.get(EVERY_FAMILY, "")
