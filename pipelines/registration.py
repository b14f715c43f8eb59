"""The end of a run: registers the models of each family, compares all trainings, and says which failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from components.artifacts import failure
from components.artifacts.evaluation import is_trained_and_evaluated
from components.artifacts.training_dir import TrainingDir
from components.core.errors import InputError, StepError
from components.evaluate.compare import compare
from components.nsynth.source_fingerprints import fingerprint_of_family
from components.register import step
from components.register.step import RegisterResult
from components.registry.tags import SOURCE_TAG
from components.telemetry.task import task
from pipelines.challenge import score_champion


@dataclass(frozen=True)
class Run:
    """What a run has trained.

    Attributes:
        run_uri: Its directory.
        families: The families.
        synths: The synths of each.
        sorted_uri: Root of the sorted set.
    """

    run_uri: str
    families: Sequence[str]
    synths: Sequence[str]
    sorted_uri: str

    def trainings(self, family: str) -> list[TrainingDir]:
        """Returns the training directories of a family, of which any may be missing."""
        return [TrainingDir.of(self.run_uri, family, synth) for synth in self.synths]

    def failed(self) -> dict[str, failure.Failure]:
        """Returns why trainings failed, by name."""
        every = [training for family in self.families for training in self.trainings(family)]
        return {
            each.name: found for each in every if not is_trained_and_evaluated(each) and (found := failure.read(each))
        }


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
    report_uri = _compare(run)
    if errors:
        raise errors[0]
    return Registered(report_uri, registered)


def raise_failures(run: Run) -> None:
    """Raises an error that says which trainings failed and why, the first one in full.

    Raises:
        InputError: The input is at fault in all of them.
        StepError: Otherwise.
    """
    failed = run.failed()
    if not failed:
        raise StepError(f"trainings of '{run.run_uri}' failed, and their directories no longer say why")
    name, first = next(iter(failed.items()))
    others = [each for each in failed if each != name]
    more = f" (failed as well: {', '.join(others)})" if others else ""
    is_input = all(each.input_fault for each in failed.values())
    raise (InputError if is_input else StepError)(f"{name}: {first.message}{more}")


def _compare(run: Run) -> str:
    """Writes the comparison, and returns its URI; "" if nothing was trained."""
    trainings = list(_begun(run))
    if not trainings:
        return ""
    with task("compare") as running:
        result = compare(trainings, run.run_uri)
        running.found(result.text())
        return result.report_uri


def _begun(run: Run) -> Iterator[str]:
    """Yields the trainings of the families of which there is anything: data, a failure."""
    for family in run.families:
        trainings = run.trainings(family)
        if any(is_trained_and_evaluated(training) or failure.read(training) for training in trainings):
            yield from (training.uri for training in trainings)
