"""Is anything new? Compares the key of a training (data, settings, training version) with what is registered.

Asked twice with the same key: before a run, when a family's data is known by its source fingerprint alone, and in the
run, when the sorted set gives the fingerprint of the family's records. Every registered version counts, champion or
not: a challenger that has lost would lose again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.config.bindings import check_bindings, of_training
from components.config.catalog import SYNTHS
from components.core.versions import TRAINING_VERSION
from components.nsynth.source_fingerprints import EVERY_FAMILY, fingerprint_of_family, source_fingerprints
from components.registry.tags import Provenance, settings_fingerprint

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class TrainingKey:
    """What the numbers of a family's trainings depend on.

    Attributes:
        family: The family.
        settings_fingerprint: Of preset and bindings.
        source_fingerprint: Of the family's source; "" where the data fingerprint is known.
        data_fingerprint: Of the family's records in the sorted set; "" before anything is sorted.
        training_version: See core.versions.
    """

    family: str
    settings_fingerprint: str
    source_fingerprint: str = ""
    data_fingerprint: str = ""
    training_version: int = TRAINING_VERSION

    def has_data_of(self, version: Provenance) -> bool:
        """Tells whether a registered version was trained on the same data."""
        if self.data_fingerprint:
            return version.data_fingerprint == self.data_fingerprint
        return version.source_fingerprint == self.source_fingerprint


@dataclass(frozen=True)
class Changes:
    """What a run would train.

    Attributes:
        families: The families to train; empty for all of the source, where none of it is registered yet.
        needed: Whether there is anything to train.
        text: The same in one line for a person.
    """

    families: list[str]
    needed: bool
    text: str


def find_changes(
    source_uri: str,
    families: Sequence[str],
    synths: Sequence[str],
    preset: str,
    bindings: Sequence[str],
    tracking_uri: str = "",
) -> Changes:
    """Decides before a run what is new to the registry. Reads no audio and sorts nothing.

    Args:
        source_uri: Folder of records or of recordings.
        families: The families asked for; empty for all of the source.
        synths: The synthesizers asked for; empty for all.
        preset: The preset.
        bindings: Gin bindings of the training and of the gate; those of the gate train nothing.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.

    Raises:
        InputError: A binding is refused, there is nothing at the source, or the registry cannot be used.
    """
    check_bindings(bindings)
    sources = source_fingerprints(source_uri)
    settings = settings_fingerprint(preset, of_training(bindings))
    registered = _registered(tracking_uri)
    wanted = list(families) or _families_of(sources, registered)
    if not wanted:  # records, of which nothing is registered: which families they have is known when they are sorted
        return Changes([], True, "to train: nothing of this source is registered yet")
    reasons: dict[str, str] = {}
    for family in wanted:
        key = TrainingKey(family, settings, source_fingerprint=fingerprint_of_family(family, sources))
        if reason := reason_to_train(registered, key, synths or SYNTHS):
            reasons[family] = reason
    if not reasons:
        return Changes([], False, f"nothing new: {', '.join(wanted)} of {source_uri} are registered")
    text = "; ".join(f"{family}: {reason}" for family, reason in reasons.items())
    return Changes(list(reasons), True, f"to train: {text}")


def reason_to_train(registered: Sequence[Provenance], key: TrainingKey, synths: Sequence[str]) -> str:
    """Returns what is new about a family's trainings, in words; "" where all of them are registered.

    Args:
        registered: The registered versions, of any family.
        key: Of the trainings asked for.
        synths: The synthesizers asked for.
    """
    same = [version for version in registered if version.family == key.family]
    if not same:
        return "never trained"
    if not (same := [version for version in same if key.has_data_of(version)]):
        return "new data"
    if not (same := [version for version in same if version.settings_fingerprint == key.settings_fingerprint]):
        return "other settings"
    if not (same := [version for version in same if version.training_version == key.training_version]):
        return f"training version {key.training_version} of the code"
    missing = [synth for synth in synths if synth not in {version.synth for version in same}]
    return f"no {', '.join(missing)} yet" if missing else ""


def registered_versions(client: MlflowClient) -> list[Provenance]:
    """Returns what every registered version of every family was trained from."""
    from components.registry.aliases import ALL_FAMILIES

    return [Provenance.of(version.tags) for version in client.search_model_versions(ALL_FAMILIES, max_results=10_000)]


def _registered(tracking_uri: str) -> list[Provenance]:
    from components.registry.client import open_client_if_exists

    client = open_client_if_exists(tracking_uri)
    return registered_versions(client) if client else []


def _families_of(sources: Mapping[str, str], registered: Sequence[Provenance]) -> list[str]:
    """Returns the families of a source: of records, those that were registered from it before."""
    if EVERY_FAMILY not in sources:
        return list(sources)
    source = sources[EVERY_FAMILY]
    return sorted({version.family for version in registered if version.family and version.source_fingerprint == source})
