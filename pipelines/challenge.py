"""Scores the champion on the held-out notes of its challengers: losses on different notes cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from components.artifacts import evaluation
from components.core.errors import InputError
from components.core.text import counted
from components.register.promotion import Score
from components.registry.aliases import champion_version
from components.registry.client import open_client_if_exists
from components.registry.download import downloaded
from components.registry.evaluations import evaluation_of
from components.registry.tags import NOTES_TAG
from components.telemetry import log

_LOG = log.get(__name__)


def score_champion(training_uris: Sequence[str], data_uri: str, tracking_uri: str = "") -> Score | None:
    """Scores a family's champion where the new models were evaluated on other notes than it was.

    Args:
        training_uris: Evaluated trainings of one family.
        data_uri: The sorted set that they were evaluated with.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.

    Returns:
        The champion's score on these notes; None where there is no champion, or where the registry has its numbers of
        the same notes, by this version of the evaluation.

    Raises:
        InputError: A training was not evaluated, or the registry cannot be used.
    """
    found = next((each for uri in training_uris if (each := evaluation.read(uri))), None)
    if found is None:
        raise InputError(f"nothing to compare with a champion: none of {', '.join(training_uris)} was evaluated")
    client = open_client_if_exists(tracking_uri)
    champion = champion_version(client, found.family) if client else None
    if client is None or champion is None:
        return None
    if champion.tags.get(NOTES_TAG) == found.notes_fingerprint and evaluation_of(client, champion):
        return None
    # TensorFlow takes seconds to import: only where something is to be scored.
    from components.evaluate.step import score

    notes = counted(len(found.notes), "note")
    _LOG.info("scoring the champion of %s, version %s, on %s", found.family, champion.version, notes)
    with ExitStack() as stack:
        try:
            model_uri = stack.enter_context(downloaded(f"models:/{champion.name}/{champion.version}", tracking_uri))
        except InputError as error:  # its files are gone, or others have registered it: no reason to register nothing
            _LOG.warning(
                "cannot score the champion of %s, version %s: %s; it stays champion until `luthier rollback --to`",
                found.family,
                champion.version,
                error,
            )
            return None
        numbers = score(model_uri, data_uri, found)
    return Score(int(champion.version), found.notes_fingerprint, numbers)
