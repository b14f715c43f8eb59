"""Trains one synthesizer on one family of a sorted set."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from components import storage
from components.errors import InputError, StepError
from components.nsynth.families import check_family
from components.nsynth.sorted_set import SortedSet
from components.synths.bindings import check_bindings
from components.synths.catalog import check_preset, check_synth
from components.telemetry import log
from components.train import run_record
from components.train.mirror import mirrored
from components.train.rebuild import Origin
from components.train.result import TrainResult
from components.train.start import Start, earlier
from components.train.termination import Termination

_LOG = log.get(__name__)


def train(
    data_uri: str,
    synth: str,
    out_uri: str,
    family: str | None = None,
    preset: str = "smoke",
    bindings: Sequence[str] = (),
    run_facts: dict[str, Any] | None = None,
    start: Start = "continue",
) -> TrainResult:
    """Trains one synthesizer on one family, or goes on where an earlier call with the same arguments was stopped.

    Args:
        data_uri: Root of a sorted set.
        synth: A name of catalog.SYNTHS.
        out_uri: The training directory (contract 3.4); local or gs://.
        family: A family of the set; may be None where the set has one alone.
        preset: A name of catalog.PRESETS.
        bindings: Gin bindings, `configurable.parameter = literal` each; untrusted.
        run_facts: Further entries of run.json.
        start: What to make of what is in `out_uri` already; see start.Start.

    Raises:
        InputError: A name is unknown, a binding refused, the data missing, or `out_uri` holds another training, or
            lacks what was to be resumed.
        StepError: The training diverged, or there is no room on the disk.
        SystemExit: The process was asked to end; the code is termination.EXIT_AGAIN.
    """
    check_synth(synth)
    check_preset(preset)
    check_bindings(bindings)
    data = SortedSet.open(data_uri)
    family = _family(data, family)
    record = run_record.describe(data, family, synth, preset, bindings, run_facts)
    return _train(data, record, None, out_uri, start)


def train_again(from_uri: str, out_uri: str, data_uri: str | None = None, start: Start = "continue") -> TrainResult:
    """Trains as an earlier training did, with all its settings: on the same machine, the same numbers come out.

    Args:
        from_uri: The directory of the earlier one.
        out_uri: The directory of the new one.
        data_uri: Where its sorted set is, if not where it was then.
        start: As of `train`.

    Raises:
        InputError: There is no training at `from_uri`, its configuration is refused, or the data is another.
        StepError: As of `train`.
        SystemExit: As of `train`.
    """
    origin = Origin.read(from_uri)
    data = origin.data(data_uri)
    return _train(data, origin.again(data), origin.config, out_uri, start)


def _family(data: SortedSet, family: str | None) -> str:
    present = [name for name, records in data.families("train").items() if records]
    if family is None:
        if len(present) != 1:
            raise InputError(f"'{data.uri}' has the families {', '.join(present) or '(none)'}: say which with --family")
        return present[0]
    check_family(family)
    if family not in present:
        raise InputError(f"'{data.uri}' has no {family} in its train split; it has {', '.join(present) or 'nothing'}")
    return family


def _train(data: SortedSet, record: dict[str, Any], config: str | None, out_uri: str, start: Start) -> TrainResult:
    before = earlier(record, out_uri, start)
    if before and before["status"] == "finished":
        _LOG.info("%s-%s is trained already: %s", record["family"], record["synth"], out_uri)
        return TrainResult.of(before, out_uri, reused=True)
    if before:
        record["started"] = before["started"]
    record_uri = storage.join(out_uri, run_record.RECORD_NAME)
    termination = Termination()
    with termination.caught(), mirrored(out_uri) as mirror:
        from components.train.work import work

        try:
            record |= work(data, record, config, out_uri, mirror, termination)
        except StepError as error:
            with suppress(InputError, StepError):  # where there is no room for it either, the error says what happened
                storage.write_json(record_uri, {**record, "status": "failed", "failure": str(error)})
            raise
        # Last: it says that the rest is there.
        storage.write_json(record_uri, record)
    return TrainResult.of(record, out_uri, reused=False)
