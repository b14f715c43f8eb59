"""What a source's content is, family by family as far as that can be told without reading it."""

from __future__ import annotations

from components.nsynth.layout import source_fingerprint
from components.nsynth.recordings import by_family, find_recordings, is_recordings, recordings_fingerprint

EVERY_FAMILY = "*"


def source_fingerprints(source_uri: str) -> dict[str, str]:
    """Returns what identifies the source of each family: the same content, the same text.

    Args:
        source_uri: Folder of recordings, or of records.

    Returns:
        A fingerprint for each family of a folder of recordings; of records, whose families are mixed within every
        shard, one alone, for EVERY_FAMILY.

    Raises:
        InputError: There is nothing at the source, or what is there cannot be used.
    """
    if not is_recordings(source_uri):
        return {EVERY_FAMILY: source_fingerprint(source_uri)}
    found = by_family(find_recordings([source_uri], None))
    return {family: recordings_fingerprint(recordings) for family, recordings in found.items()}


def fingerprint_of(family: str, fingerprints: dict[str, str]) -> str:
    """Returns a family's entry of `source_fingerprints`; "" where the source has none of it."""
    return fingerprints.get(family) or fingerprints.get(EVERY_FAMILY, "")
