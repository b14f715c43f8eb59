"""Pages to play of the champions of earlier runs, beside the report of this one."""

from __future__ import annotations

from collections.abc import Mapping

from components import storage
from components.evaluate.play_view import ChampionNote, champion_page_name
from components.register.step import RegisterResult
from components.registry.aliases import champion_version
from components.registry.client import open_client
from components.registry.evaluations import play_page_of
from components.telemetry import log

_LOG = log.get(__name__)


def champion_notes(
    run_uri: str, registered: Mapping[str, RegisterResult], tracking_uri: str
) -> dict[str, ChampionNote | None]:
    """Returns what the report says of the champion of each family, and copies the pages of those of earlier runs.

    Args:
        run_uri: The directory of the run.
        registered: What was registered, by family.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.
    """
    return {family: _note(run_uri, family, result, tracking_uri) for family, result in registered.items()}


def _note(run_uri: str, family: str, result: RegisterResult, tracking_uri: str) -> ChampionNote | None:
    if result.champion is None:
        return None
    synth, version = result.champion.synth, result.champion.version
    if result.versions.get(synth) == version:
        return ChampionNote(version, synth, of_this_run=True)
    # Its directory may hold a newer model by now, or be gone: MLflow has the page of this very version.
    name = champion_page_name(family)
    try:
        client = open_client(tracking_uri)
        found = champion_version(client, family)
        content = play_page_of(client, found) if found and int(found.version) == version else b""
        if content:
            storage.write_bytes(storage.join(run_uri, name), content)
    except Exception as error:
        _LOG.warning("no page to play the champion of %s: %s", family, " ".join(str(error).split()))
        content = b""
    return ChampionNote(version, synth, of_this_run=False, page_name=name if content else "")
