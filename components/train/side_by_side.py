"""The trainings of a process, one or several side by side: the notes and the devices they share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from components.core.errors import StepError
from components.nsynth.sorted_set import SortedSet
from components.synths import compilation_cache
from components.telemetry import log
from components.train.dataset import Dataset
from components.train.devices import assign_devices, exit_if_peer_died
from components.train.directory_sync import DirectorySync
from components.train.note_cache import NoteCache
from components.train.progress import ProgressBar, progress_bars
from components.train.start import TrainingPlan
from components.train.termination import Termination
from components.train.training import Training
from components.train.training_setup import Setup
from components.train.workers import Workers

_LOG = log.get(__name__)


def run_trainings(
    data: SortedSet,
    plans: Sequence[TrainingPlan],
    directories: Sequence[DirectorySync],
    workers: Workers | None,
    termination: Termination,
    tracking_uri: str = "",
) -> None:
    """Runs trainings to their ends, from the newest checkpoints on. The plans' records say how each ended.

    Several trainings, of one family, share the notes and run side by side, each in a thread.

    Args:
        data: The sorted set.
        plans: The trainings.
        directories: Their local directories.
        workers: The workers that train together; None if this process trains alone.
        termination: Tells whether the process was asked to end.
        tracking_uri: MLflow's tracking URI; "" to log nothing there.

    Raises:
        InputError: A configuration, the data or a checkpoint is at fault.
        StepError: A training diverged, or the disk is full. The other ones have come to their ends.
        SystemExit: The process was asked to end; checkpoints have been written.
    """
    with exit_if_peer_died(workers):
        devices = assign_devices(len(plans), workers)
    if workers:
        termination.install()
    setups = [Setup.read(plan, on) for plan, on in zip(plans, devices, strict=True)]
    family, first = plans[0].record.family, setups[0]
    title = f"train {plans[0].name if len(plans) == 1 else family}"
    with (
        NoteCache(first.settings.memory_mb, title, first.loudness_definition) as cache,
        compilation_cache.removed_if_damaged(),
        exit_if_peer_died(workers),
    ):
        dataset = Dataset.read(data, family, first.settings.valid_notes, cache)
        trainings = [
            Training(setup, dataset, directory, termination, tracking_uri)
            for setup, directory in zip(setups, directories, strict=True)
        ]
        if len(trainings) > 1:  # each would count the others' compiling as its own time
            for training in trainings:
                training.compile()
        names = [plan.record.synth for plan in plans]
        totals, done = [each.settings.max_steps for each in trainings], [each.state.step for each in trainings]
        with termination.polled(), progress_bars(title, names, totals, done) as bars:
            run_side_by_side(trainings, bars)


def run_side_by_side(trainings: Sequence[Training], bars: Sequence[ProgressBar]) -> None:
    """Runs trainings to their ends, even if one fails; then raises what went wrong."""
    if len(trainings) == 1:
        trainings[0].run(bars[0])
        return
    failures: list[StepError] = []
    exit_requested: SystemExit | None = None
    with ThreadPoolExecutor(len(trainings), "train") as pool:
        runs = {pool.submit(each.run, bar): each for each, bar in zip(trainings, bars, strict=True)}
        for run in as_completed(runs):
            try:
                run.result()
            except StepError as error:
                _LOG.error("%s: %s", runs[run].plan.name, error)
                failures.append(StepError(f"{runs[run].plan.name}: {error}"))
            except SystemExit as error:
                exit_requested = error
    if exit_requested:
        raise exit_requested
    if failures:
        raise StepError("; ".join(map(str, failures)))
