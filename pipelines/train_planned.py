"""Does one training of a run: in a cluster as a Job, on a laptop as a child process. Trained and evaluated once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from components import storage
from components.artifacts import evaluation, failure
from components.artifacts.evaluation import Evaluation
from components.artifacts.failure import Failure
from components.artifacts.run_record import RunRecord
from components.core.environment import in_cluster
from components.core.errors import InputError, StepError
from components.core.redaction import redact
from components.launch import local_process, step
from components.launch.request import Placement, TrainingRequest
from components.launch.result import summary
from components.nsynth.sorted_set import SortedSet
from components.plan.planned_training import PlannedTraining
from components.telemetry import log
from components.telemetry.task import task

_LOG = log.get(__name__)


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        record: Its run record.
        evaluation: Its evaluation.
    """

    record: RunRecord
    evaluation: Evaluation


def train_planned(
    training: PlannedTraining, placement: Placement, tracking_uri: str, pipeline_run_id: str = ""
) -> Trained | str:
    """Trains and evaluates. A failure is recorded in the training's directory and does not end the run.

    Args:
        training: What the plan says.
        placement: On what its Job runs.
        tracking_uri: The registry, asked where the plan could not decide what is new.
        pipeline_run_id: Id of the run of Kubeflow Pipelines, which its Job keeps.

    Returns:
        What was trained; where nothing was, why, in one line.

    Raises:
        SystemExit: This process was asked to end.
    """
    try:
        with task(f"train {training.name}") as running:
            failure.clear(training.training_dir)
            decided = _decided(training, tracking_uri)
            if isinstance(decided, str):
                running.found(decided)
                return decided
            trained = _trained(decided, placement, pipeline_run_id)
            page = "" if storage.exists(training.training_dir.play_uri) else "; no page to play, the log says why"
            running.found(f"{summary(trained.record)}; {trained.evaluation.text()}{page}")
            return trained
    except Exception as error:
        expected = isinstance(error, InputError | StepError)
        message = redact(" ".join((str(error) if expected else f"{type(error).__name__}: {error}").split()))
        if not expected:
            _LOG.exception("%s failed", training.name)
        failure.write(training.training_dir, Failure(message, isinstance(error, InputError)))
        return f"failed: {message}"


def _decided(training: PlannedTraining, tracking_uri: str) -> PlannedTraining | str:
    """Returns the training with what could not be decided before the data was sorted, or why there is none."""
    if training.is_conditional and training.family not in SortedSet.open(training.data_uri).present("train"):
        return f"the source has no {training.family}"
    if not training.if_new_to:
        return training
    from components.plan.selection import select  # imports MLflow, two seconds that most trainings do not need

    found = select(
        training.data_uri, [training.family], training.if_new_to, training.preset, training.bindings, tracking_uri
    )
    if not found.families:
        return "registered already"
    return replace(training, warm_start=found.warm_starts.get(training.name, ""), others_uri=found.others_uri)


def _trained(training: PlannedTraining, placement: Placement, pipeline_run_id: str) -> Trained:
    training_uri = training.training_dir.uri
    request = TrainingRequest.checked(
        data_uri=training.data_uri,
        family=training.family,
        synth=training.synth,
        out_uri=training_uri,
        preset=training.preset,
        bindings=training.bindings,
        run_id=None,  # of the whole URI: runs of two workspaces may have the same name
        warm_start=training.warm_start,
        evaluates=True,
        others_uri=training.others_uri,
    )
    if in_cluster():
        record = step.launch(request, placement, kubeflow_run=pipeline_run_id).record
    else:
        record = local_process.train(request)
    found = evaluation.read(training_uri)
    if record is None or found is None:
        raise StepError(f"'{training_uri}' has no finished training with an evaluation: was it removed?")
    return Trained(record, found)
