"""registered.json of a run: what its last complete registration was of, so that a run with nothing new ends early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components import storage
from components.config.bindings import gate_of
from components.core import git
from components.core.errors import InputError
from components.core.fields import Fields
from components.core.fingerprint import content_fingerprint, fingerprint
from components.registry.aliases import versions_of
from components.registry.client import open_client_if_exists, resolve_uri
from pipelines.run_trainings import Run

FILE_NAME = "registered.json"
SCHEMA_VERSION = 1


def fingerprint_of(
    run: Run, tracking_uri: str, source_fingerprints: Mapping[str, str], gate_bindings: Sequence[str]
) -> str:
    """Returns the fingerprint of all that a registration depends on: registry, evaluations, gate, source, code.

    Args:
        run: The run, of which every training is evaluated.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        source_fingerprints: See `components.nsynth.source_fingerprints`.
        gate_bindings: Gin bindings of the gate.
    """
    trainings = [training for family in run.families for training in run.trainings(family)]
    evaluations = {each.name: content_fingerprint([storage.read_bytes(each.evaluation_uri)]) for each in trainings}
    gate, sources = repr(gate_of(gate_bindings)), dict(source_fingerprints)
    return fingerprint([resolve_uri(tracking_uri), evaluations, gate, sources, git.short_commit()])


def write(run: Run, registration: str, versions: Mapping[str, Sequence[int]]) -> None:
    """Records a complete registration.

    Args:
        run: The run.
        registration: See `fingerprint_of`.
        versions: The registered versions of each family.
    """
    values = {family: sorted(numbers) for family, numbers in versions.items()}
    storage.write_json(_uri(run), {"schema_version": SCHEMA_VERSION, "registration": registration, "versions": values})


def is_registered(
    run: Run, tracking_uri: str, source_fingerprints: Mapping[str, str], gate_bindings: Sequence[str]
) -> bool:
    """Returns whether a registration of the run would find everything as it left it, versions in MLflow included.

    A file that is damaged counts as none: the next registration writes it again.

    Raises:
        InputError: The registry cannot be used.
    """
    versions = _read(run, fingerprint_of(run, tracking_uri, source_fingerprints, gate_bindings))
    client = open_client_if_exists(tracking_uri) if versions else None
    if versions is None or client is None or set(versions) != set(run.families):
        return False
    return all(
        numbers <= {int(version.version) for version in versions_of(client, family)}
        for family, numbers in versions.items()
    )


def _read(run: Run, registration: str) -> dict[str, set[int]] | None:
    """Returns the versions of each family; None where the last registration was another one."""
    uri = _uri(run)
    if not storage.exists(uri):
        return None
    try:
        fields = Fields(storage.read_json(uri), uri, "the record of a registration")
        found = fields.values.get("versions")
        if fields.name("registration") != registration or not isinstance(found, dict):
            return None
        return {str(family): {int(number) for number in numbers} for family, numbers in found.items()}
    except (InputError, TypeError, ValueError):
        return None


def _uri(run: Run) -> str:
    return storage.join(run.run_uri, FILE_NAME)
