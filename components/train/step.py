"""Trains synthesizers on one family of a sorted set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

from components.artifacts.run_record import RunRecord, RunRecordWriter
from components.artifacts.training_dir import TrainingDir, training_name
from components.config.bindings import check_bindings
from components.config.catalog import check_preset, check_synth
from components.core import environment
from components.core.errors import InputError
from components.nsynth.families import check_family
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log
from components.train.directory_sync import mirrored
from components.train.plan import Plan
from components.train.reproduce import Origin
from components.train.result import TrainResult
from components.train.start import Start, earlier
from components.train.termination import Termination
from components.train.warm_start import warm_start
from components.train.workers import cluster

_LOG = log.get(__name__)


def train(
    data_uri: str,
    synth: str,
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    start: Start = "continue",
    tracking_uri: str = "",
    warm_start_uri: str = "",
) -> TrainResult:
    """Trains one synthesizer on one family, or goes on where an earlier call with the same arguments was stopped.

    Args:
        data_uri: Root of a sorted set.
        synth: A name of catalog.SYNTHS.
        out_uri: The training directory (contract 3.4); local or gs://.
        family: A family of the set; may be None where the set has one alone.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings, `configurable.parameter = literal` each; untrusted.
        start: What to make of what is in `out_uri` already; see start.Start.
        tracking_uri: Of an MLflow that shows the curves meanwhile; "" for what MLFLOW_TRACKING_URI names, if anything.
        warm_start_uri: A model, or the training around it, whose weights it begins with; "" for none.

    Raises:
        InputError: A name is unknown, a binding refused, the data missing, or `out_uri` holds another training, or
            lacks what was to be resumed.
        StepError: The training diverged, or there is no room on the disk.
        SystemExit: The process was asked to end; the code is errors.EXIT_AGAIN.
    """
    check_synth(synth)
    check_preset(preset)
    check_bindings(bindings)
    data = SortedSet.open(data_uri)
    family = _family(data, family)
    warm = warm_start(warm_start_uri) if warm_start_uri else None
    record = RunRecord.begin(data, family, synth, preset, bindings, warm_start=warm)
    return _train(data, [_Asked(record, None, out_uri)], start, tracking_uri)[0]


def train_several(
    data_uri: str,
    synths: Sequence[str],
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    start: Start = "continue",
    tracking_uri: str = "",
) -> list[TrainResult]:
    """Trains several synthesizers side by side in this process, with one copy of the data.

    Each is what `train` makes in `out_uri`/<family>-<synth>, and either goes on with what the other has begun.

    Args:
        data_uri: Root of a sorted set.
        synths: Names of catalog.SYNTHS, each once.
        out_uri: The folder of the training directories.
        family: As of `train`, like all that follow.
        preset: See `family`.
        bindings: See `family`.
        start: See `family`.
        tracking_uri: See `family`.

    Raises:
        InputError: As of `train`.
        StepError: Some diverged, or there is no room on the disk; the other ones are finished.
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
    asked = [_Asked(each, None, TrainingDir.of(out_uri, family, each.synth).uri) for each in records]
    return _train(data, asked, start, tracking_uri)


def train_again(
    from_uri: str, out_uri: str, data_uri: str | None = None, start: Start = "continue", tracking_uri: str = ""
) -> TrainResult:
    """Trains as an earlier training did, with all its settings: on the same machine, the same numbers come out.

    Args:
        from_uri: The directory of the earlier one.
        out_uri: The directory of the new one.
        data_uri: Where its sorted set is, if not where it was then.
        start: As of `train`.
        tracking_uri: As of `train`.

    Raises:
        InputError: There is no training at `from_uri`, its configuration is refused, or the data is another.
        StepError: As of `train`.
        SystemExit: As of `train`.
    """
    origin = Origin.read(from_uri)
    data = origin.data(data_uri)
    return _train(data, [_Asked(origin.again(data), origin.config, out_uri)], start, tracking_uri)[0]


def _family(data: SortedSet, family: str | None) -> str:
    present = data.present("train")
    if family is None:
        if len(present) != 1:
            raise InputError(f"'{data.uri}' has the families {', '.join(present) or '(none)'}: say which with --family")
        return present[0]
    check_family(family)
    if family not in present:
        raise InputError(f"'{data.uri}' has no {family} in its train split; it has {', '.join(present) or 'nothing'}")
    return family


class _Asked(NamedTuple):
    """A training that is asked for: its record as of now, its configuration if it is given whole, its directory."""

    record: RunRecord
    config: str | None
    out_uri: str


def _continued(record: RunRecord, found: RunRecord) -> RunRecord:
    """Returns the record of a training that continues: with what it began with, whatever the registry has since."""
    if found.warm_start != record.warm_start:
        model = found.warm_start.uri if found.warm_start else "none"
        name = training_name(record.family, record.synth)
        _LOG.warning("%s continues as it began, with the weights of %s", name, model)
    return replace(
        record,
        warm_start=found.warm_start,
        started=found.started or record.started,
        mlflow_run_id=found.mlflow_run_id,
        config_fingerprint=record.config_fingerprint if found.config_fingerprint is None else found.config_fingerprint,
    )


def _train(data: SortedSet, asked: Sequence[_Asked], start: Start, tracking_uri: str) -> list[TrainResult]:
    """Trains what is not trained already."""
    workers = cluster()
    reads_only = workers is not None and not workers.is_chief
    results: dict[str, TrainResult] = {}
    left = []
    for record, config, out_uri in asked:
        found = earlier(record, out_uri, start, reads_only)
        name = training_name(record.family, record.synth)
        if found and found.is_finished:
            _LOG.info("%s is trained already: %s", name, out_uri)
            results[name] = TrainResult.of(found, out_uri, reused=True)
            continue
        training_dir = TrainingDir(out_uri)
        wanted = _continued(record, found) if found else record
        writer = RunRecordWriter(training_dir.record_uri, wanted, read_only=reads_only)
        left.append(Plan(writer, config, training_dir))
    if left:
        termination = Termination()
        with termination.caught(), ExitStack() as stack:
            mirrors = [stack.enter_context(mirrored(plan.training_dir.uri, reads_only)) for plan in left]
            from components.train.work import work

            mlflow_uri = tracking_uri or environment.get(environment.MLFLOW_TRACKING_URI)
            work(data, left, mirrors, workers, termination, mlflow_uri)
        results |= {plan.name: TrainResult.of(plan.record, plan.training_dir.uri, reused=False) for plan in left}
    return [results[training_name(record.family, record.synth)] for record, _, _ in asked]
