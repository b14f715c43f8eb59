"""Whether a retraining has anything to do: the source, the settings and the code against what is registered.

Known is what any version was trained from, champion or not: a challenger that lost would lose again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.config.bindings import check_bindings, of_training
from components.config.catalog import SYNTHS
from components.core.versions import TRAINING_VERSION
from components.nsynth.source_fingerprints import EVERY_FAMILY, origin_of, origins
from components.registry.tags import CONFIG_TAG, ORIGIN_TAG, VERSION_TAG, config_fingerprint


@dataclass(frozen=True)
class Decision:
    """What a retraining would be for.

    Attributes:
        needed: Whether there is anything to do.
        text: One line for a person.
        arguments: The pipeline's, for the families concerned alone.
    """

    needed: bool
    text: str
    arguments: dict[str, Any]


def decision(arguments: Mapping[str, Any]) -> Decision:
    """Decides for the arguments of a run; those left out have the pipeline's defaults.

    Raises:
        InputError: A binding is refused, there is nothing at the source, or the registry cannot be used.
    """
    given = {**_defaults(), **arguments}
    check_bindings(given["bindings"])
    found = origins(given["source"])
    config = config_fingerprint(given["preset"], of_training(given["bindings"]))
    registered = _registered(given["tracking_uri"])
    families = given["families"] or _families_of(found, registered)
    wanted = {CONFIG_TAG: config, VERSION_TAG: str(TRAINING_VERSION)}
    reasons = {
        family: reason
        for family in families
        if (reason := _reason(registered, family, given["synths"] or SYNTHS, origin_of(family, found), wanted))
    }
    unknown = not families  # records whose families nobody has seen yet
    needed = bool(reasons) or unknown
    asked = {**arguments, "if_changed": True}
    if reasons:
        asked["families"] = list(reasons)
    if not needed:
        return Decision(False, f"nothing new: {', '.join(families)} of {given['source']} are registered", asked)
    why = "; ".join(f"{family}: {reason}" for family, reason in reasons.items()) or "nothing is registered yet"
    return Decision(True, f"to train: {why}", asked)


def _defaults() -> dict[str, Any]:
    from pipelines.train_instruments import train_instruments

    inputs = train_instruments.component_spec.inputs or {}
    return {name: spec.default for name, spec in inputs.items()}


def _registered(tracking_uri: str) -> list[dict[str, str]]:
    """Returns the tags of all versions."""
    from components.registry.connection import open_client_if_there

    client = open_client_if_there(tracking_uri)
    found = client.search_model_versions("name LIKE 'ddsp-%'", max_results=10_000) if client else []
    return [version.tags for version in found]


def _families_of(found: Mapping[str, str], registered: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns the families of a source: of records, those that were registered from it before."""
    if EVERY_FAMILY not in found:
        return list(found)
    seen = {tags["family"] for tags in registered if tags.get(ORIGIN_TAG) == found[EVERY_FAMILY] and "family" in tags}
    return sorted(seen)


def _reason(
    registered: Sequence[Mapping[str, str]], family: str, synths: Sequence[str], origin: str, wanted: Mapping[str, str]
) -> str:
    """Returns what is new of a family, in words; "" where nothing is."""
    of_family = [tags for tags in registered if tags.get("family") == family]
    if not of_family:
        return "never trained"
    of_origin = [tags for tags in of_family if tags.get(ORIGIN_TAG) == origin]
    if not of_origin:
        return "new data"
    for name, what in ((CONFIG_TAG, "other settings"), (VERSION_TAG, "another training version")):
        of_origin = [tags for tags in of_origin if tags.get(name) == wanted[name]]
        if not of_origin:
            return what
    missing = [synth for synth in synths if synth not in {tags.get("synth") for tags in of_origin}]
    return f"no {', '.join(missing)} yet" if missing else ""
