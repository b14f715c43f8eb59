"""The work of a process that trains: its trainings, from data to models. TensorFlow is imported from here on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from components.core.errors import StepError
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log
from components.train.dataset import load
from components.train.devices import devices, peers_may_die
from components.train.directory_sync import Mirror
from components.train.note_cache import Stage
from components.train.plan import Plan
from components.train.progress_bars import Bar, bars
from components.train.termination import Termination
from components.train.training import Training
from components.train.workers import Cluster

_LOG = log.get(__name__)


def work(
    data: SortedSet,
    plans: Sequence[Plan],
    mirrors: Sequence[Mirror],
    cluster: Cluster | None,
    termination: Termination,
    tracking_uri: str = "",
) -> None:
    """Trains to the end, from the newest checkpoints on where there are any. The plans' records tell what came of it.

    Several trainings, of one family, share the data and run side by side, each in a thread.

    Args:
        data: The sorted set.
        plans: The trainings.
        mirrors: Their local directories.
        cluster: The workers that train together.
        termination: Says when to save and leave.
        tracking_uri: Of the MLflow that the curves are shown in; "" for none.

    Raises:
        InputError: A configuration, the data or a checkpoint is at fault.
        StepError: A training diverged, or there is no room on the disk. The other ones have come to their end.
        SystemExit: The process was asked to end; checkpoints have been written.
    """
    with peers_may_die(cluster):
        computing = devices(len(plans), cluster)
    if cluster:
        termination.catch()
    trainings = [
        Training(plan, on, mirror, termination) for plan, on, mirror in zip(plans, computing, mirrors, strict=True)
    ]
    family, settings = plans[0].record.family, trainings[0].settings
    title = f"train {plans[0].name if len(plans) == 1 else family}"
    with Stage(settings.memory_mb, title, trainings[0].loudness_definition) as stage, peers_may_die(cluster):
        material = load(data, family, settings.valid_notes, stage)
        for training in trainings:
            training.build(material, tracking_uri)
        for training in trainings:
            training.begin()
        names = [plan.record.synth for plan in plans]
        totals, done = [each.settings.max_steps for each in trainings], [each.state.step for each in trainings]
        with termination.polled(), bars(title, names, totals, done) as shown:
            _side_by_side(trainings, shown)


def _side_by_side(trainings: Sequence[Training], shown: Sequence[Bar]) -> None:
    """Runs trainings to their ends, whatever becomes of the others; then raises what went wrong."""
    if len(trainings) == 1:
        trainings[0].end(lambda: trainings[0].run(shown[0]))
        return
    failures: list[StepError] = []
    leaving: SystemExit | None = None
    with ThreadPoolExecutor(len(trainings), "train") as pool:
        runs = {pool.submit(each.run, bar): each for each, bar in zip(trainings, shown, strict=True)}
        for run in as_completed(runs):
            try:
                runs[run].end(run.result)
            except StepError as error:
                _LOG.error("%s: %s", runs[run].plan.name, error)
                failures.append(StepError(f"{runs[run].plan.name}: {error}"))
            except SystemExit as asked:
                leaving = asked
    if leaving:
        raise leaving
    if failures:
        raise StepError("; ".join(map(str, failures)))
