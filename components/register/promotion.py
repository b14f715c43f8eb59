"""Promotion: which of a family's new versions becomes champion.

A version must pass the gate, and beat the champion on the same held-out notes by the gate's margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.config.gate import LOSS, Gate
from components.registry import aliases
from components.registry.alias_lock import alias_lock
from components.registry.aliases import CHALLENGER, Champion, champion_version, model_name
from components.registry.tags import LOSS_TAG, NOTES_TAG, STATUS_TAG, promotion_status

ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Score:
    """The score of a version on held-out notes.

    Attributes:
        version: Its number.
        notes: Fingerprint of the held-out notes.
        means: Means over these notes, by name; empty where it was not evaluated.
    """

    version: int
    notes: str
    means: Mapping[str, float] = field(default_factory=dict)


def promote_best(
    client: MlflowClient, family: str, scores: Sequence[Score], champion_score: Score | None, gate: Gate
) -> Champion | None:
    """Promotes the best of a family's new versions if it is good enough, and tags each with its promotion status.

    Args:
        client: MLflow.
        family: The family.
        scores: Of the new versions, all on the same notes.
        champion_score: Of the champion on these notes, if it was scored again because its own evaluation used others.
        gate: The criteria.

    Returns:
        The champion afterwards; None where no version was ever good enough.
    """
    name = model_name(family)
    with alias_lock(client, name):
        champion = champion_version(client, family)
        known = {each.version: each for each in scores}
        if champion_score:
            known.setdefault(champion_score.version, champion_score)
        failures = {each.version: _gate_failure(client, name, each, gate) for each in scores}
        passed = sorted((each for each in scores if not failures[each.version]), key=lambda each: each.means[LOSS])
        obstacle = _obstacle(passed[0], champion, known, gate) if passed else ""
        if passed and not obstacle:
            aliases.promote(client, family, client.get_model_version(name, str(passed[0].version)))
        champion = champion_version(client, family)
        for each in scores:
            if champion is None or each.version != int(champion.version):
                lost = obstacle if passed and each is passed[0] else _behind(passed[0], each) if passed else ""
                client.set_model_version_tag(name, str(each.version), STATUS_TAG, failures[each.version] or lost)
        _set_challenger(client, name, passed, champion)
        return Champion.of(champion) if champion else None


def status_of(client: MlflowClient, name: str, version: int) -> str:
    """Returns the promotion status of a version."""
    return promotion_status(client.get_model_version(name, str(version)).tags)


def _gate_failure(client: MlflowClient, name: str, score: Score, gate: Gate) -> str:
    """Returns why a version may not be champion; "" where it may."""
    before = status_of(client, name, score.version)
    if before.startswith(ROLLED_BACK):
        return before
    failure = gate.failure(score.means)
    return f"failed the gate: {failure}" if failure else ""


def _obstacle(best: Score, champion: ModelVersion | None, known: Mapping[int, Score], gate: Gate) -> str:
    """Returns why the best of the new versions does not replace the champion; "" where it does."""
    if champion is None or int(champion.version) == best.version:
        return ""
    loss = _loss_on(champion, best.notes, known)
    if loss is None:
        return f"challenger: the champion, version {champion.version}, has no score on the same notes"
    if gate.beats(best.means[LOSS], loss):
        return ""
    return (
        f"challenger: spectral loss {best.means[LOSS]:.3f} against {loss:.3f} of version {champion.version} on the "
        f"same notes; promotion needs a loss at least {gate.margin:.1%} lower"
    )


def _loss_on(champion: ModelVersion, notes: str, known: Mapping[int, Score]) -> float | None:
    """Returns the champion's loss on some notes; None where it has no score on them."""
    again = known.get(int(champion.version))
    if again and again.notes == notes:
        return again.means.get(LOSS)
    if champion.tags.get(NOTES_TAG) == notes and LOSS_TAG in champion.tags:
        return float(champion.tags[LOSS_TAG])
    return None


def _behind(best: Score, score: Score) -> str:
    return f"behind version {best.version}: spectral loss {score.means[LOSS]:.3f} against {best.means[LOSS]:.3f}"


def _set_challenger(client: MlflowClient, name: str, passed: Sequence[Score], champion: ModelVersion | None) -> None:
    """Moves the alias `challenger` to the best new version that was not promoted; removes it where there is none."""
    if passed and champion is not None and int(champion.version) != passed[0].version:
        client.set_registered_model_alias(name, CHALLENGER, str(passed[0].version))
        return
    with suppress(MlflowException):
        client.delete_registered_model_alias(name, CHALLENGER)
