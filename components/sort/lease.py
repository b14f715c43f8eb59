"""The state of a sort that is under way, in its output: a lease on the split, and a receipt for every unit done.

    <out>/<split>/.sorting/claim.json                     the lease, with the plan: made first, by one sort alone
    <out>/<split>/.sorting/unit-00003-of-00025.json       the receipt, written when all parts of the unit are there

A sort that was killed is continued by the next one of the same content with the same options, wherever that content is
and whenever it was written. If the source has changed since, the sort of the old content can never end, so the next one
takes the lease. A sort with other options is refused while the holder may be at work, because the parts of two sorts
would mix. Lease and receipts are deleted when the manifest is written.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NotRequired, TypedDict, cast

from components import storage
from components.core.errors import InputError, StepError
from components.core.fields import Fields
from components.core.process import ProcessIdentity
from components.nsynth.manifest import (
    MANIFEST_NAME,
    SPLITS,
    BadEntry,
    PartEntry,
    SourceEntry,
    bad_entry,
    part_entry,
    source_entry,
)
from components.sort.units import SortPlan
from components.telemetry import log

_LOG = log.get(__name__)

STATE_DIR = ".sorting"
_LEASE_NAME = "claim.json"
_RELEASE_LIMIT_S = 5.0  # without an answer
_ATTEMPTS = 20  # each is lost only to another process that wrote in the same moment


class Lease(TypedDict):
    """The content of claim.json: the plan that holds the split, and the process that acquired it.

    Attributes:
        id: Of the plan.
        plan: The plan.
        host: Of the process.
        pid: Its process id.
        process: What tells whether it still runs; see core.process. Missing in leases of older releases.
        time: When it acquired the lease, by its own clock: for a person.
    """

    id: str
    plan: dict[str, Any]
    host: str
    pid: int
    process: NotRequired[dict[str, Any]]
    time: str


class UnitResult(TypedDict):
    """What became of a unit: the shards that were read, the parts that were written, and counts of records."""

    sources: list[SourceEntry]
    objects: list[PartEntry]
    quarantine: list[BadEntry]
    records: int
    left_out: int


class Receipt(UnitResult):
    """A unit's result, with the id of its plan and the generations of its parts (missing in older receipts)."""

    id: str
    generations: NotRequired[dict[str, str]]


def acquire(plan: SortPlan, split_uri: str, overwrite: bool) -> bool:
    """Acquires the lease on a split for a plan, or joins the sort that holds it with the same plan.

    Args:
        plan: The plan.
        split_uri: The split's directory in the output.
        overwrite: Whether to take the lease from another plan, and to delete the manifest.

    Returns:
        Whether the lease is new, so that whoever acquired it should release it after a failure.

    Raises:
        InputError: Another plan holds the lease, and `overwrite` is not set.
        StepError: Other sorts acquired and released it all the time.
    """
    process = ProcessIdentity.of_this()
    lease: Lease = {
        "id": plan.id,
        "plan": plan.to_json(),
        "host": process.host,
        "pid": process.pid,
        "process": asdict(process),
        "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    for _ in range(_ATTEMPTS):
        existing = storage.stat(_lease_uri(split_uri))
        found = _read_lease(split_uri) if existing else None
        if found is not None and _plan_of(found) == plan:
            return False
        if found is not None and not overwrite:
            _check_may_replace(plan, found, split_uri)
        if overwrite:
            storage.delete(storage.join(split_uri, MANIFEST_NAME))  # from here on, readers see an unfinished sort
        try:
            storage.write_json(_lease_uri(split_uri), lease, existing.generation if existing and found else "0")
        except storage.Conflict:
            continue  # another sort was faster
        return True
    raise StepError(f"cannot sort to '{split_uri}': other sorts keep replacing '{_lease_uri(split_uri)}'; sort again")


def _check_may_replace(plan: SortPlan, found: Lease, split_uri: str) -> None:
    """Checks that a plan may take the lease of another one; InputError where that may still be at work.

    A holder that is at work after all notices it before it writes its manifest, and its parts differ from the receipts.
    """
    held = _plan_of(found)
    if plan.is_work_of(held):
        return
    if plan.is_newer_source_of(held):
        _LOG.warning(
            "'%s' has changed since its sort of %s, which did not end: sorting anew", plan.source_uri, found["time"]
        )
    elif "process" in found and ProcessIdentity.parse(found["process"]).has_ended():
        _LOG.warning("'%s': a sort was killed here, %s: sorting anew", split_uri, _described(found))
    else:
        raise InputError(
            f"cannot sort to '{split_uri}': another sort holds it: {_described(found)}; wait for it, finish it by "
            "the same command, or replace it with `luthier sort --overwrite` if it has ended for good"
        )


def verify(plan: SortPlan, split_uri: str) -> None:
    """Makes sure that a plan still holds its lease; acquires it again where nobody does. StepError otherwise."""
    found = _read_lease(split_uri)
    if found is None:
        try:
            acquire(plan, split_uri, overwrite=False)
        except InputError:
            found = _read_lease(split_uri)
    if found is not None and not plan.is_work_of(_plan_of(found)):
        raise StepError(f"another sort has taken '{split_uri}' over while this one was at work: {_described(found)}")


def release(plan: SortPlan, split_uri: str) -> None:
    """Releases a plan's lease after a failure, so that a sort with other options can acquire it. Receipts stay."""
    # The failure that led here is the one to be seen, and may be that the storage does not answer.
    with suppress(InputError, StepError), storage.patience(_RELEASE_LIMIT_S):
        found = _read_lease(split_uri)
        if found is not None and plan.is_work_of(_plan_of(found)):
            storage.delete(_lease_uri(split_uri))


def active_plans(out_uri: str) -> list[SortPlan]:
    """Returns the plans of all splits whose sort is under way."""
    leases = (_read_lease(storage.join(out_uri, split)) for split in SPLITS)
    return [_plan_of(lease) for lease in leases if lease is not None]


def write_receipt(plan: SortPlan, split_uri: str, unit: int, result: UnitResult) -> None:
    """Writes the receipt of a unit whose parts are all there."""
    receipt: Receipt = {**result, "id": plan.id, "generations": {}}
    if not storage.is_remote(split_uri):  # a remote listing has the parts' checksums
        found = {part["name"]: storage.stat(storage.join(split_uri, part["name"])) for part in result["objects"]}
        receipt["generations"] = {name: info.generation for name, info in found.items() if info}
    storage.write_json(_receipt_uri(plan, split_uri, unit), receipt)


def read_receipts(plan: SortPlan, split_uri: str, quarantine: bool) -> dict[int, Receipt]:
    """Returns the valid receipts by unit.

    A receipt is valid if it is of this plan, of the same versions of the source shards, and all its parts are as it
    says; and, unless `quarantine` is set, if it has no bad record.
    """
    found = {info.name: info for info in storage.list_objects(split_uri)}
    receipts = {}
    for unit in range(plan.units):
        uri = _receipt_uri(plan, split_uri, unit)
        if storage.join(STATE_DIR, storage.basename(uri)) in found:
            receipt = _read_receipt(uri)
            if receipt is not None and _is_of(plan, unit, receipt) and _are_whole(receipt, found):
                receipts[unit] = receipt
    return {unit: receipt for unit, receipt in receipts.items() if quarantine or not receipt["quarantine"]}


def delete_state(split_uri: str) -> None:
    """Deletes lease, receipts, and what killed sorts left half-written, once the manifest is there; or says why not."""
    state_uri = storage.join(split_uri, STATE_DIR)
    try:
        storage.delete_tree(state_uri)
        storage.delete_leftovers(split_uri)
    except (InputError, StepError) as error:  # as in a bucket with a retention policy; readers need the manifest alone
        _LOG.warning("'%s' is sorted; its lease and receipts in '%s' remain: %s", split_uri, state_uri, error)


def _lease_uri(split_uri: str) -> str:
    return storage.join(split_uri, STATE_DIR, _LEASE_NAME)


def _read_lease(split_uri: str) -> Lease | None:
    uri = _lease_uri(split_uri)
    try:
        lease = cast(Lease | None, _read_if_exists(uri))
    except storage.NotJson as error:
        raise InputError(f"'{uri}' is not the lease of a sort ({error}); delete it, and sort again") from None
    if lease is not None:
        try:
            _described(lease), _plan_of(lease).id
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            reason = type(error).__name__
            raise InputError(f"'{uri}' is not the lease of a sort ({reason}); delete it, and sort again") from None
    return lease


def _receipt_uri(plan: SortPlan, split_uri: str, unit: int) -> str:
    return storage.join(split_uri, STATE_DIR, f"unit-{unit:05d}-of-{plan.units:05d}.json")


def _read_receipt(uri: str) -> Receipt | None:
    """Returns a receipt; None for a file that is none, whose unit is copied again."""
    try:
        values = _read_if_exists(uri)
    except storage.NotJson:
        return None
    try:
        return _parse_receipt(Fields(values, uri, "the receipt of a unit"))
    except InputError:
        return None


def _parse_receipt(fields: Fields) -> Receipt:
    receipt: Receipt = {
        "id": fields.name("id"),
        "sources": fields.each("sources", source_entry),
        "objects": fields.each("objects", part_entry),
        "quarantine": fields.each("quarantine", bad_entry),
        "records": fields.whole("records", low=0),
        "left_out": fields.whole("left_out", 0, low=0),
    }
    if "generations" in fields.values:
        receipt["generations"] = fields.text_map("generations")
    return receipt


def _read_if_exists(uri: str) -> Any:
    """Returns a JSON object; None where another sort of the same plan has finished and deleted it."""
    for _ in range(_ATTEMPTS):
        try:
            found = storage.read_json(uri)
        except storage.Changed:
            continue  # another process wrote it again
        except InputError:
            if storage.exists(uri):
                raise
            return None
        return {} if found is None else found  # null is no JSON object, and not what a missing file is
    raise StepError(f"cannot read '{uri}': other sorts keep replacing it; sort again")


def _plan_of(lease: Lease) -> SortPlan:
    return SortPlan.from_json(lease["plan"])


def _is_of(plan: SortPlan, unit: int, receipt: Receipt) -> bool:
    shards, entries = plan.unit_shards(unit), receipt["sources"]
    return (receipt["id"], len(entries)) == (plan.id, len(shards)) and all(
        shard.is_version(entry["name"], entry["size"], entry["generation"], entry["crc32c"])
        for shard, entry in zip(shards, entries, strict=True)
    )


def _are_whole(receipt: Receipt, found: dict[str, storage.ObjectInfo]) -> bool:
    """Tells whether the parts are those that the receipt is about, and not of another sort that wrote them later."""
    generations = receipt.get("generations", {})
    for part in receipt["objects"]:
        info = found.get(part["name"])
        if info is None or info.size != part["bytes"]:
            return False
        # Reading every local part again would cost as much as sorting.
        if generations.get(part["name"]) != info.generation and info.crc32c != part["crc32c"]:
            return False
    return True


def _described(lease: Lease) -> str:
    plan = lease["plan"]
    conditions = "".join(f" --where {text}" for text in plan["where"])
    sorts = f"by {plan['by']}{conditions} of {plan['source_uri']}"
    return f"{sorts}, started {lease['time']} on {lease['host']} (process {lease['pid']})"
