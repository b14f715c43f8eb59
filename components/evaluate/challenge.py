"""Plays the champion with the held-out notes that its challengers played: losses on other notes do not compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.artifacts import evaluation
from components.core.errors import InputError
from components.evaluate import note_selection
from components.evaluate.breakdown import summarise
from components.nsynth.sorted_set import SortedSet
from components.telemetry import log

_LOG = log.get(__name__)


def challenge(training_uris: Sequence[str], data_uri: str, tracking_uri: str = "") -> dict[str, Any]:
    """Plays a family's champion where the new models were evaluated with other notes than it was.

    Args:
        training_uris: Trainings of one family, evaluated.
        data_uri: The sorted set that they were evaluated with.
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.

    Returns:
        {"version": 3, "notes": "<fingerprint>", "means": {"spectral_loss": 7.2, ...}} of the champion; nothing where
        there is no champion, or its numbers on these notes are known.

    Raises:
        InputError: A training was not evaluated, or the registry cannot be used.
    """
    from components.registry import champions, connection, download
    from components.registry.tags import NOTES_TAG

    asked = [found for uri in training_uris if (found := evaluation.read(uri))]
    if not asked:
        raise InputError(f"nothing to compare with a champion: none of {', '.join(training_uris)} was evaluated")
    family, notes_asked = asked[0].family, asked[0].notes_fingerprint
    client = connection.open_client_if_there(tracking_uri)
    champion = champions.current(client, family) if client else None
    if champion is None or champion.tags.get(NOTES_TAG) == notes_asked:
        return {}
    _, notes = note_selection.held_out_notes(SortedSet.open(data_uri), family, len(asked[0].notes))
    if evaluation.notes_fingerprint(notes) != notes_asked:
        raise InputError(f"'{data_uri}' is not the sorted set that '{training_uris[0]}' was evaluated with")
    from components.evaluate.step import hear
    from components.synths.instrument import Instrument

    _LOG.info("the champion of %s, version %s, plays the %d held-out notes", family, champion.version, len(notes))
    with download.fetched(f"models:/{champion.name}/{champion.version}", tracking_uri) as uri:
        summary = summarise(hear(Instrument.load(uri), notes))
    means = {name: each.mean for name, each in summary.items()}
    return {"version": int(champion.version), "notes": notes_asked, "means": means}
