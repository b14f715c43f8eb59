"""Promotion: which of a family's new versions becomes champion.

A version must pass the gate, and beat the champion on the same held-out notes by the gate's margin, by a score of
several measures (artifacts.comparison). Where the notes cannot tell the two apart, the champion stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.artifacts.comparison import Choice, Difference, choose, compare
from components.artifacts.scores import NoteNumbers
from components.config.gate import Gate
from components.registry import aliases
from components.registry.alias_lock import alias_lock
from components.registry.aliases import CHALLENGER, Champion, champion_version, model_name
from components.registry.evaluations import evaluation_of
from components.registry.tags import NOTES_TAG, STATUS_TAG, promotion_status

ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class Score:
    """The score of a version on held-out notes.

    Attributes:
        version: Its number.
        notes: Fingerprint of the held-out notes.
        numbers: Its numbers of each of these notes, in their order; empty where it was not evaluated.
        values: What the gate judges; see artifacts.scores.gate_values.
    """

    version: int
    notes: str
    numbers: Sequence[NoteNumbers] = ()
    values: Mapping[str, float] = field(default_factory=dict)


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
        passed = [each for each in scores if not failures[each.version]]
        choice = _choose(passed, champion) if passed else None
        best = passed[choice.best] if choice else None
        obstacle = _obstacle(client, best, champion, known, gate) if best else ""
        if best and not obstacle:
            aliases.promote(client, family, client.get_model_version(name, str(best.version)))
        champion = champion_version(client, family)
        behind = {passed[index].version: each for index, each in choice.differences.items()} if choice else {}
        for each in scores:
            if champion is None or each.version != int(champion.version):
                lost = _behind(best, behind[each.version]) if best and each.version in behind else obstacle
                client.set_model_version_tag(name, str(each.version), STATUS_TAG, failures[each.version] or lost)
        _set_challenger(client, name, best, champion)
        return Champion.of(champion) if champion else None


def status_of(client: MlflowClient, name: str, version: int) -> str:
    """Returns the promotion status of a version."""
    return promotion_status(client.get_model_version(name, str(version)).tags)


def _gate_failure(client: MlflowClient, name: str, score: Score, gate: Gate) -> str:
    """Returns why a version may not be champion; "" where it may."""
    before = status_of(client, name, score.version)
    if before.startswith(ROLLED_BACK):
        return before
    failure = gate.failure(score.values)
    return f"failed the gate: {failure}" if failure else ""


def _choose(passed: Sequence[Score], champion: ModelVersion | None) -> Choice:
    """Chooses the best of the new versions; the champion, where it is one of them and no other is better."""
    kept = next((i for i, each in enumerate(passed) if champion and each.version == int(champion.version)), None)
    return choose([each.numbers for each in passed], kept)


def _obstacle(
    client: MlflowClient, best: Score, champion: ModelVersion | None, known: Mapping[int, Score], gate: Gate
) -> str:
    """Returns why the best of the new versions does not replace the champion; "" where it does."""
    if champion is None or int(champion.version) == best.version:
        return ""
    numbers = _numbers_on(client, champion, best.notes, known)
    if not numbers:
        return f"challenger: the champion, version {champion.version}, has no score on the same notes"
    difference = compare(best.numbers, numbers)
    if difference.separable and difference.ratio < 1.0 - gate.margin:
        return ""
    needed = f"promotion needs {gate.margin:.1%}, and notes that tell the two apart"
    return f"challenger: {difference.text()}, compared with version {champion.version}; {needed}"


def _numbers_on(
    client: MlflowClient, champion: ModelVersion, notes: str, known: Mapping[int, Score]
) -> Sequence[NoteNumbers]:
    """Returns the champion's numbers of some notes; none where it has no score on them."""
    again = known.get(int(champion.version))
    if again and again.notes == notes:
        return again.numbers
    if champion.tags.get(NOTES_TAG) != notes:
        return ()
    found = evaluation_of(client, champion)
    return found.notes if found and found.notes_fingerprint == notes else ()


def _behind(best: Score, difference: Difference) -> str:
    close = "" if difference.separable else "too close to call, "
    return f"behind version {best.version}: {close}{difference.text()}"


def _set_challenger(client: MlflowClient, name: str, best: Score | None, champion: ModelVersion | None) -> None:
    """Moves the alias `challenger` to the best new version that was not promoted; removes it where there is none."""
    if best and champion is not None and int(champion.version) != best.version:
        client.set_registered_model_alias(name, CHALLENGER, str(best.version))
        return
    with suppress(MlflowException):
        client.delete_registered_model_alias(name, CHALLENGER)
