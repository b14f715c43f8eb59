"""Who becomes champion: a version that passes the gate and beats the champion on the same held-out notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.config.gate import LOSS, Gate
from components.registry.alias_lock import moving
from components.registry.champions import (
    CHALLENGER,
    Champion,
    as_champion,
    current,
    make_champion,
    model_name,
)
from components.registry.tags import LOSS_TAG, NOTES_TAG, STANDING_TAG

ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Heard:
    """A version and how it sounded.

    Attributes:
        version: Its number.
        notes: Fingerprint of the held-out notes it played.
        means: Means over these notes, by name.
    """

    version: int
    notes: str
    means: Mapping[str, float] = field(default_factory=dict)


def crown(
    client: MlflowClient, family: str, heard: Sequence[Heard], champion_heard: Heard | None, gate: Gate
) -> Champion | None:
    """Judges new versions of a family: each gets its standing as a tag, at most one the alias.

    Args:
        client: MLflow.
        family: The family.
        heard: The new versions, all with the same notes.
        champion_heard: The champion with the same notes, where it was played again because it had played others.
        gate: What to judge by.

    Returns:
        The champion afterwards; None where no version was ever good enough.
    """
    name = model_name(family)
    with moving(client, name):
        champion = current(client, family)
        known = {each.version: each for each in heard}
        if champion_heard:
            known.setdefault(champion_heard.version, champion_heard)
        faults = {each.version: _fault(client, name, each, gate) for each in heard}
        able = sorted((each for each in heard if not faults[each.version]), key=lambda each: each.means[LOSS])
        why = _why_not(able[0], champion, known, gate) if able else ""
        if able and not why:
            make_champion(client, family, client.get_model_version(name, str(able[0].version)))
        champion = current(client, family)
        for each in heard:
            if champion is None or each.version != int(champion.version):
                better = why if able and each is able[0] else _behind(able[0], each) if able else ""
                client.set_model_version_tag(name, str(each.version), STANDING_TAG, faults[each.version] or better)
        _point_at_challenger(client, name, able, champion)
        return as_champion(champion) if champion else None


def standing(client: MlflowClient, name: str, version: int) -> str:
    """Returns what became of a version."""
    found: str = client.get_model_version(name, str(version)).tags.get(STANDING_TAG, "")
    return found


def _fault(client: MlflowClient, name: str, heard: Heard, gate: Gate) -> str:
    """Returns why a version may not be champion; "" where it may."""
    before = standing(client, name, heard.version)
    if before.startswith(ROLLED_BACK):
        return before
    fault = gate.fault(heard.means)
    return f"failed the gate: {fault}" if fault else ""


def _why_not(best: Heard, champion: ModelVersion | None, known: Mapping[int, Heard], gate: Gate) -> str:
    """Returns why the best of the new does not replace the champion; "" where it does."""
    if champion is None or int(champion.version) == best.version:
        return ""
    loss = _loss_of(champion, best.notes, known)
    if loss is None:
        return f"challenger: the champion, version {champion.version}, was not heard with the same notes"
    if gate.beats(best.means[LOSS], loss):
        return ""
    return (
        f"challenger: spectral loss {best.means[LOSS]:.3f} against {loss:.3f} of version {champion.version} on the "
        f"same notes; it would have to be {gate.margin:.1%} lower"
    )


def _loss_of(champion: ModelVersion, notes: str, known: Mapping[int, Heard]) -> float | None:
    """Returns the champion's loss on some notes; None where nobody knows."""
    again = known.get(int(champion.version))
    if again and again.notes == notes:
        return again.means.get(LOSS)
    if champion.tags.get(NOTES_TAG) == notes and LOSS_TAG in champion.tags:
        return float(champion.tags[LOSS_TAG])
    return None


def _behind(best: Heard, heard: Heard) -> str:
    return f"behind version {best.version}: spectral loss {heard.means[LOSS]:.3f} against {best.means[LOSS]:.3f}"


def _point_at_challenger(client: MlflowClient, name: str, able: Sequence[Heard], champion: ModelVersion | None) -> None:
    """Puts the alias `challenger` on the best of the new versions that did not make it, and on no champion."""
    if able and champion is not None and int(champion.version) != able[0].version:
        client.set_registered_model_alias(name, CHALLENGER, str(able[0].version))
        return
    with suppress(MlflowException):
        client.delete_registered_model_alias(name, CHALLENGER)
