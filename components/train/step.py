"""The training step: trains synthesizers on one family of a sorted set. TensorFlow is imported if there is work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from components.artifacts.run_record import RunRecord
from components.artifacts.training_dir import TrainingDir
from components.config.bindings import check_bindings
from components.config.catalog import check_preset, check_synth
from components.core import environment
from components.core.errors import InputError
from components.nsynth.families import check_family
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log
from components.train import lease
from components.train.directory_sync import synced_directory
from components.train.reproduce import EarlierTraining
from components.train.start import StartMode, TrainingPlan, find_warm_start
from components.train.termination import Termination
from components.train.workers import workers_from_environment

_LOG = log.get(__name__)


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    Attributes:
        training_uri: Its directory.
        model_uri: The model in it.
        family: The family it was trained on.
        synth: The synthesizer.
        steps: Gradient steps done.
        first_spectral_loss: Of the validation before the first step.
        last_spectral_loss: Of the last validation.
        valid_loss: The lowest one; the model's.
        best_step: Its step.
        stopped_by: "flat", "max_steps" or "max_minutes".
        stop_reason: The same as a sentence.
        reused: It had finished before; nothing was done.
    """

    training_uri: str
    model_uri: str
    family: str
    synth: str
    steps: int
    first_spectral_loss: float
    last_spectral_loss: float
    valid_loss: float
    best_step: int
    stopped_by: str
    stop_reason: str
    reused: bool

    @classmethod
    def of(cls, record: RunRecord, training_uri: str, reused: bool) -> TrainResult:
        """Returns the result of a finished training."""
        outcome = record.outcome
        assert outcome is not None, "the training has finished"
        return cls(
            training_uri=training_uri,
            model_uri=TrainingDir(training_uri).model_uri,
            family=record.family,
            synth=record.synth,
            steps=outcome.steps,
            first_spectral_loss=outcome.first_spectral_loss,
            last_spectral_loss=outcome.last_spectral_loss,
            valid_loss=outcome.best_valid_loss,
            best_step=outcome.best_step,
            stopped_by=outcome.stopped_by,
            stop_reason=outcome.stop_reason,
            reused=reused,
        )


def train(
    data_uri: str,
    synth: str,
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    start: StartMode = "continue",
    tracking_uri: str = "",
    warm_start_uri: str = "",
) -> TrainResult:
    """Trains one synthesizer on one family, or resumes where an earlier call with the same arguments was stopped.

    Args:
        data_uri: Root of a sorted set.
        synth: A name of catalog.SYNTHS.
        out_uri: The training directory (contract 3.4); local or gs://.
        family: A family of the set; may be None if the set has only one.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings, `configurable.parameter = literal` each; untrusted.
        start: What to do about a training in `out_uri`; see start.StartMode.
        tracking_uri: MLflow's tracking URI, to show the metrics while they grow; "" for that of MLFLOW_TRACKING_URI, or
            none.
        warm_start_uri: A model, or the training around it, whose weights to start with; "" for none.

    Raises:
        InputError: A name is unknown, a binding refused, the data missing, or `out_uri` holds another training, or
            lacks what should be resumed.
        StepError: The training diverged, the disk is full, or another process trains in `out_uri`.
        SystemExit: The process was asked to end; the code is errors.EXIT_AGAIN.
    """
    check_synth(synth)
    check_preset(preset)
    check_bindings(bindings)
    data = SortedSet.open(data_uri)
    family = _family(data, family)
    warm_start = find_warm_start(warm_start_uri) if warm_start_uri else None
    record = RunRecord.begin(data, family, synth, preset, bindings, warm_start=warm_start)
    return _run(data, [_Wanted(record, None, out_uri, start)], tracking_uri)[0]


def train_several(
    data_uri: str,
    synths: Sequence[str],
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    start: StartMode = "continue",
    tracking_uri: str = "",
) -> list[TrainResult]:
    """Trains several synthesizers side by side in this process, with one copy of the notes.

    Each is equal to what `train` makes in `out_uri`/<family>-<synth>, and either one resumes what the other started.

    Args:
        data_uri: Root of a sorted set.
        synths: Names of catalog.SYNTHS, each once.
        out_uri: The parent of the training directories.
        family: As of `train`, like all that follow.
        preset: See `family`.
        bindings: See `family`.
        start: See `family`.
        tracking_uri: See `family`.

    Raises:
        InputError: As of `train`.
        StepError: Some diverged, or the disk is full; the other ones have finished. Or another process trains there.
        SystemExit: As of `train`.
    """
    for synth in synths:
        check_synth(synth)
    if len(set(synths)) < len(synths):
        raise InputError(f"got the synths {', '.join(synths)}: expected each once")
    check_preset(preset)
    check_bindings(bindings)
    data = SortedSet.open(data_uri)
    family = _family(data, family)
    records = [RunRecord.begin(data, family, synth, preset, bindings) for synth in synths]
    wanted = [_Wanted(record, None, TrainingDir.of(out_uri, family, record.synth).uri, start) for record in records]
    return _run(data, wanted, tracking_uri)


def reproduce(
    from_uri: str, out_uri: str, data_uri: str | None = None, start: StartMode = "continue", tracking_uri: str = ""
) -> TrainResult:
    """Trains with all settings of an earlier training: on the same machine, the numbers are the same.

    Args:
        from_uri: The directory of the earlier one.
        out_uri: The directory of the new one.
        data_uri: Root of its sorted set, if that has moved since.
        start: As of `train`.
        tracking_uri: As of `train`.

    Raises:
        InputError: There is no training at `from_uri`, its configuration is refused, or the data is another.
        StepError: As of `train`.
        SystemExit: As of `train`.
    """
    earlier = EarlierTraining.read(from_uri)
    data = earlier.open_data(data_uri)
    return _run(data, [_Wanted(earlier.new_record(data), earlier.config, out_uri, start)], tracking_uri)[0]


def _family(data: SortedSet, family: str | None) -> str:
    present = data.present("train")
    if family is None:
        if len(present) != 1:
            raise InputError(f"'{data.uri}' has the families {', '.join(present) or '(none)'}: name one with --family")
        return present[0]
    check_family(family)
    if family not in present:
        raise InputError(f"'{data.uri}' has no {family} in its train split; it has {', '.join(present) or 'nothing'}")
    return family


@dataclass(frozen=True)
class _Wanted:
    """The arguments of TrainingPlan.of for one training."""

    record: RunRecord
    config: str | None
    out_uri: str
    start: StartMode

    def plan(self, read_only: bool) -> TrainingPlan:
        return TrainingPlan.of(self.record, self.config, self.out_uri, self.start, read_only)


def _run(data: SortedSet, wanted: Sequence[_Wanted], tracking_uri: str) -> list[TrainResult]:
    """Runs the trainings that have not finished yet, each under the lease on its directory."""
    workers = workers_from_environment()
    read_only = workers is not None and not workers.is_chief  # the chief writes, under its own lease
    plans = [each.plan(read_only=True) for each in wanted]
    reused = [plan.record.is_finished for plan in plans]
    termination = Termination()
    with termination.caught(), ExitStack() as stack:
        for index, plan in enumerate(plans):
            if reused[index]:
                _LOG.info("%s is trained already: %s", plan.name, plan.training_dir.uri)
            elif not read_only:
                stack.enter_context(lease.held(plan.training_dir.uri))
                plans[index] = wanted[index].plan(read_only)
                reused[index] = plans[index].record.is_finished  # by the process that held the lease
        left = [plan for plan in plans if not plan.record.is_finished]
        if left:
            directories = [stack.enter_context(synced_directory(plan.training_dir.uri, read_only)) for plan in left]
            from components.train.side_by_side import run_trainings

            tracking_uri = tracking_uri or environment.get(environment.MLFLOW_TRACKING_URI)
            run_trainings(data, left, directories, workers, termination, tracking_uri)
    return [TrainResult.of(plan.record, plan.training_dir.uri, was) for plan, was in zip(plans, reused, strict=True)]
