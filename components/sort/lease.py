"""What a sort leaves in its output while it is under way: a claim on the place, and a receipt for every unit done.

    <out>/<split>/.sorting/claim.json                     the plan, written first and by one sort alone
    <out>/<split>/.sorting/unit-00003-of-00025.json       written when all parts of the unit are there

A sort that was killed is continued by the next one with the same plan. Another plan is turned away: two sorts in one
place would mix their parts. All of this goes when the manifest is written.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from components import storage
from components.core.errors import InputError, StepError
from components.nsynth.manifest import MANIFEST_NAME, SPLITS
from components.sort.units import SortPlan

STATE_FOLDER = ".sorting"
_CLAIM_NAME = "claim.json"

Receipt = dict[str, Any]


def _claim_uri(split_uri: str) -> str:
    return storage.join(split_uri, STATE_FOLDER, _CLAIM_NAME)


def read_claim(split_uri: str) -> dict[str, Any] | None:
    """Returns the claim on a place, or None."""
    return _read_if_there(_claim_uri(split_uri))


def _read_if_there(uri: str) -> dict[str, Any] | None:
    """Returns a JSON object, or None: another sort of the same may have finished and cleared it away by now."""
    while True:
        try:
            found: dict[str, Any] = storage.read_json(uri)
            return found
        except storage.Changed:
            continue  # or have written it again, equal but newer
        except InputError:
            if storage.exists(uri):
                raise
            return None


def take_claim(plan: SortPlan, split_uri: str, overwrite: bool) -> bool:
    """Claims a place for a plan, or joins the claim that the same plan has there.

    Returns:
        Whether the claim is new, so that whoever made it should release it after a failure.

    Raises:
        InputError: Another plan has the place, and `overwrite` is not set.
    """
    claim = {"id": plan.id, "plan": plan.to_json(), "host": socket.gethostname(), "pid": os.getpid(), "time": _now()}
    while True:
        existing = storage.stat(_claim_uri(split_uri))
        found = read_claim(split_uri) if existing else None
        if found is not None and found["id"] == plan.id:
            return False
        if found is not None and not overwrite:
            raise InputError(_claimed_by_another(split_uri, found))
        if overwrite:
            storage.delete(storage.join(split_uri, MANIFEST_NAME))  # from here on, readers see an unfinished sort
        try:
            storage.write_json(_claim_uri(split_uri), claim, existing.generation if existing and found else "0")
        except storage.Conflict:
            continue  # somebody was faster: look again
        return True


def check_claim(plan: SortPlan, split_uri: str) -> None:
    """Makes sure that the place is still this plan's; takes it again where nobody has it. StepError otherwise."""
    found = read_claim(split_uri)
    if found is None:
        try:
            take_claim(plan, split_uri, overwrite=False)
        except InputError:
            found = read_claim(split_uri)
    if found is not None and found["id"] != plan.id:
        raise StepError(f"another sort has taken '{split_uri}' over while this one was at work: {_who(found)}")


def release_claim(plan: SortPlan, split_uri: str) -> None:
    """Gives a place up after a failure, so that a sort with other options may have it. Receipts stay."""
    found = read_claim(split_uri)
    if found is not None and found["id"] == plan.id:
        storage.delete(_claim_uri(split_uri))


def claimed_plans(out_uri: str) -> list[SortPlan]:
    """Returns the plans of all splits whose sort is under way."""
    claims = (read_claim(storage.join(out_uri, split)) for split in SPLITS)
    return [SortPlan.from_json(claim["plan"]) for claim in claims if claim is not None]


def _receipt_uri(plan: SortPlan, split_uri: str, unit: int) -> str:
    return storage.join(split_uri, STATE_FOLDER, f"unit-{unit:05d}-of-{plan.units:05d}.json")


def write_receipt(plan: SortPlan, split_uri: str, unit: int, receipt: Receipt) -> None:
    """Writes the receipt of a unit whose parts are all there."""
    storage.write_json(_receipt_uri(plan, split_uri, unit), {"id": plan.id, **receipt})


def read_receipts(plan: SortPlan, split_uri: str, quarantine: bool) -> dict[int, Receipt]:
    """Returns the receipts by unit that still count.

    A receipt counts if it is of this plan, of the same versions of the source shards, and all its parts are as it says;
    and, unless `quarantine` is set, if no record was set aside.
    """
    found = {info.name: info for info in storage.list_objects(split_uri)}
    receipts = {}
    for unit in range(plan.units):
        uri = _receipt_uri(plan, split_uri, unit)
        receipt = _read_if_there(uri) if storage.join(STATE_FOLDER, storage.basename(uri)) in found else None
        if receipt and _counts(receipt, plan, unit) and all(_is_there(entry, found) for entry in receipt["objects"]):
            receipts[unit] = receipt
    return {unit: receipt for unit, receipt in receipts.items() if quarantine or not receipt["quarantine"]}


def _counts(receipt: Receipt, plan: SortPlan, unit: int) -> bool:
    generations = [entry["generation"] for entry in receipt["sources"]]
    return receipt["id"] == plan.id and generations == [shard.generation for shard in plan.unit_shards(unit)]


def _is_there(entry: dict[str, Any], found: dict[str, storage.ObjectInfo]) -> bool:
    info = found.get(entry["name"])
    if info is None or info.size != entry["bytes"]:
        return False
    # Reading every local part again would cost as much as sorting; a rename after fsync does not leave half a file.
    return not storage.is_remote(info.uri) or info.crc32c == entry["crc32c"]


def clear_state(split_uri: str) -> None:
    """Removes claim and receipts, and what killed sorts left half-written, once the manifest is there."""
    storage.delete_tree(storage.join(split_uri, STATE_FOLDER))
    storage.delete_leftovers(split_uri)


def _claimed_by_another(split_uri: str, claim: dict[str, Any]) -> str:
    return (
        f"'{split_uri}' is taken by another sort: {_who(claim)}; wait for it, finish it by the same command, or "
        "give --overwrite if it will not come back"
    )


def _who(claim: dict[str, Any]) -> str:
    plan = claim["plan"]
    where = "".join(f" --where {text}" for text in plan["where"])
    what = f"by {plan['by']}{where} of {plan['source_uri']}"
    return f"{what}, begun {claim['time']} on {claim['host']} (process {claim['pid']})"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
