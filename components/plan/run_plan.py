"""Plans a run: checks its parameters and decides the URIs of everything that it will write.

The URIs are content addresses: the same source, settings and versions (see core.versions) give the same URIs. A run
that is started again finds what is done, and one with other settings never mixes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from components import storage
from components.config.bindings import check_bindings, gate_of, of_gate, of_training
from components.config.catalog import SYNTHS, check_preset, check_synth
from components.core.errors import InputError
from components.core.fingerprint import fingerprint
from components.core.versions import PREPARE_VERSION, TRAINING_VERSION
from components.nsynth.families import check_family
from components.nsynth.source_fingerprints import EVERY_FAMILY, source_fingerprints


@dataclass(frozen=True)
class RunPlan:
    """What a run does, and the URIs that it writes to.

    Attributes:
        families: The families asked for; empty means every family that the source has.
        synths: The synthesizers to train for each family.
        records_uri: The records that `prepare` makes if the source is a folder of recordings.
        sorted_uri: Root of the sorted set.
        run_uri: Parent of the training directories, `<workspace>/runs/<run-id>`.
        bindings: Gin bindings of the training.
        gate_bindings: Gin bindings of the gate.
        source_fingerprints: Fingerprint of each family's source; see nsynth.source_fingerprints.
    """

    families: list[str]
    synths: list[str]
    records_uri: str
    sorted_uri: str
    run_uri: str
    bindings: list[str]
    gate_bindings: list[str]
    source_fingerprints: dict[str, str]


def plan(
    source_uri: str,
    workspace_uri: str,
    families: Sequence[str] = (),
    synths: Sequence[str] = (),
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    if_changed: bool = False,
) -> RunPlan:
    """Checks a run's parameters and decides its URIs.

    Args:
        source_uri: Folder of records in the data set's format, or of recordings.
        workspace_uri: Parent of everything that runs write.
        families: Instrument families; empty for all that the source has.
        synths: Synthesizers; empty for all.
        preset: Name of a gin preset.
        bindings: gin bindings on top of the preset, and of the gate.
        if_changed: Whether it is a retraining, which begins with registered weights.

    Raises:
        InputError: A name is unknown, a binding is not allowed, or there is nothing at the source. Names the parameter.
    """
    asked_families, asked_synths = check_parameters(source_uri, workspace_uri, families, synths, preset, bindings)
    found = _of_families(source_fingerprints(source_uri), asked_families)
    data_id = _id(found, PREPARE_VERSION)
    settings = sorted(of_training(bindings))
    run_id = _id(data_id, preset, settings, TRAINING_VERSION, *(["retraining"] if if_changed else []))
    return RunPlan(
        families=asked_families,
        synths=asked_synths,
        records_uri=storage.join(workspace_uri, "records", data_id),
        sorted_uri=storage.join(workspace_uri, "sorted", data_id),
        run_uri=storage.join(workspace_uri, "runs", f"{preset}-{run_id}"),
        bindings=of_training(bindings),
        gate_bindings=of_gate(bindings),
        source_fingerprints=found,
    )


def check_parameters(
    source_uri: str,
    workspace_uri: str,
    families: Sequence[str],
    synths: Sequence[str],
    preset: str,
    bindings: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Checks a run's parameters as far as that needs no access to its data; arguments as of `plan`.

    Returns:
        Families and synths, without repeats; all synths where none is given.

    Raises:
        InputError: Names the parameter.
    """
    if not workspace_uri.strip():
        raise InputError("parameter 'workspace' is empty: expected a directory or gs://bucket/prefix for the results")
    if not source_uri.strip():
        raise InputError("parameter 'source' is empty: expected a directory of records or recordings")
    check_no_placeholders("source", source_uri)
    check_no_placeholders("workspace", workspace_uri)
    asked_families = _checked("families", families, check_family)
    asked_synths = _checked("synths", synths or SYNTHS, check_synth)
    _checked("preset", [preset], check_preset)
    check_bindings(list(bindings))
    gate_of(of_gate(bindings))
    return asked_families, asked_synths


def check_no_placeholders(parameter: str, value: str) -> None:
    """Raises InputError for text that Kubernetes, Kubeflow or Argo would replace, or should have replaced.

    Kubernetes leaves "$(NAME)" as it is where a pod has no variable NAME. Kubeflow and its local runner replace "{{$",
    Argo "{{".
    """
    for mark in ("$(", "{{"):
        if mark in value:
            raise InputError(
                f"parameter '{parameter}' is '{value}': got the placeholder '{mark}', which stands for another value; "
                "set the variable that it names, or use a name without it"
            )


def _checked(parameter: str, names: Sequence[str], check: Callable[[str], str]) -> list[str]:
    """Returns the checked names without repeats, in the order given."""
    try:
        return list(dict.fromkeys(check(name.strip()) for name in names))
    except InputError as error:
        raise InputError(f"parameter '{parameter}': {error}") from None


def _of_families(found: dict[str, str], families: Sequence[str]) -> dict[str, str]:
    """Returns the fingerprints of the families asked for, all for none; InputError for a family without recordings."""
    if EVERY_FAMILY in found or not families:
        return found
    missing = [family for family in families if family not in found]
    if missing:
        raise InputError(f"parameter 'families': the source has no {missing[0]}, only {', '.join(found)}")
    return {family: found[family] for family in families}


def _id(*values: Any) -> str:
    return fingerprint(values, digits=8)
