"""The end of a run: registers the models of each family, and compares all trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from components.artifacts import failure
from components.artifacts.evaluation import is_trained_and_evaluated
from components.evaluate.compare import compare
from components.evaluate.play_view import ChampionNote
from components.nsynth.source_fingerprints import fingerprint_of_family
from components.register import step
from components.register.step import RegisterResult
from components.registry.tags import SOURCE_TAG
from components.telemetry.task import task
from pipelines import registered as record
from pipelines.challenge import score_champion
from pipelines.champion_pages import champion_notes
from pipelines.run_trainings import Run


@dataclass(frozen=True)
class Registered:
    """The end of a run.

    Attributes:
        report_uri: The comparison of all trainings; "" where there are none.
        families: What was registered, by family.
    """

    report_uri: str
    families: Mapping[str, RegisterResult] = field(default_factory=dict)


def register_all(
    run: Run,
    tracking_uri: str,
    source_fingerprints: dict[str, str],
    gate_bindings: Sequence[str],
    lineage: Mapping[str, str],
) -> Registered:
    """Registers the evaluated trainings of each family, and compares all trainings in one report.

    A family whose registration fails does not stop the others.

    Args:
        run: What was trained.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
        source_fingerprints: See `components.nsynth.source_fingerprints`.
        gate_bindings: Gin bindings of the gate.
        lineage: Tags of the versions.

    Raises:
        InputError: See `components.register.step.register`, of the first family that failed.
    """
    registered: dict[str, RegisterResult] = {}
    errors: list[Exception] = []
    for family in run.families:
        trainings = [training.uri for training in run.trainings(family) if is_trained_and_evaluated(training)]
        if not trainings:
            continue
        tags = {**lineage, SOURCE_TAG: fingerprint_of_family(family, source_fingerprints)}
        try:
            with task(f"register {family}") as running:
                registered[family] = step.register(
                    trainings,
                    tracking_uri,
                    lineage=tags,
                    champion_score=score_champion(trainings, run.sorted_uri, tracking_uri),
                    gate_bindings=gate_bindings,
                )
                running.found(registered[family].text())
        except Exception as error:
            errors.append(error)
    report_uri = _compare(run, gate_bindings, champion_notes(run.run_uri, registered, tracking_uri))
    if errors:
        raise errors[0]
    if registered and run.is_complete():
        found = record.fingerprint_of(run, tracking_uri, source_fingerprints, gate_bindings)
        record.write(run, found, {family: list(each.versions.values()) for family, each in registered.items()})
    return Registered(report_uri, registered)


def _compare(run: Run, gate_bindings: Sequence[str], champions: Mapping[str, ChampionNote | None]) -> str:
    """Writes the comparison, and returns its URI; "" if nothing was trained."""
    trainings = list(_begun(run))
    if not trainings:
        return ""
    with task("compare") as running:
        result = compare(trainings, run.run_uri, gate_bindings, champions)
        running.found(result.text())
        return result.report_uri


def _begun(run: Run) -> Iterator[str]:
    """Yields the trainings of the families of which there is anything: data, a failure."""
    for family in run.families:
        trainings = run.trainings(family)
        if any(is_trained_and_evaluated(training) or failure.read(training) for training in trainings):
            yield from (training.uri for training in trainings)
